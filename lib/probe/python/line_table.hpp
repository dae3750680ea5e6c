// From a place in a code object to its source line, for every form that CPython has had: co_lnotab (until 3.9), co_linetable (3.10), the location table
// (from 3.11). Bounded by the table's bytes, whatever they are.
#pragma once

#include <optional>
#include <string_view>

namespace probe {

/// `instr`: bytes from the code's beginning. 0: the table gives this place no line. nullopt: the table ends before it (it was cut).
std::optional<int> line_at(int minor, std::string_view table, int first, int instr);

}  // namespace probe
