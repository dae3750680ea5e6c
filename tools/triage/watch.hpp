// `triage watch`: stays attached to the servers of this host and says why a worker dies as it dies: one provisional line at once, one amended
// line with the same id when the log and the kernel have spoken.
#pragma once

#include "options.hpp"

namespace triage {

/// Until --for is over, or SIGINT or SIGTERM comes. The exit code: 0 nothing at or above --fail-on died, 1 something did, 2 usage, 3 could
/// not look.
int watch(const Options& options);

}  // namespace triage
