// For a wiki or a pull request: headings, tables, lists. No outside text begins a line, so that it can begin no block.
#include <fmt/format.h>

#include "base/text.hpp"
#include "report/escape.hpp"
#include "reproduce/postmortem.hpp"
#include "reproduce/story.hpp"

namespace reproduce {

namespace {

using report::markdown;

// A block of code whose fence is longer than any row of backquotes in it.
std::string fenced(const std::string& line) {
  const std::string shown = base::printable(line);
  std::size_t longest = 2, row = 0;
  for (const char c : shown) {
    row = c == '`' ? row + 1 : 0;
    longest = std::max(longest, row);
  }
  const std::string fence(longest + 1, '`');
  return "\n" + fence + "\n" + shown + "\n" + fence + "\n";
}

void list(std::string& out, std::string_view title, const std::vector<std::string>& items) {
  if (items.empty()) return;
  out += fmt::format("\n**{}**\n\n", title);
  for (const std::string& item : items) out += "- " + markdown(item) + "\n";
}

void evidence(std::string& out, const Told& told) {
  out += "\nRule " + markdown(told.rule) + ", " + markdown(told.sure) + ": " + markdown(told.sure_because) + (told.count > 1 ? fmt::format("; {} times", told.count) : "") + ".\n";
  if (!told.because.empty()) out += "\n| | when | source | what | where |\n|---|---|---|---|---|\n";
  for (const Seen& seen : told.because)
    out += fmt::format("| {} | {} | {} | {}{} | {} |\n", markdown(seen.id), markdown(seen.when), markdown(seen.source), markdown(seen.text), seen.note.empty() ? "" : " (" + markdown(seen.note) + ")", markdown(seen.where));
  std::vector<std::string> items;
  for (const auto& [cause, why] : told.ruled_out) items.push_back(cause + ": " + why);
  list(out, "Ruled out", items);
  list(out, "Was doing", told.doing);
}

void steps(std::string& out, const Told& told) {
  for (const Remedy& one : told.fix) {
    out += "- " + markdown(one.when) + ": " + markdown(one.text);
    if (!one.expect.empty()) out += "; expect: " + markdown(one.expect);
    if (!one.loses.empty()) out += "; loses: " + markdown(one.loses);
    if (!one.edit.empty()) out += "; edit: " + markdown(one.edit);
    out += "\n";
  }
}

}  // namespace

std::string postmortem_markdown(const Run& raw, const Run* raw_after) {
  const Run run = redacted(raw);
  const Story story = story_of(run);
  std::string out = "# Postmortem: " + markdown(story.title) + "\n\n";
  out += fmt::format("Scenario {}{}, on {}, {}: {}.\n", markdown(run.scenario), run.scale != 1 ? fmt::format(" at 1/{:g} of its times", run.scale) : "", markdown(run.version.empty() ? run.server : run.version), markdown(run.began), markdown(story.result));
  if (story.title != run.proves && !run.proves.empty()) out += "\nWhat it shows: " + markdown(run.proves) + "\n";

  out += "\n## What happened\n\n";
  for (const std::string& sentence : story.happened) out += "- " + markdown(sentence) + "\n";
  if (story.happened.empty()) out += "Nothing: the run did not begin.\n";
  if (!story.endings.empty()) {
    out += "\n| clients | got | times | took |\n|---|---|---|---|\n";
    for (const Ending& one : story.endings)
      out += fmt::format("| {} | {} | {} | {} |\n", markdown(one.load), markdown(one.got), one.count, one.longest - one.shortest < 0.02 ? at_text(one.longest) : at_text(one.shortest) + " to " + at_text(one.longest));
  }

  out += "\n## Timeline\n\n| second | who | what |\n|---|---|---|\n";
  for (const Notable& one : story.notable) out += fmt::format("| {:.2f} | {} | {}{} |\n", tidy(one.at), markdown(one.who), markdown(one.text), one.count > 1 ? fmt::format(" ({} times, the last at {})", one.count, at_text(one.last)) : "");
  if (story.left_out > 0) out += "\nLeft out: " + base::counted(story.left_out, "later event") + ".\n";

  out += "\n## Evidence and cause\n";
  if (story.findings.empty()) out += "\ntriage found no fault, or was not asked.\n";
  std::vector<std::string> others, elsewhere;
  for (std::size_t i = 0; i < story.findings.size(); ++i) {
    const Told& told = story.findings[i];
    if (i > 0 && told.caused_by.empty()) {
      others.push_back(line_of(told));
      continue;
    }
    out += fmt::format("\n### {}{}\n", i == 0 ? "" : "From it: ", markdown(told.message));
    evidence(out, told);
    if (!told.prediction.empty()) out += "\n**Prediction:** " + markdown(told.prediction) + "\n";
  }

  list(out, "Also found", others);

  out += "\n## See it again\n" + fenced(command_of(run));
  if (!run.checks.empty()) out += "\n| | expected | seen |\n|---|---|---|\n";
  for (const Checked& check : run.checks) out += fmt::format("| {} | {} | {} |\n", check.level == "unseen" ? "not seen" : check.passed ? "yes" : "NO", markdown(check.wanted), markdown(check.seen));
  list(out, "What it ran", run.commands);
  list(out, "What does not scale", run.floors);

  out += "\n## Fix\n\n";
  if (!story.findings.empty()) steps(out, story.findings.front());
  if (raw_after != nullptr) {
    const Run after = redacted(*raw_after);
    out += "\n" + markdown(judged(run, after)) + "\n" + fenced(command_of(after));
    out += "\n| | before | after |\n|---|---|---|\n";
    for (const Measure& one : compared(run, after)) out += fmt::format("| {} | {} | {} |\n", markdown(one.what), markdown(one.before), markdown(one.after));
  } else out += "\nNot tried here: `triage repro report SCENARIO --fix KEY=VALUE` runs it before and after.\n";

  list(out, "Not seen", run.gaps);
  for (const Told& told : story.elsewhere) elsewhere.push_back(line_of(told));
  list(out, "At the same time, elsewhere on the machine", elsewhere);
  return out;
}

}  // namespace reproduce
