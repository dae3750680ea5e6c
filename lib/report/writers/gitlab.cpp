// GitLab's code quality report: an array of issues, each with a fingerprint that stays the same for the same incident in the next run, a
// severity and a place. GitLab drops issues without a place, so what has none is placed at the first line of its source.
#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "report/document.hpp"
#include "report/escape.hpp"
#include "report/fingerprint.hpp"
#include "report/story.hpp"
#include "report/witness.hpp"

namespace report {

namespace {

using Json = nlohmann::ordered_json;

std::string_view severity(rule::Level level) { return level == rule::Level::error ? "critical" : level == rule::Level::warning ? "major" : "info"; }

std::string path_in_tree(std::string path) {
  while (base::starts_with(path, "./")) path.erase(0, 2);
  return path.empty() ? "triage" : path;
}

std::string write(const Report& report, const Style&) {
  Json issues = Json::array();
  for (const rule::Finding* finding : rule::grouped(report.findings)) {
    std::optional<Place> place = place_of(report, *finding);
    if (!place) {
      const std::vector<Witness> all = witnesses(report, *finding);
      place = Place{all.empty() ? std::string() : all.front().place.path, 1, 0};
    }
    issues.push_back(Json{{"description", utf8(finding->message)},
                          {"check_name", utf8(finding->rule)},
                          {"fingerprint", fingerprint(report, *finding)},
                          {"severity", severity(finding->level)},
                          {"location", {{"path", utf8(path_in_tree(place->path))}, {"lines", {{"begin", place->line}}}}}});
  }
  return dump(issues, 2) + "\n";
}

}  // namespace

namespace writers_of {
extern const Writer gitlab = {"gitlab", write};
}

}  // namespace report
