#include "fix.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace lint {

std::map<std::string, std::string> mended(const model::Deployment& all, const rule::Findings& findings, bool unsafe) {
  std::map<std::string, std::vector<rule::Edit>> edits;
  for (const rule::Finding& finding : findings)
    for (const rule::Edit& edit : finding.edits)
      if (edit.safe || unsafe) edits[edit.file].push_back(edit);
  std::map<std::string, std::string> out;
  for (auto& [path, all_edits] : edits) {
    const auto file = std::ranges::find(all.files, path, &model::File::path);
    if (file == all.files.end()) continue;
    std::stable_sort(all_edits.begin(), all_edits.end(), [](const rule::Edit& a, const rule::Edit& b) { return a.at < b.at; });
    std::string text;
    std::size_t from = 0;
    for (const rule::Edit& edit : all_edits) {
      if (edit.at < from || edit.end > file->text.size() || edit.at > edit.end) continue;
      text += file->text.substr(from, edit.at - from) + edit.text;
      from = edit.end;
    }
    text += file->text.substr(from);
    if (text != file->text) out.emplace(path, std::move(text));
  }
  return out;
}

std::string difference(const std::string& name, const std::string& before, const std::string& after) {
  const auto a = base::split(before, '\n'), b = base::split(after, '\n');
  // Edits are few and keep most lines: what the two have in common at both ends frames one hunk.
  std::size_t head = 0, tail = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  while (tail < a.size() - head && tail < b.size() - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  const std::size_t from = head > 3 ? head - 3 : 0;
  const std::size_t a_end = std::min(a.size() - tail + 3, a.size()), b_end = std::min(b.size() - tail + 3, b.size());
  std::string out = "--- a/" + name + "\n+++ b/" + name + "\n@@ -" + std::to_string(from + 1) + "," + std::to_string(a_end - from) + " +" + std::to_string(from + 1) + "," + std::to_string(b_end - from) + " @@\n";
  for (std::size_t i = from; i < head; ++i) (out += ' ').append(a[i]) += '\n';
  for (std::size_t i = head; i < a.size() - tail; ++i) (out += '-').append(a[i]) += '\n';
  for (std::size_t i = head; i < b.size() - tail; ++i) (out += '+').append(b[i]) += '\n';
  for (std::size_t i = a.size() - tail; i < a_end; ++i) (out += ' ').append(a[i]) += '\n';
  return out;
}

}  // namespace lint
