#include "report/story.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "flavour/flavour.hpp"

namespace report {

namespace {

constexpr int longest_chain = 64;

// `top` is a root whatever it names as its cause: the report's first line tells it.
const rule::Finding* root_above(const rule::Finding& finding, const rule::Finding* top, const std::map<std::string_view, const rule::Finding*>& by_id) {
  const rule::Finding* at = &finding;
  for (int step = 0; step < longest_chain; ++step) {
    if (at == top || at->caused_by.empty()) return at;
    const auto above = by_id.find(at->caused_by);
    if (above == by_id.end()) return at;
    at = above->second;
  }
  return &finding;  // a circle
}

std::string sources_text(const Report& report) {
  std::uint64_t lines = 0;
  for (const evidence::Source& source : report.evidence.sources) lines += source.lines;
  std::string text = base::counted(report.evidence.sources.size(), "source");
  if (lines) text += ", " + base::counted(lines, "line");
  return text;
}

std::string servers_text(const Report& report) {
  const auto& servers = report.stack.servers;
  if (servers.empty()) return {};
  std::string text;
  for (std::size_t i = 0; i < servers.size() && i < 3; ++i) text += (i ? ", " : "") + server_text(servers[i]);
  if (servers.size() > 3) text += fmt::format(" and {} more", servers.size() - 3);
  return text;
}

// Nothing is said of how the workers of these fared.
std::string unheard_text(const Report& report) {
  std::string pids;
  for (const int pid : report.stack.unheard) pids += (pids.empty() ? "" : ", ") + std::to_string(pid);
  return pids.empty() ? pids : "not known of master " + pids + ", whose log is out of reach";
}

}  // namespace

std::vector<Story> stories(const rule::Findings& findings) {
  std::map<std::string_view, const rule::Finding*> by_id;
  std::vector<const rule::Finding*> shown;
  for (const rule::Finding* finding : rule::grouped(findings)) {
    if (finding->truth == rule::Truth::no) continue;
    shown.push_back(finding);
    by_id.emplace(finding->id, finding);
  }
  std::vector<Story> all;
  const auto story_of = [&](const rule::Finding* root) -> Story& {
    for (Story& story : all) if (story.root == root) return story;
    all.push_back({root, {}});
    return all.back();
  };
  const rule::Finding* top = rule::root_of(findings);
  if (top) story_of(top);
  for (const rule::Finding* finding : shown) {
    const rule::Finding* root = root_above(*finding, top, by_id);
    Story& story = story_of(root);
    if (root != finding) story.followed.push_back(finding);
  }
  return all;
}

std::string_view verdict_word(rule::Verdict verdict) { return verdict == rule::Verdict::fault ? "FAULT" : verdict == rule::Verdict::clean ? "OK" : "UNKNOWN"; }
std::string_view verdict_text(rule::Verdict verdict) { return verdict == rule::Verdict::fault ? "fault" : verdict == rule::Verdict::clean ? "clean" : "unknown"; }

std::string headline(const Report& report) {
  const rule::Verdict verdict = rule::verdict_of(report.findings, report.evidence);
  if (verdict != rule::Verdict::clean)
    if (const rule::Finding* root = rule::root_of(report.findings)) return root->message;
  const std::string servers = servers_text(report);
  if (verdict == rule::Verdict::unknown) return "nothing that I could read says how the workers fared (" + sources_text(report) + ")";
  const std::string unheard = unheard_text(report);
  return "no worker died unasked: " + (servers.empty() ? std::string() : servers + "; ") + (unheard.empty() ? unheard : unheard + "; ") + sources_text(report) + " read";
}

std::string summary(const Report& report) {
  std::size_t faults = 0, certain = 0, likely = 0, unsure = 0, notes = 0, followed = 0;
  for (const Story& story : stories(report.findings)) {
    followed += story.followed.size();
    if (story.root->level == rule::Level::note) { ++notes; continue; }
    if (story.root->truth == rule::Truth::unknown || story.root->sure == rule::Confidence::unknown) { ++unsure; continue; }
    ++faults;
    if (story.root->sure == rule::Confidence::certain) ++certain; else ++likely;
  }
  std::string text = faults || !unsure ? base::counted(faults, "fault") : std::string();
  if (faults && likely == 0) text += ", certain";
  else if (faults && certain == 0) text += ", likely";
  else if (faults) text += fmt::format(", {} certain, {} likely", certain, likely);
  if (unsure) text += fmt::format("{}{} unknown", text.empty() ? "" : "; ", unsure);
  if (followed) text += fmt::format("; {} that followed", followed);
  if (notes) text += "; " + base::counted(notes, "note");
  if (!report.evidence.gaps.empty()) text += "; " + base::counted(report.evidence.gaps.size(), "blind spot");
  return text;
}

std::string subject_text(const rule::About& about, bool host) {
  std::string text = about.server;
  if (!about.role.empty()) text += (text.empty() ? "" : " ") + about.role;
  if (about.pid) text += fmt::format("{}{}", text.empty() ? "pid " : " ", about.pid);
  if (host && about.host_pid && about.host_pid != about.pid) text += fmt::format(" (host {})", about.host_pid);
  return text;
}

std::string repeats_text(const rule::Finding& finding, std::size_t most) {
  if (finding.count < 2) return {};
  std::string text = fmt::format("{} times", finding.count);
  if (finding.when) {
    const std::string first = base::clock_text(*finding.when), last = finding.last ? base::clock_text(*finding.last) : first;
    text += first == last ? " at " + first : fmt::format(", {} to {}", first, last);
  }
  std::size_t shown = 0, named = 0;
  for (const rule::Member& member : finding.members) {
    if (member.pid == 0) continue;
    if (++named > most) continue;
    text += fmt::format("{}{}", shown++ ? ", " : ": pid ", member.pid);
  }
  if (named > shown) text += fmt::format(" and {} more", named - shown);
  return text;
}

std::string confidence_text(const rule::Finding& finding) {
  std::string text(rule::confidence_text(finding.sure));
  if (!finding.sure_because.empty()) text += " - " + finding.sure_because;
  return text;
}

std::vector<Event> events(const Report& report) {
  std::vector<Event> all;
  for (const model::Server& server : report.stack.servers)
    for (const model::Happening& happening : server.happenings) {
      Event event{server_text(server), happening.what, happening.when, 0, happening.because};
      if (happening.life < report.stack.lives.size()) event.pid = report.stack.lives[happening.life].pid;
      all.push_back(std::move(event));
    }
  return all;
}

std::string server_text(const model::Server& server) {
  std::string text(flavour::shown(server.flavour));
  if (!server.version.empty()) text += " " + server.version;
  if (server.master) text += fmt::format(" master {}", server.master);
  return text;
}

}  // namespace report
