// Descriptors: a process close to its limit, or what processes of one server share although it should be one's own.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/text.hpp"
#include "rule/supervisor.hpp"

namespace rule {

using namespace evidence;

namespace {

constexpr double close = 0.9;  // of the limit

const DescriptorsSeen& seen_of(const Look& look, FactId id) { return std::get<DescriptorsSeen>(look.evidence.facts[id].what); }

// Where its limit is raised, by who gave it. It is inherited, so nothing but a new start brings another one.
Step raise_it(const DescriptorsSeen& open, const std::string& unit) {
  const bool service = unit.size() > 8 && unit.ends_with(".service");
  if (base::starts_with(open.from, "its own")) return {"then", "find what sets it in the worker: setrlimit (Python: resource.setrlimit) or prlimit; its master has another one", "", "a restart", ""};
  if (base::starts_with(open.from, "the container's"))
    return {"then", "raise it for the container (docker run --ulimit nofile=65536, ulimits: in compose, LimitNOFILE of the runtime's own unit) and make it anew; limits.conf does not apply to it", "", "a restart", ""};
  if (service)
    return {"then", fmt::format("raise it in the unit: systemctl edit {}, then restart; limits.conf does not apply to services, and a reload (HUP) keeps the old limit", base::printable(unit, 80)), "", "a restart", "[Service]\nLimitNOFILE=65536"};
  if (base::contains(open.from, "a login"))
    return {"then", "raise it where it is started: ulimit -n in the script, or limits.conf and a new login (it applies at login, not to services); then restart: a reload (HUP) keeps the old limit", "", "a restart", ""};
  return {"then", "raise it where it is started (ulimit -n in the script, ulimits of the container), then restart: a reload (HUP) keeps the old limit", "", "a restart", ""};
}

// What this process was refused as it was watched, and what of it grew since an earlier look.
struct Watched { std::vector<FactId> refused; FactId grown = no_fact; };

Watched watched(const Look& look, int pid) {
  Watched found;
  const auto mine = [&](FactId id) { return look.evidence.facts[id].about.pid == pid && look.evidence.facts[id].about.space == PidSpace::host; };
  for (const FactId id : look.evidence.ids_of<DescriptorRefused>())
    if (mine(id)) found.refused.push_back(id);
  for (const FactId id : look.evidence.ids_of<DescriptorsGrown>())
    if (mine(id)) found.grown = id;
  return found;
}

constexpr double day_s = 86400;

// Seconds until the limit is reached, where one path or peer grows and grows. A pool that fills up does so, too: it has to be many, of what it
// may have or in itself.
std::optional<double> leaks_for(const DescriptorsGrown& grown, std::uint64_t soft) {
  if (soft == 0 || grown.used < grown.before + 8 || grown.most_count <= grown.most_before || grown.seconds <= 0) return std::nullopt;
  const auto by = static_cast<double>(grown.used - grown.before), by_most = static_cast<double>(grown.most_count - grown.most_before);
  if (by_most < 0.8 * by || (grown.used * 2 < soft && grown.most_count < 100)) return std::nullopt;
  const double left = grown.used < soft ? static_cast<double>(soft - grown.used) / (by / grown.seconds) : 0;
  return left > day_s ? std::nullopt : std::optional(left);
}

std::string span(double seconds) { return base::duration_text(static_cast<std::int64_t>(seconds * 1e9)); }

// The kernel's own answer, by pid. One draft for all calls that were refused for the same limit.
void say_refused(const Look& look, const Watched& seen, Draft& draft) {
  const auto& worst = std::get<DescriptorRefused>(look.evidence.facts[*std::max_element(seen.refused.begin(), seen.refused.end(), [&](FactId a, FactId b) {
    return std::get<DescriptorRefused>(look.evidence.facts[a].what).count < std::get<DescriptorRefused>(look.evidence.facts[b].what).count;
  })].what);
  draft.sure = Confidence::certain;
  draft.sure_because = "the kernel refused these calls while we watched";
  draft.values["limit"] = fmt::format(": {} failed {} with {}", worst.call, base::counted(worst.count, "time"), worst.error);
  if (worst.seconds >= 0.1) draft.values["limit"] += " in " + span(worst.seconds);
  if (seen.refused.size() > 1) draft.values["limit"] += fmt::format(", {} did, too", base::counted(seen.refused.size() - 1, "other call"));
  if (worst.limit == "RLIMIT_NOFILE") {
    draft.values["limit"] += worst.soft ? fmt::format("; its soft limit is {}", worst.soft) : "; its soft limit";
  } else if (base::starts_with(worst.limit, "fs.file-max")) {
    draft.own_steps = true;
    draft.values["kind"] = " was refused a descriptor: the machine has no more (Too many open files in system)";
    draft.values["limit"] += "; the limit is " + worst.limit + (worst.soft ? fmt::format(" ({})", worst.soft) : "");
    draft.first.push_back({"now", "see who has them: for p in /proc/[0-9]*; do echo $(ls $p/fd | wc -l) $p $(cat $p/comm); done | sort -n | tail; then raise it: sysctl fs.file-max=2097152", "", "nothing", ""});
    draft.sure_because += "; its own limit would have answered EMFILE";
  } else {
    draft.own_steps = true;
    draft.values["kind"] = " was refused a descriptor by a counter of its own (Too many open files)";
    draft.values["limit"] += "; the limit is " + worst.limit + ", of its user on the whole machine";
    draft.first.push_back({"then", "raise it (sysctl " + worst.limit + "), or find who makes so many: a file watcher (--reload) in every worker does", "", "nothing", ""});
    draft.sure_because += fmt::format("; of its own limit {} of {} were open", worst.used, worst.soft);
  }
  for (const FactId id : seen.refused) because(draft, id);
}

void of_process(const Look& look, const LiveServer& live, const LiveProcess& process, std::vector<Draft>& drafts) {
  const Watched seen = watched(look, process.pid);
  const DescriptorsSeen none;
  const DescriptorsSeen& open = process.descriptors == no_fact ? none : seen_of(look, process.descriptors);
  const auto* grown = seen.grown == no_fact ? nullptr : as<DescriptorsGrown>(look.evidence.facts[seen.grown]);
  const auto left = grown ? leaks_for(*grown, open.soft) : std::nullopt;
  const bool near = open.soft && static_cast<double>(open.used) >= close * static_cast<double>(open.soft);
  if (!near && !left && seen.refused.empty()) return;
  Draft draft = draft_about(look, "limit.descriptors", live, process);
  if (!seen.refused.empty()) {
    say_refused(look, seen, draft);
  } else {
    draft.sure = Confidence::certain;
    draft.sure_because = "its open descriptors were counted, and its limit read";
    draft.values["limit"] = fmt::format(": {} of {}", open.used, open.soft);
    if (open.used < open.soft) {
      draft.level = Level::warning;
      draft.values["kind"] = " has nearly used up its file descriptors";
    }
    if (!near) {
      draft.sure = Confidence::likely;
      draft.sure_because = "they were counted twice; whether what was opened is closed later was not seen";
      draft.values["kind"] = " opens file descriptors and does not close them";
    }
    if (left) draft.values["limit"] += fmt::format(" ({} before: {})", span(grown->seconds), grown->before) + (open.used < open.soft ? fmt::format("; at this pace the limit comes in {}", span(*left)) : "");
  }
  if (const model::Unit* known = unit_of(look, live); known && sets_files(*known, open.soft)) {
    because(draft, known->settings.at("LimitNOFILE").because, "the limit is set here; limits.conf does not apply to systemd services");
    draft.values["limit"] += fmt::format("; the limit is {}", set_at(look, *known, "LimitNOFILE"));
  }
  if (!draft.own_steps) {
    if (open.most_count * 2 > open.used && open.most_count > 4) {
      draft.values["limit"] += fmt::format("; {} of {} are {}", open.most_count, open.used, base::printable(open.most, 80));
      draft.first.push_back({"then", fmt::format("find what leaves them open: {} of {} are {}", open.most_count, open.used, base::printable(open.most, 80)), "", "nothing", ""});
    }
    draft.first.push_back(raise_it(open, process.descriptors == no_fact ? std::string() : look.evidence.facts[process.descriptors].about.unit));
  }
  if (process.descriptors != no_fact) because(draft, process.descriptors);
  if (left) because(draft, seen.grown);
  else if (near && seen.refused.empty() && !grown) draft.missing.push_back("whether they grow: triage --for 10s looks twice; triage watch --syscalls sees the calls that are refused");
  draft.group = std::to_string(live.master.pid);
  drafts.push_back(std::move(draft));
}

// Whoever was refused one in its accept loop dies of it: its calls are known, and nothing else of it any more.
void of_ended(const Look& look, const std::set<int>& living, std::vector<Draft>& drafts) {
  std::set<int> ended;
  for (const FactId id : look.evidence.ids_of<DescriptorRefused>())
    if (const int pid = look.evidence.facts[id].about.pid; pid && !living.contains(pid)) ended.insert(pid);
  for (const int pid : ended) {
    const Watched seen = watched(look, pid);
    if (seen.refused.empty()) continue;
    Draft draft;
    draft.rule = "limit.descriptors";
    draft.subject.pid = draft.subject.host_pid = pid;
    draft.subject.role = "worker";
    draft.values["role"] = "process";
    draft.values["pid"] = std::to_string(pid);
    draft.when = look.evidence.facts[seen.refused.front()].when;
    say_refused(look, seen, draft);
    drafts.push_back(std::move(draft));
  }
}

// Counters of the machine and of cgroups against their limits.
void of_machine(const Look& look, std::vector<Draft>& drafts) {
  std::set<std::string> said;
  for (const FactId id : look.evidence.ids_of<LimitSeen>()) {
    const auto* limit = as<LimitSeen>(look.evidence.facts[id]);
    if ((limit->what != "files" && limit->what != "pids") || limit->limit == 0 || static_cast<double>(limit->used) < close * static_cast<double>(limit->limit) || !said.insert(limit->where).second) continue;
    const bool files = limit->what == "files";
    Draft draft;
    draft.rule = files ? "limit.descriptors" : "limit.processes";
    draft.sure = Confidence::certain;
    draft.sure_because = "the counter and its limit were read";
    draft.subject.role = "server";
    draft.subject.where = base::printable(limit->where, 120);
    draft.when = look.evidence.facts[id].when;
    if (limit->used < limit->limit) draft.level = Level::warning;
    draft.values["server"] = files ? "the machine" : "the cgroup " + base::printable(limit->where, 120);
    draft.values["role"] = " ";
    if (files) draft.values["kind"] = limit->used < limit->limit ? "has nearly used up its open files" : "ran out of open files";
    else draft.values["kind"] = limit->used < limit->limit ? "soon pids.max" : "pids.max";
    draft.values["limit"] = fmt::format(": {} of {}", limit->used, limit->limit);
    because(draft, id);
    drafts.push_back(std::move(draft));
  }
}

bool keeps_no_order(std::string_view guess) { return guess == "fluentd" || guess == "Graylog" || guess == "syslog" || guess == "statsd"; }

std::string names(const DescriptorShared& shared, int master) {
  std::size_t workers = 0;
  bool with_master = false;
  for (const auto word : base::split(shared.pids, ' ')) {
    if (base::read_number(word) == master) with_master = true;
    else ++workers;
  }
  return (with_master ? "the master and " : "") + base::counted(workers, "worker");
}

// Who used that socket while its calls were watched; the last word counts.
FactId use_of(const Look& look, std::uint64_t inode) {
  FactId found = no_fact;
  for (const FactId id : look.evidence.ids_of<SocketUsed>())
    if (inode && std::get<SocketUsed>(look.evidence.facts[id].what).inode == inode) found = id;
  return found;
}

// What watching its calls adds: proof, where a second process really used it.
void of_use(const SocketUsed& used, FactId id, Draft& draft) {
  const std::size_t users = used.pids.empty() ? 0 : base::split(used.pids, ' ').size();
  because(draft, id);
  if (users < 2) {
    draft.sure_because = fmt::format("that it is shared is certain; {} it in the {} that were watched", users == 1 ? "only pid " + used.pids + " used" : "nobody used", span(used.seconds));
    return;
  }
  draft.values["message"] += fmt::format("; {} of them used it in {}, changing hands {}", users, span(used.seconds), base::counted(used.turns, "time"));
  if (used.mixed) draft.values["message"] += fmt::format(", {} while another waited for its reply", base::counted(used.mixed, "write"));
  if (used.stray) draft.values["message"] += fmt::format(", {} of what another had asked for", base::counted(used.stray, "read"));
  if (draft.truth != Truth::yes) return;
  draft.values["kind"] = "share";
  draft.sure = Confidence::certain;
  draft.sure_because = used.mixed || used.stray ? "their calls on that socket were seen, and they got into each other's way" : "their calls on that socket were seen; each exchange was over before the next, so far";
  draft.missing.clear();
}

// Celery forks anew whoever is lost, and these inherit its main process's connection to the broker and its epoll set, which they never use. What the
// application opened before the fork is open in those that were started with the main process as well.
bool broker_of_its_own(const Look& look, const LiveServer& live, const DescriptorShared& shared) {
  constexpr std::int64_t together = base::second_ns, at_start = 60 * base::second_ns;
  if (live.flavour != "celery") return false;
  if (shared.kind == "epoll") return true;   // kombu's poller stands before the fork: three sets in each of a fresh 5.2.6 (measured)
  const auto started = [&](const LiveProcess& process) { const auto* seen = process.seen == no_fact ? nullptr : as<ProcessSeen>(look.evidence.facts[process.seen]); return seen ? seen->started_ns : std::nullopt; };
  const auto master = started(live.master);
  std::optional<std::int64_t> first;
  for (const LiveProcess& worker : live.workers)
    if (const auto own = started(worker); own && (!first || *own < *first)) first = own;
  if (!master || !first || *first - *master > at_start) return true;
  const auto holders = base::split(shared.pids, ' ');
  return std::any_of(live.workers.begin(), live.workers.end(), [&](const LiveProcess& worker) {
    const auto own = started(worker);
    return own && *own - *first <= together && std::none_of(holders.begin(), holders.end(), [&](std::string_view word) { return base::read_number(word) == worker.pid; });
  });
}

void of_sharing(const Look& look, const LiveServer& live, std::vector<Draft>& drafts) {
  for (const FactId id : look.evidence.ids_of<DescriptorShared>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* shared = as<DescriptorShared>(fact);
    if (fact.about.pid != (live.master.pid ? live.master.pid : live.workers.front().pid) || keeps_no_order(shared->guess)) continue;
    const bool socket = shared->kind == "socket";
    if (broker_of_its_own(look, live, *shared)) continue;
    Draft draft = draft_about(look, socket ? "fork.shared-connection" : "fork.shared-epoll", live);
    const std::string who = names(*shared, live.master.pid), peer = base::printable(shared->peer, 120);
    draft.values["message"] = socket ? fmt::format("{} have one and the same socket{}{} open", who, peer.empty() ? "" : " to " + peer, shared->guess.empty() ? "" : " (" + shared->guess + ")")
                                     : fmt::format("{} have one and the same epoll set open", who);
    because(draft, id);
    draft.group = draft.rule + std::to_string(fact.about.pid);
    // A unix socket whose other end is not known may be a bus or a manager of the application's own.
    if (socket && shared->peer.empty()) {
      draft.truth = Truth::unknown;
      draft.sure_because = "that it is shared is certain; what it leads to could not be seen";
      draft.missing.push_back("the other end of that socket: ss -xp, as root");
    } else {
      draft.sure = Confidence::likely;
      draft.sure_because = "that it is shared is certain; that more than one of them uses it was not watched";
      draft.missing.push_back(socket ? "whether more than one of them reads and writes it: triage --syscalls --for 5s" : "whether a worker still uses it: strace -e trace=epoll_ctl,epoll_wait -p PID, for seconds");
    }
    if (const FactId use = socket ? use_of(look, shared->inode) : no_fact; use != no_fact) of_use(std::get<SocketUsed>(look.evidence.facts[use].what), use, draft);
    for (const LiveProcess& worker : live.workers)
      if (worker.descriptors != no_fact && draft.because.size() < 3) because(draft, worker.descriptors);
    drafts.push_back(std::move(draft));
  }
}

// A GPU that the master has open was initialised before the fork: CUDA refuses to work in the children.
void of_devices(const Look& look, const LiveServer& live, std::vector<Draft>& drafts) {
  for (const FactId id : look.evidence.ids_of<DeviceHeld>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* device = as<DeviceHeld>(fact);
    if (live.master.pid == 0 || fact.about.pid != live.master.pid) continue;
    Draft draft = draft_about(look, "fork.cuda", live);
    draft.sure = Confidence::likely;
    draft.sure_because = "the master has the device open; whether its workers use it was not seen";
    draft.values["message"] = "the master has " + base::printable(device->path, 80) + " open";
    because(draft, id);
    drafts.push_back(std::move(draft));
    return;
  }
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  of_machine(look, drafts);
  std::set<int> living;
  for (const LiveServer& live : live_servers(look)) {
    living.insert(live.master.pid);
    if (live.master.pid) of_process(look, live, live.master, drafts);
    for (const LiveProcess& worker : live.workers) {
      living.insert(worker.pid);
      of_process(look, live, worker, drafts);
    }
    of_sharing(look, live, drafts);
    of_devices(look, live, drafts);
  }
  of_ended(look, living, drafts);
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check descriptors = {"descriptors", {"limit.descriptors", "limit.processes", "fork.shared-connection", "fork.shared-epoll", "fork.cuda"}, look_at};
}
}  // namespace rule
