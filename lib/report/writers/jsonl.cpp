// One finding, gap or event a line, each with its "type" first: for streams, logs and jq. The findings are those of `json`.
#include <nlohmann/json.hpp>

#include "report/document.hpp"

namespace report {

namespace {

using Json = nlohmann::ordered_json;

std::string line(std::string_view type, const Json& of) {
  Json json{{"type", type}};
  json.update(of);
  return dump(json, -1) + "\n";
}

std::string write(const Report& report, const Style& style) {
  std::string out;
  for (const rule::Finding& finding : report.findings) out += line("finding", finding_json(report, finding));
  for (const evidence::Gap& gap : report.evidence.gaps) out += line("gap", gap_json(gap));
  if (style.show_events) for (const Json& event : events_json(report)) out += line("event", event);
  return out;
}

}  // namespace

namespace writers_of {
extern const Writer jsonl = {"jsonl", write};
}

}  // namespace report
