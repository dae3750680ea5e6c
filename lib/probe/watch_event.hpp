// What happened to a watched process, whichever rung saw it: BPF, the proc connector, a pidfd or a look into /proc. A rung fills what it
// can see and leaves the rest at its default; what a rung cannot see at all is a Gap of the Watch.
#pragma once

#include <cstdint>
#include <string>

namespace probe {

struct Event {
  enum class What : std::uint8_t { signal, fork, exec, exit, oom } what = What::exit;
  enum class SentBy : std::uint8_t { real, noinfo, kernel } sent_by = SentBy::real;   // signal: the siginfo the kernel was handed
  std::int64_t at_ns = 0;                    // CLOCK_BOOTTIME
  std::int64_t start_ns = 0;                 // start of the process it is about, same clock; 0 unknown
  std::uint64_t mm = 0;                      // its address space, only to be compared; 0 unknown
  int pid = 0, tid = 0, ns_pid = 0, parent = 0;   // initial namespace, but for ns_pid (innermost); 0 unknown
  int status = 0;                            // exit: wait status
  bool status_known = true;                  // exit: false when nobody could tell it any more
  int signal = 0, code = 0, outcome = 0;     // outcome: 0 delivered, 1 ignored, 2 pending already
  int sender = 0, sender_tid = 0, sender_ns_pid = 0, sender_parent = 0;
  std::uint32_t sender_uid = 0;
  bool sender_exiting = false;
  std::string comm, sender_comm, sender_parent_comm, sender_exe, sender_cgroup;   // raw bytes
  std::string by;                            // "bpf" "connector" "pidfd" "poll"
};

}  // namespace probe
