// The walk itself: read, build, judge, write. One look at this host, or at what was left behind.
#pragma once

#include "options.hpp"
#include "probe/probe.hpp"

namespace triage {

/// Prints the report to standard output; the result is the exit code.
int look(const Options& options);

/// The servers and the part of their logs that the words name.
probe::Target target_of(const Options& options);

/// The cards compiled in, and those of --rules.
base::Result<rule::Cards> cards_of(const Options& options);

/// The same walk up to the evidence: what --from names, or what the probes see. Error: nothing could be looked at at all.
base::Result<evidence::Evidence> gather(const Options& options, std::string& source, base::Instant& at);

}  // namespace triage
