// From what a Watch saw to facts: says how a signal came (a process, the kernel, cgroup.kill, a parent's death, a fault), joins the OOM
// killer's mark to every process that shares the victim's memory, and names the sender while it can still be asked. A fold: one event a step.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "evidence/fact.hpp"
#include "probe/watch_event.hpp"
#include "source/host.hpp"

namespace probe {

class Chronicle {
 public:
  /// `host`: where senders and victims are looked up in /proc.
  explicit Chronicle(const source::Host& host) : host_(host) {}

  /// `cgroups` of processes that are known already; others are read when they fork, or taken from their parent.
  void remember(int pid, std::string cgroup) { cgroups_[pid] = std::move(cgroup); }
  /// The facts of one event; `wall_minus_boot` makes its time one of the wall clock (ns).
  std::vector<evidence::Fact> step(const Event& event, std::int64_t wall_minus_boot);
  /// The cgroup of the memory controller ("" unknown), also of a process that has just ended.
  std::string cgroup_of(int pid) const;

 private:
  struct Kill { int pid = 0, tid = 0, sender_tid = 0; std::uint64_t mm = 0; std::int64_t at_ns = 0; bool marked = false; };
  struct Mark { int tid = 0, killer_tid = 0; std::uint64_t mm = 0; std::int64_t at_ns = 0; };

  void from_signal(const Event& event, const evidence::Fact& form, std::vector<evidence::Fact>& into);
  void from_mark(const Event& event, const evidence::Fact& form, std::vector<evidence::Fact>& into);
  void marked(Kill& kill, const Event& event, evidence::Fact form, std::string text, std::vector<evidence::Fact>& into);
  void forget_old(std::int64_t now_ns);

  const source::Host& host_;
  std::map<int, std::string> cgroups_;
  std::deque<std::pair<int, std::int64_t>> ended_;        // pids whose cgroup is forgotten a while after their end
  std::map<int, std::int64_t> cpu_warned_, killed_;       // SIGXCPU by the kernel; the first SIGKILL
  std::deque<Kill> kills_;                                // SIGKILLs by the kernel of the last seconds
  std::deque<Mark> marks_;
};

/// "SIGKILL by pid 88 (bash, /usr/bin/bash, uid 0), started by pid 80 (sshd)"
std::string sent_text(const Event& event, const evidence::SignalSent& sent);

}  // namespace probe
