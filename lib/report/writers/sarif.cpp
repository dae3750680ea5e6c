// SARIF 2.1.0 for code scanning. Rules come from the findings; the place of a result is the configuration it is about or its first evidence
// in a file, the other evidence stands in relatedLocations. Gaps are notifications of the tool, for they are about the look, not the server.
#include <nlohmann/json.hpp>

#include <map>

#include "base/text.hpp"
#include "report/document.hpp"
#include "report/escape.hpp"
#include "report/fingerprint.hpp"
#include "report/story.hpp"
#include "report/witness.hpp"

namespace report {

namespace {

using Json = nlohmann::ordered_json;

Json physical(const Place& place) {
  Json json{{"artifactLocation", {{"uri", uri(place.path)}}}};
  if (place.line > 0) {
    json["region"] = Json{{"startLine", place.line}};
    if (place.column > 0) json["region"]["startColumn"] = place.column;
  }
  return json;
}

Json message(std::string_view text) { return Json{{"text", utf8(text)}}; }

Json result(const Report& report, const rule::Finding& finding, std::size_t rule_index) {
  Json locations = Json::array(), related = Json::array();
  if (const auto place = place_of(report, finding)) locations.push_back(Json{{"physicalLocation", physical(*place)}});
  int id = 0;
  for (const std::string& other : finding.subject.also)
    related.push_back(Json{{"id", ++id}, {"message", message("the other side")}, {"physicalLocation", physical(read_place(other))}});
  for (const Witness& w : witnesses(report, finding)) {
    Json location{{"id", ++id}, {"message", message(w.id + " " + w.source + ": " + w.text)}};
    if (w.place.line > 0) location["physicalLocation"] = physical(w.place);
    related.push_back(std::move(location));
  }
  Json json{{"ruleId", utf8(finding.rule)},
            {"ruleIndex", rule_index},
            {"level", rule::level_text(finding.level)},
            {"message", message(finding.message)},
            {"locations", std::move(locations)},
            {"relatedLocations", std::move(related)},
            {"partialFingerprints", {{"triage/v1", fingerprint(report, finding)}}},
            {"occurrenceCount", std::max<std::size_t>(finding.count, 1)}};
  json["properties"] = Json{{"truth", rule::truth_text(finding.truth)}, {"sure", rule::confidence_text(finding.sure)}, {"sureBecause", utf8(finding.sure_because)}};
  if (finding.subject.pid) json["properties"]["pid"] = finding.subject.pid;
  return json;
}

std::string write(const Report& report, const Style&) {
  Json rules = Json::array(), results = Json::array(), notifications = Json::array();
  std::map<std::string, std::size_t> index;
  if (report.rules)
    for (const auto& [id, card] : *report.rules) {
      if (!card.lint() && id != "parse.syntax-error") continue;
      index.emplace(id, index.size());
      std::string help;
      for (const std::string& why : card.why) help += (help.empty() ? "" : " ") + rule::fill(why, {});
      rules.push_back(Json{{"id", id}, {"shortDescription", message(card.title)}, {"fullDescription", message(help)}, {"help", message("triage explain " + id)}, {"defaultConfiguration", {{"level", rule::level_text(card.level)}}}});
    }
  for (const rule::Finding* finding : rule::grouped(report.findings)) {
    const auto [known, fresh] = index.emplace(finding->rule, index.size());
    if (fresh) rules.push_back(Json{{"id", utf8(finding->rule)}, {"shortDescription", message(finding->rule)}, {"help", message("triage explain " + finding->rule)}, {"defaultConfiguration", {{"level", rule::level_text(finding->level)}}}});
    results.push_back(result(report, *finding, known->second));
  }
  for (const evidence::Gap& gap : report.evidence.gaps)
    notifications.push_back(Json{{"level", "note"}, {"message", message(gap.wanted + ": " + gap.reason + (gap.remedy.empty() ? "" : "; to see it: " + gap.remedy))}});
  const auto blank = tool_version.find(' ');
  Json run{{"tool", {{"driver", {{"name", tool_version.substr(0, blank)}, {"version", tool_version.substr(blank + 1)}, {"rules", std::move(rules)}}}}},
           {"invocations", Json::array({Json{{"executionSuccessful", true}, {"toolExecutionNotifications", std::move(notifications)}}})},
           {"results", std::move(results)},
           {"columnKind", "utf16CodeUnits"}};
  return dump(Json{{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"}, {"version", "2.1.0"}, {"runs", Json::array({std::move(run)})}}, 2) + "\n";
}

}  // namespace

namespace writers_of {
extern const Writer sarif = {"sarif", write};
}

}  // namespace report
