// The native stack of a thread that waits in the kernel, unwound from outside: stack pointer and place from /proc/PID/task/TID/syscall, a copy of the
// top of its stack, and the call frame information of the files that the process itself has mapped, opened through /proc/PID/map_files so that a
// container's are read and never the host's of the same name. Symbols are the exported ones (.dynsym, .gnu_debugdata); no debug files, no network.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.hpp"
#include "evidence/fact.hpp"

namespace probe {

constexpr std::size_t most_native_frames = 64, most_stack_copy = 64 << 10;

/// What of a thread is kept for unwinding, so that it may go on meanwhile.
struct StackCopy { std::uint64_t sp = 0, pc = 0; std::vector<char> bytes; };
/// Empty bytes when nothing could be read.
StackCopy copy_stack(int pid, std::uint64_t sp, std::uint64_t pc);

class Unwinder {
 public:
  /// Of a process and all that it has mapped now. Kind::unsupported in a build without libdw.
  static base::Result<Unwinder> open(int pid);

  Unwinder(Unwinder&&) noexcept;
  Unwinder& operator=(Unwinder&&) noexcept;
  ~Unwinder();

  /// Innermost first: function ("" none known) and the last name of the file it is in. Ends early where only other registers tell how to go on.
  /// `to_python`: only those inside of the first frame that is the Python interpreter's own; all where there is none.
  std::vector<evidence::StackFrame> frames(const StackCopy& copy, bool to_python);

 private:
  struct Loaded;
  explicit Unwinder(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace probe
