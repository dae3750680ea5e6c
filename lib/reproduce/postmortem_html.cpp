// One file to send around: no script, nothing loaded, everything from outside escaped, and a policy in its head that forbids the browser to run or
// fetch anything, should the escaping ever be wrong.
#include <fmt/format.h>

#include "base/text.hpp"
#include "report/escape.hpp"
#include "reproduce/postmortem.hpp"
#include "reproduce/story.hpp"

namespace reproduce {

namespace {

using report::html;

constexpr std::string_view head = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
)";

constexpr std::string_view style = R"(<style>
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1c2127; --soft: #5b6570; --rule: #d9dee4; --field: #f4f6f8;
  --good: #2f7f86; --bad: #c0271d; --late: #a86500; --open: #7d8894; --signal: #6a3fa0; --life: #7f95ab2b; --area: #2f7f8626; --silent: #f2c14e66;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --ink: #e4e8ec; --soft: #9aa5b1; --rule: #333c46; --field: #1c2229;
    --good: #5fb7bd; --bad: #ff7b72; --late: #e3b341; --open: #8b96a2; --signal: #c8a6ff; --life: #9db4cc24; --area: #5fb7bd2e; --silent: #e3b34140;
  }
}
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: .2rem 0 .8rem; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p, ul, ol { margin: .4rem 0; max-width: 60rem; } ul, ol { padding-left: 1.2rem; } li { margin: .2rem 0; }
.kind { color: var(--soft); margin: 0; } .soft { color: var(--soft); }
.result { display: inline-block; border-left: 4px solid var(--good); padding: .15rem .7rem; background: var(--field); }
.result.no { border-color: var(--bad); }
dl.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1rem; margin: .8rem 0; } dt { color: var(--soft); } dd { margin: 0; }
code, pre, .mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .88em; }
pre { background: var(--field); border: 1px solid var(--rule); border-radius: 4px; padding: .7rem .9rem; white-space: pre-wrap; margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-size: .94em; }
td, th { border-top: 1px solid var(--rule); padding: .35rem .8rem .35rem 0; text-align: left; vertical-align: top; } th { color: var(--soft); font-weight: 600; border-top: 0; }
td.number { font-variant-numeric: tabular-nums; }
table.moments, table.ends, table.evidence { table-layout: fixed; } .evidence th:nth-child(1) { width: 2.8em; } .evidence th:nth-child(2) { width: 15em; } .evidence th:nth-child(3) { width: 7em; } .evidence th:nth-child(5) { width: 12em; } .moments th:nth-child(1) { width: 5em; } .moments th:nth-child(2) { width: 7.5em; } .ends th:nth-child(3) { width: 4.5em; }
td.mark { white-space: nowrap; } .bad-text { color: var(--bad); } .good-text { color: var(--good); }
.timeline { margin: .8rem 0; } .timeline svg { display: block; width: 100%; overflow: hidden; } .timeline svg text { font: 11px ui-monospace, "DejaVu Sans Mono", monospace; fill: var(--soft); }
.row { padding: .3rem 0 .45rem; border-top: 1px solid var(--rule); break-inside: avoid; } .who { font-size: .82rem; line-height: 1.35; color: var(--soft); margin-bottom: .25rem; } .who b { color: var(--ink); }
svg .grid, svg .tick { stroke: var(--rule); } svg .zero { stroke: var(--open); stroke-dasharray: 2 3; }
svg .life { fill: var(--life); } svg .good { fill: var(--good); } svg .bad { fill: var(--bad); } svg .open { fill: var(--open); }
svg .late { fill: none; stroke: var(--late); stroke-width: 1.6; } svg .silent { fill: var(--silent); } svg .beat { stroke: var(--soft); }
svg line.signal { stroke: var(--signal); stroke-width: 1.6; } svg line.death { stroke: var(--bad); stroke-width: 2.4; }
.timeline svg text.signal { fill: var(--signal); } .timeline svg text.death { fill: var(--bad); font-weight: 700; } .timeline svg text.silent { fill: var(--ink); }
svg .curve { fill: none; stroke: var(--good); stroke-width: 1.6; vector-effect: non-scaling-stroke; } svg .area { fill: var(--area); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; font-size: .82rem; color: var(--soft); } .legend li { margin: 0; display: flex; align-items: center; gap: .4rem; }
@media (max-width: 40rem) {
  body { padding-top: 1rem; } td, th { padding-right: .5rem; } .moments th:nth-child(1) { width: 3.9em; } .moments th:nth-child(2) { width: 5.6em; } h1 { font-size: 1.25rem; }
  table.wide thead { display: none; } table.wide tr { display: block; border-top: 1px solid var(--rule); padding: .35rem 0; } table.wide td { display: block; border: 0; padding: .05rem 0; }
  table.wide td[data-name]:not(:empty)::before { content: attr(data-name) ": "; color: var(--soft); }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --rule: #bbb; --field: #fff; --good: #2f7f86; --bad: #b3150b; --late: #8a5300; --open: #666; --signal: #5a2f90; --life: #7f95ab26; --area: #2f7f8622; --silent: #e8c26a88; }
  @page { margin: 16mm 14mm; }
  body { font-size: 10.5pt; max-width: none; padding: 0; } h2, h3 { break-after: avoid; } tr, pre, .row { break-inside: avoid; } svg * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
</style>
</head>
<body>
)";

constexpr std::string_view legend = R"(<ul class="legend">
<li><svg width="26" height="12" aria-hidden="true"><rect class="good" y="3" width="26" height="6"/></svg>answered</li>
<li><svg width="26" height="12" aria-hidden="true"><rect class="bad" y="1" width="26" height="10"/></svg>error, or no answer</li>
<li><svg width="26" height="12" aria-hidden="true"><rect class="late" x="1" y="2" width="24" height="8"/></svg>gave up, or still waits</li>
<li><svg width="26" height="12" aria-hidden="true"><rect class="open" y="3" width="26" height="6"/></svg>open, or its end was not seen</li>
<li><svg width="26" height="12" aria-hidden="true"><line class="signal" x1="13" x2="13" y1="0" y2="12"/></svg>signal</li>
<li><svg width="26" height="12" aria-hidden="true"><line class="death" x1="13" x2="13" y1="0" y2="12"/></svg>death</li>
<li><svg width="26" height="12" aria-hidden="true"><line class="beat" x1="6" x2="6" y1="2" y2="10"/><line class="beat" x1="13" x2="13" y1="2" y2="10"/><line class="beat" x1="20" x2="20" y1="2" y2="10"/></svg>heartbeats</li>
<li><svg width="26" height="12" aria-hidden="true"><rect class="silent" y="1" width="26" height="10"/></svg>none for long</li>
<li><svg width="26" height="12" aria-hidden="true"><rect class="life" width="26" height="12"/></svg>from birth to death</li>
<li><svg width="26" height="12" aria-hidden="true"><polyline class="curve" points="0,10 10,8 18,3 26,2"/></svg>memory, queue</li>
</ul>
)";

std::string cell(std::string_view name, const std::string& text) { return fmt::format("<td data-name=\"{}\">{}</td>", name, text); }

void list(std::string& out, std::string_view title, const std::vector<std::string>& items, bool code = false) {
  if (items.empty()) return;
  out += fmt::format("<h3>{}</h3>\n<ul>\n", title);
  for (const std::string& item : items) out += (code ? "<li><code>" : "<li>") + html(item) + (code ? "</code></li>\n" : "</li>\n");
  out += "</ul>\n";
}

void facts(std::string& out, const Run& run) {
  out += "<dl class=\"facts\">\n";
  const auto fact = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) out += fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html(text));
  };
  std::string versions;
  for (const std::string& one : run.versions) versions += (versions.empty() ? "" : ", ") + one;
  fact("scenario", run.scenario);
  fact("shows", run.proves);
  fact("on", versions.empty() ? run.server : versions);
  fact("second 0", run.began);
  if (run.scale != 1) fact("times", fmt::format("divided by {:g}", run.scale));
  std::string set;
  for (const std::string& one : run.set) set += (set.empty() ? "" : ", ") + one;
  fact("changed", set);
  out += "</dl>\n";
}

void endings(std::string& out, const Story& story) {
  if (story.endings.empty()) return;
  out += "<table class=\"ends\">\n<thead><tr><th>clients</th><th>got</th><th>times</th><th>took</th></tr></thead>\n";
  for (const Ending& one : story.endings) {
    const Sort sort = sort_of(one.got);
    out += fmt::format("<tr><td>{}</td><td{}>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>\n", html(one.load), sort == Sort::bad || sort == Sort::late ? " class=\"bad-text\"" : "", html(one.got), one.count,
                       one.longest - one.shortest < 0.02 ? at_text(one.longest) : at_text(one.shortest) + " to " + at_text(one.longest));
  }
  out += "</table>\n";
}

void moments(std::string& out, const Story& story) {
  if (story.notable.empty()) return;
  out += "<table class=\"moments\">\n<thead><tr><th>second</th><th>who</th><th>what</th></tr></thead>\n";
  for (const Notable& one : story.notable)
    out += fmt::format("<tr><td class=\"number\">{:.2f}</td><td>{}</td><td{}>{}{}</td></tr>\n", tidy(one.at), html(one.who), one.bad ? " class=\"bad-text\"" : "", html(one.text), one.count > 1 ? fmt::format(" <span class=\"soft\">({} times, the last at {})</span>", one.count, at_text(one.last)) : "");
  out += "</table>\n";
  if (story.left_out > 0) out += "<p class=\"soft\">Left out: " + base::counted(story.left_out, "later event") + ".</p>\n";
}

void evidence(std::string& out, const Told& told) {
  out += fmt::format("<p>Rule <code>{}</code>, {}: {}{}.</p>\n", html(told.rule), html(told.sure), html(told.sure_because), told.count > 1 ? fmt::format("; {} times", told.count) : "");
  if (!told.because.empty()) {
    out += "<table class=\"wide evidence\">\n<thead><tr><th></th><th>when</th><th>source</th><th>what</th><th>where</th></tr></thead>\n";
    for (const Seen& seen : told.because)
      out += "<tr>" + cell("evidence", html(seen.id)) + cell("when", html(seen.when)) + cell("source", html(seen.source)) + cell("what", "<code>" + html(seen.text) + "</code>" + (seen.note.empty() ? "" : " (" + html(seen.note) + ")")) + cell("where", "<code>" + html(seen.where) + "</code>") + "</tr>\n";
    out += "</table>\n";
  }
  std::vector<std::string> items;
  for (const auto& [cause, why] : told.ruled_out) items.push_back(cause + ": " + why);
  list(out, "Ruled out", items);
  list(out, "Was doing", told.doing, true);
}

void steps(std::string& out, const Told& told) {
  if (told.fix.empty()) return;
  out += "<ol>\n";
  for (const Remedy& one : told.fix) {
    out += fmt::format("<li><b>{}</b> {}", html(one.when), html(one.text));
    if (!one.edit.empty()) out += "<pre>" + html(one.edit) + "</pre>";
    if (!one.expect.empty()) out += "<br><span class=\"soft\">expect:</span> " + html(one.expect);
    if (!one.loses.empty()) out += "<br><span class=\"soft\">loses:</span> " + html(one.loses);
    out += "</li>\n";
  }
  out += "</ol>\n";
}

void comparison(std::string& out, const Run& run, const Run& after) {
  out += "<p><b>" + html(judged(run, after)) + "</b></p>\n<pre>" + html(command_of(after)) + "</pre>\n";
  out += "<table class=\"wide\">\n<thead><tr><th></th><th>before</th><th>after</th></tr></thead>\n";
  for (const Measure& one : compared(run, after)) out += "<tr><td><b>" + html(one.what) + "</b></td>" + cell("before", html(one.before)) + cell("after", html(one.after)) + "</tr>\n";
  out += "</table>\n<h3>The same with the fix</h3>\n" + timeline_svg(after);
}

void cause(std::string& out, const Story& story) {
  if (story.findings.empty()) out += "<p>triage found no fault, or was not asked.</p>\n";
  std::vector<std::string> others;
  for (std::size_t i = 0; i < story.findings.size(); ++i) {
    const Told& told = story.findings[i];
    if (i > 0 && told.caused_by.empty()) {
      others.push_back(line_of(told));
      continue;
    }
    out += fmt::format("<h3>{}{}</h3>\n", i == 0 ? "" : "From it: ", html(told.message));
    evidence(out, told);
    if (!told.prediction.empty()) out += "<p>Prediction: " + html(told.prediction) + "</p>\n";
  }
  list(out, "Also found", others);
}

void again(std::string& out, const Run& run) {
  out += "<pre>" + html(command_of(run)) + "</pre>\n";
  if (!run.checks.empty()) {
    out += "<table class=\"wide\">\n<thead><tr><th></th><th>expected</th><th>seen</th></tr></thead>\n";
    for (const Checked& check : run.checks)
      out += fmt::format("<tr><td class=\"mark {}\"><b>{}</b></td>", check.passed ? "good-text" : "bad-text", check.level == "unseen" ? "not seen" : check.passed ? "yes" : "no") + cell("expected", html(check.wanted)) + cell("seen", html(check.seen)) + "</tr>\n";
    out += "</table>\n";
  }
  list(out, "What it ran", run.commands, true);
  list(out, "What does not scale", run.floors);
}

}  // namespace

std::string postmortem_html(const Run& raw, const Run* raw_after) {
  const Run run = redacted(raw);
  const Story story = story_of(run);
  std::string out(head);
  out += "<title>postmortem: " + html(story.title) + "</title>\n";
  out += style;
  out += "<header>\n<p class=\"kind\">Postmortem</p>\n<h1>" + html(story.title) + "</h1>\n";
  out += fmt::format("<p class=\"result{}\">{}</p>\n", story.reproduced ? "" : " no", html(story.result));
  facts(out, run);
  out += "</header>\n<section>\n<h2>What happened</h2>\n<ul>\n";
  for (const std::string& sentence : story.happened) out += "<li>" + html(sentence) + "</li>\n";
  out += story.happened.empty() ? "<li>Nothing: the run did not begin.</li>\n</ul>\n" : "</ul>\n";
  endings(out, story);
  out += "</section>\n<section>\n<h2>Timeline</h2>\n";
  out += legend;
  out += timeline_svg(run);
  moments(out, story);
  out += "</section>\n<section>\n<h2>Evidence and cause</h2>\n";
  cause(out, story);
  out += "</section>\n<section>\n<h2>See it again</h2>\n";
  again(out, run);
  out += "</section>\n<section>\n<h2>Fix</h2>\n";
  if (!story.findings.empty()) steps(out, story.findings.front());
  if (raw_after != nullptr) comparison(out, run, redacted(*raw_after));
  else out += "<p class=\"soft\">Not tried here: <code>triage repro report SCENARIO --fix KEY=VALUE</code> runs it before and after.</p>\n";
  list(out, "Not seen", run.gaps);
  std::vector<std::string> items;
  for (const Told& told : story.elsewhere) items.push_back(line_of(told));
  list(out, "At the same time, elsewhere on the machine", items);
  return out + "</section>\n</body>\n</html>\n";
}

}  // namespace reproduce
