#include "suppress.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "base/words.hpp"
#include "parse/nginx/tree.hpp"
#include "report/witness.hpp"
#include "rule/suppression.hpp"
#include "source/json_place.hpp"

namespace lint {

namespace {

bool glob_fits(std::string_view path, std::string_view pattern) {
  if (base::starts_with(pattern, "**/")) pattern.remove_prefix(3);
  if (parse::nginx::fits(base::file_name(path), pattern)) return true;
  if (pattern.ends_with("/**") || pattern.ends_with("/")) {
    const std::string folder(pattern.substr(0, pattern.rfind('/') + 1));
    return base::starts_with(path, folder) || base::contains(path, "/" + folder);
  }
  const auto wanted = base::split(pattern, '/'), have = base::split(path, '/');
  if (wanted.size() > have.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (!parse::nginx::fits(have[have.size() - wanted.size() + i], wanted[i])) return false;
  return true;
}

bool any_fits(const std::string& rule, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return rule::rule_fits(rule, pattern); });
}

std::string_view source_line(const model::Deployment& all, const std::string& shown, std::uint32_t line) {
  for (const model::File& file : all.files) {
    if (file.shown != shown) continue;
    const auto lines = base::split(file.text, '\n');
    return line >= 1 && line <= lines.size() ? base::trim(lines[line - 1]) : std::string_view{};
  }
  return {};
}

}  // namespace

base::Result<> read_wishes(std::string_view text, const std::string& file, Wishes& wishes) {
  TRY(json, source::read_placed_json(text, file));
  const auto list = [&](const source::PlacedJson& value, std::vector<std::string>& into) -> base::Result<> {
    if (value.shape != source::Shape::list) return base::fail(source::complaint(file, value.place, "a list of rules is needed here"));
    for (const auto& item : value.items) into.push_back(item.text);
    return {};
  };
  for (const auto& member : json.members) {
    if (member.key == "select" || member.key == "ignore") {
      if (auto read = list(member.value, member.key == "select" ? wishes.select : wishes.ignore); !read) return read;
    } else if (member.key == "per-file-ignores") {
      for (const auto& one : member.value.members) {
        wishes.per_file.emplace_back(one.key, std::vector<std::string>{});
        if (auto read = list(one.value, wishes.per_file.back().second); !read) return read;
      }
    } else {
      return base::fail(source::complaint(file, member.place, "unknown key '" + base::printable(member.key, 60) + "'", "the keys are: select ignore per-file-ignores"));
    }
  }
  return {};
}

void apply(const Wishes& wishes, rule::LintResult& result) {
  const auto unwanted = [&](const rule::Finding& finding) {
    if (!wishes.select.empty() && !any_fits(finding.rule, wishes.select)) return true;
    if (any_fits(finding.rule, wishes.ignore)) return true;
    const report::Place place = report::read_place(finding.subject.where);
    return std::ranges::any_of(wishes.per_file, [&](const auto& one) { return glob_fits(place.path, one.first) && any_fits(finding.rule, one.second); });
  };
  std::erase_if(result.findings, unwanted);
  std::erase_if(result.open, unwanted);
  for (std::size_t i = 0; i < result.findings.size(); ++i) result.findings[i].id = "f" + std::to_string(i + 1);
}

std::string baseline_name(const model::Deployment& all, const rule::Finding& finding) {
  const report::Place place = report::read_place(finding.subject.where);
  return finding.rule + " " + place.path + " " + std::string(source_line(all, place.path, place.line));
}

std::string baseline_text(const model::Deployment& all, const rule::Findings& findings) {
  std::string out = "// What triage lint knew when this was written: one finding a line, rule, file and the text of its line. --write-baseline makes it anew.\n[\n";
  std::size_t left = findings.size();
  for (const rule::Finding& finding : findings) {
    std::string text;
    for (const char c : baseline_name(all, finding)) {
      if (c == '"' || c == '\\') text += '\\';
      if (static_cast<unsigned char>(c) < 0x20) text += ' ';
      else text += c;
    }
    out += "  \"" + text + "\"" + (--left ? "," : "") + "\n";
  }
  return out + "]\n";
}

base::Result<> drop_known(std::string_view text, const std::string& file, const model::Deployment& all, rule::Findings& findings) {
  TRY(json, source::read_placed_json(text, file, {16 << 20, 8}));
  std::multiset<std::string> known;
  for (const auto& item : json.items) known.insert(item.text);
  std::erase_if(findings, [&](const rule::Finding& finding) {
    std::string name = baseline_name(all, finding);
    for (char& c : name) if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    const auto found = known.find(name);
    if (found == known.end()) return false;
    known.erase(found);
    return true;
  });
  return {};
}

}  // namespace lint
