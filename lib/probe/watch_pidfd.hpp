// The last rung, without any privilege over the machine: a pidfd becomes readable when its process ends, the wait status is then taken from
// the zombie's /proc/PID/stat or, on 6.15 and later, from ioctl(PIDFD_GET_INFO) even after it was reaped. Where pidfds are missing (before
// 5.3) /proc is looked at again and again.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/owner.hpp"
#include "probe/watch_event.hpp"

namespace probe {

/// The wait status of a zombie; nullopt when it is none (any more), or the status is hidden from us.
std::optional<int> zombie_status(int pid);
/// The wait status of an ended process by its pidfd (Linux 6.15); nullopt where the kernel does not tell.
std::optional<int> pidfd_status(int pidfd);

class PidfdWatch {
 public:
  /// `pidfds` false: as on a kernel without them.
  explicit PidfdWatch(bool pidfds);
  int fd() const { return epoll_.get(); }
  bool has_pidfds() const { return pidfds_; }
  /// Adds a process and reports its ends and children from now on; `report`: a fork event is made for it.
  void add(int pid, int parent, bool report, std::vector<Event>& into);
  void remove(int pid);
  bool knows(int pid) const { return known_.contains(pid); }
  /// The ends that are known now. `look`: also search for new children in /proc (and for ends, without pidfds).
  void drain(bool look, std::vector<Event>& into);
  /// What was noted of a process when it was first seen, for an event that lacks it.
  void complete(Event& event) const;
  std::uint64_t unknown_statuses() const { return unknown_; }

 private:
  struct Known { base::Fd pidfd; int parent = 0, ns_pid = 0; std::int64_t start_ns = 0; std::string comm; };
  void ended(int pid, std::vector<Event>& into);
  void look_for_children(std::vector<Event>& into);

  base::Fd epoll_;
  bool pidfds_ = true;
  std::map<int, Known> known_;
  std::map<int, std::int64_t> ended_;     // told already, and perhaps still a zombie: pid and start
  std::uint64_t unknown_ = 0;
};

}  // namespace probe
