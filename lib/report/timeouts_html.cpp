// One file: no script, nothing loaded, a policy that forbids both, everything from outside escaped; the intervals as bars on a logarithmic line.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "report/escape.hpp"
#include "report/timeouts.hpp"
#include "source/redact.hpp"

namespace report {

namespace {

constexpr std::string_view top = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>who gives up first</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin-bottom: .3rem; }
table { border-collapse: collapse; width: 100%; } td, th { border-top: 1px solid #8886; padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top; }
td, li { overflow-wrap: anywhere; } code, .what { font-family: ui-monospace, monospace; font-size: .9em; }
svg { width: 100%; height: 4rem; } svg text { font: 11px ui-monospace, monospace; fill: currentColor; }
.ok { fill: #1a7f37; } .bad { fill: #c0271d; } .late { fill: #b86e00; } .either { fill: #7a5195; } .open { fill: #888; }
.error { color: #c0271d; } .warning { color: #9a5b00; } .depends { color: #9a5b00; }
@media (prefers-color-scheme: dark) { .error { color: #ff7b72; } .warning, .depends { color: #e3b341; } }
</style>
</head>
<body>
)";

std::string_view colour_of(const model::Row& row) {
  if (!row.depends.empty()) return "open";
  if (row.client.size() > 1) return "either";
  if (row.client.empty() || row.client.front() == "200") return "ok";
  return row.client.front() == "504" ? "late" : "bad";
}

// Where a duration stands on a line from 0.1 s to ten times the last edge, in percent.
double place(double seconds, double last) {
  const double end = std::log10(last * 10) + 1;
  return seconds <= 0.1 ? 0 : std::min(100.0, (std::log10(seconds) + 1) / end * 100);
}

void bar(std::string& out, const std::vector<const model::Row*>& rows) {
  double last = 1;
  for (const model::Row* row : rows) last = std::max(last, row->from);
  out += "<svg role=\"img\" aria-label=\"what the client gets, by duration\">\n";
  for (const model::Row* row : rows) {
    const double from = place(row->from, last), to = row->to == model::no_limit ? 100 : place(row->to, last);
    std::string status;
    for (const std::string& one : row->client) status += (status.empty() ? "" : "|") + one;
    out += fmt::format("<rect class=\"{}\" x=\"{:.2f}%\" y=\"8\" width=\"{:.2f}%\" height=\"22\"><title>{}: {}</title></rect>\n", colour_of(*row), from, std::max(0.3, to - from), html(model::span_text(row->from, row->to)), html(row->told));
    if (to - from > 5) out += fmt::format("<text x=\"{:.2f}%\" y=\"46\">{}</text>\n", from + 0.2, html(status));
    if (to - from > 3) out += fmt::format("<text x=\"{:.2f}%\" y=\"61\">{}</text>\n", from + 0.2, html(row->from > 0 ? model::seconds_text(row->from) : "0"));
  }
  out += "</svg>\n";
}

void rows_table(std::string& out, const std::vector<const model::Row*>& rows) {
  out += "<table>\n<tr><th>phase</th><th>takes</th><th>the client gets</th><th>runs</th><th>for nobody</th><th>killed</th><th>because</th></tr>\n";
  for (const model::Row* row : rows) {
    std::string because, depends;
    for (const std::string& one : row->because) because += (because.empty() ? "" : "; ") + one;
    for (const std::string& one : row->depends) depends += (depends.empty() ? "" : "; ") + one;
    out += fmt::format("<tr><td>{}{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}{}</td></tr>\n", html(phase_text(row->phase)), row->method == "any" ? "" : html(", " + row->method), html(model::span_text(row->from, row->to)), html(row->told), row->executes,
                       row->ghost_to > 0.05 ? html(row->ghost_to == model::no_limit ? "until it ends" : "up to " + model::seconds_text(row->ghost_to)) : "", row->killed > 0 ? std::to_string(row->killed) : "", html(because), depends.empty() ? "" : "<div class=\"depends\">depends on " + html(depends) + "</div>");
  }
  out += "</table>\n";
}

}  // namespace

std::string timeouts_html(const Timeouts& t) {
  std::string out(top);
  out += "<h1>Who gives up first</h1>\n<p>" + html(base::iso(t.at)) + "</p>\n";
  for (const std::string& set : t.set) out += "<p>What if: <code>" + html(set) + "</code></p>\n";
  for (const model::Group& group : t.groups) {
    const model::Route& route = t.routes[group.routes.front()];
    out += "<h2>" + html(route.location + (route.server_name.empty() ? "" : " of " + route.server_name)) + "</h2>\n";
    if (group.routes.size() > 1) out += fmt::format("<p>and {} with the same limits</p>\n", base::counted(group.routes.size() - 1, "location"));
    if (!route.guess.empty()) out += "<p class=\"depends\">a guess: " + html(route.guess) + "</p>\n";
    out += "<table>\n<tr><th>hop</th><th>limit</th><th>value</th><th>set at</th></tr>\n";
    for (const model::Station& station : route.stations)
      for (const model::Term& term : station.terms) {
        if (!term.shown) continue;
        std::string value;
        for (const model::Choice& choice : term.choices) value += (value.empty() ? "" : " or ") + (choice.value.known() ? choice.value.text : std::string("unknown"));
        out += fmt::format("<tr><td>{}</td><td class=\"what\">{}</td><td class=\"what\">{}</td><td class=\"what\">{}{}</td></tr>\n", html(std::string(flavour::shown(station.flavour)) + " " + station.version), html(term.name), html(value), html(term.where), term.why.empty() ? "" : " <span class=\"depends\">" + html(term.why) + "</span>");
      }
    out += "</table>\n";
    std::vector<std::pair<std::string, std::string>> heads;
    for (const model::Row& row : group.rows) if (std::find(heads.begin(), heads.end(), std::pair(row.when, row.method)) == heads.end() && row.phase == "wait") heads.emplace_back(row.when, row.method);
    for (const auto& [when, method] : heads) {
      std::vector<const model::Row*> waits;
      for (const model::Row& row : group.rows) if (row.when == when && row.method == method && row.phase == "wait") waits.push_back(&row);
      out += "<h3>" + html(method == "any" ? "every method" : method) + (when.empty() ? "" : " when " + html(when)) + "</h3>\n";
      bar(out, waits);
    }
    std::vector<const model::Row*> all;
    for (const model::Row& row : group.rows) all.push_back(&row);
    rows_table(out, all);
  }
  if (!t.findings.empty()) out += "<h2>Findings</h2>\n<ul>\n";
  for (const rule::Finding& finding : t.findings) {
    out += fmt::format("<li><span class=\"{}\">{}</span> {} <code>{}</code> {}", rule::level_text(finding.level), rule::level_text(finding.level), html(finding.message), html(finding.rule), html(finding.subject.where));
    if (!finding.prediction.empty()) out += "<br>then: " + html(finding.prediction);
    for (const rule::Step& step : finding.fix) if (step.when == "then") out += "<br>fix: " + html(step.text);
    out += "</li>\n";
  }
  if (!t.findings.empty()) out += "</ul>\n";
  for (const std::string& line : t.advice) out += "<p>Advice: " + html(line) + "</p>\n";
  if (!t.gaps.empty()) {
    out += "<h2>Not seen</h2>\n<ul>\n";
    for (const evidence::Gap& gap : t.gaps) out += "<li>" + html(gap.wanted + ": " + gap.reason + (gap.remedy.empty() ? "" : "; " + gap.remedy)) + "</li>\n";
    out += "</ul>\n";
  }
  out += "</body>\n</html>\n";
  return source::Redactor().text(out);
}

}  // namespace report
