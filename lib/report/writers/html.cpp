// One file to send around: no script, nothing loaded, everything from outside escaped, and a policy in its head that forbids the browser
// to run or fetch anything, should the escaping ever be wrong.
#include <fmt/format.h>

#include "base/text.hpp"
#include "report/escape.hpp"
#include "report/story.hpp"
#include "report/witness.hpp"

namespace report {

namespace {

constexpr std::string_view top = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }} h2 {{ font-size: 1.15rem; margin-top: 2rem; }} h3 {{ font-size: 1rem; margin-bottom: .3rem; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ border-top: 1px solid #8886; padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top; }}
td, li {{ overflow-wrap: anywhere; }}
code, .what {{ font-family: ui-monospace, monospace; font-size: .9em; }}
.fault {{ color: #c0271d; }} .unknown {{ color: #9a5b00; }} .clean {{ color: #1a7f37; }}
@media (prefers-color-scheme: dark) {{ .fault {{ color: #ff7b72; }} .unknown {{ color: #e3b341; }} .clean {{ color: #56d364; }} }}
</style>
</head>
<body>
)";

std::string time_text(const std::optional<base::Instant>& when) { return when ? html(base::iso(*when)) : std::string(); }

void list(std::string& out, std::string_view title, const std::vector<std::string>& items) {
  if (items.empty()) return;
  out += fmt::format("<h3>{}</h3>\n<ul>\n", title);
  for (const std::string& item : items) out += "<li>" + item + "</li>\n";
  out += "</ul>\n";
}

void evidence_table(std::string& out, const Report& report, const rule::Finding& finding) {
  const std::vector<Witness> all = witnesses(report, finding);
  if (all.empty()) return;
  out += "<table>\n<tr><th></th><th>when</th><th>source</th><th>what</th><th>where</th></tr>\n";
  for (const Witness& w : all)
    out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"what\">{}{}</td><td class=\"what\">{}</td></tr>\n", w.id, time_text(w.when), html(w.source), html(whole_text(w)), w.note.empty() ? "" : " (" + html(w.note) + ")", html(place_text(w.place)));
  out += "</table>\n";
}

void tell(std::string& out, const Report& report, const Story& story) {
  const rule::Finding& finding = *story.root;
  out += fmt::format("<p>Rule <code>{}</code>, {}", html(finding.rule), rule::level_text(finding.level));
  if (const std::string who = subject_text(finding.subject, true); !who.empty()) out += ", about " + html(who);
  if (finding.when) out += ", at " + time_text(finding.when);
  out += ".</p>\n";
  if (const std::string repeats = repeats_text(finding, 64); !repeats.empty()) out += "<p>" + html(repeats) + "</p>\n";
  out += "<h3>Why</h3>\n<p>confidence: " + html(confidence_text(finding)) + "</p>\n";
  evidence_table(out, report, finding);
  std::vector<std::string> items;
  for (const rule::Exclusion& exclusion : finding.ruled_out) items.push_back("<code>" + html(exclusion.cause) + "</code>: " + html(exclusion.because));
  list(out, "Ruled out", items);
  items.clear();
  const rule::Doing& doing = finding.was_doing;
  if (!doing.request.empty()) items.push_back("request: " + html(doing.request));
  if (!doing.requests.empty()) items.push_back("requests: " + html(doing.requests));
  if (!doing.syscall.empty()) items.push_back(fmt::format("syscall: {}{}{}", html(doing.syscall), doing.fd ? fmt::format(" fd {}", *doing.fd) : "", doing.peer.empty() ? "" : " peer " + html(doing.peer)));
  for (const std::string& frame : doing.python) items.push_back("python: <code>" + html(frame) + "</code>");
  for (const std::string& frame : doing.native) items.push_back("native: <code>" + html(frame) + "</code>");
  list(out, "Was doing", items);
  if (!finding.prediction.empty()) out += "<h3>Prediction</h3>\n<p>" + html(finding.prediction) + "</p>\n";
  items.clear();
  for (const rule::Step& step : finding.fix)
    items.push_back(fmt::format("<b>{}</b> {}{}{}", html(step.when), html(step.text), step.expect.empty() ? "" : "; expect: " + html(step.expect), step.loses.empty() ? "" : "; loses: " + html(step.loses)) + (step.edit.empty() ? "" : "; edit: <code>" + html(step.edit) + "</code>"));
  list(out, "Fix", items);
  items.clear();
  for (const std::string& what : finding.missing) items.push_back(html(what));
  list(out, "What would have told more", items);
  items.clear();
  for (const rule::Finding* after : story.followed) items.push_back(fmt::format("{}{}{} <code>{}</code>", time_text(after->when), after->when ? " " : "", html(after->message), html(after->rule)));
  list(out, "Followed from it", items);
}

std::string write(const Report& report, const Style& style) {
  const rule::Verdict verdict = rule::verdict_of(report.findings, report.evidence);
  const std::vector<Story> all = stories(report.findings);
  const bool rooted = verdict != rule::Verdict::clean && !all.empty();
  const std::string title = fmt::format("{}: {}", verdict_word(verdict), html(headline(report)));
  std::string out = fmt::format(top, title);
  out += fmt::format("<h1 class=\"{}\">{}</h1>\n<p>Written by {} at {} from {}.</p>\n", verdict_text(verdict), title, tool_version, base::iso(report.at), html(report.source));
  for (std::size_t i = 0; i < all.size() && !style.quiet; ++i) {
    if (i > 0 || !rooted) out += "<h2>Also: " + html(all[i].root->message) + "</h2>\n";
    tell(out, report, all[i]);
  }
  const std::vector<Event> happened = events(report);
  if (!happened.empty() && !style.quiet) {
    out += "<details>\n<summary>Events</summary>\n<table>\n";
    for (const Event& event : happened) out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n", time_text(event.when), html(event.server), html(event.what));
    out += "</table>\n</details>\n";
  }
  std::vector<std::string> items;
  for (const evidence::Gap& gap : report.evidence.gaps)
    items.push_back(fmt::format("{}: {}{}{}", html(gap.wanted), html(gap.reason), gap.count > 1 ? fmt::format(" ({} times)", gap.count) : "", gap.remedy.empty() ? "" : "; to see it: " + html(gap.remedy)));
  if (!style.quiet) list(out, "Not seen", items);
  return out + "<p>" + html(summary(report)) + ".</p>\n</body>\n</html>\n";
}

}  // namespace

namespace writers_of {
extern const Writer html = {"html", write};
}

}  // namespace report
