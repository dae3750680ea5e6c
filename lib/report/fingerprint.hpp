// A name for "the same problem as last time", for trackers that must not count it twice.
#pragma once

#include <string>

#include "report/report.hpp"

namespace report {

/// 16 hexadecimal digits from the rule, whom it is about, when, and the place. The wording does not count, so a reworded card does not make
/// an old problem new.
std::string fingerprint(const Report& report, const rule::Finding& finding);

}  // namespace report
