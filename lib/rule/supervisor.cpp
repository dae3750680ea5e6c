#include "rule/supervisor.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/text.hpp"
#include "flavour/systemd.hpp"

namespace rule {

using namespace evidence;

const model::Unit* unit_of(const Look& look, const Server& server) { return server.unit < look.stack.units.size() ? &look.stack.units[server.unit] : nullptr; }

const model::Unit* unit_of(const Look& look, const LiveServer& live) {
  for (const model::Unit& unit : look.stack.units)
    if (unit.master && unit.master == (live.master.pid ? live.master.pid : live.workers.empty() ? -1 : live.workers.front().pid)) return &unit;
  return live.server ? unit_of(look, *live.server) : nullptr;
}

std::string set_at(const Look& look, const model::Unit& unit, const std::string& key) {
  const auto found = unit.settings.find(key);
  if (found == unit.settings.end() || found->second.because == no_fact) return {};
  const Fact& fact = look.evidence.facts[found->second.because];
  const auto* read = as<SettingRead>(fact);
  if (!read) return {};
  return base::printable(fmt::format("{}={} at {}:{}", read->name.substr(read->name.find('.') + 1), read->value, look.evidence.source_of(fact).name, fact.origin.line), 200);
}

bool sets_files(const model::Unit& unit, std::uint64_t soft) {
  const auto text = model::text_setting(unit, "LimitNOFILE");
  if (!text || unit.settings.at("LimitNOFILE").because == no_fact) return false;
  const auto limit = flavour::systemd_limit(*text);
  return limit && (*limit == soft || (*limit == UINT64_MAX && soft == 0));
}

std::optional<std::uint64_t> memory_max(const model::Unit& unit) {
  for (const char* key : {"MemoryMax", "MemoryLimit"}) {  // the second is what v1 knows, and what 252 takes where the first is not set
    const auto found = unit.settings.find(key);
    const auto bytes = model::number_setting(unit, key);
    if (found != unit.settings.end() && found->second.because != no_fact && bytes && !std::isinf(*bytes)) return static_cast<std::uint64_t>(*bytes);
  }
  return std::nullopt;
}

bool stood_then(const Look& look, const model::Unit& unit, const std::string& key, const std::optional<base::Instant>& when) {
  const auto found = unit.settings.find(key);
  if (found == unit.settings.end()) return false;
  if (found->second.because == no_fact) return found->second.from != model::From::unknown;
  const std::string& file = look.evidence.source_of(look.evidence.facts[found->second.because]).name;
  for (const Fact& fact : look.evidence.facts) {
    const auto* changed = as<FileChanged>(fact);
    if (!changed || changed->path != file || !fact.when) continue;
    if (!when || when->clock != fact.when->clock || fact.when->at > when->at + when->give) return false;
  }
  return true;
}

std::string_view manager_of(std::string_view unit) { return unit.ends_with(".service") || unit.ends_with(".scope") ? "systemd" : "supervisord"; }

Ended ended_by_systemd(const Look& look, const std::string& unit, const std::optional<base::Instant>& when) {
  Ended ended;
  if (!when) return ended;
  for (const FactId id : look.evidence.ids_of<UnitEvent>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* event = as<UnitEvent>(fact);
    if (!event || fact.about.unit != unit || !fact.when || fact.when->clock != when->clock) continue;
    const std::int64_t before = when->at - fact.when->at, give = when->give + fact.when->give + base::second_ns;
    if (before < -give || before > 150 * base::second_ns) continue;
    if (before > 0 && (event->event == "started" || event->event == "starting")) ended = {};  // what was before is another run
    if (event->event == "stop-timeout") ended.stop_timeout = id;
    if (event->event == "oom-kill" && event->result.empty()) ended.oom = id;
  }
  return ended;
}

FactId stop_timeout_of(const Look& look, const model::Unit& unit) {
  for (const FactId id : look.evidence.ids_of<UnitEvent>())
    if (const auto* event = as<UnitEvent>(look.evidence.facts[id]); event && event->event == "stop-timeout" && look.evidence.facts[id].about.unit == unit.name) return id;
  return no_fact;
}

}  // namespace rule
