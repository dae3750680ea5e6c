// What triage-repro does, a function each. They answer the exit code.
#pragma once

#include <string>
#include <vector>

#include "options.hpp"
#include "reproduce/scenario.hpp"

namespace repro {

int run(const Options& options, const std::vector<reproduce::Scenario>& scenarios);
int what_if(const Options& options);
int shrink(const Options& options);
/// Prints the error to stderr; `code`.
int fail(const base::Error& error, int code);

}  // namespace repro
