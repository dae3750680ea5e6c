// The scenarios of fixtures/scenarios, which are part of the program, and files of the user's.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reproduce/scenario.hpp"

namespace reproduce {

struct Shelved { std::string_view name, text; };
/// Made by scenarios.cmake, by name.
std::span<const Shelved> shelf();
std::vector<std::string> scenario_names();
/// A name of the shelf, or a file's path; `set`: assignments as set_value() takes them. A name that is neither is refused with the nearest one.
base::Result<source::PlacedJson> find_scenario_json(const std::string& name, std::string& file);
base::Result<Scenario> find_scenario(const std::string& name, const std::vector<std::string>& set = {});

}  // namespace reproduce
