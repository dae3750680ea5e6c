#include "probe/gap.hpp"

namespace probe {

evidence::Gap gap_of(std::string wanted, const base::Error& error) {
  return {std::move(wanted), error.doing + (error.answer.empty() ? "" : ": " + error.answer), error.remedy, 1, {}};
}

}  // namespace probe
