// What comes through the ring of stacks.bpf.c, put together: a fold without a kernel, one record a step, of any bytes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "probe/bpf/stacks.event.h"
#include "probe/native/unwind.hpp"

namespace probe {

/// A frame of Python code in a thread that was dying.
struct DyingFrame {
  std::uint64_t code = 0;                    // address of its code object
  int first = 0;                             // the line that its code begins in
  int instr = 0;                             // as the interpreter keeps it: bytes from the code's beginning, or its own count (until 3.10)
  std::string file, function;                // UTF-8; of a longer file name its end, of a longer function name its beginning
  std::string table;                         // its line table: the first 2 KB
  std::uint32_t table_size = 0;              // of all of it
};

struct DyingThread {
  std::int64_t at_ns = 0, start_ns = 0;      // CLOCK_BOOTTIME: as the signal was delivered; the process's start
  std::int64_t took_ns = 0;                  // the walk
  int pid = 0, tid = 0, signal = 0;          // initial namespace
  int python = 0;                            // the pid whose interpreter it was read by, 0 none
  std::uint32_t flags = 0;                   // stack_flag
  long call = -1;                            // the system call it was in; -1 none
  int fd = -1;                               // on which descriptor; -1 none
  std::string on;                            // where that leads: "10.0.0.2:5432", "unix:/run/x", a file's last name
  std::vector<DyingFrame> frames;            // innermost first
  StackCopy native;                          // empty bytes: not told
};

/// Puts a stack's records together; those of other threads may stand between them. A record is bytes from the ring, of any size.
class StackRecords {
 public:
  /// The stack that this record ends; nullopt for a part of one, and for what is no record.
  std::optional<DyingThread> step(std::string_view record);

 private:
  static constexpr std::size_t most_open = 1024;   // stacks whose end was lost are forgotten, the oldest first
  struct Open { std::uint64_t at = 0; std::vector<DyingFrame> frames; std::vector<char> bytes; std::uint64_t from = 0; };
  Open& open_for(std::uint64_t at, unsigned tid);
  std::map<unsigned, Open> open_;            // by thread
};

/// A str's bytes, of `kind` bytes a character (0: ASCII), as UTF-8; what is no character is left out.
std::string text_of_python(std::string_view bytes, unsigned kind);

}  // namespace probe
