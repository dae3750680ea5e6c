#include "report/document.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "report/escape.hpp"
#include "report/story.hpp"
#include "report/witness.hpp"

namespace report {

namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(std::string_view text) { return text.empty() ? Json() : Json(utf8(text)); }
Json number_or_null(int number) { return number == 0 ? Json() : Json(number); }
Json when_or_null(const std::optional<base::Instant>& when) { return when ? Json(base::iso(*when)) : Json(); }

Json texts(const std::vector<std::string>& all) {
  Json list = Json::array();
  for (const std::string& text : all) list.push_back(utf8(text));
  return list;
}

// 30 rather than "30", false rather than "False": whoever reads the report compares timeouts as numbers. What is neither stays text.
Json value_json(const std::string& text) {
  if (text == "True") return true;
  if (text == "False") return false;
  if (const auto whole = base::read_number(text)) return *whole;
  double real = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), real, std::chars_format::fixed);
  if (failure == std::errc() && end == text.data() + text.size() && std::isfinite(real) && !text.empty()) return real;
  return utf8(text);
}

std::string_view from_text(model::From from) {
  return from == model::From::built_in ? "built_in" : from == model::From::configured ? "configured" : from == model::From::inherited ? "inherited" : "unknown";
}

// The value that holds without a condition comes first; every other possible one is an alternative with its condition.
Json setting_json(const model::Setting& setting) {
  const auto main = std::find_if(setting.values.begin(), setting.values.end(), [](const model::Possible& p) { return p.when.empty(); });
  Json alternatives = Json::array();
  for (auto at = setting.values.begin(); at != setting.values.end(); ++at)
    if (at != main) alternatives.push_back(Json{{"value", value_json(at->value)}, {"when", text_or_null(at->when)}});
  return Json{{"value", main == setting.values.end() ? Json() : value_json(main->value)},
              {"unit", text_or_null(setting.unit)},
              {"from", from_text(setting.from)},
              {"where", text_or_null(setting.where)},
              {"alternatives", std::move(alternatives)}};
}

Json workers_json(const model::Stack& stack, const model::Server& server, std::size_t& omitted) {
  Json list = Json::array();
  for (const model::LifeId id : server.lives) {
    if (id >= stack.lives.size()) continue;
    const model::Life& life = stack.lives[id];
    if (life.role != model::Role::worker) continue;
    if (list.size() >= most_workers) { ++omitted; continue; }
    const bool ended = life.ended_known || life.replaced || server.stopped != evidence::no_fact;
    list.push_back(Json{{"pid", number_or_null(life.pid)},
                        {"host_pid", number_or_null(life.host_pid)},
                        {"started", when_or_null(life.started)},
                        {"ended", when_or_null(life.ended)},
                        {"alive", !ended},
                        {"signal", life.signal ? Json(*life.signal) : Json()},
                        {"exit_code", life.exit_code ? Json(*life.exit_code) : Json()}});
  }
  return list;
}

Json hop_json(const model::Stack& stack, const model::Hop& hop, std::size_t& omitted) {
  const model::Server* server = hop.server < stack.servers.size() ? &stack.servers[hop.server] : nullptr;
  Json settings = Json::object(), listeners = texts(hop.listeners);
  if (server) for (const auto& [name, setting] : server->settings) settings[utf8(name)] = setting_json(setting);
  if (hop.unit < stack.units.size()) for (const auto& [name, setting] : stack.units[hop.unit].settings) settings[utf8(name)] = setting_json(setting);
  if (server && listeners.empty())
    for (const auto part : base::split(server->listening, ',')) if (!base::trim(part).empty()) listeners.push_back(utf8(base::trim(part)));
  const std::string& version = hop.version.empty() && server ? server->version : hop.version;
  return Json{{"role", text_or_null(hop.role)},
              {"flavour", text_or_null(hop.flavour.empty() && server ? server->flavour : hop.flavour)},
              {"version", text_or_null(version)},
              {"master", number_or_null(hop.master == 0 && server ? server->master : hop.master)},
              {"worker_class", server ? text_or_null(server->worker_class) : Json()},
              {"settings", std::move(settings)},
              {"listeners", std::move(listeners)},
              {"workers", server ? workers_json(stack, *server, omitted) : Json::array()}};
}

Json stack_with(const Report& report, std::size_t& omitted) {
  std::vector<model::Hop> hops = report.stack.hops;
  for (std::size_t i = 0; i < report.stack.servers.size(); ++i) {  // a server that no hop names is still part of the stack
    if (std::any_of(hops.begin(), hops.end(), [&](const model::Hop& hop) { return hop.server == i; })) continue;
    model::Hop hop;
    hop.role = "server";
    hop.server = i;
    hops.push_back(std::move(hop));
  }
  Json list = Json::array();
  for (const model::Hop& hop : hops) list.push_back(hop_json(report.stack, hop, omitted));
  return Json{{"hops", std::move(list)}};
}

Json members_json(const rule::Finding& finding) {
  Json list = Json::array();
  for (const rule::Member& member : finding.members) {
    if (list.size() >= most_members) break;
    list.push_back(Json{{"id", text_or_null(member.id)}, {"pid", number_or_null(member.pid)}, {"host_pid", number_or_null(member.host_pid)}, {"when", when_or_null(member.when)}});
  }
  return list;
}

Json because_json(const Report& report, const rule::Finding& finding) {
  Json list = Json::array();
  for (const Witness& witness : witnesses(report, finding)) {
    if (list.size() >= most_because) break;
    Json one = Json{{"id", witness.id}, {"source", utf8(witness.source)}, {"where", text_or_null(place_text(witness.place))}, {"when", when_or_null(witness.when)}, {"text", utf8(witness.text)}, {"note", text_or_null(witness.note)}};
    for (const std::string& row : witness.rows) one["rows"].push_back(utf8(row));
    list.push_back(std::move(one));
  }
  return list;
}

std::size_t beyond(std::size_t count, std::size_t most) { return count > most ? count - most : 0; }

Json frames_json(const std::vector<evidence::StackFrame>& frames) {
  Json list = Json::array();
  for (const evidence::StackFrame& frame : frames) list.push_back(Json{{"function", utf8(frame.function)}, {"file", utf8(frame.file)}, {"line", frame.line}});
  return list;
}

}  // namespace

Json finding_json(const Report& report, const rule::Finding& finding) {
  const rule::About& about = finding.subject;
  Json ruled_out = Json::array(), fix = Json::array();
  for (const rule::Exclusion& exclusion : finding.ruled_out) ruled_out.push_back(Json{{"cause", utf8(exclusion.cause)}, {"because", utf8(exclusion.because)}});
  for (const rule::Step& step : finding.fix)
    fix.push_back(Json{{"when", utf8(step.when)}, {"text", utf8(step.text)}, {"expect", text_or_null(step.expect)}, {"loses", text_or_null(step.loses)}, {"edit", text_or_null(step.edit)}});
  const rule::Doing& doing = finding.was_doing;
  return Json{
      {"id", utf8(finding.id)},
      {"rule", utf8(finding.rule)},
      {"level", rule::level_text(finding.level)},
      {"truth", rule::truth_text(finding.truth)},
      {"sure", rule::confidence_text(finding.sure)},
      {"sure_because", utf8(finding.sure_because)},
      {"subject",
       {{"pid", number_or_null(about.pid)}, {"host_pid", number_or_null(about.host_pid)}, {"server", text_or_null(about.server)}, {"role", text_or_null(about.role)}, {"where", text_or_null(about.where)}, {"also", texts(about.also)}}},
      {"when", when_or_null(finding.when)},
      {"last", when_or_null(finding.last)},
      {"count", finding.count},
      {"group", text_or_null(finding.group)},
      {"members", members_json(finding)},
      {"caused_by", text_or_null(finding.caused_by)},
      {"amends", text_or_null(finding.amends)},
      {"provisional", finding.provisional},
      {"message", utf8(finding.message)},
      {"because", because_json(report, finding)},
      {"ruled_out", std::move(ruled_out)},
      {"missing", texts(finding.missing)},
      {"was_doing",
       {{"request", text_or_null(doing.request)}, {"requests", text_or_null(doing.requests)}, {"syscall", text_or_null(doing.syscall)}, {"fd", doing.fd ? Json(*doing.fd) : Json()}, {"peer", text_or_null(doing.peer)}, {"python", texts(doing.python)}, {"native", texts(doing.native)}, {"waits", texts(doing.waits)}, {"frames", frames_json(doing.frames)}}},
      {"prediction", text_or_null(finding.prediction)},
      {"fix", std::move(fix)},
      {"omitted", {{"because", beyond(finding.because.size(), most_because)}, {"members", beyond(finding.members.size(), most_members)}}},
  };
}

Json gap_json(const evidence::Gap& gap) { return Json{{"wanted", utf8(gap.wanted)}, {"reason", utf8(gap.reason)}, {"remedy", text_or_null(gap.remedy)}, {"count", gap.count}}; }

Json events_json(const Report& report) {
  Json list = Json::array();
  for (const Event& event : events(report)) {
    if (list.size() >= most_events) break;
    Json where;
    if (event.because < report.evidence.facts.size()) {
      const evidence::Fact& fact = report.evidence.facts[event.because];
      if (fact.origin.source < report.evidence.sources.size()) where = text_or_null(place_text({report.evidence.source_of(fact).name, fact.origin.line, fact.origin.column}));
    }
    list.push_back(Json{{"when", when_or_null(event.when)}, {"server", utf8(event.server)}, {"what", utf8(event.what)}, {"pid", number_or_null(event.pid)}, {"where", std::move(where)}});
  }
  return list;
}

Json stack_json(const Report& report) {
  std::size_t omitted = 0;
  return stack_with(report, omitted);
}

Json document(const Report& report, const Style& style) {
  const rule::Finding* root = rule::root_of(report.findings);
  std::size_t workers = 0;
  Json stack = stack_with(report, workers), findings = Json::array(), gaps = Json::array();
  for (const rule::Finding& finding : report.findings) findings.push_back(finding_json(report, finding));
  for (const evidence::Gap& gap : report.evidence.gaps) gaps.push_back(gap_json(gap));
  return Json{
      {"schema", "triage.report/1"},
      {"tool", tool_version},
      {"at", base::iso(report.at)},
      {"source", utf8(report.source)},
      {"verdict", verdict_text(rule::verdict_of(report.findings, report.evidence))},
      {"root", root ? Json(utf8(root->id)) : Json()},
      {"stack", std::move(stack)},
      {"findings", std::move(findings)},
      {"gaps", std::move(gaps)},
      {"events", style.show_events ? events_json(report) : Json::array()},
      {"omitted", {{"workers", workers}, {"events", style.show_events ? beyond(events(report).size(), most_events) : 0}}},
  };
}

// utf8() already made the strings valid; replace is what keeps a string that slipped past it from throwing.
std::string dump(const Json& json, int indent) { return json.dump(indent, ' ', true, Json::error_handler_t::replace); }

}  // namespace report
