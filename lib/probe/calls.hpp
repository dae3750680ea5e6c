// What system calls of watched processes came to: who was refused a descriptor, and who really uses a connection that several of them have
// open. A fold without a machine: one event a step, and the facts of it at any time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/evidence.hpp"

namespace probe {

/// One use of a shared socket, or the first refusal of its kind.
struct CallEvent {
  enum class What : std::uint8_t { refused, read, wrote } what = What::refused;
  std::int64_t at_ns = 0;                    // CLOCK_BOOTTIME, the end of the call
  std::uint64_t inode = 0;                   // read, wrote: of the socket
  int pid = 0;                               // initial namespace
  long call = 0;                             // its number; -1 one that is not translated
  int error = 0;                             // refused: EMFILE ENFILE
};

/// How often a process was refused a descriptor by one call.
struct Refusals {
  int pid = 0, error = 0;                    // EMFILE ENFILE
  long call = 0;
  std::uint64_t count = 0;
  std::int64_t first_ns = 0, last_ns = 0;    // CLOCK_BOOTTIME
};

/// "accept4", "system call 999".
std::string name_of_call(long number);
/// The limit that such a refusal speaks of: a full table of the process or of the machine, or a counter of its own that gives the same errno.
/// `used` of `soft` descriptors were open right after (0 unknown).
std::string_view limit_behind(std::string_view call, int error, std::uint64_t used, std::uint64_t soft);

/// One connection's users and how they got into each other's way.
///
/// A reply belongs to whoever wrote last and has not read since. So a write while another process still waits is `mixed`: which of the two gets which
/// reply is chance. A read by a process that asked for nothing is `stray`: it took what was another's. Reading on is neither.
class SocketUse {
 public:
  static constexpr std::uint64_t most = 4096;    // calls; after these the proof is complete

  /// False when it was one too many and is not counted.
  bool step(const CallEvent& event);
  void ended(int pid) { waiting_.erase(pid); }

  std::uint64_t reads = 0, writes = 0, turns = 0, mixed = 0, stray = 0;
  std::set<int> users;
  std::int64_t first_ns = 0, last_ns = 0;
  bool full = false;

 private:
  std::set<int> waiting_;                        // have written, and not read since
  int last_ = 0;
  bool last_read_ = false;
};

/// The fact's text: "2 of them used it in 5.0 s: 12 reads, ..."
std::string use_text(const evidence::SocketUsed& used);
std::string refusal_text(const evidence::DescriptorRefused& refused);

}  // namespace probe
