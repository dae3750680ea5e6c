// `triage watch`: stays attached to the servers of this host and says why a worker dies as it dies: one provisional line at once, one amended
// line with the same id when the log and the kernel have spoken.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace triage {

struct WatchOptions {
  std::vector<std::string> targets;          // as given: pids, units, pidfiles, sockets; none: every server
  std::optional<std::int64_t> for_ns;        // --for
  std::string format = "text";               // text or jsonl
  std::string fail_on = "warning";
  std::string without;                       // bpf,connector,pidfd: ways to watch that are not to be tried
  std::string rules;                         // --rules DIR
  bool verbose = false;                      // also forks, and where the start's time went
};

/// The exit code: 0 nothing at or above fail_on died, 1 something did, 2 usage, 3 could not look.
int watch(const WatchOptions& options);

}  // namespace triage
