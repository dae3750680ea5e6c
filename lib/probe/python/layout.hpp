// Where CPython keeps its threads, frames and code objects, by version: what a reader from outside needs. Until 3.12 from a table that was printed by
// each version's own headers (3.11.2 and 3.11.7 agree in every field); from 3.13 on read from the target itself, whose runtime begins with
// _Py_DebugOffsets (Include/internal/pycore_debug_offsets.h). x86-64, with a GIL: debug and free-threaded builds are laid out otherwise.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace probe {

/// Offsets in bytes. `none` where a version has no such field.
struct PythonLayout {
  static constexpr std::uint32_t none = UINT32_MAX;
  int minor = 0;                                                                  // of 3.x
  std::uint32_t interpreters = 0;                                                 // runtime: its first interpreter
  std::uint32_t interp_next = 0, interp_threads = 0;
  std::uint32_t runtime_gil = none, interp_gil = none;                            // the lock itself, or (from 3.12) a pointer to it
  std::uint32_t gil_locked = 0, gil_holder = 0;                                   // from the lock, or from the runtime where it is in there
  std::uint32_t tstate_next = 0, tstate_thread = 0, tstate_frame = 0;             // tstate_thread: pthread_self()
  std::uint32_t cframe_frame = none;                                              // 3.11, 3.12: tstate_frame leads to what has the frame here
  std::uint32_t frame_previous = 0, frame_code = 0, frame_instr = 0, frame_owner = none;
  std::uint32_t shim_owner = 255;                                                 // from this owner on a frame is none of Python code
  bool instr_is_pointer = false;                                                  // frame_instr: an address in the code, else a number
  std::uint32_t code_file = 0, code_name = 0, code_first = 0, code_table = 0, code_code = 0;   // code_name: the qualified one where there is one
  std::uint32_t text_length = 16, text_state = 32, text_ascii = 48, text_compact = 72, bytes_size = 16, bytes_value = 32;
};

/// Of 3.8 to 3.12. Fails, with the version named, for others.
base::Result<PythonLayout> layout_of(int minor);
/// Bytes that layout_from() wants of the runtime's beginning.
constexpr std::size_t debug_offsets_most = 888;
/// Of 3.13 to 3.15, from the first bytes of its runtime. Refuses free-threaded builds, minors that are not known, and offsets out of reason.
base::Result<PythonLayout> layout_from(int minor, std::string_view debug_offsets);

}  // namespace probe
