// What a log line without any format's mark still changes, told by its first bytes: nothing, the time that the log reaches to, or something
// that only opening it tells.
#pragma once

#include <cstdint>
#include <string_view>

namespace parse {

enum class Shape : std::uint8_t {
  bare,      // nothing, and no envelope is around it
  loose,     // nothing, unless a mark is in it
  stamped,   // it carries a time and perhaps the one who wrote, for lines indented under it
  framed,    // to be opened; no mark in it, no format's
  whole,     // to be opened, and every format to be asked: the kernel's forms, the journal's records, parts of a message, escaped text
};

/// `stamp` is set, for a stamped line, to the text of its time down to the second.
Shape shape_of(std::string_view line, std::string_view& stamp);

}  // namespace parse
