// `triage stacks`: what every thread of some processes is doing, once.
#pragma once

#include "options.hpp"

namespace triage {

/// Prints to standard output; 0 when something could be read, 3 when nothing could (with --strict: 1 when a part could not).
int stacks(const Options& options);

}  // namespace triage
