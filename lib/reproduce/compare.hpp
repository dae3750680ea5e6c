// What differs between runs of a scenario and runs of it changed.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "reproduce/record.hpp"

namespace reproduce {

/// One thing that can be seen of a run, and how often each run has shown it: "clients slow: 504", "worker dies: SIGKILL", "triage: death.timeout".
struct Shown { std::string what; std::vector<int> before, after; };

/// Everything that any of the runs has shown, in a fixed order. Runs that could not be run are left out.
std::vector<Shown> compared(std::span<const Run> before, std::span<const Run> after);
/// True when no count of one side is a count of the other: chance does not make this.
bool differs(const Shown& one);
/// "1", "2 to 4", "-"
std::string counts_text(const std::vector<int>& counts);

}  // namespace reproduce
