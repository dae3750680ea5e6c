#include "watch_line.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "report/document.hpp"
#include "report/witness.hpp"

namespace triage {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t width = 80;
constexpr std::size_t most_witnesses = 6;
constexpr std::size_t most_frames = 8;

/// The first line behind `lead`, the others behind as many blanks as `indent` has.
std::string wrapped(const std::string& lead, const std::string& text, const std::string& indent = "  ") {
  std::string out;
  for (const std::string& line : base::wrap(text, width - std::max(indent.size(), lead.size()))) out += (out.empty() ? lead : indent) + line + "\n";
  return out;
}

std::string line(std::string_view type, const Json& of) {
  Json json{{"type", type}};
  json.update(of);
  return report::dump(json, -1) + "\n";
}

std::string doing_text(const rule::Doing& doing) {
  if (!doing.any()) return {};
  std::string call = doing.syscall.empty() ? std::string() : "in " + doing.syscall;
  if (doing.fd) call += " (fd " + std::to_string(*doing.fd) + ")";
  if (!doing.syscall.empty() && !doing.peer.empty()) call += " -> " + doing.peer;
  std::vector<std::string> rows;
  for (const std::string& row : {doing.requests.empty() ? doing.request : doing.requests, call})
    if (!row.empty()) rows.push_back(row);
  rows.insert(rows.end(), doing.waits.begin(), doing.waits.end());
  const auto frames = [&](const std::vector<std::string>& of) {
    for (std::size_t i = 0; i < of.size() && i < most_frames; ++i) rows.push_back(of[i]);
    if (of.size() > most_frames) rows.push_back("and " + base::counted(of.size() - most_frames, "line") + " more");
  };
  frames(doing.python);
  frames(doing.native);
  std::string out;
  for (const std::string& row : rows) out += wrapped(out.empty() ? "  WAS DOING  " : "             ", base::printable(row, 300), "               ");
  return out;
}

}  // namespace

std::string verdict_text(const report::Report& report, const rule::Finding& finding, Stage stage) {
  std::string head = finding.when ? base::clock_text(*finding.when) : base::clock_text(report.at);
  head += stage == Stage::provisional ? " provisional " : " final ";
  head += finding.rule + " " + (finding.subject.role.empty() ? "process" : finding.subject.role) + " " + std::to_string(finding.subject.pid);
  if (finding.subject.host_pid && finding.subject.host_pid != finding.subject.pid) head += " (host " + std::to_string(finding.subject.host_pid) + ")";
  head += " [" + finding.id + "]: " + base::printable(finding.message, 600);
  if (stage == Stage::provisional) return wrapped("", head);
  head += finding.message.ends_with(".") ? " " : ". ";
  head += std::string(rule::confidence_text(finding.sure));
  if (!finding.sure_because.empty()) head += ": " + base::printable(finding.sure_because, 300);
  std::string out = wrapped("", head);
  std::size_t shown = 0;
  for (const report::Witness& witness : report::witnesses(report, finding)) {
    if (++shown > most_witnesses) break;
    std::string text;
    if (witness.when) text += base::clock_text(*witness.when) + " ";
    text += witness.source + ": " + base::printable(witness.text, 300);
    if (!witness.note.empty()) text += " (" + base::printable(witness.note, 200) + ")";
    out += wrapped("  " + witness.id + " ", text, "     ");
  }
  out += doing_text(finding.was_doing);
  for (const rule::Exclusion& exclusion : finding.ruled_out) out += wrapped("  not ", exclusion.cause + ": " + base::printable(exclusion.because, 300), "     ");
  for (const std::string& missing : finding.missing) out += wrapped("  not seen: ", base::printable(missing, 300), "     ");
  for (const rule::Step& step : finding.fix) {
    if (step.when != "now") continue;
    out += wrapped("  now: ", base::printable(step.text, 300), "     ");
    break;
  }
  return out;
}

std::string verdict_json(const report::Report& report, const rule::Finding& finding) {
  Json json = report::finding_json(report, finding);
  json["provisional"] = finding.provisional;
  return line("finding", json);
}

std::string note_text(const base::Instant& when, const std::string& text) { return wrapped("", base::clock_text(when) + " " + base::printable(text, 1000)); }

std::string note_json(const base::Instant& when, const std::string& event, const std::string& text, int pid, int host_pid, const std::string& amends) {
  Json json{{"when", base::iso(when)}, {"event", event}, {"text", base::printable(text, 1000)}};
  if (pid) json["pid"] = pid;
  if (host_pid) json["host_pid"] = host_pid;
  if (!amends.empty()) json["amends"] = amends;
  return line("event", json);
}

std::string gap_text(const evidence::Gap& gap) {
  std::string text = "not seen: " + base::printable(gap.wanted, 200) + ": " + base::printable(gap.reason, 200);
  if (!gap.remedy.empty()) text += "; " + base::printable(gap.remedy, 200);
  return wrapped("", text);
}

std::string gap_json_line(const evidence::Gap& gap) { return line("gap", report::gap_json(gap)); }

}  // namespace triage
