#include "report/frames.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.hpp"
#include "report/witness.hpp"
#include "source/redact.hpp"

namespace report {

namespace {

using base::printable;

struct Paint {
  bool colour;
  std::string level(rule::Level level, const std::string& text) const {
    if (!colour) return text;
    return fmt::format("\x1b[1;{}m{}\x1b[0m", level == rule::Level::error ? 31 : level == rule::Level::warning ? 33 : 36, text);
  }
};

std::string_view line_of(const std::string& text, std::uint32_t line) {
  std::size_t at = 0;
  for (std::uint32_t i = 1; i < line; ++i) {
    at = text.find('\n', at);
    if (at == std::string::npos) return {};
    ++at;
  }
  std::string_view rest = std::string_view(text).substr(at);
  return rest.substr(0, rest.find('\n'));
}

void wrapped(std::string& out, std::string_view lead, std::string_view words, std::size_t width) {
  const std::string hang(lead.size(), ' ');
  bool first = true;
  for (const std::string& line : base::wrap(printable(words), width - std::min(width / 2, lead.size()))) {
    out += (first ? std::string(lead) : hang) + line + "\n";
    first = false;
  }
}

// The line with its number and a mark under the column; long lines are cut around it.
void frame(std::string& out, const Place& place, const TextOf& text_of, std::size_t width, source::Redactor& redactor) {
  out += fmt::format("  --> {}\n", printable(place_text(place), 400));
  const std::string* text = text_of(place.path);
  if (!text || place.line == 0) return;
  const std::string_view raw = line_of(*text, place.line);
  const std::size_t column = place.column > 0 ? place.column - 1 : 0;
  std::string before = printable(raw.substr(0, std::min(column, raw.size())), 10'000), after = printable(raw.substr(std::min(column, raw.size())), 10'000);
  const std::string whole(raw);
  if (redactor.text(whole) != whole) {  // a secret stands in it: the marks that replace it have other lengths
    after = printable(redactor.text(std::string(raw.substr(std::min(column, raw.size())))), 10'000);
    before = printable(redactor.text(std::string(raw.substr(0, std::min(column, raw.size())))), 10'000);
  }
  const std::size_t room = width - 8;
  if (before.size() > room / 2) before = "..." + before.substr(before.size() - room / 2 + 3);
  if (before.size() + after.size() > room) after = after.substr(0, room - before.size() - 3) + "...";
  out += fmt::format("{:>5} | {}{}\n", place.line, before, after);
  out += fmt::format("{:>5} | {}^\n", "", std::string(before.size(), ' '));
}

std::size_t count(const rule::Findings& findings, rule::Level level) { return static_cast<std::size_t>(std::ranges::count(findings, level, &rule::Finding::level)); }

}  // namespace

bool wants_colour(std::string_view asked) {
  if (asked != "auto") return asked == "always";
  const char *const force = std::getenv("CLICOLOR_FORCE"), *const refused = std::getenv("NO_COLOR"), *const terminal = std::getenv("TERM");
  if (force && *force && std::string_view(force) != "0") return true;
  return !(refused && *refused) && ::isatty(1) && terminal && std::string_view(terminal) != "dumb";
}

std::string lint_summary(const rule::Findings& findings, const Looked& looked) {
  std::string out;
  for (const rule::Level level : {rule::Level::error, rule::Level::warning, rule::Level::note})
    if (const std::size_t n = count(findings, level); n > 0) out += (out.empty() ? "" : ", ") + base::counted(n, rule::level_text(level));
  if (out.empty()) out = "nothing found";
  return out + " in " + base::counted(looked.files, "file");
}

std::string frames(const rule::Findings& findings, const rule::Findings& open, const std::vector<evidence::Gap>& gaps, const TextOf& text_of, const Looked& looked, const Style& style) {
  std::string out;
  source::Redactor redactor;
  const Paint paint{style.colour};
  const std::size_t width = std::max<std::size_t>(style.width, 40);
  if (!style.quiet) {
    for (const rule::Finding& finding : findings) {
      std::string head;
      wrapped(head, fmt::format("{}: ", rule::level_text(finding.level)), redactor.text(finding.message) + " [" + finding.rule + "]", width);
      const std::size_t word = rule::level_text(finding.level).size();
      out += paint.level(finding.level, head.substr(0, word)) + head.substr(word);
      frame(out, read_place(finding.subject.where), text_of, width, redactor);
      for (const std::string& other : finding.subject.also) frame(out, read_place(other), text_of, width, redactor);
      if (!finding.prediction.empty()) wrapped(out, "  then: ", redactor.text(finding.prediction), width);
      if (finding.sure == rule::Confidence::likely) wrapped(out, "  likely: ", finding.sure_because, width);
      for (const rule::Step& step : finding.fix)
        if (step.when == "then" || style.verbose) wrapped(out, step.when == "then" ? "  fix: " : "  " + step.when + ": ", redactor.text(step.text), width);
      if (!finding.edits.empty()) out += std::ranges::all_of(finding.edits, &rule::Edit::safe) ? "  (--fix does it)\n" : "  (--fix=unsafe does it)\n";
      out += '\n';
    }
  }
  if (style.verbose) {
    for (const rule::Finding& finding : open) wrapped(out, "cannot tell: ", finding.rule + " at " + finding.subject.where + ": it depends on " + (finding.missing.empty() ? "what is not here" : finding.missing.front()), width);
    if (!open.empty()) out += '\n';
  }
  for (const evidence::Gap& gap : gaps)
    if (gap.count > 0 && (style.verbose || gap.remedy != "-v lists them")) wrapped(out, "not seen: ", gap.wanted + ": " + gap.reason + (gap.remedy.empty() ? "" : "; " + gap.remedy), width);
  std::string last = lint_summary(findings, looked);
  if (!open.empty()) last += fmt::format("; {} cannot be told from these files{}", base::counted(open.size(), "place"), style.verbose ? "" : " (-v)");
  if (looked.skipped > 0) last += "; " + base::counted(looked.skipped, "template") + " not read";
  wrapped(out, "", last, width);
  return out;
}

}  // namespace report
