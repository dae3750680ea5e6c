// `triage-repro report`: the postmortem of a run that was made, or of one that is made for it.
#pragma once

#include "options.hpp"

namespace repro {

/// Writes the files, or Markdown to stdout where none is asked for. Returns the exit code.
int report(const Options& options);

}  // namespace repro
