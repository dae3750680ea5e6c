#include "show.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "reproduce/compare.hpp"
#include "reproduce/expect.hpp"
#include "reproduce/scale.hpp"
#include "reproduce/server_kind.hpp"

namespace repro {

using reproduce::Checked;
using reproduce::Event;
using reproduce::Run;
using reproduce::Scenario;

namespace {

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : base::printable(text, 4000)) {
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

std::string indented(std::string_view text, std::size_t by) {
  std::string out;
  for (const std::string_view part : base::split(text.substr(0, 2000), '\n'))
    for (const std::string& line : base::wrap(base::printable(part, 2000), 79 - by)) out += std::string(by, ' ') + line + "\n";
  return out;
}

std::string complaint(const Run& run) {
  std::string text = run.error.empty() ? "" : run.error + "\n";
  for (const Checked& check : run.checks)
    if (!check.passed) text += "wanted: " + check.wanted + "; seen: " + check.seen + "\n";
  for (const std::string& gap : run.gaps) text += "not seen: " + gap + "\n";
  return text;
}

}  // namespace

namespace {

// Nearly all of them are told by those that are not: the line has 80 columns.
std::string servers_text(const reproduce::Words& on) {
  const std::vector<std::string_view> known = reproduce::server_names();
  std::string named, others;
  for (const std::string& server : on) named += (named.empty() ? "" : ", ") + server;
  if (on.size() + 2 < known.size()) return named;
  for (const std::string_view server : known)
    if (!reproduce::meant(on, std::string(server))) others += (others.empty() ? "" : ", ") + std::string(server);
  return others.empty() ? "all servers" : "all but " + others;
}

}  // namespace

std::string list_text(const std::vector<Scenario>& scenarios) {
  std::string text;
  for (const Scenario& one : scenarios) {
    text += one.name + "  (" + servers_text(one.on) + ")\n" + indented(one.proves, 4);
  }
  return text + base::counted(scenarios.size(), "scenario") + "\n";
}

std::string list_json(const std::vector<Scenario>& scenarios) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Scenario& one : scenarios) {
    nlohmann::ordered_json expected = nlohmann::ordered_json::array();
    for (const reproduce::Expect& expect : one.expects) expected.push_back(reproduce::wanted_text(expect));
    all.push_back({{"name", one.name}, {"file", one.file}, {"proves", one.proves}, {"on", one.on}, {"scales", one.scales}, {"expected", expected}});
  }
  return all.dump(1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string run_text(const Run& run, bool verbose) {
  const std::string who = run.scenario + " on " + (run.version.empty() ? run.server : run.version) + ", " + reproduce::number_text(std::max(0.1, run.took)) + " s";
  std::string text = (run.skipped.empty() ? run.passed() ? "ok    " : "FAIL  " : "skip  ") + base::printable(run.skipped.empty() ? who : run.scenario + " on " + run.server + ": " + run.skipped, 200) + "\n";
  if (!run.error.empty()) text += indented(run.error, 6);
  for (const Checked& check : run.checks)
    if (verbose || !check.passed) text += indented((check.passed ? "as expected: " : "not as expected: ") + check.wanted, 6) + indented("seen: " + check.seen, 8);
  if (verbose || !run.passed())
    for (const std::string& gap : run.gaps) text += indented("not seen: " + gap, 6);
  if (!run.folder.empty()) text += indented("kept: " + run.folder, 6);
  return text;
}

std::string summary_text(const std::vector<Run>& runs) {
  std::size_t passed = 0, failed = 0, skipped = 0;
  for (const Run& run : runs) ++(!run.skipped.empty() ? skipped : run.passed() ? passed : failed);
  std::string text = base::counted(passed, "run") + " as expected";
  if (failed > 0) text += ", " + std::to_string(failed) + " not";
  if (skipped > 0) text += ", " + std::to_string(skipped) + " skipped";
  return text + "\n";
}

std::string junit(const std::vector<Run>& runs) {
  std::size_t failed = 0, skipped = 0;
  double took = 0;
  std::string cases;
  for (const Run& run : runs) {
    took += run.took;
    cases += "  <testcase classname=\"triage-repro." + xml(run.server) + "\" name=\"" + xml(run.scenario) + "\" time=\"" + reproduce::number_text(run.took) + "\"";
    if (!run.skipped.empty()) {
      ++skipped;
      cases += "><skipped message=\"" + xml(run.skipped) + "\"/></testcase>\n";
    } else if (!run.passed()) {
      ++failed;
      cases += "><failure message=\"" + xml(run.error.empty() ? "not as expected" : run.error) + "\">" + xml(complaint(run)) + "</failure></testcase>\n";
    } else cases += "/>\n";
  }
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"triage-repro\" tests=\"" + std::to_string(runs.size()) + "\" failures=\"" + std::to_string(failed) + "\" skipped=\"" + std::to_string(skipped) +
         "\" time=\"" + reproduce::number_text(took) + "\">\n" + cases + "</testsuite>\n";
}

std::string what_if_text(const std::vector<Run>& before, const std::vector<Run>& after, const std::vector<std::string>& set) {
  if (before.empty()) return "";
  std::string text = before.front().scenario + " on " + (before.front().version.empty() ? before.front().server : before.front().version) + ", what if";
  for (const std::string& one : set) text += " " + one;
  text = base::printable(text, 200) + "\n";
  text += "  " + base::counted(before.size(), "run") + " each, in turn; * differs\n\n";
  const auto row = [&](std::string what, const std::string& first, const std::string& second, bool mark) {
    what = base::printable(what, 52);
    text += std::string(mark ? "* " : "  ") + what + std::string(what.size() < 54 ? 54 - what.size() : 1, ' ');
    text += first + std::string(first.size() < 10 ? 10 - first.size() : 1, ' ') + second + "\n";
  };
  row("", "before", "after", false);
  std::size_t changed = 0;
  for (const reproduce::Shown& one : reproduce::compared(before, after)) {
    changed += reproduce::differs(one);
    row(one.what, reproduce::counts_text(one.before), reproduce::counts_text(one.after), reproduce::differs(one));
  }
  return text + "\n" + (changed == 0 ? "Nothing changed.\n" : base::counted(changed, "outcome") + " changed.\n");
}

std::string what_if_json(const std::vector<Run>& before, const std::vector<Run>& after, const std::vector<std::string>& set) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array(), first = nlohmann::ordered_json::array(), second = nlohmann::ordered_json::array();
  for (const reproduce::Shown& one : reproduce::compared(before, after)) rows.push_back({{"what", one.what}, {"before", one.before}, {"after", one.after}, {"differs", reproduce::differs(one)}});
  for (const auto& [runs, into] : {std::pair{&before, &first}, {&after, &second}})
    for (const Run& run : *runs) into->push_back(nlohmann::ordered_json::parse(reproduce::json_line_of(run), nullptr, false));
  const nlohmann::ordered_json all{{"schema", "triage.what-if/1"}, {"scenario", before.empty() ? "" : before.front().scenario}, {"server", before.empty() ? "" : before.front().server},
                                   {"set", set}, {"outcomes", rows}, {"before", first}, {"after", second}};
  return all.dump(1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string progress_text(const std::string& name, const Event& event) {
  std::string text = name + " " + reproduce::number_text(event.at) + " s  " + event.what;
  if (!event.who.empty()) text += " " + event.who;
  if (event.pid != 0) text += " " + std::to_string(event.pid);
  if (!event.text.empty()) text += ": " + event.text;
  return base::printable(text, 79);
}

}  // namespace repro
