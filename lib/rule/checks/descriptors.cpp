// Descriptors: a process close to its limit, or what processes of one server share although it should be one's own.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "rule/live.hpp"

namespace rule {

using namespace evidence;

namespace {

constexpr double close = 0.9;  // of the limit

const DescriptorsSeen& seen_of(const Look& look, FactId id) { return std::get<DescriptorsSeen>(look.evidence.facts[id].what); }

void of_process(const Look& look, const LiveServer& live, const LiveProcess& process, std::vector<Draft>& drafts) {
  if (process.descriptors == no_fact) return;
  const DescriptorsSeen& open = seen_of(look, process.descriptors);
  if (open.soft == 0 || static_cast<double>(open.used) < close * static_cast<double>(open.soft)) return;
  Draft draft = draft_about(look, "limit.descriptors", live, process);
  draft.sure = Confidence::certain;
  draft.sure_because = "its open descriptors were counted, and its limit read";
  draft.values["limit"] = fmt::format(": {} of {}", open.used, open.soft);
  if (open.used < open.soft) {
    draft.level = Level::warning;
    draft.values["kind"] = " has nearly used up its file descriptors";
  }
  if (open.most_count * 2 > open.used) {
    draft.values["limit"] += fmt::format("; {} of them are {}", open.most_count, base::printable(open.most, 80));
    draft.first.push_back({"then", fmt::format("find what leaves them open: {} of {} are {}", open.most_count, open.used, base::printable(open.most, 80)), "", "nothing", ""});
  }
  const std::string& unit = look.evidence.facts[process.descriptors].about.unit;
  if (unit.size() > 8 && unit.ends_with(".service"))
    draft.first.push_back({"then", fmt::format("raise it in the unit: systemctl edit {}, then restart; limits.conf does not apply to services, and a reload keeps the old limit", base::printable(unit, 80)), "", "a restart", "[Service]\nLimitNOFILE=65536"});
  else draft.first.push_back({"then", "raise it where it is started (ulimit -n in the script, ulimits of the container), then restart: a reload keeps the old limit", "", "a restart", ""});
  because(draft, process.descriptors);
  draft.group = std::to_string(live.master.pid);
  drafts.push_back(std::move(draft));
}

// Counters of the machine and of cgroups against their limits.
void of_machine(const Look& look, std::vector<Draft>& drafts) {
  std::set<std::string> said;
  for (FactId id = 0; id < look.evidence.facts.size(); ++id) {
    const auto* limit = as<LimitSeen>(look.evidence.facts[id]);
    if (!limit || (limit->what != "files" && limit->what != "pids") || limit->limit == 0 || static_cast<double>(limit->used) < close * static_cast<double>(limit->limit) || !said.insert(limit->where).second) continue;
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

std::string names(const Look& look, const DescriptorShared& shared, int master) {
  std::size_t workers = 0;
  bool with_master = false;
  for (const auto word : base::split(shared.pids, ' ')) {
    if (base::read_number(word) == master) with_master = true;
    else ++workers;
  }
  (void)look;
  return (with_master ? "the master and " : "") + base::counted(workers, "worker");
}

void of_sharing(const Look& look, const LiveServer& live, std::vector<Draft>& drafts) {
  for (FactId id = 0; id < look.evidence.facts.size(); ++id) {
    const Fact& fact = look.evidence.facts[id];
    const auto* shared = as<DescriptorShared>(fact);
    if (!shared || fact.about.pid != (live.master.pid ? live.master.pid : live.workers.front().pid) || keeps_no_order(shared->guess)) continue;
    const bool socket = shared->kind == "socket";
    Draft draft = draft_about(look, socket ? "fork.shared-connection" : "fork.shared-epoll", live);
    const std::string who = names(look, *shared, live.master.pid), peer = base::printable(shared->peer, 120);
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
      draft.missing.push_back(socket ? "replies that reach the wrong process: watch who reads and writes it (strace -f -e trace=network -p PID, for seconds)" : "whether a worker still uses it: strace -e trace=epoll_ctl,epoll_wait -p PID, for seconds");
    }
    for (const LiveProcess& worker : live.workers)
      if (worker.descriptors != no_fact && draft.because.size() < 3) because(draft, worker.descriptors);
    drafts.push_back(std::move(draft));
  }
}

// A GPU that the master has open was initialised before the fork: CUDA refuses to work in the children.
void of_devices(const Look& look, const LiveServer& live, std::vector<Draft>& drafts) {
  for (FactId id = 0; id < look.evidence.facts.size(); ++id) {
    const Fact& fact = look.evidence.facts[id];
    const auto* device = as<DeviceHeld>(fact);
    if (!device || live.master.pid == 0 || fact.about.pid != live.master.pid) continue;
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
  for (const LiveServer& live : live_servers(look)) {
    if (live.master.pid) of_process(look, live, live.master, drafts);
    for (const LiveProcess& worker : live.workers) of_process(look, live, worker, drafts);
    of_sharing(look, live, drafts);
    of_devices(look, live, drafts);
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check descriptors = {"descriptors", {"limit.descriptors", "limit.processes", "fork.shared-connection", "fork.shared-epoll", "fork.cuda"}, look_at};
}
}  // namespace rule
