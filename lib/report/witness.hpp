// A piece of evidence as a reader wants it: when, which source, the place to look it up again, and one compact line. Raw bytes from outside:
// every writer puts them through its own escape.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/report.hpp"

namespace report {

/// A place in a text; line and column count from 1, 0 = not known.
struct Place { std::string path; std::uint32_t line = 0, column = 0; };
std::string place_text(const Place& place);              // "dmesg.txt:88", "gunicorn.conf.py:4:1", "/proc/27/syscall"
/// "path:line:col", "path:line" or a path alone.
Place read_place(std::string_view text);

struct Witness {
  std::string id;                                        // E1, E2... within its finding
  std::optional<base::Instant> when;
  std::string source;                                    // "kernel log", "cgroup v1"
  Place place;
  std::string text, note;                                // note: the finding's own word beside it
  std::vector<std::string> rows;                         // below it, where one line does not tell it: each component of a walk
};

std::vector<Witness> witnesses(const Report& report, const rule::Finding& finding);

/// The text with its rows behind it, for forms that have one field for both.
std::string whole_text(const Witness& witness);

/// One line for a fact: its values where the line as it stood is long or none, else the line without its time, pid and level.
std::string fact_text(const evidence::Fact& fact);
/// A log line without what its frame says (time, host, pid, level, JSON around it). The line itself when nothing would be left.
std::string bare_line(std::string_view line);
/// Where to point a reader's editor: the configuration the finding is about, else the first evidence with a line; none when it has no place.
std::optional<Place> place_of(const Report& report, const rule::Finding& finding);

}  // namespace report
