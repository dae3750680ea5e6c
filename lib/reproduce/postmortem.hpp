// The postmortem of a run: what happened, when, on what evidence, why, how to see it again and what stops it. Pure functions of the record.
#pragma once

#include <string>

#include "reproduce/record.hpp"

namespace reproduce {

/// `after`: the same scenario with the fix, or nullptr. Outside text is escaped, secrets are marked; ASCII.
std::string postmortem_markdown(const Run& run, const Run* after);
/// One file: no script, nothing loaded, a policy that forbids both.
std::string postmortem_html(const Run& run, const Run* after);
/// The part of the page that is drawn: a row for the clients of each load, the queue, and each process from birth to death, over one axis in seconds.
/// Its places are percents, so that it fits every width while its texts keep their size. Bounded: most_rows processes, some hundred bars a row.
std::string timeline_svg(const Run& run);
inline constexpr std::size_t most_rows = 40;

}  // namespace reproduce
