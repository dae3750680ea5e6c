// Findings about files as a person at a terminal reads them: the sentence, the line with a mark under the place, the other place beside it, the
// fix. ASCII, at most 80 columns; what comes from the files is redacted and terminal-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "report/report.hpp"

namespace report {

/// The text of a file as the report names it; empty when it is not at hand.
using TextOf = std::function<const std::string*(const std::string& shown)>;

struct Looked { std::size_t files = 0, skipped = 0; };

std::string frames(const rule::Findings& findings, const rule::Findings& open, const std::vector<evidence::Gap>& gaps, const TextOf& text_of, const Looked& looked, const Style& style);
/// `asked`: auto, always or never; auto asks CLICOLOR_FORCE, NO_COLOR and whether standard output is a terminal that knows colours.
bool wants_colour(std::string_view asked);
/// "2 errors, 1 warning in 4 files".
std::string lint_summary(const rule::Findings& findings, const Looked& looked);

}  // namespace report
