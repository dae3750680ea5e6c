// The processes of every server: who is master, who worker, since when, in which namespaces and groups, and how the master was started.
#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "base/text.hpp"
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"
#include "probe/look.hpp"
#include "probe/probe.hpp"
#include "parse/settings/server.hpp"
#include "probe/settings.hpp"

namespace probe {

namespace {

// As /proc/PID/status prints it: "0000000008304226".
std::string mask_text(std::uint64_t mask) {
  static constexpr std::array<char, 17> digits{"0123456789abcdef"};
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += digits[(mask >> shift) & 15];
  return text;
}

evidence::ProcessSeen fact_of(const Process& process) {
  evidence::ProcessSeen seen;
  seen.ppid = process.ppid;
  seen.ns_pid = process.ns_pid;
  seen.state = std::string(1, process.state);
  seen.comm = process.comm;
  seen.args = command_text(process.argv).substr(0, 4096);
  seen.exe = process.exe;
  seen.cgroup = read_cgroup(process.cgroup).memory;
  seen.cwd = process.cwd;
  seen.rss = process.rss;
  seen.started_ns = process.started_ns;
  if (process.caught) seen.signals_caught = mask_text(*process.caught);
  if (process.ignored) seen.signals_ignored = mask_text(*process.ignored);
  seen.exit_code = process.exit_code;
  seen.uid = process.uid;
  seen.pid_namespace = process.pid_namespace;
  seen.threads = process.threads;
  return seen;
}

void add(const Process& process, const std::string& unit, evidence::SourceId source, const source::Host& host, evidence::Evidence& evidence) {
  auto fact = seen(fact_of(process), process.pid, source, host);
  fact.about.unit = unit;
  fact.text = "pid " + std::to_string(process.pid) + " ppid " + std::to_string(process.ppid) + " " + std::string(1, process.state) + " " + command_text(process.argv);
  evidence.add(std::move(fact));
}

// Of another server than gunicorn: its files, and which version it is by what is installed.
void see_configuration(const source::Host& host, const FoundServer& server, const Command& command, evidence::SourceId source, evidence::Evidence& evidence) {
  for (const auto& path : server_files(host, server, command)) {
    const auto text = host.read(path, 256 << 10);
    if (!text) {
      const bool missing = text.error().code == ENOENT || text.error().code == ENOTDIR;
      evidence.gap({"settings in " + path, text.error().answer, missing ? "it is named from a folder that the server has left, or was removed: look where it was started" : text.error().remedy.empty() ? "run as root" : text.error().remedy, 1, {}});
      continue;
    }
    parse::Sink sink(evidence, add_live_source(evidence, path, evidence::SourceKind::config, host));
    parse::settings::add_server_settings(server.flavour, *text, {server.master.pid, evidence::PidSpace::host, server.cgroup.unit}, sink);
  }
  std::string where;
  if (std::string version = version_of(host, server, command, where); !version.empty()) {
    auto fact = seen(evidence::SettingRead{server.flavour + ".version", version, "default", "", true}, server.master.pid, source, host);
    fact.text = server.flavour + " " + version + " (" + where + ")";
    evidence.add(std::move(fact));
  }
}

// A server that never waits for a dead worker (uvicorn 0.17, hypercorn 0.13) and logs nothing of its end keeps its wait status: the zombie's own.
void see_dead(const source::Host& host, const FoundServer& server, const Command& command, evidence::SourceId source, evidence::Evidence& evidence) {
  const flavour::Flavour* const known = flavour::flavour(server.flavour);
  if (!known || !known->on_worker_death || !known->family) return;
  std::string where;
  if (flavour::on_worker_death(*known, known->family(version_of(host, server, command, where))) != flavour::OnWorkerDeath::left_dead) return;
  for (const auto& worker : server.workers) {
    if (worker.state != 'Z' || worker.exit_code.value_or(0) == 0) continue;   // 0 is also what is shown to those who may not see it
    auto fact = seen(evidence::ProcessExited{*worker.exit_code, worker.ns_pid, server.master.pid, worker.comm, "poll", false}, worker.pid, source, host);
    fact.about.unit = server.cgroup.unit;
    fact.text = "pid " + std::to_string(worker.pid) + " is a zombie: it ended with wait status " + std::to_string(*worker.exit_code) + ", and its master never asks for it";
    evidence.add(std::move(fact));
  }
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  for (const auto& gap : found.gaps) evidence.gap(gap);
  if (found.servers.empty() && found.proxies.empty()) return;
  const auto source = add_live_source(evidence, "/proc", evidence::SourceKind::proc, host);
  for (const auto& server : found.servers) {
    const std::string& unit = server.cgroup.unit.empty() ? server.cgroup.container : server.cgroup.unit;
    if (server.master.pid) add(server.master, unit, source, host, evidence);
    for (const auto& worker : server.workers) add(worker, unit, source, host, evidence);
    for (const auto& child : server.children) add(child, unit, source, host, evidence);
    if (const flavour::Flavour* const known = flavour::flavour(server.flavour); server.master.pid && known && !known->module.empty())
      evidence.add(seen(evidence::SettingRead{"server.flavour", server.flavour, "default", "", true}, server.master.pid, source, host));
    if (!server.master.pid) {
      if (!server.workers.empty() && flavour::spawned_child(command_text(server.workers.front().argv)))
        evidence.add(seen(evidence::SettingRead{"server.flavour", server.flavour, "default", "", true}, server.workers.front().pid, source, host));
      continue;
    }
    const Command command = command_of(host, server);
    // Never executed: literals and simple expressions are read.
    if (const auto config = config_path(host, server, settings_of(server, command)); !config.empty()) parse::read(host, {server.path(config)}, {}, evidence);
    see_configuration(host, server, command, source, evidence);
    see_dead(host, server, command, source, evidence);
    if (command.args.empty()) {
      evidence.gap({"command line of " + name_of(server), "its title was written over it (setproctitle)",
                    "look at what starts it: the unit's ExecStart, the container's command, the supervisor's program", 1, {}});
      continue;
    }
    evidence::ServerCommand fact{command.args, ""};
    for (const auto& [name, value] : command.environment) fact.environment += (fact.environment.empty() ? "" : " ") + name + "=" + command_text({"", value}).substr(3);
    auto whole = seen(std::move(fact), server.master.pid, source, host);
    whole.about.unit = unit;
    whole.text = command.args;
    if (!command.from.empty()) {
      whole.origin.source = add_live_source(evidence, command.from, evidence::SourceKind::command, host);
      whole.origin.line = command.line;
    }
    evidence.add(std::move(whole));
  }
  for (const auto& proxy : found.proxies) add(proxy, read_cgroup(proxy.cgroup).unit, source, host, evidence);
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "processes", "", "", "", ""};
  const Found found = find(host);
  std::size_t workers = 0;
  for (const auto& server : found.servers) workers += server.workers.size();
  for (const auto& gap : found.gaps) {
    sight.state = Sight::State::no;
    sight.why = gap.reason;
    sight.remedy = gap.remedy;
  }
  if (sight.state == Sight::State::ok) sight.detail = found.servers.empty() ? "/proc readable; no server runs" : base::counted(found.servers.size(), "server") + ", " + base::counted(workers, "worker");
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe processes = {"processes", observe, sight};
}  // namespace probes_of
}  // namespace probe
