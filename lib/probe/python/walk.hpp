// The Python stacks of a process, read out of its memory: interpreters, their threads, their frames. Nothing is stopped, so a thread that runs meanwhile
// may give frames that never stood together: whoever calls this asks before and after whether it ran (probe/stacks.hpp). Every loop and every length
// is bounded, whatever the memory holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "evidence/fact.hpp"
#include "probe/memory.hpp"
#include "probe/python/interpreter.hpp"

namespace probe {

struct PythonThread {
  std::uint64_t thread = 0;                      // pthread_self(): the number of the thread in the kernel is not always told right
  bool gil = false;                              // holds the interpreter's lock
  std::vector<evidence::StackFrame> frames;      // innermost first
  std::uint64_t beyond = 0;                      // frames outside of these
  std::string doubt;                             // what could not be read of it
};

struct PythonThreads {
  std::vector<PythonThread> threads;
  std::string doubt;                             // what could not be read at all: threads may be missing
};

constexpr std::size_t most_python_threads = 2048, most_python_frames = 256;

PythonThreads read_python(const Memory& memory, const Interpreter& python);

}  // namespace probe
