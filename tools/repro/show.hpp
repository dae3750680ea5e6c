// Runs and scenarios for people and for CI.
#pragma once

#include <string>
#include <vector>

#include "reproduce/record.hpp"
#include "reproduce/scenario.hpp"

namespace repro {

std::string list_text(const std::vector<reproduce::Scenario>& scenarios);
std::string list_json(const std::vector<reproduce::Scenario>& scenarios);
/// A run: one line, and below it what was not seen as expected (everything with `verbose`).
std::string run_text(const reproduce::Run& run, bool verbose);
std::string summary_text(const std::vector<reproduce::Run>& runs);
std::string junit(const std::vector<reproduce::Run>& runs);
/// Runs as it is and runs changed: what each showed, and which of it differs.
std::string what_if_text(const std::vector<reproduce::Run>& before, const std::vector<reproduce::Run>& after, const std::vector<std::string>& set);
std::string what_if_json(const std::vector<reproduce::Run>& before, const std::vector<reproduce::Run>& after, const std::vector<std::string>& set);
/// What is going on, in at most 79 columns.
std::string progress_text(const std::string& name, const reproduce::Event& event);

}  // namespace repro
