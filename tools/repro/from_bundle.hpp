// triage-repro from-bundle: a scenario made from a bundle, or from what was left behind.
#pragma once

#include "options.hpp"

namespace repro {

/// Asks triage and triage-timeouts about the paths and writes DIR/scenario.json. The exit code.
int from_bundle(const Options& options);

}  // namespace repro
