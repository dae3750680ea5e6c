#include "model/stack.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

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

namespace {

std::optional<std::string> text_of(const std::map<std::string, Setting>& settings, std::string_view name) {
  const auto found = settings.find(std::string(name));
  if (found == settings.end() || found->second.from == From::unknown || found->second.values.size() != 1) return std::nullopt;
  return found->second.values.front().value;
}

std::optional<double> number_of(const std::optional<std::string>& text) {
  if (!text || text->empty()) return std::nullopt;
  if (*text == "infinity") return HUGE_VAL;
  double value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return value;
}

}  // namespace

bool same_log(const Server& a, const Server& b) {
  return std::any_of(a.voices.begin(), a.voices.end(), [&](const Voice& one) { return std::any_of(b.voices.begin(), b.voices.end(), [&](const Voice& other) { return one_voice(one, other); }); });
}

std::optional<std::string> text_setting(const Server& server, std::string_view name) { return text_of(server.settings, name); }
std::optional<double> number_setting(const Server& server, std::string_view name) { return number_of(text_setting(server, name)); }
std::optional<std::string> text_setting(const Unit& unit, std::string_view name) { return text_of(unit.settings, name); }
std::optional<double> number_setting(const Unit& unit, std::string_view name) { return number_of(text_setting(unit, name)); }

}  // namespace model
