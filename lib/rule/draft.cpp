#include "rule/draft.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.hpp"
#include "model/timeline.hpp"
#include "rule/doing.hpp"

namespace rule {

using namespace evidence;

namespace {

void server_values(Draft& draft, const Server& server) {
  draft.values["server"] = flavour::shown(server.flavour);
  if (!server.version.empty()) draft.values["version"] = server.version;
  if (!server.worker_class.empty()) draft.values["worker_class"] = server.worker_class;
  if (server.master) draft.values["master"] = std::to_string(server.master);
  for (const char* name : {"timeout", "graceful_timeout", "max_requests", "workers"}) {
    const auto text = model::text_setting(server, name);
    if (!text) continue;
    const auto& setting = server.settings.at(name);
    draft.values[name] = setting.unit == "s" ? *text + " s" : *text;
    if (!setting.where.empty()) draft.values[std::string(name) + "_where"] = setting.where;
  }
}

std::string path_of(std::string_view uri) { return std::string(uri.substr(0, uri.find('?'))); }

}  // namespace

std::string server_text(const Server& server) {
  const std::string name(flavour::shown(server.flavour));
  return server.version.empty() ? name : name + " " + server.version;
}

std::string name_of(const Life& life) {
  std::string name = life.role == model::Role::master ? "the master" : std::string(role_text(life.role));
  if (life.pid) name += " " + std::to_string(life.pid);
  if (life.host_pid && life.host_pid != life.pid) name += fmt::format(" (host {})", life.host_pid);
  return name;
}

std::optional<double> seconds_between(const std::optional<base::Instant>& from, const std::optional<base::Instant>& to) {
  if (!from || !to || from->clock != to->clock) return std::nullopt;
  return static_cast<double>(to->at - from->at) / 1e9;
}

std::optional<base::Instant> when_of(const Look& look, FactId id) {
  if (id == no_fact) return std::nullopt;
  return look.evidence.facts[id].when;
}

void because(Draft& draft, FactId id, std::string note) {
  if (id == no_fact) return;
  if (std::find(draft.because.begin(), draft.because.end(), id) == draft.because.end()) draft.because.push_back(id);
  if (!note.empty()) draft.notes[id] = std::move(note);
}

void rule_out(Draft& draft, std::string cause, std::string why) {
  for (const Exclusion& known : draft.ruled_out)
    if (known.cause == cause) return;
  draft.ruled_out.push_back({std::move(cause), std::move(why)});
}

std::size_t never_ready(const Look& look, const Server& server) {
  const flavour::Flavour* const known = flavour::flavour(server.flavour);
  if (!known || !known->says_ready) return 0;
  std::size_t exited = 0;
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    if (life.ready != no_fact) return 0;
    exited += life.booted != no_fact && life.boot_failed == no_fact && life.exit_code.value_or(0) != 0;
  }
  return exited;
}

std::optional<bool> would_log(const Server& server, flavour::Ending ending) {
  const flavour::Flavour* const known = flavour::flavour(server.flavour);
  if (!known || server.family.empty() || server.silent) return std::nullopt;
  return known->would_log(server.family, server.log_level.empty() ? "info" : server.log_level, ending);
}

Draft draft_about(const Look& look, std::string rule, const Life& life) {
  Draft draft;
  draft.rule = std::move(rule);
  draft.subject.pid = life.pid;
  draft.subject.host_pid = life.host_pid;
  draft.subject.role = role_text(life.role);
  draft.when = life.ended;
  draft.values["role"] = role_text(life.role);
  draft.values["pid"] = life.pid ? std::to_string(life.pid) : "(its log does not say which)";
  if (life.host_pid) draft.values["host_pid"] = std::to_string(life.host_pid);
  if (life.server != SIZE_MAX) {
    const Server& server = look.stack.servers[life.server];
    draft.subject.server = server.flavour;
    server_values(draft, server);
    draft.group = std::to_string(life.server);
  }
  if (life.signal) draft.values["signal"] = base::signal_text(*life.signal);
  if (life.exit_code) draft.values["exit_code"] = std::to_string(*life.exit_code);
  if (life.core) draft.values["core"] = "a core was dumped";
  if (const auto age = seconds_between(life.started, life.ended); age && *age >= 0) draft.values["age"] = base::duration_text(static_cast<std::int64_t>(*age * 1e9));
  if (life.ended) draft.values["when"] = base::clock_text(*life.ended);
  if (const FactId served = served_by(look, life); served != no_fact) {
    draft.values["request"] = as<RequestServed>(look.evidence.facts[served])->line;
  } else if (const auto request = request_of(look, life)) {
    if (request->idle) draft.values["request"] = "no request yet (an idle connection)";
    else draft.values["request"] = request->line;
    draft.was_doing.request = draft.values["request"];
  }
  tell_doing(look, life, draft.was_doing);
  return draft;
}

Draft draft_about(const Look& look, std::string rule, const Server& server) {
  Draft draft;
  if (server.master_life != model::no_life) draft = draft_about(look, std::move(rule), look.stack.lives[server.master_life]);
  else draft.rule = std::move(rule);
  draft.subject.server = server.flavour;
  draft.subject.role = server.master ? "master" : "server";
  server_values(draft, server);
  if (!draft.when) draft.when = server.last;
  return draft;
}

std::optional<Request> request_of(const Look& look, const Life& life) {
  if (life.aborted_in != no_fact) {
    const auto* failed = as<AppFailed>(look.evidence.facts[life.aborted_in]);
    if (failed && failed->no_request) return Request{"", life.aborted_in, true};
    if (failed && !failed->uri.empty()) return Request{(failed->method.empty() ? "" : failed->method + " ") + failed->uri, life.aborted_in, false};
  }
  if (!life.ended || life.role != model::Role::worker) return std::nullopt;
  // The proxy's rows of that moment: they name requests, not workers, so they count only when they all name one, and no more than died then.
  std::set<std::string> lines;
  FactId first = no_fact;
  std::size_t rows = 0, deaths = 0;
  look.early_rows.near(life.ended, 3, [&](FactId id) {
    const Fact& fact = look.evidence.facts[id];
    const auto distance = model::distance_between(look.stack, look.evidence, fact, life.ended);
    if (!distance || std::abs(distance->ns) > 1'500'000'000 + distance->give) return;
    const auto& row = std::get<ProxyError>(fact.what);
    lines.insert((row.method.empty() ? "" : row.method + " ") + path_of(row.uri));
    first = std::min(first, id);
    ++rows;
  });
  if (rows == 0) return std::nullopt;
  look.ends.near(life.ended, 2, [&](model::LifeId id) {
    const Life& other = look.stack.lives[id];
    if (other.ended->clock == life.ended->clock && std::abs(other.ended->at - life.ended->at) <= 1'500'000'000) ++deaths;
  });
  if (rows == 0 || lines.size() != 1 || rows > deaths) return std::nullopt;
  return Request{*lines.begin(), first, false};
}

Look look_at(const model::Stack& stack, const Evidence& evidence) {
  Look look{stack, evidence, {}, {}, {}, {}, {}, {}};
  std::map<int, std::string> cgroup_of;
  std::map<std::string, FactId> counters;
  for (const FactId id : evidence.ids_of<ProxyError>())
    if (const auto* row = as<ProxyError>(evidence.facts[id]); row->kind == "closed-early" && !row->uri.empty()) look.early_rows.add(evidence.facts[id].when, id);
  for (const FactId id : evidence.ids_of<ProcessSeen>()) {
    const Fact& fact = evidence.facts[id];
    const auto* seen = as<ProcessSeen>(fact);
    if (seen->cgroup.empty()) continue;
    cgroup_of[fact.about.pid] = seen->cgroup;
    if (seen->ns_pid) cgroup_of.try_emplace(seen->ns_pid, seen->cgroup);
  }
  for (const FactId id : evidence.ids_of<CgroupMemory>())
    if (const auto* memory = as<CgroupMemory>(evidence.facts[id]); memory->oom_kills) counters[memory->path] = id;
  look.timeouts.resize(stack.servers.size());
  look.false_hints.resize(stack.servers.size());
  for (const Life& life : stack.lives) {
    if (life.server == SIZE_MAX || life.role != model::Role::worker) continue;
    if (life.ended) look.ends.add(life.ended, life.id);
    if (life.timed_out == no_fact) continue;
    look.false_hints[life.server] += life.hint;
    if (const auto& when = evidence.facts[life.timed_out].when) look.timeouts[life.server].push_back(when->at);
  }
  for (auto& moments : look.timeouts) std::sort(moments.begin(), moments.end());
  for (const Server& server : stack.servers) {
    const auto cgroup = cgroup_of.find(server.master);
    const auto counter = cgroup == cgroup_of.end() || cgroup->second == "/" ? counters.end() : counters.find(cgroup->second);
    const auto* memory = counter == counters.end() ? nullptr : as<CgroupMemory>(evidence.facts[counter->second]);
    const bool clear = memory && *memory->oom_kills == memory->oom_kills_before.value_or(0);
    const bool moved = memory && memory->oom_kills_before && *memory->oom_kills > *memory->oom_kills_before;
    look.clear_counters.push_back(clear ? counter->second : no_fact);
    look.moved_counters.push_back(moved ? counter->second : no_fact);
  }
  return look;
}

}  // namespace rule
