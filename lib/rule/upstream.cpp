#include "rule/upstream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "base/text.hpp"

namespace rule {

using namespace evidence;

namespace {

struct Upstream { std::map<std::string, bool> backup; std::set<std::string> locations; };  // by member's address
using Name = std::pair<int, std::string>;  // of the nginx whose configuration has it

// Members by upstream; an upstream of another file is named by the pass alone, so its locations come from there.
std::map<Name, Upstream> upstreams_of(const Look& look, std::string_view address, bool& alone) {
  std::map<Name, Upstream> all;
  for (const Fact& fact : look.evidence.facts) {
    const auto* route = as<ProxyRoute>(fact);
    if (!route || route->upstream.empty()) continue;
    Upstream& upstream = all[{fact.about.pid, route->upstream}];
    upstream.backup[route->address] = route->role == "backup";
    if (!route->location.empty()) upstream.locations.insert(route->location);
  }
  for (const Fact& fact : look.evidence.facts) {
    const auto* route = as<ProxyRoute>(fact);
    if (!route || !route->upstream.empty()) continue;
    if (const auto named = all.find({fact.about.pid, route->address}); named != all.end()) named->second.locations.insert(route->location);
    else if (route->address == address) alone = true;
  }
  std::erase_if(all, [&](const auto& one) { return !one.second.backup.contains(std::string(address)); });
  return all;
}

// proxy_next_upstream of a location, as far as it stands there or at the top; nullopt where a level between them may set it.
std::optional<std::string> mask_of(const Look& look, int proxy, const std::string& location, std::string_view ending) {
  std::optional<std::string> top;
  bool between = false;
  for (const Fact& fact : look.evidence.facts) {
    const auto* setting = as<SettingRead>(fact);
    if (!setting || fact.about.pid != proxy || !base::starts_with(setting->name, "nginx.") || setting->name.size() < ending.size() || std::string_view(setting->name).substr(setting->name.size() - ending.size()) != ending) continue;
    const std::string here = "location " + location;
    if (setting->condition == here || base::starts_with(setting->condition, here + ", ")) return setting->value;
    if (setting->condition.empty()) top = setting->value;
    else if (!base::starts_with(setting->condition, "location ")) between = true;
  }
  if (between) return std::nullopt;
  return top.value_or("");
}

enum class Retry : std::uint8_t { yes, no, unclear };

Retry retry_of(const Look& look, int proxy, const Upstream& upstream) {
  bool yes = false, no = false;
  for (const auto& location : upstream.locations) {
    const auto mask = mask_of(look, proxy, location, "_next_upstream"), tries = mask_of(look, proxy, location, "_next_upstream_tries");
    if (!mask || !tries) return Retry::unclear;
    const auto words = base::split(*mask, ' ');
    const bool tried = (mask->empty() || std::find(words.begin(), words.end(), "error") != words.end()) && *tries != "1";  // empty: the default, "error timeout"
    (tried ? yes : no) = true;
  }
  return yes && no ? Retry::unclear : no ? Retry::no : Retry::yes;
}

// "127.0.0.1:8001" or "3 other members".
std::string named(const std::vector<std::string>& addresses, std::string_view many) {
  return addresses.size() == 1 ? base::printable(addresses.front(), 120) : fmt::format("{} {}", addresses.size(), many);
}

Effect of_upstream(const Look& look, const Name& name, const Upstream& upstream, std::string_view address, const std::map<std::string, Standing, std::less<>>& standing) {
  const std::string called = base::printable(name.second, 60);
  std::vector<std::string> primaries, backups, unseen;
  for (const auto& [member, backup] : upstream.backup) {
    if (member == address) continue;
    const auto known = standing.find(member);
    const Standing stands = known == standing.end() ? Standing::unseen : known->second;
    if (stands == Standing::answers) (backup ? backups : primaries).push_back(member);
    else if (stands == Standing::unseen) unseen.push_back(member);
  }
  const bool is_backup = upstream.backup.at(std::string(address));
  Effect effect;
  if (is_backup && !primaries.empty()) {
    effect.eased = true;
    effect.text = fmt::format("it is a backup of upstream {}, whose primary {}: clients get 502 only when {} too", called,
                              primaries.size() == 1 ? named(primaries, "") + " takes the requests" : "members take the requests", primaries.size() == 1 ? "that fails" : "those fail");
    return effect;
  }
  if (primaries.empty() && backups.empty()) {
    if (unseen.empty()) return effect;
    effect.eased = true;
    effect.text = fmt::format("clients get 502 unless {} of upstream {}, which cannot be seen from here, {} the requests", named(unseen, "other members"), called, unseen.size() == 1 ? "takes" : "take");
    return effect;
  }
  const Retry retry = retry_of(look, name.first, upstream);
  if (retry == Retry::no && !primaries.empty()) {
    effect.text = fmt::format("requests whose turn it is get 502, for proxy_next_upstream gives them to no other member of upstream {}", called);
    return effect;
  }
  effect.eased = true;
  if (primaries.empty()) effect.text = fmt::format("no primary member of upstream {} that can be seen answers; {} the requests", called, backups.size() == 1 ? "its backup " + named(backups, "") + " takes" : named(backups, "backups take"));
  else effect.text = fmt::format("{} of upstream {} {} the requests", named(primaries, "other members"), called, primaries.size() == 1 ? "takes" : "take");
  if (retry == Retry::unclear) effect.text += " where proxy_next_upstream lets them";
  effect.remark = "a connection that fails sends nothing, so the next member gets a POST as well; only what was sent already is not repeated (POST, LOCK, PATCH without non_idempotent)";
  return effect;
}

}  // namespace

Effect effect_of(const Look& look, std::string_view address, const std::map<std::string, Standing, std::less<>>& standing) {
  bool alone = false;
  const auto all = upstreams_of(look, address, alone);
  if (alone || all.empty()) return {};
  Effect worst;
  for (const auto& [name, upstream] : all) {
    Effect effect = of_upstream(look, name, upstream, address, standing);
    if (!effect.eased) return effect;
    worst = std::move(effect);
  }
  return worst;
}

}  // namespace rule
