// A smaller scenario with the same verdict.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "reproduce/scenario.hpp"

namespace reproduce {

/// Whether a scenario still shows what it is for.
using Holds = std::function<bool(const Scenario&)>;
/// Told of each attempt: what was left out, and whether the verdict stayed.
using Tried = std::function<void(const std::string& what, bool stays)>;

/// Leaves out whatever `holds` does not need, the larger parts first. The expectations become those about triage's verdict (all of them, where there is
/// none), for a smaller scenario has other clients. Reads `root` under the name `file`.
source::PlacedJson shrink(source::PlacedJson root, const std::string& file, const Holds& holds, const Tried& tried);

/// The JSON text of a value, indented by two blanks; short lists and objects on one line.
std::string json_text(const source::PlacedJson& value);

}  // namespace reproduce
