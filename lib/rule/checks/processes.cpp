// What the list of processes shows while they live: stopped or frozen, busy beyond their own timeout, still importing, or none at all. A list is
// a moment: what passes by itself (a worker between death and respawn) is said only as far as the moment carries it.
#include <fmt/format.h>

#include <map>

#include "base/text.hpp"
#include "rule/family.hpp"
#include "rule/live.hpp"
#include "rule/stuck.hpp"

namespace rule {

using namespace evidence;

namespace {

constexpr double slow_boot_s = 10;     // an import that takes longer is felt at every restart
constexpr double soon = 0.6;           // of the limit
constexpr double busy_untimed_s = 30;  // timeout = 0: nobody ends it; the default limit stands in for "too long"

// SIGSTOP, or a frozen cgroup (docker pause). 't' is a debugger or strace, which holds a process for a moment at every look.
void frozen(const Look& look, const Seen& seen, const Family& family, std::vector<Draft>& drafts) {
  std::vector<std::pair<int, std::string>> all{{family.master, "master"}};
  for (const int worker : family.workers) all.emplace_back(worker, "worker");
  FactId group = no_fact;
  for (const FactId id : look.evidence.ids_of<CgroupFrozen>())
    if (as<CgroupFrozen>(look.evidence.facts[id]) && look.evidence.facts[id].about.pid == family.master) group = id;
  if (group != no_fact) {
    Draft draft = draft_about(look, "worker.frozen", family, {}, family.master, "master");
    draft.sure = Confidence::certain;
    draft.sure_because = "the kernel says that the whole cgroup is frozen";
    draft.values["kind"] = "frozen with its whole cgroup";
    draft.values["cgroup"] = base::printable(as<CgroupFrozen>(look.evidence.facts[group])->path, 120);
    const std::string &path = draft.values["cgroup"], unit = path.substr(path.rfind('/') + 1);
    const std::string thaw = as<CgroupFrozen>(look.evidence.facts[group])->version == 1 ? "echo THAWED > /sys/fs/cgroup/freezer" + path + "/freezer.state" :
                             unit.ends_with(".service")                                 ? "systemctl thaw " + unit :
                                                                                          "echo 0 > /sys/fs/cgroup" + path + "/cgroup.freeze";
    draft.first.push_back({"now", "if nobody froze it on purpose: " + thaw + (unit.ends_with(".service") ? "" : " (a container: docker unpause)"), "", "nothing", ""});
    draft.when = look.evidence.facts[group].when;
    because(draft, group);
    drafts.push_back(std::move(draft));
    return;
  }
  for (const auto& [pid, role] : all) {
    const Row& row = seen.rows.at(pid);
    if (state_of(row) != 'T' && state_of(row) != 't') continue;
    Draft draft = draft_about(look, "worker.frozen", family, row, pid, role);
    if (state_of(row) == 't') {
      draft.truth = Truth::unknown;
      draft.sure_because = "a debugger or strace holds it (state t): for a moment, or since it was left there";
      draft.values["kind"] = "held by a tracer (state t)";
      draft.missing.push_back("whether the tracer lets it go: TracerPid in /proc/" + std::to_string(pid) + "/status, and a second look");
      drafts.push_back(std::move(draft));
      continue;
    }
    draft.sure = Confidence::certain;
    draft.sure_because = "the list of processes shows it stopped (state T)";
    draft.values["kind"] = "stopped by a signal (state T)";
    draft.first.push_back({"now", fmt::format("if nobody stopped it on purpose: kill -CONT {}", pid), "", "nothing", ""});
    drafts.push_back(std::move(draft));
  }
}

// What it waits for, from its system call and where the descriptor of that leads; "" where that could not be read.
std::string waiting_text(const Look& look, const LiveProcess& process) {
  if (process.waits == no_fact) return {};
  const auto& waits = std::get<ProcessWaits>(look.evidence.facts[process.waits].what);
  bool client = false;
  for (const FactId id : process.connections) client = client || std::get<ConnectionSeen>(look.evidence.facts[id].what).peer == waits.on;
  if (waits.state == "R") return "it computes (state R)";
  if (waits.state == "D") return "it waits inside the kernel (state D" + (waits.call.empty() ? std::string(")") : ", in " + waits.call + "())");
  if (waits.call.empty()) return {};
  if (waits.call == "futex") return "it waits for a lock (futex)";
  if (waits.call == "nanosleep" || waits.call == "clock_nanosleep") return "it sleeps (" + waits.call + ")";
  const std::string on = base::printable(waits.on, 120);
  if (on.empty()) return "it waits in " + waits.call + "()";
  if (client && (waits.call == "sendto" || waits.call == "write" || waits.call == "sendmsg" || waits.call == "sendfile")) return "it waits in " + waits.call + "() for its client " + on + " to read";
  if (client) return "it waits in " + waits.call + "() for its client " + on + " to send";
  return "it waits in " + waits.call + "() for " + on;
}

const LiveProcess* live_process(const std::vector<LiveServer>& servers, int pid) {
  for (const LiveServer& live : servers)
    for (const LiveProcess& worker : live.workers)
      if (worker.pid == pid) return &worker;
  return nullptr;
}

void say_waiting(const Look& look, const LiveProcess* process, Draft& draft) {
  if (!process) return;
  const auto cause = cause_of(look, *process);
  const std::string text = cause ? cause->text : waiting_text(look, *process);
  if (text.empty()) return;
  const auto& waits = std::get<ProcessWaits>(look.evidence.facts[process->waits].what);
  draft.was_doing.syscall = waits.call;
  draft.was_doing.fd = waits.fd;
  draft.was_doing.peer = base::printable(waits.on, 120);
  draft.values["detail"] = text + (draft.values["detail"].empty() ? "" : "; " + draft.values["detail"]);
  because(draft, process->waits);
  tell_stack(look, *process, draft);
  if (!cause) return;
  draft.values["cause"] = cause->name;
  // Workers that hang for different reasons are different findings.
  draft.group += " " + cause->name + " " + (draft.was_doing.python.empty() ? std::string() : draft.was_doing.python.front());
  for (const Step& step : cause->steps) draft.first.push_back(step);
}

// The heartbeat's age against the limit; and a worker that was never ready.
void heartbeats(const Look& look, const Seen& seen, const Family& family, const std::vector<LiveServer>& servers, std::vector<Draft>& drafts) {
  std::map<int, FactId> beats;
  for (const FactId id : look.evidence.ids_of<Heartbeat>())
    if (as<Heartbeat>(look.evidence.facts[id])) beats[look.evidence.facts[id].about.pid] = id;
  const double limit = family.server ? model::number_setting(*family.server, "timeout").value_or(-1) : -1;  // -1: not known
  for (const int worker : family.workers) {
    const auto found = beats.find(worker);
    const Row& row = seen.rows.at(worker);
    if (found == beats.end() || state_of(row) == 'Z') continue;
    const auto& beat = std::get<Heartbeat>(look.evidence.facts[found->second].what);
    const std::string age = base::duration_text(static_cast<std::int64_t>(beat.age_s * 1e9));
    if (beat.family == "unbooted") {
      if (beat.age_s < slow_boot_s) continue;
      Draft draft = draft_about(look, "boot.slow", family, row, worker, "worker");
      draft.sure = Confidence::certain;
      draft.sure_because = "its heartbeat file was never touched since it was forked: the application is still being imported";
      draft.values["age"] = age;
      because(draft, found->second);
      if (const LiveProcess* const process = live_process(servers, worker)) tell_stack(look, *process, draft);
      drafts.push_back(std::move(draft));
      continue;
    }
    if (limit < 0) {
      if (beat.age_s < busy_untimed_s) continue;
      Draft draft = draft_about(look, "worker.hung", family, row, worker, "worker");
      draft.truth = Truth::unknown;
      draft.sure_because = "its heartbeat is old, but its worker timeout is not known: a sync worker with a long timeout beats rarely";
      draft.values["age"] = age;
      draft.missing.push_back("the worker timeout: the server's command line and configuration");
      because(draft, found->second);
      say_waiting(look, live_process(servers, worker), draft);
      drafts.push_back(std::move(draft));
      continue;
    }
    const bool untimed = limit == 0;
    // A worker that is free beats at least twice within the limit: later than that it is held by something, and the clock runs.
    const LiveProcess* const process = live_process(servers, worker);
    if (!untimed && beat.age_s >= soon * limit && beat.age_s < limit + 2 && process && state_of(row) != 'T') {
      const std::string text = waiting_text(look, *process);
      if (text.empty()) continue;
      Draft draft = draft_about(look, "worker.hung", family, row, worker, "worker");
      draft.sure = Confidence::certain;
      draft.sure_because = "the age of its heartbeat, and the system call it is in, read from the living process";
      draft.values["age"] = age;
      draft.values["detail"] = beat.age_s < limit ? fmt::format("its master will kill it in {:.1f} s (timeout {:g} s)", limit - beat.age_s, limit) : fmt::format("its master kills it about now (timeout {:g} s)", limit);
      because(draft, found->second);
      say_waiting(look, process, draft);
      drafts.push_back(std::move(draft));
      continue;
    }
    if (beat.age_s < (untimed ? busy_untimed_s : limit + 2)) continue;
    Draft draft = draft_about(look, "worker.hung", family, row, worker, "worker");
    draft.sure = Confidence::certain;
    draft.sure_because = untimed ? "its heartbeat is that old; with timeout 0 nobody ends it" : "its heartbeat is older than the timeout, and it still lives: its master does not end it either";
    draft.values["age"] = age;
    draft.values["detail"] = untimed ? "timeout is 0, so it will never be ended" : "its master should have ended it: look whether that is stopped or stuck too";
    if (state_of(row) == 'T' || state_of(seen.rows.at(family.master)) == 'T') draft.caused_by_rule = "worker.frozen";
    because(draft, found->second);
    say_waiting(look, process, draft);
    drafts.push_back(std::move(draft));
  }
}

// A master without a child, where its workers should be.
void childless(const Look& look, const Seen& seen, const Family& family, std::vector<Draft>& drafts) {
  if (!family.server || family.server->listening.empty() || !family.server->boot_refused.empty()) return;
  const auto wanted = model::number_setting(*family.server, "workers");
  if (wanted && *wanted == 0) return;  // told from the setting by the check of the workers
  const auto children = seen.children.find(family.master);
  if (children != seen.children.end() && !children->second.empty()) return;
  const Row& row = seen.rows.at(family.master);
  const bool live = look.evidence.source_of(look.evidence.facts[row.id]).live;
  Draft draft = draft_about(look, "worker.none", family, row, family.master, "master");
  draft.values["reason"] = "the process list shows no child of it";
  if (live) {
    draft.sure = Confidence::likely;
    draft.sure_because = "the master runs and has no child";
  } else {
    draft.truth = Truth::unknown;
    draft.sure_because = "the list shows the master without a child; whether it was cut, or taken between a death and the next boot, is not known";
    draft.missing.push_back("another look: ps --ppid " + std::to_string(family.master));
  }
  drafts.push_back(std::move(draft));
}

// The kernel's own watchdog: a task that did not move for two minutes waits in the kernel, for a disk or a network file system.
void stuck_in_kernel(const Look& look, std::vector<Draft>& drafts) {
  for (const FactId id : look.evidence.ids_of<KernelHung>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* hung = as<KernelHung>(fact);
    if (!hung) continue;
    const Life* life = nullptr;
    for (const Life& one : look.stack.lives)
      if (one.server != SIZE_MAX && hung->pid != 0 && hung->pid == (one.host_pid ? one.host_pid : look.stack.servers[one.server].namespaced ? 0 : one.pid)) life = &one;
    const bool named = base::starts_with(hung->comm, "gunicorn") || base::starts_with(hung->comm, "uvicorn");
    if (!life && !named) continue;
    Draft draft = life ? draft_about(look, "worker.hung", *life) : Draft{};
    draft.rule = "worker.hung";
    draft.when = fact.when;
    draft.was_doing = {};
    draft.values["age"] = base::duration_text(static_cast<std::int64_t>(hung->seconds * 1e9));
    draft.values["comm"] = base::printable(hung->comm, 20);
    draft.values["pid"] = std::to_string(hung->pid);
    draft.values["detail"] = "it waits inside the kernel (state D), where no signal ends it: a disk, or a network file system that does not answer";
    draft.group = "hung";
    because(draft, id);
    if (life) {
      draft.sure = Confidence::certain;
      draft.sure_because = "the kernel's own watchdog names it";
    } else {
      draft.subject.host_pid = hung->pid;
      draft.subject.role = draft.values["role"] = "process";
      draft.truth = Truth::unknown;
      draft.sure_because = "the kernel names a process of this kind that no log here knows";
      draft.missing.push_back("whose process it was: the pids of the server on the host (ps, or triage while it lives)");
    }
    drafts.push_back(std::move(draft));
  }
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  stuck_in_kernel(look, drafts);
  const Seen seen = seen_in(look);
  const auto servers = live_servers(look);
  for (const Family& family : seen.families) {
    frozen(look, seen, family, drafts);
    heartbeats(look, seen, family, servers, drafts);
    if (family.flavour == "gunicorn") childless(look, seen, family, drafts);
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check processes = {"processes", {"worker.frozen", "worker.hung", "worker.none", "boot.slow"}, look_at};
}
}  // namespace rule
