// From an incident's verdict to a scenario that makes it appear: of the scenarios that prove the same cause the nearest one, with the incident's own
// settings, limits, request and version in it. What had to be taken for granted is said, and stands in the scenario as comments.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "parse/nginx/tree.hpp"

namespace reproduce {

struct Derived {
  std::string name;                  // of the scenario: small letters, digits and dashes
  std::string rule;                  // what triage must say of the run: "death.timeout"
  std::string base;                  // the scenario it was made from
  std::string text;                  // JSON with comments, for read_scenario()
  std::vector<std::string> assumed;  // a sentence each
};

/// `report`: what `triage --format json` printed. `chain`: what `triage-timeouts --format json` did, "" none. `from`: the incident's name, for people.
/// `nginx`: its configuration, nullptr none; it takes the place of the scenario's own proxy where it leads there.
/// Fails where the verdict is unknown (there is nothing to make appear) and where no scenario proves it.
base::Result<Derived> scenario_of(std::string_view report, std::string_view chain, const std::string& from, const parse::nginx::Tree* nginx = nullptr);

}  // namespace reproduce
