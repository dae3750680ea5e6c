// The proof: the real nginx and the real servers, with timeouts of seconds, on sockets in a scratch folder; durations around every moment at which
// the model says that something changes; what was seen against what was said.
#pragma once

#include "options.hpp"

namespace timeouts {

/// Prints a row a case and a summary. 0: every one fits; 1: one does not; 3: nothing could be run.
int verify(const Options& options);

}  // namespace timeouts
