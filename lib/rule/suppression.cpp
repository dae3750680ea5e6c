#include "rule/suppression.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace rule {

namespace {

struct Comment {
  std::uint32_t file = 0, line = 0, column = 0;
  bool whole_file = false, alone = false;  // alone: nothing but the comment stands in its line
  std::vector<std::string> patterns;
  bool used = false;
};

std::vector<Comment> comments_of(const model::Deployment& all) {
  std::vector<Comment> comments;
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const std::string& text = all.files[i].text;
    for (auto at = text.find("triage:"); at != std::string::npos && comments.size() < 10'000; at = text.find("triage:", at + 7)) {
      const auto start = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
      const std::size_t line_at = start == std::string::npos ? 0 : start + 1;
      const std::string_view before = std::string_view(text).substr(line_at, at - line_at);
      const auto mark = before.find_last_of("#;");
      if (mark == std::string_view::npos || !base::trim(before.substr(mark + 1)).empty()) continue;
      std::string_view rest = base::trim(std::string_view(text).substr(at + 7, std::min(text.find('\n', at), text.size()) - at - 7));
      Comment comment;
      if (base::starts_with(rest, "file-ignore[")) { comment.whole_file = true; rest.remove_prefix(12); }
      else if (base::starts_with(rest, "ignore[")) rest.remove_prefix(7);
      else continue;
      for (const auto one : base::split(rest.substr(0, rest.find(']')), ',')) comment.patterns.emplace_back(base::trim(one));
      const auto place = parse::settings::place_at(text, at, at);
      comment.file = i;
      comment.line = place.line;
      comment.column = place.column;
      comment.alone = base::trim(before.substr(0, mark)).empty();
      comments.push_back(std::move(comment));
    }
  }
  return comments;
}

}  // namespace

bool rule_fits(const std::string& rule, std::string_view pattern) {
  if (pattern == rule || pattern == "*") return true;
  if (pattern.ends_with("*")) return base::starts_with(rule, pattern.substr(0, pattern.size() - 1));
  const auto dot = rule.find('.');
  return rule.substr(dot + 1) == pattern || rule.substr(0, dot) == pattern;
}

bool reaches(const Finding& finding, std::string_view fail_on) {
  if (fail_on == "note") return true;
  if (fail_on == "warning") return finding.level != Level::note;
  if (fail_on == "error") return finding.level == Level::error;
  return rule_fits(finding.rule, fail_on);
}

void suppress(const model::Deployment& all, std::vector<Draft>& drafts) {
  auto comments = comments_of(all);
  if (comments.empty()) return;
  std::erase_if(drafts, [&](const Draft& draft) {
    bool said = false;
    for (Comment& comment : comments) {
      const std::string& shown = all.files[comment.file].shown;
      const auto on = [&](std::uint32_t line) { return base::starts_with(draft.subject.where, shown + ":" + std::to_string(line) + ":"); };
      const bool here = comment.whole_file ? base::starts_with(draft.subject.where, shown + ":") : on(comment.line) || (comment.alone && on(comment.line + 1));
      if (!here || !std::ranges::any_of(comment.patterns, [&](const std::string& pattern) { return rule_fits(draft.rule, pattern); })) continue;
      comment.used = said = true;
    }
    return said;
  });
  for (const Comment& comment : comments) {
    if (comment.used) continue;
    std::string names;
    for (const auto& pattern : comment.patterns) names += (names.empty() ? "" : ", ") + pattern;
    drafts.push_back(lint_draft(all, "parse.unused-suppression", {comment.file, comment.line, comment.column, 0, 0}, {{"name", names}}));
  }
}

}  // namespace rule
