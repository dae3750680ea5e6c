// What grew between two looks at the same processes.
#pragma once

#include <vector>

#include "evidence/evidence.hpp"

namespace probe {

/// DescriptorsGrown and MemoryGrown for each process (same pid, same start) that has been looked at in both. `earlier` may be a bundle of this
/// machine or the start of a window.
std::vector<evidence::Fact> grown_since(const evidence::Evidence& earlier, const evidence::Evidence& now);

}  // namespace probe
