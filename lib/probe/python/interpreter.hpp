// The CPython that a process runs: its version, where its runtime stands in the process's memory, and how that is laid out. Found by the process's own
// mappings, opened through /proc/PID/map_files, so that a container's or a replaced file is read and never the host's of the same name. Nothing is
// stopped; the memory is read with process_vm_readv.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "probe/python/layout.hpp"

namespace probe {

struct Interpreter {
  std::string version;                       // "3.11.7"; "3.10" where only the minor is told
  std::uint64_t runtime = 0;                 // address of _PyRuntime
  PythonLayout layout;
  std::string name() const { return "CPython " + version; }
};

/// Kind::missing where the process runs no Python; Kind::refused where it may not be read; Kind::unsupported for a build that is not known.
base::Result<Interpreter> interpreter_of(int pid);

/// Bytes of another process; false when not all of them could be read.
bool read_memory(int pid, std::uint64_t address, void* into, std::size_t size);

/// "libpython3.10.so.1.0", "/usr/bin/python3.9": 10, 9; 0 when the name tells no minor of 3.
int minor_of_name(std::string_view path);

}  // namespace probe
