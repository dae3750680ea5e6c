#include "flavour/flavour.hpp"

#include <algorithm>

#include "flavour/command.hpp"
#include "flavour/gunicorn_settings.hpp"

namespace flavour {

const Flavour* flavour(std::string_view name) {
  for (const Flavour* known : flavours())
    if (known->name == name) return known;
  return nullptr;
}

bool knows(std::string_view name, std::string_view setting) {
  if (name == "gunicorn") return gunicorn_knows(setting);   // its hooks, too
  const Flavour* const known = flavour(name);
  return known && std::any_of(known->defaults.begin(), known->defaults.end(), [&](const Default& row) { return row.name == setting; });
}

std::string_view shown(std::string_view name) {
  const Flavour* const known = flavour(name);
  return known && !known->program.empty() ? known->program : name;
}

bool like_gunicorn(std::string_view name) {
  const Flavour* const known = flavour(name);
  return known && known->like_gunicorn;
}

namespace {

std::string_view bare(std::string_view name) {
  while (name.starts_with('-')) name.remove_prefix(1);
  return name;
}

bool alike(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char one, char other) { return one == other || (one == '_' && other == '-') || (one == '-' && other == '_'); });
}

}  // namespace

const Option* option_named(const Flavour& flavour, std::string_view name) {
  for (const Option& one : flavour.options)
    if (bare(one.text).size() > 1 && alike(bare(one.text), bare(name))) return &one;
  return nullptr;
}

std::vector<std::string> values_of(std::string_view args, std::span<const std::string_view> options) {
  std::vector<std::string> values;
  for (std::string_view word = next_word(args); !word.empty() && values.size() < 64; word = next_word(args))
    for (const std::string_view option : options) {
      if (word == option) values.emplace_back(next_word(args));
      else if (option.starts_with("--") && word.starts_with(option) && word.size() > option.size() && word[option.size()] == '=') values.emplace_back(word.substr(option.size() + 1));
      else continue;
      break;
    }
  std::erase(values, "");
  return values;
}

Kind kind_of(const Flavour& flavour, std::string_view worker_class) {
  for (const Kind& one : flavour.kinds)
    if (one.worker_class.empty() || one.worker_class == worker_class) return one;
  return {"", flavour.timeout, flavour.signals, flavour.on_master_death};
}

OnWorkerDeath on_worker_death(const Flavour& flavour, std::string_view family) { return flavour.on_worker_death ? flavour.on_worker_death(family) : OnWorkerDeath::replaced; }

const Meaning* meaning_of(std::span<const Meaning> signals, std::string_view signal) {
  for (const Meaning& one : signals)
    if (one.signal == signal) return &one;
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
      if (option.text != text || !text.starts_with('-')) continue;
      const std::string_view value = text.size() < word.size() ? word.substr(text.size() + 1) : next_word(args);
      std::erase_if(read, [&](const OptionRead& earlier) { return earlier.setting == option.setting; });
      if (!value.empty()) read.push_back({option.setting, value, option.unit});
      break;
    }
  }
  return read;
}

}  // namespace flavour
