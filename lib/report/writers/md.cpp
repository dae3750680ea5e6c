// For a postmortem: headings, a table of evidence, lists. No outside text begins a line, so that it can begin no block.
#include <fmt/format.h>

#include "base/text.hpp"
#include "report/escape.hpp"
#include "report/story.hpp"
#include "report/witness.hpp"

namespace report {

namespace {

void evidence_table(std::string& out, const Report& report, const rule::Finding& finding) {
  const std::vector<Witness> all = witnesses(report, finding);
  if (all.empty()) return;
  out += "\n| | when | source | what | where |\n|---|---|---|---|---|\n";
  for (const Witness& w : all)
    out += fmt::format("| {} | {} | {} | {}{} | {} |\n", w.id, w.when ? markdown(base::iso(*w.when)) : "", markdown(w.source), markdown(whole_text(w)), w.note.empty() ? "" : " (" + markdown(w.note) + ")", markdown(place_text(w.place)));
}

void doing(std::string& out, const rule::Doing& doing) {
  if (!doing.any()) return;
  out += "\n**Was doing:**\n\n";
  if (!doing.request.empty()) out += "- request: " + markdown(doing.request) + "\n";
  if (!doing.requests.empty()) out += "- requests: " + markdown(doing.requests) + "\n";
  if (!doing.syscall.empty()) out += fmt::format("- syscall: {}{}{}\n", markdown(doing.syscall), doing.fd ? fmt::format(" fd {}", *doing.fd) : "", doing.peer.empty() ? "" : " peer " + markdown(doing.peer));
  for (const std::string& frame : doing.python) out += "- python: " + markdown(frame) + "\n";
  for (const std::string& frame : doing.native) out += "- native: " + markdown(frame) + "\n";
}

void tell(std::string& out, const Report& report, const rule::Finding& finding) {
  out += fmt::format("\nRule `{}`, {}", base::printable(finding.rule, 64), rule::level_text(finding.level));
  if (const std::string who = subject_text(finding.subject, true); !who.empty()) out += ", about " + markdown(who);
  if (finding.when) out += ", at " + markdown(base::iso(*finding.when));
  out += ".\n";
  if (const std::string repeats = repeats_text(finding, 64); !repeats.empty()) out += "\nIt happened " + markdown(repeats) + ".\n";
  out += "\n**Why**, confidence " + markdown(confidence_text(finding)) + "\n";
  evidence_table(out, report, finding);
  if (!finding.ruled_out.empty()) {
    out += "\n**Ruled out:**\n\n";
    for (const rule::Exclusion& exclusion : finding.ruled_out) out += "- " + markdown(exclusion.cause) + ": " + markdown(exclusion.because) + "\n";
  }
  doing(out, finding.was_doing);
  if (!finding.prediction.empty()) out += "\n**Prediction:** " + markdown(finding.prediction) + "\n";
  if (!finding.fix.empty()) {
    out += "\n**Fix:**\n\n";
    for (const rule::Step& step : finding.fix) {
      out += "- " + markdown(step.when) + ": " + markdown(step.text);
      if (!step.expect.empty()) out += "; expect: " + markdown(step.expect);
      if (!step.loses.empty()) out += "; loses: " + markdown(step.loses);
      if (!step.edit.empty()) out += "; edit: " + markdown(step.edit);
      out += "\n";
    }
  }
  if (!finding.missing.empty()) {
    out += "\n**What would have told more:**\n\n";
    for (const std::string& what : finding.missing) out += "- " + markdown(what) + "\n";
  }
}

std::string write(const Report& report, const Style& style) {
  const rule::Verdict verdict = rule::verdict_of(report.findings, report.evidence);
  const std::vector<Story> all = stories(report.findings);
  const bool rooted = verdict != rule::Verdict::clean && !all.empty();
  std::string out = fmt::format("# {}: {}\n\nWritten by {} at {} from {}.\n", verdict_word(verdict), markdown(headline(report)), tool_version, base::iso(report.at), markdown(report.source));
  for (std::size_t i = 0; i < all.size() && !style.quiet; ++i) {
    if (i > 0 || !rooted) out += "\n## Also: " + markdown(all[i].root->message) + "\n";
    tell(out, report, *all[i].root);
    if (all[i].followed.empty()) continue;
    out += "\n**Followed from it:**\n\n";
    for (const rule::Finding* finding : all[i].followed) out += fmt::format("- {}{} (`{}`)\n", finding->when ? markdown(base::iso(*finding->when)) + " " : "", markdown(finding->message), base::printable(finding->rule, 64));
  }
  const std::vector<Event> happened = events(report);
  if ((style.show_events || style.verbose) && !happened.empty()) {
    out += "\n## Events\n\n| when | server | what |\n|---|---|---|\n";
    for (const Event& event : happened) out += fmt::format("| {} | {} | {} |\n", event.when ? markdown(base::iso(*event.when)) : "", markdown(event.server), markdown(event.what));
  }
  if (!report.evidence.gaps.empty() && !style.quiet) {
    out += "\n## Not seen\n\n";
    for (const evidence::Gap& gap : report.evidence.gaps)
      out += fmt::format("- {}: {}{}{}\n", markdown(gap.wanted), markdown(gap.reason), gap.count > 1 ? fmt::format(" ({} times)", gap.count) : "", gap.remedy.empty() ? "" : "; to see it: " + markdown(gap.remedy));
  }
  return out + "\nIn all: " + markdown(summary(report)) + ".\n";
}

}  // namespace

namespace writers_of {
extern const Writer md = {"md", write};
}

}  // namespace report
