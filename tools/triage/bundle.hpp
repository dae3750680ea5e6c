// triage bundle: what a live look reads, kept redacted in one file, so that the same verdict can be had at a desk without root.
#pragma once

#include <string>

#include "base/result.hpp"
#include "evidence/evidence.hpp"
#include "probe/probe.hpp"

namespace triage {

struct BundleOptions {
  std::string output = "-";      // "-": standard output
  probe::Target target;
  bool redact = true;
};

/// Writes the bundle (mode 0600); what it holds goes to standard error. 0, or 3 when it could not be written.
int bundle(const BundleOptions& options);

/// The evidence of a bundle's file or folder, as the look that made it had it; `at` becomes its moment. Without evidence in it (a recorded
/// host), the probes look at its files.
base::Result<evidence::Evidence> replay(const std::string& path, const probe::Target& target, base::Instant& at);

}  // namespace triage
