#include "probe/python/layout.hpp"

#include <cstring>
#include <string>

namespace probe {

namespace {

base::Error unknown(int minor) {
  return {base::Kind::unsupported, "reading Python stacks", "where CPython 3." + std::to_string(minor) + " keeps its frames is not known", "CPython 3.8 to 3.15 is", 0};
}

// One column of the table in the order of PythonLayout; instr: f_lasti, prev_instr.
PythonLayout frame_objects(int minor) {
  PythonLayout layout;
  layout.minor = minor;
  layout.interpreters = 32;
  layout.interp_next = 0;
  layout.interp_threads = 8;
  layout.runtime_gil = 0;
  layout.gil_locked = minor == 8 ? 1168 : 368;
  layout.gil_holder = minor == 8 ? 1160 : 360;
  layout.tstate_next = 8;
  layout.tstate_thread = 176;
  layout.tstate_frame = 24;
  layout.frame_previous = 24;
  layout.frame_code = 32;
  layout.frame_instr = minor == 10 ? 96 : 104;
  layout.code_file = 104;
  layout.code_name = 112;
  layout.code_first = 40;
  layout.code_table = 120;
  return layout;
}

PythonLayout interpreter_frames(int minor) {
  const bool eleven = minor == 11;
  PythonLayout layout;
  layout.minor = minor;
  layout.interpreters = 40;
  layout.interp_next = 0;
  layout.interp_threads = eleven ? 16 : 72;
  if (eleven) layout.runtime_gil = 0; else layout.interp_gil = 384;
  layout.gil_locked = eleven ? 376 : 16;
  layout.gil_holder = eleven ? 368 : 8;
  layout.tstate_next = 8;
  layout.tstate_thread = eleven ? 152 : 136;
  layout.tstate_frame = 56;
  layout.cframe_frame = eleven ? 8 : 0;
  layout.frame_previous = eleven ? 48 : 8;
  layout.frame_code = eleven ? 32 : 0;
  layout.frame_instr = 56;
  layout.frame_owner = eleven ? 69 : 70;
  layout.shim_owner = eleven ? 255 : 3;                  // FRAME_OWNED_BY_CSTACK
  layout.instr_is_pointer = true;
  layout.code_file = 112;
  layout.code_name = 128;
  layout.code_first = eleven ? 72 : 68;
  layout.code_table = 136;
  layout.code_code = eleven ? 184 : 192;
  layout.text_ascii = eleven ? 48 : 40;
  layout.text_compact = eleven ? 72 : 56;
  return layout;
}

// Where _Py_DebugOffsets itself has them: its layout is versioned, too.
struct Places {
  std::uint16_t gil, locked, holder, next, frame, thread, previous, executable, instr, owner, file, name, table, first, code, bytes_size, bytes_value, state, length, ascii, size;
};
constexpr Places places_13{112, 136, 144, 168, 184, 192, 232, 240, 248, 264, 280, 296, 304, 312, 344, 520, 528, 544, 552, 560, 584};
constexpr Places places_14{120, 144, 152, 192, 208, 216, 256, 264, 272, 288, 320, 336, 344, 352, 384, 600, 608, 624, 632, 640, 760};
constexpr Places places_15{120, 144, 152, 192, 208, 240, 320, 328, 336, 352, 384, 400, 408, 416, 448, 696, 704, 720, 728, 736, 888};

}  // namespace

base::Result<PythonLayout> layout_of(int minor) {
  if (minor >= 8 && minor <= 10) return frame_objects(minor);
  if (minor == 11 || minor == 12) return interpreter_frames(minor);
  return base::fail(unknown(minor));
}

base::Result<PythonLayout> layout_from(int minor, std::string_view debug_offsets) {
  if (minor < 13 || minor > 15) return base::fail(unknown(minor));
  const Places& at = minor == 13 ? places_13 : minor == 14 ? places_14 : places_15;
  bool sane = debug_offsets.size() >= at.size;
  const auto value = [&](std::uint16_t place) {
    std::uint64_t offset = 0;
    if (static_cast<std::size_t>(place) + sizeof(offset) <= debug_offsets.size()) std::memcpy(&offset, debug_offsets.data() + place, sizeof(offset));
    if (offset >= 1 << 20) sane = false;                 // the whole runtime state has 450 KB
    return static_cast<std::uint32_t>(offset);
  };
  if (sane && value(16) != 0)
    return base::fail({base::Kind::unsupported, "reading Python stacks", "a free-threaded CPython 3." + std::to_string(minor) + " moves its objects about", "a build with the GIL", 0});
  PythonLayout layout;
  layout.minor = minor;
  layout.interpreters = value(40);
  layout.interp_next = value(64);
  layout.interp_threads = value(72);
  layout.interp_gil = value(at.gil);
  layout.gil_locked = value(at.locked);
  layout.gil_holder = value(at.holder);
  layout.tstate_next = value(at.next);
  layout.tstate_thread = value(at.thread);
  layout.tstate_frame = value(at.frame);
  layout.frame_previous = value(at.previous);
  layout.frame_code = value(at.executable);
  layout.frame_instr = value(at.instr);
  layout.frame_owner = value(at.owner);
  layout.shim_owner = 3;                                 // 3.13 CSTACK; 3.14 INTERPRETER, CSTACK; 3.15 INTERPRETER
  layout.instr_is_pointer = true;
  layout.code_file = value(at.file);
  layout.code_name = value(at.name);
  layout.code_first = value(at.first);
  layout.code_table = value(at.table);
  layout.code_code = value(at.code);
  layout.text_length = value(at.length);
  layout.text_state = value(at.state);
  layout.text_ascii = value(at.ascii);
  layout.text_compact = layout.text_ascii + 16;          // PyCompactUnicodeObject: its utf8_length and utf8
  layout.bytes_size = value(at.bytes_size);
  layout.bytes_value = value(at.bytes_value);
  if (!sane || layout.interpreters == 0 || layout.code_code == 0 || layout.text_ascii == 0)
    return base::fail({base::Kind::malformed, "reading _Py_DebugOffsets of CPython 3." + std::to_string(minor), "offsets out of reason: another build than those that are known", "a release build of CPython 3.8 to 3.15", 0});
  return layout;
}

}  // namespace probe
