#include "model/stack.hpp"

#include <charconv>

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

std::optional<std::string> text_setting(const Server& server, std::string_view name) {
  const auto found = server.settings.find(std::string(name));
  if (found == server.settings.end() || found->second.from == From::unknown || found->second.values.size() != 1) return std::nullopt;
  return found->second.values.front().value;
}

std::optional<double> number_setting(const Server& server, std::string_view name) {
  const auto text = text_setting(server, name);
  if (!text || text->empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return value;
}

}  // namespace model
