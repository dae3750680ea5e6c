// A refusal becomes a Gap: what was wanted, what the answer was, how to let us see.
#pragma once

#include "base/result.hpp"
#include "evidence/evidence.hpp"

namespace probe {

evidence::Gap gap_of(std::string wanted, const base::Error& error);

}  // namespace probe
