// JUnit XML, the form every CI server shows: a test case a finding. Errors and warnings fail, notes pass and say so in their output; a
// clean look is one passed case, for an empty file is what a crashed tool leaves.
#include <fmt/format.h>

#include "report/escape.hpp"
#include "report/story.hpp"
#include "report/witness.hpp"

namespace report {

namespace {

std::string detail(const Report& report, const rule::Finding& finding) {
  std::string text = "confidence: " + confidence_text(finding);
  std::string out = xml(text) + "\n";
  for (const Witness& w : witnesses(report, finding)) out += fmt::format("{} {} {}: {}\n", w.id, xml(w.source), xml(place_text(w.place)), xml(w.text));
  for (const rule::Exclusion& exclusion : finding.ruled_out) out += fmt::format("ruled out: {}: {}\n", xml(exclusion.cause), xml(exclusion.because));
  for (const rule::Step& step : finding.fix) out += fmt::format("fix {}: {}\n", xml(step.when), xml(step.text + (step.edit.empty() ? "" : "; edit: " + step.edit)));
  return out;
}

std::string write(const Report& report, const Style&) {
  std::string cases;
  std::size_t tests = 0, failures = 0;
  for (const rule::Finding* finding : rule::grouped(report.findings)) {
    ++tests;
    const std::string who = subject_text(finding->subject);
    cases += fmt::format("    <testcase classname=\"{}\" name=\"{}\"", xml(finding->rule), xml(who.empty() ? finding->id : finding->id + " " + who));
    if (const auto place = place_of(report, *finding)) cases += fmt::format(" file=\"{}\" line=\"{}\"", xml(place->path), place->line);
    cases += ">\n";
    if (finding->level == rule::Level::note) {
      cases += fmt::format("      <system-out>{}\n{}</system-out>\n", xml(finding->message), detail(report, *finding));
    } else {
      ++failures;
      cases += fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n", rule::level_text(finding->level), xml(finding->message), detail(report, *finding));
    }
    cases += "    </testcase>\n";
  }
  if (tests == 0) {
    ++tests;
    cases += fmt::format("    <testcase classname=\"triage\" name=\"{}\"/>\n", xml(headline(report)));
  }
  std::string gaps;
  for (const evidence::Gap& gap : report.evidence.gaps) gaps += fmt::format("not seen: {}: {}; {}\n", xml(gap.wanted), xml(gap.reason), xml(gap.remedy));
  if (!gaps.empty()) gaps = "    <system-out>" + gaps + "</system-out>\n";
  return fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{0}\" failures=\"{1}\">\n  <testsuite name=\"triage\" tests=\"{0}\" failures=\"{1}\" errors=\"0\" skipped=\"0\" timestamp=\"{2}\">\n{3}{4}  </testsuite>\n</testsuites>\n",
                     tests, failures, base::iso(report.at), cases, gaps);
}

}  // namespace

namespace writers_of {
extern const Writer junit = {"junit", write};
}

}  // namespace report
