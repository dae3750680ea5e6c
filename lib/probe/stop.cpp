#include "probe/stop.hpp"

#include <poll.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cstdint>

namespace probe {

namespace {

constexpr int most_rounds = 200;                 // of a millisecond

}  // namespace

Stop::Stop(const std::vector<int>& tids) {
  std::vector<int> asked;
  for (const int tid : tids) {
    if (::ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) != 0) continue;
    if (::ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr) == 0) asked.push_back(tid);
  }
  for (int round = 0; round < most_rounds && !asked.empty(); ++round) {
    std::erase_if(asked, [&](int tid) {
      int status = 0;
      if (::waitpid(tid, &status, __WALL | WNOHANG) != tid) return false;
      if (!WIFSTOPPED(status)) return true;      // it has ended
      // A signal that came first is handed on; the stop that was asked for comes after it.
      if (status >> 16 != PTRACE_EVENT_STOP) {
        ::ptrace(PTRACE_CONT, tid, nullptr, reinterpret_cast<void*>(static_cast<std::uintptr_t>(WSTOPSIG(status))));
        return false;
      }
      stopped_.push_back(tid);
      return true;
    });
    if (!asked.empty()) ::poll(nullptr, 0, 1);
  }
  // Not stopped: the kernel lets go of it when we end, and refuses until then.
  for (const int tid : asked) ::ptrace(PTRACE_DETACH, tid, nullptr, nullptr);
}

Stop::~Stop() {
  for (const int tid : stopped_) ::ptrace(PTRACE_DETACH, tid, nullptr, nullptr);
}

}  // namespace probe
