// The memory of a process that runs CPython 3.11, made by hand: what the reader of another process's memory is tried with, whole and damaged.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "probe/memory.hpp"
#include "probe/python/layout.hpp"

namespace support {

/// One run of bytes at `base`; nothing else is there.
class PythonImage : public probe::Memory {
 public:
  static constexpr std::uint64_t base = 0x10000, runtime = base;
  static constexpr std::uint64_t thread = 0x7f0000001000;      // its pthread_self()

  /// One thread: view() called by main(), in "/srv/app.py" and "/srv/caf\u00e9.py"; it holds the lock.
  explicit PythonImage(const probe::PythonLayout& layout) : bytes(0x4000, '\0'), at_(layout) {
    constexpr std::uint64_t interp = base + 0x400, state = base + 0x800, cframe = base + 0xa00, inner = base + 0xb00, outer = base + 0xc00;
    constexpr std::uint64_t view = base + 0x1000, main = base + 0x1200, table = base + 0x1400, texts = base + 0x2000;
    put(runtime + at_.interpreters, interp);
    put(runtime + at_.gil_locked, std::int32_t{1});
    put(runtime + at_.gil_holder, state);
    put(interp + at_.interp_threads, state);
    put(state + 16, interp);
    put(state + at_.tstate_thread, thread);
    put(state + at_.tstate_frame, cframe);
    put(cframe + at_.cframe_frame, inner);
    frame(inner, outer, view, 4);
    frame(outer, 0, main, 0);
    code(view, texts, texts + 0x100, table, 10);
    code(main, texts + 0x200, texts + 0x300, table, 40);
    // Two entries of "one line further, columns in two bytes", two code units long each.
    const std::string lines("\xd9\x00\x00\xd9\x00\x00", 6);
    put(table + at_.bytes_size, std::uint64_t{lines.size()});
    std::memcpy(bytes.data() + (table + at_.bytes_value - base), lines.data(), lines.size());
    ascii(texts, "/srv/app.py");
    ascii(texts + 0x100, "view");
    latin(texts + 0x200, "/srv/caf\xe9.py");
    ascii(texts + 0x300, "main");
  }

  bool read(std::uint64_t address, void* into, std::size_t size) const override {
    if (address < base || address - base > bytes.size() || size > bytes.size() - (address - base)) return false;
    std::memcpy(into, bytes.data() + (address - base), size);
    return true;
  }
  template <class T>
  void put(std::uint64_t address, T value) { std::memcpy(bytes.data() + (address - base), &value, sizeof value); }

  std::string bytes;

 private:
  void frame(std::uint64_t frame, std::uint64_t previous, std::uint64_t code, std::uint64_t instr) {
    put(frame + at_.frame_previous, previous);
    put(frame + at_.frame_code, code);
    put(frame + at_.frame_instr, code + at_.code_code + instr);
  }
  void code(std::uint64_t code, std::uint64_t file, std::uint64_t name, std::uint64_t table, std::int32_t first) {
    put(code + at_.code_file, file);
    put(code + at_.code_name, name);
    put(code + at_.code_table, table);
    put(code + at_.code_first, first);
  }
  void text(std::uint64_t text, std::string_view value, std::uint32_t state, std::uint64_t at) {
    put(text + at_.text_length, std::uint64_t{value.size()});
    put(text + at_.text_state, state);
    std::memcpy(bytes.data() + (text + at - base), value.data(), value.size());
  }
  void ascii(std::uint64_t where, std::string_view value) { text(where, value, 1 << 2 | 32 | 64, at_.text_ascii); }
  void latin(std::uint64_t where, std::string_view value) { text(where, value, 1 << 2 | 32, at_.text_compact); }

  probe::PythonLayout at_;
};

}  // namespace support
