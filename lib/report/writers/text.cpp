// The screen: verdict first, summary last, between them what a person on call needs in the order they need it. ASCII, at most style.width
// columns, no colour needed. The sections stand in the order they are printed. Past 300 lines because it is one screen.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "report/story.hpp"
#include "report/witness.hpp"

namespace report {

namespace {

using base::printable;

enum class Ink : std::uint8_t { none, bad, unsure, good, section };

std::string_view ink_code(Ink ink) {
  switch (ink) {
    case Ink::bad: return "\x1b[1;31m";
    case Ink::unsure: return "\x1b[1;35m";
    case Ink::good: return "\x1b[1;32m";
    case Ink::section: return "\x1b[1m";
    case Ink::none: return "";
  }
  return "";
}

// "200 MiB", "30 s", "pid 14": a line never ends between a number and what it counts. Printable text holds no \x01, so it can stand for the
// blank until the text is wrapped.
constexpr char glue = '\x01';

std::string glued(std::string_view text) {
  static constexpr std::array<std::string_view, 13> units{"s", "ms", "min", "h", "d", "B", "KiB", "MiB", "GiB", "TiB", "%", "times", "workers"};
  std::string out(text);
  for (std::size_t blank = out.find(' '); blank != std::string::npos; blank = out.find(' ', blank + 1)) {
    std::string_view after = std::string_view(out).substr(blank + 1);
    after = after.substr(0, after.find_first_of(" ,.;:)"));
    const bool counted = blank > 0 && out[blank - 1] >= '0' && out[blank - 1] <= '9' && std::find(units.begin(), units.end(), after) != units.end();
    if (counted) out[blank] = glue;
  }
  return out;
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines = base::wrap(glued(text), width);
  for (std::string& line : lines) std::replace(line.begin(), line.end(), glue, ' ');
  return lines;
}

class Screen {
 public:
  explicit Screen(const Style& style) : style_(style), width_(std::clamp<std::size_t>(style.width, 40, 200)) {}

  /// `label` at the front of the first line, `text` wrapped beside it with the later lines under it. `tail` goes to the right end of the last
  /// line where it fits, else to a line of its own.
  void row(std::string_view label, std::string_view text, std::string_view tail = {}, Ink ink = Ink::none) {
    const bool beside = label.size() <= width_ / 2;  // else the label has a line of its own
    const std::size_t hang = beside ? label.size() : 6;
    std::vector<std::string> lines = wrapped(text, width_ - hang);
    if (!tail.empty()) {
      if (hang + lines.back().size() + 2 + tail.size() <= width_) lines.back() += std::string(width_ - hang - lines.back().size() - tail.size(), ' ') + std::string(tail);
      else if (hang + tail.size() <= width_) lines.push_back(std::string(width_ - hang - tail.size(), ' ') + std::string(tail));
      else for (std::string& part : base::wrap(tail, width_ - hang)) lines.push_back(std::move(part));
    }
    if (!beside) {
      put(base::printable(label, width_), ink);
      out_ += '\n';
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (i == 0 && beside) put(label, ink);
      else out_ += std::string(hang, ' ');
      out_ += lines[i];
      while (!out_.empty() && out_.back() == ' ') out_.pop_back();
      out_ += '\n';
    }
  }
  /// A line as it stands where it fits; two blanks between sentences survive, which wrapping would join.
  void line(std::string_view text) { if (text.size() <= width_) { out_ += text; out_ += '\n'; } else row("", text); }
  void section(std::string_view name) { gap(); put(name, Ink::section); out_ += '\n'; }
  void gap() { if (!out_.empty()) out_ += '\n'; }
  std::size_t width() const { return width_; }
  std::string take() { return std::move(out_); }

 private:
  void put(std::string_view label, Ink ink) {
    if (!style_.colour || ink == Ink::none) { out_ += label; return; }
    const std::string_view word = base::trim(label);
    const std::size_t at = label.find(word);
    out_ += label.substr(0, at);
    out_ += ink_code(ink);
    out_ += word;
    out_ += "\x1b[0m";
    out_ += label.substr(at + word.size());
  }

  const Style& style_;
  std::size_t width_;
  std::string out_;
};

std::string bracketed(std::string_view rule) { return "[" + printable(rule, 64) + "]"; }

std::string time_text(const std::optional<base::Instant>& when) { return when ? base::clock_text(*when) : std::string(); }

// The folder that all evidence of a finding lies in, with its last /; empty when there is none or only one piece.
std::string common_folder(const std::vector<Witness>& all) {
  std::string common;
  std::size_t files = 0;
  for (const Witness& witness : all) {
    if (witness.place.path.empty()) continue;
    const std::string& path = witness.place.path;
    if (files++ == 0) common = path;
    std::size_t same = 0;
    while (same < common.size() && same < path.size() && common[same] == path[same]) ++same;
    common.resize(same);
    common.resize(common.rfind('/') == std::string::npos ? 0 : common.rfind('/') + 1);
  }
  return files > 1 && common.size() > 1 ? common : std::string();
}

void why(Screen& screen, const Report& report, const Style& style, const rule::Finding& finding) {
  const std::vector<Witness> all = witnesses(report, finding);
  screen.gap();
  screen.row("WHY  ", "confidence: " + printable(confidence_text(finding)), {}, Ink::section);
  std::size_t time = 0, source = 0;
  for (const Witness& witness : all) {
    time = std::max(time, time_text(witness.when).size());
    source = std::max(source, witness.source.size());
  }
  const std::size_t most = style.verbose ? all.size() : 8;
  const std::string folder = common_folder(all);
  for (std::size_t i = 0; i < all.size() && i < most; ++i) {
    const Witness& witness = all[i];
    Place place = witness.place;
    if (!folder.empty() && !place.path.empty()) place.path.erase(0, folder.size());
    const std::string label = fmt::format("  {:<3} {:<{}}{}{:<{}}  ", witness.id, time_text(witness.when), time, time ? "  " : "", witness.source, source);
    const std::size_t room = screen.width() - std::min(label.size(), screen.width() / 2);
    std::string text = printable(witness.text, style.verbose ? evidence::excerpt_limit : room * 3);
    if (!witness.note.empty()) text += "  (" + printable(witness.note, 200) + ")";
    screen.row(label, text, printable(place_text(place), 400));
    for (const std::string& row : witness.rows) screen.line("        " + printable(row, 400));
  }
  if (all.size() > most) screen.row("  ", fmt::format("and {} more: -v", all.size() - most));
  if (!folder.empty()) screen.row("  files in ", printable(folder, 400));
}

void ruled_out(Screen& screen, const rule::Finding& finding) {
  if (finding.ruled_out.empty()) return;
  screen.section("RULED OUT");
  std::size_t widest = 0;
  for (const rule::Exclusion& exclusion : finding.ruled_out) widest = std::max(widest, std::min<std::size_t>(printable(exclusion.cause, 40).size(), 24));
  for (const rule::Exclusion& exclusion : finding.ruled_out) screen.row(fmt::format("  - {:<{}}  ", printable(exclusion.cause, 40), widest), printable(exclusion.because));
}

void was_doing(Screen& screen, const Style& style, const rule::Finding& finding) {
  const rule::Doing& doing = finding.was_doing;
  if (!doing.any()) return;
  std::string first = printable(doing.request, 400);
  // Over many deaths the pattern says more than the first of them.
  if (!doing.requests.empty()) first = printable(doing.requests, 200);
  if (!doing.syscall.empty()) {
    first += (first.empty() ? "" : "   ") + printable(doing.syscall, 60);
    if (doing.fd) first += fmt::format("(fd {})", *doing.fd);
    if (!doing.peer.empty()) first += " -> " + printable(doing.peer, 100);
  }
  screen.gap();
  screen.row("WAS DOING  ", first, {}, Ink::section);
  const std::size_t most = style.verbose ? 64 : 6;
  const auto frames = [&](std::string_view label, const std::vector<std::string>& stack) {
    for (std::size_t i = 0; i < stack.size() && i < most; ++i) screen.row(i ? std::string(11, ' ') : fmt::format("  {:<9}", label), printable(stack[i], 200));
    if (stack.size() > most) screen.row(std::string(11, ' '), fmt::format("and {} more frames: -v", stack.size() - most));
  };
  frames("waits", doing.waits);
  frames("python", doing.python);
  frames("native", doing.native);
}

void fix(Screen& screen, const rule::Finding& finding) {
  if (finding.fix.empty()) return;
  screen.section("FIX");
  std::string before;
  for (const rule::Step& step : finding.fix) {
    const std::string label = fmt::format("  {:<5}  ", step.when == before ? "" : printable(step.when, 5));
    before = step.when;
    screen.row(label, printable(step.text), step.expect.empty() ? std::string() : "expect: " + printable(step.expect, 200));
    const std::string under(label.size(), ' ');
    if (!step.loses.empty() && step.loses != "nothing") screen.row(under, "loses: " + printable(step.loses));
    if (!step.edit.empty()) screen.row(under, "edit: " + printable(step.edit));
  }
}

void members(Screen& screen, const Style& style, const rule::Finding& finding) {
  if (!style.verbose || finding.members.size() < 2) return;
  screen.section("MEMBERS");
  for (const rule::Member& member : finding.members) {
    std::string text = member.pid ? fmt::format("pid {}", member.pid) : std::string();
    if (member.host_pid && member.host_pid != member.pid) text += fmt::format("  host {}", member.host_pid);
    screen.row(fmt::format("  {:<8}  ", time_text(member.when)), text);
  }
}

void followed(Screen& screen, const Style& style, const Story& story) {
  if (story.followed.empty()) return;
  screen.section("FOLLOWED FROM IT");
  const std::size_t most = style.verbose ? story.followed.size() : 8;
  for (std::size_t i = 0; i < story.followed.size() && i < most; ++i) {
    const rule::Finding& finding = *story.followed[i];
    std::string text = printable(finding.message);
    if (const std::string repeats = repeats_text(finding, 6); !repeats.empty()) text += " (" + repeats + ")";
    screen.row(fmt::format("  {:<8}  ", time_text(finding.when)), text, bracketed(finding.rule));
  }
  if (story.followed.size() > most) screen.row("  ", fmt::format("and {} more: -v", story.followed.size() - most));
}

void head(Screen& screen, std::string_view word, Ink ink, std::string_view sentence, std::string_view rule) {
  screen.row(fmt::format("{:<5}  ", word), printable(sentence), rule.empty() ? std::string() : bracketed(rule), ink);
}

void detail(Screen& screen, const Report& report, const Style& style, const Story& story) {
  const rule::Finding& finding = *story.root;
  if (const std::string repeats = repeats_text(finding, style.verbose ? 64 : 8); !repeats.empty()) screen.row("       ", repeats);
  if (finding.provisional) screen.row("       ", "provisional: log and kernel lines may still amend it");
  if (!finding.amends.empty()) screen.row("       ", "amends what was said before");
  why(screen, report, style, finding);
  ruled_out(screen, finding);
  was_doing(screen, style, finding);
  if (!finding.prediction.empty()) { screen.gap(); screen.row("PREDICTION  ", printable(finding.prediction), {}, Ink::section); }
  fix(screen, finding);
  members(screen, style, finding);
  followed(screen, style, story);
}

std::string_view word_for(const rule::Finding& finding) {
  if (finding.level == rule::Level::note) return "NOTE";
  return finding.truth == rule::Truth::unknown || finding.sure == rule::Confidence::unknown ? "UNKNOWN" : "ALSO";
}

// The other root causes: a few in full, then a line each, so that the screen stays readable whatever happened.
void others(Screen& screen, const Report& report, const Style& style, const std::vector<Story>& all, std::size_t from) {
  constexpr std::size_t in_full = 3;
  std::size_t told = from;
  for (std::size_t i = from; i < all.size(); ++i) {
    const Story& story = all[i];
    const bool note = story.root->level == rule::Level::note;
    screen.gap();
    head(screen, word_for(*story.root), note ? Ink::section : Ink::bad, story.root->message, story.root->rule);
    if (style.verbose || (!note && told < in_full)) { detail(screen, report, style, story); ++told; continue; }
    if (const std::string repeats = repeats_text(*story.root, 8); !repeats.empty()) screen.row("       ", repeats);
    screen.row("       ", "confidence: " + printable(confidence_text(*story.root)));
    if (const auto place = place_of(report, *story.root)) screen.row("       ", "see " + printable(place_text(*place), 400));
    if (!story.followed.empty()) screen.row("       ", base::counted(story.followed.size(), "finding") + " followed from it: -v");
  }
}

void not_seen(Screen& screen, const Report& report, const Style& style, const rule::Finding* root) {
  const auto& gaps = report.evidence.gaps;
  const bool missing = root && !root->missing.empty();
  if (gaps.empty() && !missing) return;
  screen.section("NOT SEEN");
  if (missing) for (const std::string& what : root->missing) screen.row("  - ", printable(what));
  const std::size_t most = style.verbose ? gaps.size() : 6;
  for (std::size_t i = 0; i < gaps.size() && i < most; ++i) {
    const evidence::Gap& gap = gaps[i];
    screen.row("  - ", fmt::format("{}: {}{}", printable(gap.wanted, 200), printable(gap.reason, 400), gap.count > 1 ? fmt::format(" ({} times)", gap.count) : ""));
    if (!gap.remedy.empty()) screen.row("    to see it: ", printable(gap.remedy, 400));
  }
  if (gaps.size() > most) screen.row("  ", fmt::format("and {} more: -v", gaps.size() - most));
}

void timeline(Screen& screen, const Report& report, const Style& style) {
  if (!style.show_events && !style.verbose) return;
  const std::vector<Event> all = events(report);
  if (all.empty()) return;
  screen.section("EVENTS");
  constexpr std::size_t most = 200;
  std::string_view server;
  for (std::size_t i = 0; i < all.size() && i < most; ++i) {
    if (all[i].server != server) { server = all[i].server; screen.row("  ", printable(server, 100)); }
    screen.row(fmt::format("    {:<8}  ", time_text(all[i].when)), printable(all[i].what, 200));
  }
  if (all.size() > most) screen.row("    ", fmt::format("and {} more: --format json --show evidence", all.size() - most));
}

void looked_at(Screen& screen, const Report& report, const Style& style) {
  if (report.evidence.sources.empty()) return;
  screen.section("LOOKED AT");
  const auto& sources = report.evidence.sources;
  const std::size_t most = style.verbose ? sources.size() : 8;
  std::size_t widest = 0;
  for (std::size_t i = 0; i < sources.size() && i < most; ++i) widest = std::max(widest, evidence::source_text(sources[i].kind).size());
  for (std::size_t i = 0; i < sources.size() && i < most; ++i) {
    std::string text = printable(sources[i].name, 400);
    if (sources[i].lines) text += "  " + base::counted(sources[i].lines, "line");
    if (sources[i].first && sources[i].last) text += fmt::format(", {} to {}", base::clock_text(*sources[i].first), base::clock_text(*sources[i].last));
    screen.row(fmt::format("  {:<{}}  ", evidence::source_text(sources[i].kind), widest), text);
  }
  if (sources.size() > most) screen.row("  ", fmt::format("and {} more: -v", sources.size() - most));
}

std::string write(const Report& report, const Style& style) {
  Screen screen(style);
  const rule::Verdict verdict = rule::verdict_of(report.findings, report.evidence);
  const std::vector<Story> all = stories(report.findings);
  const rule::Finding* root = verdict == rule::Verdict::clean || all.empty() ? nullptr : all.front().root;
  const Ink ink = verdict == rule::Verdict::fault ? Ink::bad : verdict == rule::Verdict::clean ? Ink::good : Ink::unsure;
  head(screen, verdict_word(verdict), ink, headline(report), root ? std::string_view(root->rule) : std::string_view());
  if (!style.quiet) {
    if (root) detail(screen, report, style, all.front());
    others(screen, report, style, all, root ? 1 : 0);
    timeline(screen, report, style);
    if (!root || style.verbose) looked_at(screen, report, style);
    not_seen(screen, report, style, root);
    screen.gap();
  }
  const std::string last = summary(report) + ".", page = root ? "This rule: triage explain " + printable(root->rule, 64) : std::string();
  const bool beside = last.size() + 2 + page.size() <= screen.width();
  if (root && !beside) screen.row("", page);
  screen.line(root && beside ? last + "  " + page : last);
  return screen.take();
}

}  // namespace

namespace writers_of {
extern const Writer text = {"text", write};
}

}  // namespace report
