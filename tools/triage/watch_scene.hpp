// Everything a watch knows at one moment: the servers, the ends of their logs, the kernel log since it attached, and what happened to their
// processes. Evidence is made anew from it for every judgement, so that a judgement never costs more than these bounded pieces.
#pragma once

#include <deque>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "evidence/evidence.hpp"
#include "log_tail.hpp"
#include "probe/servers.hpp"
#include "probe/watch.hpp"
#include "probe/watch_facts.hpp"
#include "probe/watch_kmsg.hpp"

namespace triage {

class Scene {
 public:
  /// `kmsg`: the kernel log, or why it cannot be followed; taken in by poll() when it is there.
  Scene(const source::Host& host, std::string method, std::future<base::Result<probe::KmsgFollower>> kmsg);

  /// A server and what it runs, as /proc shows them now; again for one that is known brings its logs and processes up to date.
  void add(const probe::FoundServer& server);
  /// Remembers what the server's cgroups have counted until now, so that evidence() can tell what came since.
  void count_oom_kills(const probe::FoundServer& server);
  bool is_master(int pid) const { return masters_.contains(pid); }
  /// The master this process was forked by, 0 when it is no direct child of one.
  int master_of(int pid) const;
  std::vector<int> children_of_masters() const;              // that have not ended
  bool has_ended(int pid) const;
  /// Seen in /proc, or forked since.
  bool knows(int pid) const { return parents_.contains(pid); }

  /// Of a server that was added, or below one of its masters.
  bool belongs(int pid) const;

  void take(const probe::Event& event);
  /// What was seen of a process besides: its stack as it died.
  void take(evidence::Fact fact);
  /// Reads what logs and the kernel log have got since; true when a server's log had something.
  bool poll();
  const std::vector<evidence::Gap>& gaps() const { return gaps_; }
  /// Adds a Gap, once.
  void miss(evidence::Gap gap);
  std::uint64_t kernel_records_lost() const { return kmsg_ ? kmsg_->lost() : 0; }
  std::vector<std::string> log_names() const;

  evidence::Evidence evidence(std::uint64_t events_lost) const;

 private:
  void add_logs(const probe::FoundServer& server);
  void forget_oldest();

  const source::Host& host_;
  std::string method_;
  probe::Chronicle chronicle_;
  std::set<int> masters_;
  std::map<int, int> parents_;                               // of what was seen or forked
  std::map<int, std::vector<evidence::Fact>> seen_;          // ProcessSeen and ServerCommand, by pid
  std::deque<std::pair<int, evidence::Fact>> happened_;      // by pid, oldest first
  std::set<int> ended_;
  std::vector<LogTail> logs_;
  std::future<base::Result<probe::KmsgFollower>> kmsg_coming_;
  std::optional<probe::KmsgFollower> kmsg_;
  std::string kernel_;
  std::int64_t attached_boot_ = 0;
  struct Counter { std::string folder, path; int version = 0, master = 0; std::uint64_t before = 0; };
  std::vector<Counter> counters_;                            // one for each cgroup
  std::vector<evidence::Gap> gaps_;
};

/// Nanoseconds of a clock now, and what turns CLOCK_BOOTTIME into wall time.
std::int64_t boot_now();
std::int64_t wall_minus_boot();

}  // namespace triage
