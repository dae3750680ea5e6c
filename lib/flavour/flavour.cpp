#include "flavour/flavour.hpp"

#include "flavour/command.hpp"

namespace flavour {

const Flavour* flavour(std::string_view name) {
  for (const Flavour* known : flavours())
    if (known->name == name) return known;
  return nullptr;
}

Kin kin_of(std::string_view args, const Flavour*& known) {
  for (const Flavour* one : flavours()) {
    if (!one->recognise || !one->recognise(args)) continue;
    known = one;
    return one->kin ? one->kin(args) : Kin::either;
  }
  known = nullptr;
  return Kin::none;
}

std::vector<OptionRead> options_of(const Flavour& flavour, std::string_view args) {
  std::vector<OptionRead> read;
  for (std::string_view word = next_word(args); !word.empty() && read.size() < 256; word = next_word(args)) {
    const std::string_view text = word.substr(0, word.find('='));
    for (const Option& option : flavour.options) {
      if (option.text != text) continue;
      const std::string_view value = text.size() < word.size() ? word.substr(text.size() + 1) : next_word(args);
      std::erase_if(read, [&](const OptionRead& earlier) { return earlier.setting == option.setting; });
      if (!value.empty()) read.push_back({option.setting, value, option.unit});
      break;
    }
  }
  return read;
}

}  // namespace flavour
