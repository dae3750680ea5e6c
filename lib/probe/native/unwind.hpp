// The native stack of a thread, unwound from outside: its registers, a copy of the top of its stack, and the call frame information of the files that
// the process itself has mapped, opened through /proc/PID/map_files so that a container's are read and never the host's of the same name. Registers:
// all of them, as BPF reads them; else stack pointer and place alone from /proc/PID/task/TID/syscall, with which it ends where a frame is found by
// rbp. Symbols are the exported ones (.dynsym, .gnu_debugdata); no debug files, no network.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "evidence/fact.hpp"

namespace probe {

constexpr std::size_t most_native_frames = 64, most_stack_copy = 64 << 10;

/// What of a thread is kept for unwinding, so that it may go on meanwhile. registers: x86-64, as DWARF counts them, rax to r15; nullopt: not known.
struct StackCopy {
  std::uint64_t sp = 0, pc = 0;
  std::vector<char> bytes;
  std::optional<std::array<std::uint64_t, 16>> registers = {};
};
/// Empty bytes when nothing could be read.
StackCopy copy_stack(int pid, std::uint64_t sp, std::uint64_t pc);

class Unwinder {
 public:
  /// Of a process and all that it has mapped now. Kind::unsupported in a build without libdw.
  static base::Result<Unwinder> open(int pid);
  /// Of a process that is gone, by its /proc/PID/maps of before. Its files are opened through its `relatives` that live: those with the same file at
  /// the same place (forks), or a file of that name and inode in their file system. Reads no memory but the copies'.
  static base::Result<Unwinder> of_the_dead(int pid, const std::string& maps, const std::vector<int>& relatives);

  Unwinder(Unwinder&&) noexcept;
  Unwinder& operator=(Unwinder&&) noexcept;
  ~Unwinder();

  /// Innermost first: function ("" none known) and the last name of the file it is in ("" mapped since, or no file). Ends early where only other
  /// registers tell how to go on, or a file could not be opened.
  /// `to_python`: only those inside of the first frame that is the Python interpreter's own; all where there is none.
  /// `whole`: it came to the thread's beginning, or to Python.
  std::vector<evidence::StackFrame> frames(const StackCopy& copy, bool to_python, bool* whole = nullptr);

 private:
  struct Loaded;
  explicit Unwinder(std::unique_ptr<Loaded> loaded);
  static base::Result<Unwinder> with_modules(std::unique_ptr<Loaded> loaded, const std::string& maps);
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace probe
