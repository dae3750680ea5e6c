#include "reproduce/library.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/near.hpp"
#include "base/text.hpp"
#include "reproduce/child.hpp"

namespace reproduce {

std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const Shelved& one : shelf()) names.emplace_back(one.name);
  return names;
}

base::Result<source::PlacedJson> find_scenario_json(const std::string& name, std::string& file) {
  const auto shelved = std::ranges::find(shelf(), name, &Shelved::name);
  if (shelved != shelf().end()) {
    file = name + ".json";
    return source::read_placed_json(shelved->text, file);
  }
  file = name;
  if (::access(name.c_str(), R_OK) != 0) {
    std::vector<std::string_view> known;
    for (const Shelved& one : shelf()) known.push_back(one.name);
    return base::fail({base::Kind::usage, "looking for the scenario '" + base::printable(name, 100) + "'", "there is no such file and no such name" + base::did_you_mean(name, known), "`triage repro list` has the names", 0});
  }
  return source::read_placed_json(read_file(name), file);
}

base::Result<Scenario> find_scenario(const std::string& name, const std::vector<std::string>& set) {
  std::string file;
  TRY(json, find_scenario_json(name, file));
  for (const std::string& one : set)
    if (auto done = set_value(json, one); !done) return base::fail(done.error());
  TRY(scenario, read_scenario(json, file));
  scenario.set = set;
  return scenario;
}

}  // namespace reproduce
