// Runs of scenarios side by side. Each has a janitor, a process that outlives whatever happens to us: when the run or we end, however, it kills what is
// left in the run's cgroups and namespaces and removes what was made for it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "reproduce/play.hpp"

namespace reproduce {

struct Job { const Scenario* scenario = nullptr; std::string server; Wish wish; };

/// What is going on, for a terminal: one call for each event of each job.
using Watch = std::function<void(std::size_t job, const Event&)>;
/// In the order of `jobs`; `together` at a time. `stop`: asked between events, true ends everything in order (what did not end is an error in its Run).
std::vector<Run> run_jobs(const std::vector<Job>& jobs, int together, const Watch& watch, const std::function<bool()>& stop);

/// The servers among the scenario's that `wanted` (empty: all) and this machine allow; `skipped` says why one is left out.
std::vector<std::string> servers_for(const Scenario& scenario, const Words& wanted, std::vector<Run>& skipped);

}  // namespace reproduce
