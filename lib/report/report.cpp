#include "report/report.hpp"

namespace report {

const Writer* writer(std::string_view name) {
  for (const Writer* known : writers())
    if (known->name == name) return known;
  return nullptr;
}

}  // namespace report
