#include "probe/python/line_table.hpp"

#include <cstdint>

namespace probe {

namespace {

int plus(int line, std::int64_t delta) {
  const std::int64_t sum = line + delta;
  return sum < 0 || sum > INT32_MAX ? 0 : static_cast<int>(sum);
}

// Objects/lnotab_notes.txt@3.9: pairs of how far the code and how far the line goes on; the last line holds until the code's end.
std::optional<int> from_lnotab(std::string_view table, int first, int instr) {
  int line = first;
  std::int64_t at = 0;
  for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
    at += static_cast<std::uint8_t>(table[i]);
    if (at > instr) return line;
    line = plus(line, static_cast<std::int8_t>(table[i + 1]));
  }
  return line;
}

// Objects/lnotab_notes.txt@3.10: pairs of a range's length and how far the line goes on before it; -128: no line.
std::optional<int> from_ranges(std::string_view table, int first, int instr) {
  int line = first;
  std::int64_t end = 0;
  for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
    end += static_cast<std::uint8_t>(table[i]);
    const auto delta = static_cast<std::int8_t>(table[i + 1]);
    if (delta != -128) line = plus(line, delta);
    if (instr < end) return delta == -128 ? 0 : line;
  }
  return std::nullopt;
}

// Objects/locations.md@3.11: an entry begins with a byte of its kind and length in code units; varints have six bits a byte, the lowest first.
std::optional<int> from_locations(std::string_view table, int first, int instr) {
  constexpr int no_location = 15, with_long_form = 14, without_columns = 13, one_line_0 = 10, one_line_2 = 12;
  int line = first;
  std::int64_t end = 0;
  std::size_t i = 0;
  while (i < table.size()) {
    const auto head = static_cast<std::uint8_t>(table[i++]);
    const int kind = head >> 3 & 15;
    if (kind == with_long_form || kind == without_columns) {
      std::uint64_t value = 0;
      unsigned shift = 0;
      bool whole = false;
      while (i < table.size() && !(static_cast<std::uint8_t>(table[i]) & 0x80)) {
        const auto byte = static_cast<std::uint8_t>(table[i++]);
        if (shift < 36) value |= static_cast<std::uint64_t>(byte & 63) << shift;
        shift += 6;
        if (!(byte & 64)) { whole = true; break; }
      }
      if (!whole) return std::nullopt;
      const auto size = static_cast<std::int64_t>(value >> 1);
      line = plus(line, value & 1 ? -size : size);
    } else if (kind >= one_line_0 && kind <= one_line_2) {
      line = plus(line, kind - one_line_0);
    }
    end += 2 * ((head & 7) + 1);
    if (instr < end) return kind == no_location ? 0 : line;
    while (i < table.size() && !(static_cast<std::uint8_t>(table[i]) & 0x80)) ++i;   // columns
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> line_at(int minor, std::string_view table, int first, int instr) {
  if (instr < 0) return first;                             // Objects/codeobject.c PyCode_Addr2Line: not begun yet
  if (minor <= 9) return from_lnotab(table, first, instr);
  return minor == 10 ? from_ranges(table, first, instr) : from_locations(table, first, instr);
}

}  // namespace probe
