#include <nlohmann/json.hpp>

#include <cmath>
#include <set>

#include "base/text.hpp"
#include "report/document.hpp"
#include "report/escape.hpp"
#include "report/timeouts.hpp"
#include "source/redact.hpp"

namespace report {

namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(std::string_view text) { return text.empty() ? Json() : Json(utf8(text)); }
Json seconds(double value) { return std::isfinite(value) && value < 1e17 ? Json(std::round(value * 1000) / 1000) : Json(); }

Json texts(const std::vector<std::string>& all) {
  Json list = Json::array();
  for (const std::string& text : all) list.push_back(utf8(text));
  return list;
}

Json value_json(const model::Value& value) {
  switch (value.kind) {
    case model::Value::Kind::number: return std::floor(value.number) == value.number && std::abs(value.number) < 1e15 ? Json(static_cast<std::int64_t>(value.number)) : seconds(value.number);
    case model::Value::Kind::truth: return value.number != 0;
    case model::Value::Kind::text: return utf8(value.text);
    case model::Value::Kind::list: return texts(value.items);
    case model::Value::Kind::unknown:
    case model::Value::Kind::none: break;
  }
  return {};
}

std::string_view from_text(const model::Term& term) {
  const model::Choice& choice = term.choices.front();
  if (!choice.value.known()) return "unknown";
  return choice.from == model::From::built_in ? "built_in" : choice.from == model::From::inherited ? "inherited" : choice.from == model::From::configured ? "configured" : "unknown";
}

Json station_json(const model::Station& station) {
  Json settings = Json::object();
  for (const model::Term& term : station.terms) {
    Json alternatives = Json::array();
    for (std::size_t i = 0; i < term.choices.size(); ++i)
      if (i > 0 || !term.choices[i].when.empty()) alternatives.push_back(Json{{"value", value_json(term.choices[i].value)}, {"when", text_or_null(term.choices[i].when)}});
    const bool certain = term.choices.size() == 1;
    settings[utf8(term.name)] = Json{{"value", certain ? value_json(term.choices.front().value) : Json()}, {"unit", text_or_null(term.unit)}, {"from", from_text(term)}, {"where", text_or_null(term.where)}, {"alternatives", std::move(alternatives)}, {"why", text_or_null(term.why)}};
  }
  return Json{{"role", station.role}, {"flavour", text_or_null(station.flavour)}, {"version", text_or_null(station.version)}, {"name", text_or_null(station.name)}, {"settings", std::move(settings)}, {"listeners", texts(station.listeners)}};
}

// Command lines and targets of files may hold passwords; the same one becomes the same mark everywhere.
void redact(Json& json, source::Redactor& redactor) {
  if (json.is_string()) json = redactor.text(json.get<std::string>());
  else if (json.is_structured()) for (auto& one : json) redact(one, redactor);
}

}  // namespace

std::string timeouts_json(const Timeouts& t, const Report& report) {
  Json routes = Json::array(), rows = Json::array(), findings = Json::array(), gaps = Json::array(), differences = Json::array(), hops = Json::array(), timelines = Json::array();
  std::set<std::string> known;
  for (const model::Group& group : t.groups) {
    const model::Route& route = t.routes[group.routes.front()];
    Json locations = Json::array(), stations = Json::array();
    for (const std::size_t i : group.routes) {
      Json one{{"set_at", Json::object()}, {"location", utf8(t.routes[i].location)}, {"server_name", text_or_null(t.routes[i].server_name)}, {"where", text_or_null(model::place_text(t.deployment, t.routes[i].at))}};
      // The values are those of the hops below; set at places of its own.
      for (std::size_t s = 0; i != group.routes.front() && s < std::min(route.stations.size(), t.routes[i].stations.size()); ++s)
        for (std::size_t k = 0; k < std::min(route.stations[s].terms.size(), t.routes[i].stations[s].terms.size()); ++k)
          if (const model::Term& term = t.routes[i].stations[s].terms[k]; term.where != route.stations[s].terms[k].where) one["set_at"][utf8(term.name)] = utf8(term.where);
      locations.push_back(std::move(one));
    }
    for (const model::Station& station : route.stations) {
      Json one = station_json(station);
      if (known.insert(one.dump(-1, ' ', true, Json::error_handler_t::replace)).second) hops.push_back(one);
      stations.push_back(std::move(one));
    }
    const std::size_t number = routes.size();
    routes.push_back(Json{{"locations", std::move(locations)}, {"guess", text_or_null(route.guess)}, {"hops", std::move(stations)}});
    for (const model::Row& row : group.rows)
      rows.push_back(Json{{"location", utf8(route.location)},
                          {"route", number},
                          {"when", text_or_null(row.when)},
                          {"method", utf8(row.method)},
                          {"phase", row.phase},
                          {"from_s", seconds(row.from)},
                          {"to_s", seconds(row.to)},
                          {"client", texts(row.client)},
                          {"told", utf8(row.told)},
                          {"executes", row.executes},
                          {"ghost_s", {seconds(row.ghost_from), seconds(row.ghost_to)}},
                          {"killed_workers", row.killed},
                          {"blackout_s", seconds(row.blackout)},
                          {"because", texts(row.because)},
                          {"depends", texts(row.depends)},
                          {"share", row.share < 0 ? Json() : Json(std::round(row.share * 1e6) / 1e6)}});
    if (t.duration) {
      model::Request request;
      if (!t.method.empty()) request.method = t.method;
      for (const model::Timeline& line : model::timeline(route, request, *t.duration)) {
        Json moments = Json::array();
        for (const model::Moment& moment : line.moments) moments.push_back(Json{{"from_s", seconds(moment.at)}, {"to_s", seconds(moment.until)}, {"what", utf8(moment.what)}});
        timelines.push_back(Json{{"location", utf8(route.location)}, {"when", text_or_null(line.when)}, {"method", utf8(request.method)}, {"duration_s", seconds(*t.duration)}, {"moments", std::move(moments)}, {"depends", texts(line.depends)}});
      }
    }
  }
  for (const rule::Finding& finding : t.findings) findings.push_back(finding_json(report, finding));
  for (const evidence::Gap& gap : t.gaps) gaps.push_back(gap_json(gap));
  for (const rule::Finding& finding : t.open) gaps.push_back(Json{{"wanted", finding.rule}, {"reason", utf8("it depends on " + (finding.missing.empty() ? std::string("what is not here") : finding.missing.front()) + " (" + finding.subject.where + ")")}, {"remedy", Json()}, {"count", 1}});
  for (const Difference& one : t.differences) differences.push_back(Json{{"location", utf8(one.location)}, {"method", one.method}, {"phase", one.phase}, {"span", one.span}, {"before", one.before}, {"after", one.after}});
  Json document{{"schema", "triage.timeouts/1"}, {"tool", tool_version}, {"at", base::iso(t.at)}, {"set", texts(t.set)}, {"hops", std::move(hops)}, {"routes", std::move(routes)}, {"outcomes", std::move(rows)}, {"timelines", std::move(timelines)}, {"findings", std::move(findings)}, {"advice", texts(t.advice)}, {"gaps", std::move(gaps)}};
  document["traffic"] = Json();
  if (t.traffic.any()) document["traffic"] = Json{{"rows", t.traffic.rows}, {"p50_s", seconds(t.traffic.p50)}, {"p99_s", seconds(t.traffic.p99)}, {"slowest_s", seconds(t.traffic.slowest)}, {"sources", texts(t.traffic.sources)}};
  document["against"] = text_or_null(t.against);
  document["differences"] = std::move(differences);
  source::Redactor redactor;
  redact(document, redactor);
  return dump(document, 1) + "\n";
}

}  // namespace report
