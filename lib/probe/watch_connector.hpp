// The second rung: the kernel's process connector (netlink). Tells fork, exec and exit with the wait status of every process, but never who
// sent a signal. Needs CAP_NET_ADMIN and the initial pid and network namespace; every kernel from 5.10 to 7.2 has it (measured).
#pragma once

#include <vector>

#include "base/owner.hpp"
#include "base/result.hpp"
#include "probe/watch_event.hpp"

namespace probe {

class ConnectorWatch {
 public:
  static base::Result<ConnectorWatch> open();
  int fd() const { return socket_.get(); }
  /// Everything that came; processes only, no threads. Not filtered: the connector speaks of the whole machine.
  void drain(std::vector<Event>& into);
  std::uint64_t lost() const { return lost_; }

 private:
  base::Fd socket_;
  std::uint64_t lost_ = 0;
  std::vector<std::uint32_t> next_;    // per CPU: the sequence number that comes next; 0 before the first
};

}  // namespace probe
