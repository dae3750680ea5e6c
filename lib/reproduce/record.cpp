#include "reproduce/record.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace reproduce {

namespace {

using nlohmann::ordered_json;

double rounded(double value) { return std::round(value * 1000) / 1000; }

ordered_json json(const Event& event) {
  ordered_json out{{"at", rounded(event.at)}, {"what", event.what}};
  if (!event.who.empty()) out["who"] = event.who;
  if (event.pid != 0) out["pid"] = event.pid;
  if (event.host_pid != 0 && event.host_pid != event.pid) out["host_pid"] = event.host_pid;
  if (!event.text.empty()) out["text"] = event.text;
  if (event.number != 0) out["number"] = rounded(event.number);
  if (event.from) out["from"] = rounded(*event.from);
  return out;
}

template <class T>
T member(const ordered_json& object, const char* key, T otherwise) {
  const auto found = object.find(key);
  if (found == object.end()) return otherwise;
  if constexpr (std::is_same_v<T, std::string>) return found->is_string() ? found->template get<std::string>() : otherwise;
  else if constexpr (std::is_same_v<T, bool>) return found->is_boolean() ? found->template get<bool>() : otherwise;
  else return found->is_number() ? found->template get<T>() : otherwise;
}

std::vector<std::string> texts(const ordered_json& object, const char* key) {
  std::vector<std::string> all;
  if (const auto found = object.find(key); found != object.end() && found->is_array())
    for (const auto& one : *found)
      if (one.is_string()) all.push_back(one.get<std::string>());
  return all;
}

std::optional<Event> event_from(const ordered_json& object) {
  if (!object.is_object()) return std::nullopt;
  Event event;
  event.at = member(object, "at", 0.0);
  event.what = member(object, "what", std::string());
  event.who = member(object, "who", std::string());
  event.pid = member(object, "pid", 0);
  event.host_pid = member(object, "host_pid", event.pid);
  event.text = member(object, "text", std::string());
  event.number = member(object, "number", 0.0);
  if (object.contains("from")) event.from = member(object, "from", 0.0);
  return event.what.empty() ? std::nullopt : std::optional<Event>(std::move(event));
}

std::string dumped(const ordered_json& object, int indent) { return object.dump(indent, ' ', true, ordered_json::error_handler_t::replace); }

ordered_json json(const Run& run) {
  ordered_json out{{"schema", "triage.run/1"}, {"tool", "triage-repro 0.1.0"}, {"scenario", run.scenario}, {"file", run.file}, {"proves", run.proves}, {"server", run.server}, {"version", run.version},
                   {"versions", run.versions}, {"seed", run.seed}, {"scale", run.scale}, {"set", run.set}, {"floors", run.floors}, {"began", run.began}, {"took", rounded(run.took)},
                   {"passed", run.passed()}, {"skipped", run.skipped}, {"error", run.error}, {"folder", run.folder}, {"commands", run.commands}};
  out["expected"] = ordered_json::array();
  for (const Checked& check : run.checks) out["expected"].push_back({{"wanted", check.wanted}, {"seen", check.seen}, {"passed", check.passed}, {"level", check.level}});
  out["observed"] = ordered_json::array();
  for (const Event& event : run.events) out["observed"].push_back(json(event));
  out["gaps"] = run.gaps;
  out["report"] = ordered_json::parse(run.report, nullptr, false);
  if (out["report"].is_discarded()) out["report"] = nullptr;
  return out;
}

}  // namespace

bool Run::passed() const {
  return error.empty() && skipped.empty() && std::ranges::all_of(checks, [](const Checked& check) { return check.passed; });
}

std::string line_of(const Event& event) { return dumped(json(event), -1); }

std::optional<Event> event_of(std::string_view line) { return event_from(ordered_json::parse(line, nullptr, false)); }

std::string json_of(const Run& run) { return dumped(json(run), 1) + "\n"; }
std::string json_line_of(const Run& run) { return dumped(json(run), -1); }

std::optional<Run> run_of(std::string_view text) {
  const ordered_json object = ordered_json::parse(text, nullptr, false);
  if (!object.is_object() || member(object, "schema", std::string()) != "triage.run/1") return std::nullopt;
  Run run;
  for (const auto& [key, into] : {std::pair{"scenario", &run.scenario}, {"file", &run.file}, {"proves", &run.proves}, {"server", &run.server}, {"version", &run.version}, {"began", &run.began},
                                  {"skipped", &run.skipped}, {"error", &run.error}, {"folder", &run.folder}})
    *into = member(object, key, std::string());
  run.seed = member(object, "seed", std::uint64_t{1});
  run.scale = member(object, "scale", 1.0);
  run.took = member(object, "took", 0.0);
  run.versions = texts(object, "versions");
  run.commands = texts(object, "commands");
  run.floors = texts(object, "floors");
  run.set = texts(object, "set");
  run.gaps = texts(object, "gaps");
  if (const auto checks = object.find("expected"); checks != object.end() && checks->is_array())
    for (const auto& one : *checks)
      if (one.is_object()) run.checks.push_back({member(one, "wanted", std::string()), member(one, "seen", std::string()), member(one, "passed", false), member(one, "level", std::string())});
  if (const auto events = object.find("observed"); events != object.end() && events->is_array())
    for (const auto& one : *events)
      if (auto event = event_from(one)) run.events.push_back(std::move(*event));
  if (const auto report = object.find("report"); report != object.end() && report->is_object()) run.report = dumped(*report, -1);
  return run;
}

}  // namespace reproduce
