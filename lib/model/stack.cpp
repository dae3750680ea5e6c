#include "model/stack.hpp"

namespace model {

std::string_view role_text(Role role) {
  switch (role) {
    case Role::worker: return "worker";
    case Role::master: return "master";
    case Role::child: return "child";
    case Role::proxy: return "proxy";
    case Role::other: return "process";
  }
  return "process";
}

}  // namespace model
