// The marks of the formats are a promise: whoever is asked by marks alone says the same as when everybody is asked about everything. Held to it
// here over every file of the fixtures and of ../shared, as they are and inside what collectors wrap around lines.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "evidence/vocabulary.hpp"
#include "parse/format.hpp"
#include "parse/read.hpp"
#include "parse/scan_marks.hpp"
#include "support/catch.hpp"

namespace {

namespace fs = std::filesystem;
constexpr std::int64_t about = 1'795'400'000'000'000'000;  // 2026-11-23: what stamps without a year are near to

std::string evidence_of(const std::string& text, bool by_marks) {
  evidence::Evidence evidence;
  parse::Window window;
  window.about_ns = about;
  parse::Limits limits;
  limits.by_marks = by_marks;
  const auto stream = source::memory_stream(text);
  parse::read_stream(*stream, "a.log", window, evidence, limits);
  return evidence::to_ndjson(evidence);
}

std::string escaped(const std::string& line) {
  std::string out;
  for (const char c : line) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 32) { char code[8]; std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c)); out += code; }
    else out += c;
  }
  return out;
}

// `wrap(line, number)` for each line.
template <class Wrap> std::string each_line(const std::string& text, Wrap wrap) {
  std::istringstream in(text);
  std::string out, line;
  for (int number = 0; std::getline(in, line); ++number) out += wrap(line, number) + "\n";
  return out;
}

std::string stamp(int number) {
  char text[40];
  std::snprintf(text, sizeof text, "2026-11-22T10:%02d:%02d.%06dZ", number / 600 % 60, number / 10 % 60, number % 10 * 100'000);
  return text;
}

void same(const std::string& name, const std::string& text) {
  INFO(name);
  const std::string by_marks = evidence_of(text, true), by_all = evidence_of(text, false);
  if (by_marks == by_all) { SUCCEED(); return; }
  const auto differ = std::mismatch(by_marks.begin(), by_marks.end(), by_all.begin(), by_all.end());
  const auto around = [](const std::string& all, std::size_t at) { return all.substr(at > 300 ? at - 300 : 0, 600); };
  FAIL("by marks:\n" + around(by_marks, static_cast<std::size_t>(differ.first - by_marks.begin())) + "\nby all:\n" + around(by_all, static_cast<std::size_t>(differ.second - by_all.begin())));
}

void forms(const std::string& name, const std::string& text) {
  same(name, text);
  same(name + " in docker JSON", each_line(text, [](const std::string& line, int n) { return R"({"log":")" + escaped(line) + R"(\n","stream":"stderr","time":")" + stamp(n) + R"("})"; }));
  same(name + " in docker JSON, halves", each_line(text, [](const std::string& line, int n) {
         const std::size_t half = line.size() / 2;
         const std::string end = R"(","stream":"stderr","time":")" + stamp(n) + R"("})";
         return R"({"log":")" + escaped(line.substr(0, half)) + end + "\n" + R"({"log":")" + escaped(line.substr(half)) + R"(\n)" + end;
       }));
  same(name + " in CRI", each_line(text, [](const std::string& line, int n) { return stamp(n) + " stderr F " + line; }));
  same(name + " in syslog", each_line(text, [](const std::string& line, int n) { return "Nov 22 " + stamp(n).substr(11, 8) + " web1 gunicorn[" + std::to_string(700 + n % 3) + "]: " + line; }));
  same(name + " in syslog of another program", each_line(text, [](const std::string& line, int n) { return "Nov 22 " + stamp(n).substr(11, 8) + " web1 app[700]: " + line; }));
  same(name + " in the journal", each_line(text, [](const std::string& line, int n) { return n % 4 == 0 ? "Nov 22 " + stamp(n).substr(11, 8) + " web1 app[700]: " + line : std::string(32, ' ') + line; }));
  same(name + " in ISO syslog", each_line(text, [](const std::string& line, int n) { return stamp(n) + " web1 kernel: " + line; }));
  same(name + " in an application's JSON", each_line(text, [](const std::string& line, int n) { return R"({"time": ")" + stamp(n) + R"(", "level": "INFO", "logger": "gunicorn.error", "message": ")" + escaped(line) + R"("})"; }));
  same(name + " between strangers", each_line(text, [](const std::string& line, int n) { return line + "\n" + "2026-11-22 10:00:00,100 INFO app.order " + std::to_string(n) + "\nNov 22 10:00:00 web1 app[1]: order"; }));
}

std::size_t walk(const fs::path& top) {
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(top)) {
    if (!entry.is_regular_file() || entry.file_size() > (512u << 10)) continue;
    std::ostringstream text;
    text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    // Every form of the small ones; a long one says no more in each of them.
    if (text.str().size() < (24u << 10)) forms(entry.path().string(), text.str());
    else same(entry.path().string(), text.str());
    ++files;
  }
  return files;
}

}  // namespace

TEST_CASE("every mark is long enough to be searched") {
  const parse::Marks marks(parse::formats());
  CHECK(marks.usable());
  std::size_t without = 0;
  for (const parse::Format* const format : parse::formats()) without += format->marks.empty();
  CHECK(without == 0);
}

TEST_CASE("a mark is found wherever in a line it stands") {
  const parse::Marks marks(parse::formats());
  for (const parse::Format* const format : parse::formats())
    for (const std::string_view mark : format->marks)
      for (std::size_t before = 0; before < 9; ++before) {
        const std::string text = std::string(before, '~') + std::string(mark) + std::string(before % 3, '~');
        std::size_t at = 0;
        std::uint32_t found = 0;
        while (at < text.size()) found |= marks.next(text, at);
        std::size_t index = 0;
        while (parse::formats()[index] != format) ++index;
        INFO(text);
        CHECK((found >> index & 1) == 1);
      }
  std::size_t at = 0;
  CHECK(marks.next("2026-11-22 10:00:00,191 INFO app.token nothing of that kind", at) == 0);
}

TEST_CASE("asking by marks loses nothing of the fixtures") { CHECK(walk(fs::path(TRIAGE_SOURCE_DIR) / "fixtures") > 20); }

TEST_CASE("asking by marks loses nothing of the shared incidents and samples") {
  const fs::path shared = fs::path(TRIAGE_SOURCE_DIR) / ".." / "shared";
  if (!fs::exists(shared)) { WARN("SKIPPED: no ../shared beside the sources"); return; }
  std::size_t files = 0;
  for (const char* const folder : {"incidents", "samples"})
    if (fs::exists(shared / folder)) files += walk(shared / folder);
  CHECK(files > 0);
}
