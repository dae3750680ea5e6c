// The linter over folders: fixtures with their findings, and the corpus of public files with the findings that were reviewed by hand.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/text.hpp"
#include "model/deployment.hpp"
#include "rule/lint.hpp"
#include "source/live_host.hpp"
#include "support/catch.hpp"

namespace fs = std::filesystem;

namespace {

const fs::path root = TRIAGE_SOURCE_DIR;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

rule::LintResult linted(const std::vector<fs::path>& paths, const fs::path& folder) {
  std::vector<model::File> files;
  for (const auto& path : paths) {
    model::File file = model::file_of(fs::absolute(path).lexically_normal().string(), path.lexically_relative(folder).string(), text_of(path));
    if (file.document.dialect != parse::settings::Dialect::none) files.push_back(std::move(file));
  }
  const std::string below = fs::absolute(folder).lexically_normal().string();
  const source::LiveHost host;
  return rule::lint(model::deployment_of(std::move(files), host, [&](const std::string& path) { return base::starts_with(path, below) ? path : std::string(); }, {}), rule::built_in_cards());
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().filename() != "expected.txt") found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

std::string line_of(const std::string& where) { return where.substr(0, where.rfind(':')); }  // without the column

std::string hash_of(const std::string& text) {
  std::uint64_t value = 0xcbf29ce484222325u;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  std::ostringstream out;
  out << std::hex << value;
  return out.str();
}

}  // namespace

TEST_CASE("every folder of fixtures/lint has the findings that it expects, and no others") {
  std::size_t folders = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root / "fixtures/lint")) {
    if (entry.path().filename() != "expected.txt") continue;
    ++folders;
    const fs::path folder = entry.path().parent_path();
    std::string found;
    for (const auto& finding : linted(files_below(folder), folder).findings) found += std::string(rule::level_text(finding.level)) + " " + finding.rule + " " + line_of(finding.subject.where) + "\n";
    INFO(folder.lexically_relative(root).string());
    CHECK(found == text_of(entry.path()));
  }
  CHECK(folders >= 26);
}

TEST_CASE("public files: everything that is no template parses, and every alarm was reviewed") {
  const fs::path corpus = root / "../shared/corpus";
  if (!fs::exists(corpus / "INDEX.tsv")) {
    WARN("skipped: ../shared/corpus is not here");
    return;
  }
  std::multiset<std::string> reviewed;
  std::istringstream lines(text_of(root / "fixtures/lint/reviewed.txt"));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line.front() != '#') reviewed.insert(line.substr(0, line.find("  ")));
  std::size_t files = 0, alarms = 0;
  for (const auto& path : files_below(corpus)) {
    const std::string text = text_of(path);
    ++files;
    for (const auto& finding : linted({path}, corpus).findings) {
      INFO(finding.subject.where << " " << finding.rule << ": " << finding.message);
      CHECK(finding.rule != "parse.syntax-error");
      if (finding.level == rule::Level::note) continue;
      ++alarms;
      const std::string where = line_of(finding.subject.where);
      const std::string name = hash_of(text) + " " + where.substr(where.rfind(':') + 1) + " " + finding.rule;
      INFO("not in fixtures/lint/reviewed.txt: " << name);
      CHECK(reviewed.contains(name));
    }
  }
  CHECK(files > 150);
  CHECK(alarms > 30);
}
