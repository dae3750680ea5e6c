// What the proof runs: a fixed set of sites whose breakpoints cover the clauses of docs/timeouts.md, and random ones for a soak.
#pragma once

#include "verify_site.hpp"

namespace timeouts {

std::vector<Plan> fixed_plans(const Tools& tools);
std::vector<Plan> random_plans(const Tools& tools, int count, std::uint64_t seed);

}  // namespace timeouts
