#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/text.hpp"
#include "scene.hpp"
#include "support/catch.hpp"

namespace {

using Json = nlohmann::ordered_json;

std::string write(std::string_view writer, const scene::Scene& scene, report::Style style = {}) { return report::writer(writer)->write(scene.report(), style); }

Json schema() {
  std::ifstream file(TRIAGE_SOURCE_DIR "/docs/report.schema.json");
  std::stringstream text;
  text << file.rdbuf();
  return Json::parse(text.str());
}

bool is(const Json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  return type == "null" && value.is_null();
}

// The words of JSON Schema that docs/report.schema.json uses. Every complaint names its path.
void check(const Json& root, const Json& rule, const Json& value, const std::string& path, std::vector<std::string>& wrong) {
  if (rule.contains("$ref")) check(root, root.at(Json::json_pointer(rule["$ref"].get<std::string>().substr(1))), value, path, wrong);
  if (rule.contains("const") && value != rule["const"]) wrong.push_back(path + " is not " + rule["const"].dump());
  if (rule.contains("enum") && std::find(rule["enum"].begin(), rule["enum"].end(), value) == rule["enum"].end()) wrong.push_back(path + " is none of " + rule["enum"].dump());
  if (rule.contains("type")) {
    const Json types = rule["type"].is_array() ? rule["type"] : Json::array({rule["type"]});
    if (std::none_of(types.begin(), types.end(), [&](const Json& type) { return is(value, type.get<std::string>()); })) wrong.push_back(path + " is no " + types.dump());
  }
  if (value.is_object()) {
    for (const Json& name : rule.value("required", Json::array())) if (!value.contains(name.get<std::string>())) wrong.push_back(path + " lacks " + name.get<std::string>());
    for (const auto& [name, part] : value.items()) {
      const std::string below = path + "." + name;
      if (rule.contains("properties") && rule["properties"].contains(name)) check(root, rule["properties"][name], part, below, wrong);
      else if (rule.contains("additionalProperties") && rule["additionalProperties"].is_object()) check(root, rule["additionalProperties"], part, below, wrong);
      else if (rule.contains("additionalProperties")) wrong.push_back(below + " is not in the schema");
    }
  }
  if (value.is_array() && rule.contains("items"))
    for (std::size_t i = 0; i < value.size(); ++i) check(root, rule["items"], value[i], path + "[" + std::to_string(i) + "]", wrong);
}

std::vector<std::string> wrong_in(const Json& document) {
  std::vector<std::string> wrong;
  const Json root = schema();
  check(root, root, document, "", wrong);
  return wrong;
}

}  // namespace

TEST_CASE("the JSON report keeps the schema, whatever is in it") {
  scene::Scene nothing;
  report::Style events;
  events.show_events = true;
  for (const scene::Scene& s : {scene::oom(), scene::attacked(), nothing})
    for (const report::Style& style : {report::Style{}, events}) CHECK(wrong_in(Json::parse(write("json", s, style))) == std::vector<std::string>{});
}

TEST_CASE("the schema's own test sees what is wrong") {
  Json document = Json::parse(write("json", scene::oom()));
  document["findings"][0].erase("because");
  document["findings"][0]["level"] = "fatal";
  document["findings"][0]["subject"]["pid"] = "14";
  document["extra"] = 1;
  CHECK(wrong_in(document) == std::vector<std::string>{".findings[0] lacks because", ".findings[0].level is none of [\"error\",\"warning\",\"note\"]", ".findings[0].subject.pid is no [\"integer\",\"null\"]",
                                                       ".extra is not in the schema"});
}

TEST_CASE("the JSON report says what the contract names") {
  const Json document = Json::parse(write("json", scene::oom()));
  CHECK(document["schema"] == "triage.report/1");
  CHECK(document["at"] == "2026-11-22T10:31:00.000Z");
  CHECK(document["verdict"] == "fault");
  CHECK(document["root"] == "f1");
  CHECK(document["stack"]["hops"][0]["settings"].dump() == R"~({"timeout":{"value":30,"unit":"s","from":"configured","where":"gunicorn.conf.py:4:1","alternatives":[{"value":120,"when":"ENV == 'production'"}]}})~");
  CHECK(document["stack"]["hops"][0]["listeners"].dump() == R"~(["http://127.0.0.1:8000"])~");
  const Json& finding = document["findings"][0];
  CHECK(finding["subject"].dump() == R"~({"pid":14,"host_pid":31989,"server":"gunicorn","role":"worker","where":null,"also":[]})~");
  CHECK(finding["because"][2].dump() == R"~({"id":"E3","source":"server log","where":"error.log:7","when":"2026-11-22T11:01:26Z","text":"Worker with pid 14 was terminated due to signal 9","note":"gunicorn 20.1.0 names no cause"})~");
  CHECK(finding["was_doing"].dump() == R"~({"request":"GET /eat","requests":null,"syscall":null,"fd":null,"peer":null,"python":[],"native":[],"waits":[],"frames":[]})~");
  CHECK(finding["fix"][2].dump() == R"~({"when":"check","text":"triage watch --for 10m --fail-on death.oom-cgroup","expect":"exit 0","loses":null,"edit":null})~");
  CHECK(document["gaps"].dump() == R"~([{"wanted":"what worker 14 ran","reason":"it was dead before I looked","remedy":"triage watch (needs CAP_BPF, CAP_PERFMON)","count":1}])~");
  CHECK(document["events"].empty());
}

TEST_CASE("keys stand in one order, so that two reports can be compared as text") {
  const std::string text = write("json", scene::oom());
  std::size_t before = 0;
  for (const char* key : {"\"schema\"", "\"tool\"", "\"at\"", "\"source\"", "\"verdict\"", "\"root\"", "\"stack\"", "\"findings\"", "\"gaps\"", "\"events\""}) {
    const std::size_t at = text.find(key);
    REQUIRE(at != std::string::npos);
    CHECK(at > before);
    before = at;
  }
}

TEST_CASE("a pid that is not known is null") {
  scene::Scene s = scene::oom();
  s.findings[0].subject.pid = s.findings[0].subject.host_pid = 0;
  CHECK(Json::parse(write("json", s))["findings"][0]["subject"].dump() == R"~({"pid":null,"host_pid":null,"server":"gunicorn","role":"worker","where":null,"also":[]})~");
}

TEST_CASE("a setting that always depends has alternatives only") {
  scene::Scene s = scene::oom();
  s.stack.servers[0].settings["timeout"].values = {{"30", "a"}, {"2.5", "b"}, {"None", "c"}, {"False", "d"}};
  CHECK(Json::parse(write("json", s))["stack"]["hops"][0]["settings"]["timeout"]["alternatives"].dump() == R"~([{"value":30,"when":"a"},{"value":2.5,"when":"b"},{"value":"None","when":"c"},{"value":false,"when":"d"}])~");
}

TEST_CASE("JSON lines are one object a line with its type first") {
  report::Style style;
  style.show_events = true;
  const std::string text = write("jsonl", scene::oom(), style);
  std::vector<std::string> types;
  for (const auto line : base::split(base::trim(text), '\n')) {
    const Json json = Json::parse(line);
    CHECK(json.begin().key() == "type");
    types.push_back(json["type"]);
  }
  CHECK(types == std::vector<std::string>{"finding", "gap", "event", "event"});
  CHECK(base::contains(text, R"~({"type":"gap","wanted":"what worker 14 ran","reason":"it was dead before I looked","remedy":"triage watch (needs CAP_BPF, CAP_PERFMON)","count":1})~"
                             "\n"));
  CHECK(base::contains(text, R"~({"type":"event","when":"2026-11-22T11:01:25Z","server":"gunicorn 20.1.0 master 12","what":"worker 14 booted","pid":14,"where":"error.log:7"})~"
                             "\n"));
}

TEST_CASE("every member of a group is listed in JSON, once in text") {
  scene::Scene s = scene::oom();
  rule::Finding second = s.findings[0];
  second.id = "f2"; second.subject.pid = 15; second.group = "f1";
  s.findings[0].group = "f1"; s.findings[0].count = 2;
  s.findings[0].members = {{14, 31989, s.findings[0].when, "f1"}, {15, 0, s.findings[0].when, "f2"}};
  s.findings.push_back(second);
  const Json document = Json::parse(write("json", s));
  CHECK(document["findings"].size() == 2);
  CHECK(document["findings"][0]["members"].dump() == R"~([{"id":"f1","pid":14,"host_pid":31989,"when":"2026-11-22T11:01:26Z"},{"id":"f2","pid":15,"host_pid":null,"when":"2026-11-22T11:01:26Z"}])~");
  const std::string text = write("text", s);
  CHECK(base::contains(text, "\n       2 times at 11:01:26: pid 14, 15\n"));
  CHECK(base::contains(text, "\n1 fault, certain; 1 blind spot."));
  CHECK(base::split(write("gcc", s), '\n').size() == 4);
}

TEST_CASE("SARIF names the rule, the place and every witness") {
  const Json document = Json::parse(write("sarif", scene::oom()));
  CHECK(document["version"] == "2.1.0");
  const Json& run = document["runs"][0];
  CHECK(run["tool"].dump() == R"~({"driver":{"name":"triage","version":"0.1.0","rules":[{"id":"death.oom-cgroup","shortDescription":{"text":"death.oom-cgroup"},"help":{"text":"triage explain death.oom-cgroup"},"defaultConfiguration":{"level":"error"}}]}})~");
  const Json& result = run["results"][0];
  CHECK(result["ruleId"] == "death.oom-cgroup");
  CHECK(result["ruleIndex"] == 0);
  CHECK(result["level"] == "error");
  CHECK(result["locations"].dump() == R"~([{"physicalLocation":{"artifactLocation":{"uri":"dmesg.txt"},"region":{"startLine":88}}}])~");
  CHECK(result["relatedLocations"].size() == 3);
  CHECK(result["relatedLocations"][2].dump() == R"~({"id":3,"message":{"text":"E3 server log: Worker with pid 14 was terminated due to signal 9"},"physicalLocation":{"artifactLocation":{"uri":"error.log"},"region":{"startLine":7}}})~");
  CHECK(run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "what worker 14 ran: it was dead before I looked; to see it: triage watch (needs CAP_BPF, CAP_PERFMON)");
}

TEST_CASE("a configuration finding points at its line") {
  scene::Scene s = scene::oom();
  s.findings[0].subject.role = "config";
  s.findings[0].subject.where = "/srv/my shop/gunicorn.conf.py:4:1";
  CHECK(Json::parse(write("sarif", s))["runs"][0]["results"][0]["locations"].dump() ==
        R"~([{"physicalLocation":{"artifactLocation":{"uri":"file:///srv/my%20shop/gunicorn.conf.py"},"region":{"startLine":4,"startColumn":1}}}])~");
  CHECK(base::starts_with(write("gcc", s), "/srv/my shop/gunicorn.conf.py:4:1: error: gunicorn worker 14 was killed"));
  CHECK(base::starts_with(write("github", s), "::error file=/srv/my shop/gunicorn.conf.py,line=4,col=1,title=death.oom-cgroup::gunicorn worker 14"));
}

TEST_CASE("GitLab gets a fingerprint that outlives the wording") {
  scene::Scene s = scene::oom();
  const Json one = Json::parse(write("gitlab", s));
  CHECK(one.size() == 1);
  CHECK(one[0]["severity"] == "critical");
  CHECK(one[0]["location"].dump() == R"~({"path":"dmesg.txt","lines":{"begin":88}})~");
  s.findings[0].message = "said in other words";
  CHECK(Json::parse(write("gitlab", s))[0]["fingerprint"] == one[0]["fingerprint"]);
  s.findings[0].subject.pid = 15;
  CHECK(Json::parse(write("gitlab", s))[0]["fingerprint"] != one[0]["fingerprint"]);
  CHECK(write("gitlab", scene::Scene()) == "[]\n");
}
