#include "rule/patience.hpp"

#include <set>

#include "base/text.hpp"
#include "flavour/nginx_time.hpp"

namespace rule {

using namespace evidence;

namespace {

// "/api", "= /x", "^~ /static": the prefix, and whether it must be the whole path. nullopt for regular expressions and named locations.
struct Prefix { std::string_view path; bool whole = false; };
std::optional<Prefix> prefix_of(std::string_view location) {
  if (base::starts_with(location, "~") || base::starts_with(location, "@")) return std::nullopt;
  Prefix prefix{location, base::starts_with(location, "=")};
  if (prefix.whole) prefix.path.remove_prefix(1);
  if (base::starts_with(prefix.path, "^~")) prefix.path.remove_prefix(2);
  prefix.path = base::trim(prefix.path);
  return prefix;
}

// The location of this proxy that the path falls into, as far as prefixes tell it.
std::optional<std::string> location_of(const Look& look, int proxy, std::string_view address, std::string_view path) {
  std::optional<std::string> best;
  std::size_t longest = 0;
  for (const FactId id : look.evidence.ids_of<ProxyRoute>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto& route = *as<ProxyRoute>(fact);
    if (fact.about.pid != proxy || route.address != address) continue;
    const auto prefix = prefix_of(route.location);
    if (!prefix) return std::nullopt;
    if (prefix->whole ? path != prefix->path : !base::starts_with(path, prefix->path)) continue;
    if (!best || prefix->path.size() + prefix->whole > longest) { best = route.location; longest = prefix->path.size() + prefix->whole; }
  }
  return best;
}

}  // namespace

std::optional<Patience> patience_of(const Look& look, std::string_view address, std::string_view uri) {
  std::set<int> proxies;
  for (const FactId id : look.evidence.ids_of<ProxyRoute>())
    if (as<ProxyRoute>(look.evidence.facts[id])->address == address) proxies.insert(look.evidence.facts[id].about.pid);
  if (proxies.size() != 1) return std::nullopt;
  const int proxy = *proxies.begin();
  const auto location = location_of(look, proxy, address, uri.substr(0, uri.find('?')));
  if (!location) return std::nullopt;
  const std::string here = "location " + *location;
  FactId own = no_fact, top = no_fact;
  std::size_t owns = 0, between = 0;
  for (const FactId id : look.evidence.ids_of<SettingRead>()) {
    const auto& setting = *as<SettingRead>(look.evidence.facts[id]);
    if (look.evidence.facts[id].about.pid != proxy || setting.name != "nginx.proxy_read_timeout") continue;
    if (setting.condition == here || base::starts_with(setting.condition, here + ", ")) { own = id; ++owns; }
    else if (setting.condition.empty()) top = id;
    else if (!base::starts_with(setting.condition, "location ")) ++between;
  }
  if (owns > 1 || (owns == 0 && between > 0)) return std::nullopt;
  const FactId at = owns ? own : top;
  if (at == no_fact) return Patience{};
  const auto& value = as<SettingRead>(look.evidence.facts[at])->value;
  const auto seconds = flavour::nginx_seconds(value);
  return seconds ? std::optional(Patience{*seconds, base::printable(value, 40), at}) : std::nullopt;
}

}  // namespace rule
