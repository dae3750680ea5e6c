// Holds some threads by ptrace for the moment of a read, only where the user asks for it (--stop): a thread that is stopped in epoll_wait, semop,
// sigtimedwait or a receive with a time-out sees EINTR (measured), so nothing else in triage does this. PTRACE_SEIZE, for PTRACE_ATTACH leaves a
// SIGSTOP behind in a thread that does not stop at once.
#pragma once

#include <vector>

namespace probe {

class Stop {
 public:
  /// Waits 200 ms at most for all of them together; a thread in state D is then let go as it was.
  explicit Stop(const std::vector<int>& tids);
  ~Stop();
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;

  /// Those that stand until this ends.
  const std::vector<int>& stopped() const { return stopped_; }

 private:
  std::vector<int> stopped_;
};

}  // namespace probe
