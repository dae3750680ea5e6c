// triage-repro: makes an incident happen again, and says whether it did.
#include <cstdio>

#include "commands.hpp"
#include "from_bundle.hpp"
#include "options.hpp"
#include "report.hpp"
#include "reproduce/library.hpp"
#include "show.hpp"

int main(int count, char** words) {
  const repro::Asked asked = repro::read_options(count, words);
  if (!asked.options) {
    std::fputs(asked.text.c_str(), asked.code == 0 ? stdout : stderr);
    return asked.code;
  }
  const repro::Options& options = *asked.options;
  if (options.command == repro::Command::what_if) return repro::what_if(options);
  if (options.command == repro::Command::shrink) return repro::shrink(options);
  if (options.command == repro::Command::from_bundle) return repro::from_bundle(options);
  if (options.command == repro::Command::report) return repro::report(options);
  std::vector<reproduce::Scenario> scenarios;
  for (const std::string& name : options.scenarios.empty() ? reproduce::scenario_names() : options.scenarios) {
    if (name.find(options.only) == std::string::npos) continue;
    auto scenario = reproduce::find_scenario(name, options.set);
    if (!scenario) return repro::fail(scenario.error(), 2);
    scenarios.push_back(std::move(*scenario));
  }
  if (options.command == repro::Command::run) return repro::run(options, scenarios);
  std::fputs((options.format == "json" ? repro::list_json(scenarios) : repro::list_text(scenarios)).c_str(), stdout);
  return 0;
}
