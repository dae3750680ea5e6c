// One fact a line, `name: value`: for grep and for screen readers. The root finding's lines come bare, those of every other finding behind
// "also" or, when it followed from the root above it, "followed".
#include <fmt/format.h>

#include "base/text.hpp"
#include "report/story.hpp"
#include "report/witness.hpp"

namespace report {

namespace {

using base::printable;

void line(std::string& out, std::string_view front, std::string_view name, std::string_view value) {
  if (!value.empty()) out += fmt::format("{}{}: {}\n", front, name, printable(value));
}

void doing(std::string& out, std::string_view front, const rule::Doing& doing) {
  line(out, front, "was doing request", doing.request);
  line(out, front, "was doing requests", doing.requests);
  if (!doing.syscall.empty()) line(out, front, "was doing syscall", doing.syscall + (doing.fd ? fmt::format(" fd {}", *doing.fd) : "") + (doing.peer.empty() ? "" : " peer " + doing.peer));
  for (const std::string& frame : doing.python) line(out, front, "was doing python", frame);
  for (const std::string& frame : doing.native) line(out, front, "was doing native", frame);
}

void tell(std::string& out, const Report& report, std::string_view front, const rule::Finding& finding) {
  line(out, front, "rule", finding.rule);
  line(out, front, "level", rule::level_text(finding.level));
  line(out, front, "summary", finding.message);
  line(out, front, "subject", subject_text(finding.subject, true));
  line(out, front, "repeats", repeats_text(finding, 64));
  line(out, front, "confidence", rule::confidence_text(finding.sure));
  line(out, front, "confidence because", finding.sure_because);
  for (const Witness& witness : witnesses(report, finding)) {
    std::string text = witness.source + (witness.when ? " " + base::clock_text(*witness.when) : "") + " " + witness.text;
    if (!witness.note.empty()) text += " (" + witness.note + ")";
    if (!witness.place.path.empty()) text += " at " + place_text(witness.place);
    line(out, front, "evidence " + witness.id.substr(1), text);
    for (const std::string& row : witness.rows) line(out, front, "evidence " + witness.id.substr(1) + " step", row);
  }
  for (const rule::Exclusion& exclusion : finding.ruled_out) line(out, front, "ruled out", exclusion.cause + ", because " + exclusion.because);
  doing(out, front, finding.was_doing);
  line(out, front, "prediction", finding.prediction);
  for (const rule::Step& step : finding.fix) {
    std::string text = step.text;
    if (!step.expect.empty()) text += "; expect: " + step.expect;
    if (!step.loses.empty()) text += "; loses: " + step.loses;
    if (!step.edit.empty()) text += "; edit: " + step.edit;
    line(out, front, "fix " + printable(step.when, 8), text);
  }
  for (const std::string& what : finding.missing) line(out, front, "would have told", what);
}

std::string write(const Report& report, const Style& style) {
  std::string out;
  const rule::Verdict verdict = rule::verdict_of(report.findings, report.evidence);
  line(out, "", "verdict", verdict_text(verdict));
  const std::vector<Story> all = stories(report.findings);
  const bool rooted = verdict != rule::Verdict::clean && !all.empty();
  if (!rooted) line(out, "", "summary", headline(report));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (style.quiet) {
      if (i == 0 && rooted) { line(out, "", "rule", all[i].root->rule); line(out, "", "summary", all[i].root->message); }
      break;
    }
    tell(out, report, i == 0 && rooted ? "" : "also ", *all[i].root);
    for (const rule::Finding* finding : all[i].followed) tell(out, report, "followed ", *finding);
  }
  if (!style.quiet) {
    if (style.show_events || style.verbose)
      for (const Event& event : events(report)) line(out, "", "event", (event.when ? base::clock_text(*event.when) + " " : "") + event.server + " " + event.what);
    for (const evidence::Gap& gap : report.evidence.gaps)
      line(out, "", "not seen", gap.wanted + ", because " + gap.reason + (gap.count > 1 ? fmt::format(" ({} times)", gap.count) : "") + (gap.remedy.empty() ? "" : "; let me: " + gap.remedy));
  }
  line(out, "", "in all", summary(report));
  return out;
}

}  // namespace

namespace writers_of {
extern const Writer plain = {"plain", write};
}

}  // namespace report
