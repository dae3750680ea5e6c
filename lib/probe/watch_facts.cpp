#include "probe/watch_facts.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "probe/proc.hpp"

namespace probe {

namespace {

using namespace evidence;

constexpr int sigkill = 9, sigxcpu = 24;
constexpr std::int64_t together_ns = 100'000'000;        // the killer's SIGKILL and mark_victim are one call of __oom_kill_process
constexpr std::int64_t remembered_ns = 10 * base::second_ns;

/// The siginfo's code says how it came (include/uapi/asm-generic/siginfo.h; measured on 5.10 to 7.2).
std::string how_of(const Event& event) {
  if (event.sent_by == Event::SentBy::kernel) return "kernel";
  if (event.sent_by == Event::SentBy::noinfo) return "noinfo";
  if (event.code > 0) return "fault";                      // SI_KERNEL 0x80 or the fault's own reason
  return event.sender == event.pid ? "self" : "user";      // SI_USER 0, SI_QUEUE -1, SI_TKILL -6
}

std::string process_text(int pid, const std::string& comm) {
  std::string text = "pid " + std::to_string(pid);
  if (!comm.empty()) text += " (" + base::printable(comm, 64) + ")";
  return text;
}

}  // namespace

std::string sent_text(const Event& event, const SignalSent& sent) {
  std::string text = base::signal_text(sent.signal);
  if (sent.namespace_ended) return text + " by the kernel: the pid namespace's first process, " + process_text(event.sender, event.sender_comm) + ", ended";
  if (sent.cpu_limit) return text + " by the kernel: RLIMIT_CPU used up";
  if (sent.parent_death) return text + " by the kernel because its parent, " + process_text(event.sender, event.sender_comm) + ", ended";
  if (sent.how == "kernel") return text + " by the kernel";
  if (sent.how == "fault") return text + " by a fault of its own";
  if (sent.how == "self") return text + " by itself";
  text += sent.cgroup_kill ? " through cgroup.kill, written by " : " by ";
  text += process_text(sent.sender, sent.sender_comm);
  std::string more;
  if (!sent.sender_exe.empty()) more = base::printable(sent.sender_exe, 120) + ", ";
  text += ", " + more + "uid " + std::to_string(event.sender_uid);
  if (event.sender_parent > 0 && !event.sender_parent_comm.empty()) text += ", started by " + process_text(event.sender_parent, event.sender_parent_comm);
  return text;
}

std::string Chronicle::cgroup_of(int pid) const {
  if (const auto found = cgroups_.find(pid); found != cgroups_.end()) return found->second;
  const auto text = host_.read("/proc/" + std::to_string(pid) + "/cgroup", 1 << 14);
  return text ? read_cgroup(*text).memory : std::string();
}

void Chronicle::forget_old(std::int64_t now_ns) {
  while (!kills_.empty() && now_ns - kills_.front().at_ns > remembered_ns) kills_.pop_front();
  while (!marks_.empty() && now_ns - marks_.front().at_ns > remembered_ns) marks_.pop_front();
  while (!ended_.empty() && now_ns - ended_.front().second > remembered_ns) {
    cgroups_.erase(ended_.front().first);
    cpu_warned_.erase(ended_.front().first);
    killed_.erase(ended_.front().first);
    ended_.pop_front();
  }
}

void Chronicle::marked(Kill& kill, const Event& event, Fact form, std::string text, std::vector<Fact>& into) {
  kill.marked = true;
  form.about = {kill.pid, PidSpace::host, {}};
  form.what = OomMarked{"", cgroup_of(kill.pid)};
  form.text = std::move(text) + "; it ran out in " + process_text(event.sender, event.sender_comm);
  into.push_back(std::move(form));
}

void Chronicle::from_signal(const Event& event, const Fact& form, std::vector<Fact>& into) {
  if (event.outcome == 1) return;                                        // ignored by the process: nothing came of it
  if (event.signal == sigkill) {
    if (killed_.contains(event.pid)) return;                             // it is dying already; the first one decided
    killed_[event.pid] = event.at_ns;
  }
  SignalSent sent;
  sent.signal = event.signal;
  sent.code = event.code;
  sent.how = how_of(event);
  sent.sender = event.sender;
  sent.sender_comm = event.sender_comm;
  sent.sender_exe = event.sender_exe;
  sent.sender_cgroup = event.sender_cgroup;
  sent.parent_death = event.sent_by == Event::SentBy::noinfo && event.sender_exiting;
  sent.cgroup_kill = event.sent_by == Event::SentBy::noinfo && !event.sender_exiting && event.signal == sigkill;
  if (event.sent_by == Event::SentBy::kernel) {
    if (event.signal == sigxcpu) cpu_warned_[event.pid] = event.at_ns;
    sent.cpu_limit = event.signal == sigkill && event.sender == event.pid && cpu_warned_.contains(event.pid);
    sent.namespace_ended = event.signal == sigkill && event.sender_exiting && event.sender_ns_pid == 1 && event.sender != event.pid;
  }
  if (sent.how == "user" || sent.how == "noinfo") {
    // The whole path and cgroup while the sender still runs; else what BPF noted of them stays.
    const std::string proc = "/proc/" + std::to_string(event.sender);
    if (auto exe = host_.link(proc + "/exe")) sent.sender_exe = std::move(*exe);
    if (const auto cgroup = host_.read(proc + "/cgroup", 1 << 14)) {
      if (auto path = read_cgroup(*cgroup).memory; !path.empty()) sent.sender_cgroup = std::move(path);
    }
  } else if (sent.how == "kernel") {
    sent.sender = 0;                                                     // whoever ran then has nothing to do with it
    sent.sender_comm = sent.sender_exe = sent.sender_cgroup = "";
  }
  Fact fact = form;
  fact.text = sent_text(event, sent);
  fact.what = std::move(sent);
  into.push_back(std::move(fact));

  if (event.signal != sigkill || event.sent_by != Event::SentBy::kernel) return;
  Kill kill{event.pid, event.tid, event.sender_tid, event.mm, event.at_ns, false};
  // Processes that share the victim's memory are killed right after the mark, without a mark or a log line of their own.
  for (const Mark& mark : marks_) {
    if (event.at_ns - mark.at_ns > together_ns || mark.killer_tid != event.sender_tid || !mark.mm || mark.mm != event.mm) continue;
    marked(kill, event, form, "killed with the OOM victim " + std::to_string(mark.tid) + ", whose memory it shares", into);
    break;
  }
  kills_.push_back(kill);
}

void Chronicle::from_mark(const Event& event, const Fact& form, std::vector<Fact>& into) {
  Mark mark{event.tid, event.sender_tid, event.mm, event.at_ns};
  for (auto kill = kills_.rbegin(); kill != kills_.rend(); ++kill) {
    if (event.at_ns - kill->at_ns > together_ns || kill->marked) continue;
    const bool same = kill->tid == event.tid || kill->pid == event.pid || kill->pid == event.tid;
    if (!same) continue;
    if (!mark.mm) mark.mm = kill->mm;
    marked(*kill, event, form, "marked as OOM victim" + (kill->tid != kill->pid ? " by its thread " + std::to_string(kill->tid) : std::string()), into);
    marks_.push_back(mark);
    return;
  }
  marks_.push_back(mark);
  // Already exiting, it is marked without a SIGKILL and without a line in the log (mm/oom_kill.c task_will_free_mem).
  const int pid = event.pid ? event.pid : event.tid;
  if (!cgroups_.contains(pid)) return;
  Kill kill{pid, event.tid, event.sender_tid, event.mm, event.at_ns, false};
  marked(kill, event, form, "marked as OOM victim while it was ending", into);
}

std::vector<Fact> Chronicle::step(const Event& event, std::int64_t wall_minus_boot) {
  std::vector<Fact> facts;
  forget_old(event.at_ns);
  Fact form;
  form.about = {event.pid, PidSpace::host, {}};
  form.when = base::Instant{base::Clock::wall, event.at_ns + wall_minus_boot, event.by == "bpf" || event.by == "connector" ? 1'000'000 : 60'000'000};
  switch (event.what) {
    case Event::What::signal: from_signal(event, form, facts); break;
    case Event::What::oom: from_mark(event, form, facts); break;
    case Event::What::fork: {
      std::string cgroup = cgroup_of(event.pid);
      if (cgroup.empty()) cgroup = cgroup_of(event.parent);             // a child starts in its parent's
      cgroups_[event.pid] = std::move(cgroup);
      killed_.erase(event.pid);                                          // the pid was used before
      cpu_warned_.erase(event.pid);
      form.what = ProcessForked{event.parent, event.ns_pid, event.comm};
      form.text = "pid " + std::to_string(event.pid) + " forked by pid " + std::to_string(event.parent);
      facts.push_back(std::move(form));
      break;
    }
    case Event::What::exec: {
      const auto args = host_.read("/proc/" + std::to_string(event.pid) + "/cmdline", 4096);
      form.what = ProcessExec{event.comm, args ? command_text(read_cmdline(*args)) : std::string()};
      form.text = "pid " + std::to_string(event.pid) + " became " + event.comm;
      cgroups_.try_emplace(event.pid, cgroup_of(event.pid));
      facts.push_back(std::move(form));
      break;
    }
    case Event::What::exit: {
      form.what = ProcessExited{event.status, event.ns_pid, event.parent, event.comm, event.by, !event.status_known};
      const int signal = event.status & 0x7f;
      form.text = "pid " + std::to_string(event.pid) + (event.comm.empty() ? "" : " (" + event.comm + ")") + ": " +
                  (!event.status_known ? "ended, its status was gone before we could ask"
                   : signal ? "ended by " + base::signal_text(signal) + (event.status & 0x80 ? ", core dumped" : "")
                            : "exited with code " + std::to_string(event.status >> 8 & 0xff));
      ended_.emplace_back(event.pid, event.at_ns);
      facts.push_back(std::move(form));
      break;
    }
  }
  return facts;
}

}  // namespace probe
