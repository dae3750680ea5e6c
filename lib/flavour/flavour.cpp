#include "flavour/flavour.hpp"

namespace flavour {

const Flavour* flavour(std::string_view name) {
  for (const Flavour* known : flavours())
    if (known->name == name) return known;
  return nullptr;
}

}  // namespace flavour
