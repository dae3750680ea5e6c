#include "rule/live.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "model/settings.hpp"

namespace rule {

using namespace evidence;

namespace {

bool holds(std::string_view holders, int pid) {
  for (const auto word : base::split(holders, ' '))
    if (base::read_number(word) == pid) return true;
  return false;
}

// The last run of this master: an earlier one had another pid or is over.
const Server* run_of(const Look& look, int master) {
  const Server* found = nullptr;
  for (const Server& server : look.stack.servers) {
    const bool same = server.master == master || (server.master_life != model::no_life && look.stack.lives[server.master_life].host_pid == master);
    if (same && server.stopped == no_fact && server.crashed == no_fact) found = &server;
  }
  return found;
}

std::string_view args_of(const Look& look, const LiveProcess& process) {
  const auto* seen = process.seen == no_fact ? nullptr : as<ProcessSeen>(look.evidence.facts[process.seen]);
  return seen ? std::string_view(seen->args) : std::string_view();
}

std::string flavour_of(const Look& look, const LiveServer& live) {
  if (live.server) return live.server->flavour;
  const flavour::Flavour* known = nullptr;
  flavour::kin_of(args_of(look, live.master), known);
  for (const LiveProcess& worker : live.workers)
    if (!known) flavour::kin_of(args_of(look, worker), known);
  if (known) return std::string(known->name);
  // Orphans of a spawning server carry no name: the look that found them says whose they are.
  for (const FactId id : look.evidence.ids_of<SettingRead>())
    if (const auto* read = as<SettingRead>(look.evidence.facts[id]); read->name == "server.flavour" && !live.workers.empty() && (look.evidence.facts[id].about.pid == live.workers.front().pid || look.evidence.facts[id].about.pid == live.master.pid)) return read->value;
  return "gunicorn";
}

}  // namespace

std::vector<LiveServer> live_servers(const Look& look) {
  std::map<int, LiveProcess> processes;
  std::map<int, int> parents;
  std::vector<FactId> listeners, statuses;
  const auto at = [&](const Fact& fact) -> LiveProcess* {
    if (fact.about.space != PidSpace::host || fact.about.pid == 0) return nullptr;
    LiveProcess& process = processes[fact.about.pid];
    process.pid = fact.about.pid;
    return &process;
  };
  for (FactId id = 0; id < look.evidence.facts.size(); ++id) {
    const Fact& fact = look.evidence.facts[id];
    if (const auto* seen = as<ProcessSeen>(fact)) {
      if (auto* process = at(fact)) { process->seen = id; parents[process->pid] = seen->ppid; }
    } else if (as<ProcessWaits>(fact)) {
      if (auto* process = at(fact)) process->waits = id;
    } else if (as<Heartbeat>(fact)) {
      if (auto* process = at(fact)) process->beat = id;
    } else if (as<MemorySeen>(fact)) {
      if (auto* process = at(fact)) process->memory = id;
    } else if (as<DescriptorsSeen>(fact)) {
      if (auto* process = at(fact)) process->descriptors = id;
    } else if (as<WorkerStatus>(fact)) {
      if (auto* process = at(fact)) process->status = id;
    } else if (const auto* served = as<RequestServed>(fact)) {
      if (auto* process = at(fact); process && (process->served == no_fact || as<RequestServed>(look.evidence.facts[process->served])->seconds < served->seconds)) process->served = id;
    } else if (as<ServerStatus>(fact)) {
      if (fact.about.space == PidSpace::host) statuses.push_back(id);
    } else if (as<ConnectionSeen>(fact)) {
      if (auto* process = at(fact)) process->connections.push_back(id);
    } else if (as<ListenerSeen>(fact)) {
      listeners.push_back(id);
    }
  }
  // Only workers are asked what they wait for: whoever is their parent is the master.
  std::map<int, LiveServer> by_master;
  for (const auto& [pid, process] : processes) {
    if (process.waits == no_fact || process.seen == no_fact) continue;
    const int parent = parents[pid];
    const bool orphan = !processes.contains(parent) || processes[parent].seen == no_fact;
    LiveServer& live = by_master[orphan ? 0 : parent];
    if (!orphan) live.master = processes[parent];
    live.workers.push_back(process);
  }
  std::vector<LiveServer> all;
  for (auto& [master, live] : by_master) {
    if (master) live.server = run_of(look, master);
    live.flavour = flavour_of(look, live);
    for (const FactId id : statuses)
      if (master && look.evidence.facts[id].about.pid == master) live.status.push_back(id);
    for (const FactId id : listeners) {
      const auto& holders = std::get<ListenerSeen>(look.evidence.facts[id].what).holders;
      const bool ours = (master && holds(holders, master)) || std::any_of(live.workers.begin(), live.workers.end(), [&](const LiveProcess& worker) { return holds(holders, worker.pid); });
      if (ours) live.listeners.push_back(id);
    }
    all.push_back(std::move(live));
  }
  return all;
}

Draft draft_about(const Look& look, std::string rule, const LiveServer& live) {
  Draft draft;
  if (live.server) draft = draft_about(look, std::move(rule), *live.server);
  else {
    draft.rule = std::move(rule);
    draft.subject.server = live.flavour;
    draft.values["server"] = live.flavour;
    if (live.master.pid) draft.values["master"] = std::to_string(live.master.pid);
  }
  draft.subject.role = "server";
  if (live.master.pid) {
    if (!draft.subject.pid) draft.subject.pid = live.master.pid;
    draft.subject.host_pid = live.master.pid;
  }
  draft.when.reset();
  if (!live.workers.empty()) draft.when = look.evidence.facts[live.workers.front().waits].when;
  return draft;
}

Draft draft_about(const Look& look, std::string rule, const LiveServer& live, const LiveProcess& process) {
  Draft draft = draft_about(look, std::move(rule), live);
  const auto* seen = process.seen == no_fact ? nullptr : as<ProcessSeen>(look.evidence.facts[process.seen]);
  draft.subject.host_pid = process.pid;
  draft.subject.pid = seen && seen->ns_pid ? seen->ns_pid : process.pid;
  draft.subject.role = process.pid == live.master.pid ? "master" : "worker";
  draft.values["role"] = draft.subject.role;
  draft.values["pid"] = std::to_string(draft.subject.pid);
  if (process.served != no_fact) {
    const auto* const served = as<RequestServed>(look.evidence.facts[process.served]);
    draft.values["request"] = served->line;
    draft.was_doing.request = served->line;
    if (served->seconds >= 1) draft.was_doing.request += fmt::format(", for {} already", base::duration_text(static_cast<std::int64_t>(served->seconds * 1e9)));
  }
  return draft;
}

std::optional<std::size_t> places_of(const Look& look, const LiveServer& live) {
  const flavour::Flavour* const known = flavour::flavour(live.flavour);
  if (!known || known->like_gunicorn || known->places.empty()) return std::nullopt;
  if (known->places == "1") return 1;
  // Its own status knows best.
  std::size_t most = 0;
  for (const LiveProcess& worker : live.workers)
    if (worker.status != no_fact) most = std::max(most, static_cast<std::size_t>(as<WorkerStatus>(look.evidence.facts[worker.status])->places));
  if (most > 0) return most;
  if (live.server)
    if (const auto number = model::number_setting(*live.server, known->places); number && *number >= 1) return static_cast<std::size_t>(*number);
  // Its log was not found: then its command line tells, where it names no file.
  const std::string_view args = args_of(look, live.master);
  for (const flavour::OptionRead& read : flavour::options_of(*known, args))
    if (read.setting == known->places) return static_cast<std::size_t>(base::read_number(read.value).value_or(1));
  // A file of its was read, and leaves it out.
  bool file = false;
  for (const FactId id : look.evidence.ids_of<SettingRead>()) {
    const auto* read = as<SettingRead>(look.evidence.facts[id]);
    if (look.evidence.facts[id].about.pid != live.master.pid || !base::starts_with(read->name, live.flavour + ".")) continue;
    if (read->name.substr(live.flavour.size() + 1) == known->places) return std::nullopt;
    file = file || read->from == "file";
  }
  if (file)
    for (const flavour::Default& one : known->defaults)
      if (one.name == known->places) return static_cast<std::size_t>(base::read_number(one.value).value_or(1));
  const bool named = !known->configs_named || !known->configs_named(args).empty() || !known->config_defaults.empty();
  if (named || live.server) return std::nullopt;
  for (const flavour::Default& one : known->defaults)
    if (one.name == known->places) return static_cast<std::size_t>(base::read_number(one.value).value_or(1));
  return std::nullopt;
}

std::string worker_class(const Look& look, const LiveServer& live) {
  if (live.server && !live.server->worker_class.empty()) return live.server->worker_class;
  if (live.server) return model::text_setting(*live.server, "worker_class").value_or("");
  // Its log says nothing that we have; how it was started does.
  const bool started = std::any_of(look.evidence.facts.begin(), look.evidence.facts.end(), [&](const Fact& fact) { return as<ServerCommand>(fact) && fact.about.pid == live.master.pid; });
  if (!started || live.master.pid == 0) return {};
  model::SettingsOf asked;
  asked.master = live.master.pid;
  asked.belongs = [&](const Fact& fact) { return !as<ServerCommand>(fact) || fact.about.pid == live.master.pid; };
  const auto settings = model::effective_settings(look.evidence, asked).settings;
  const auto value = [&](const char* name) {
    const auto found = settings.find(name);
    return found == settings.end() || found->second.from == model::From::unknown || found->second.values.size() != 1 ? std::string() : found->second.values.front().value;
  };
  const std::string kind = value("worker_class"), threads = value("threads");
  // With threads, sync becomes gthread (config.py:worker_class_str@20.1.0).
  if (kind == "sync") return threads.empty() ? "" : threads == "1" ? "sync" : "gthread";
  return kind;
}

}  // namespace rule
