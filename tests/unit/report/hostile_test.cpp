// What must not happen whatever bytes a log, a path or a command line holds: in every format, nothing acts and nothing ends its frame.
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "report/escape.hpp"
#include "scene.hpp"
#include "support/catch.hpp"

namespace {

std::string write(std::string_view writer, report::Style style = {}) {
  style.verbose = style.show_events = true;
  return report::writer(writer)->write(scene::attacked().report(), style);
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

bool valid_utf8(const std::string& text) {
  // The library's own strict encoder is the judge: it refuses what is no UTF-8.
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

}  // namespace

TEST_CASE("every format of the contract has a writer") {
  for (const char* name : {"text", "plain", "json", "jsonl", "sarif", "github", "gitlab", "gcc", "junit", "html", "md"}) {
    INFO(name);
    REQUIRE(report::writer(name) != nullptr);
    CHECK_FALSE(write(name).empty());
  }
  CHECK(report::writers().size() == 11);
  CHECK(report::writer("yaml") == nullptr);
}

TEST_CASE("no format lets a control character, a bidirectional mark or a broken byte through") {
  for (const report::Writer* writer : report::writers()) {
    INFO(writer->name);
    const std::string text = write(writer->name);
    std::size_t controls = 0;
    for (const char c : text) controls += (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F;
    CHECK(controls == 0);
    CHECK(count(text, "\xe2\x80\xae") == 0);
    CHECK(valid_utf8(text));
  }
}

TEST_CASE("what people read is ASCII") {
  for (const char* name : {"text", "plain", "gcc", "md", "html", "junit", "json", "jsonl", "sarif", "gitlab"}) {
    INFO(name);
    std::size_t other = 0;
    for (const char c : write(name)) other += static_cast<unsigned char>(c) >= 0x80;
    CHECK(other == 0);
  }
}

TEST_CASE("outside text begins no line of a line format") {
  for (const char* name : {"text", "plain", "gcc", "github", "md"}) {
    INFO(name);
    const std::string text = write(name);
    CHECK(count(text, "\nFIX ]]>") == 0);
    CHECK(count(text, "\n::error::x") == 0);
    CHECK(count(text, "\r") == 0);
  }
}

TEST_CASE("strings of JSON formats decode to text that is safe on a terminal") {
  for (const char* name : {"json", "sarif", "gitlab"}) {
    INFO(name);
    const auto flat = nlohmann::json::parse(write(name)).flatten();
    std::size_t acting = 0;
    for (const auto& [path, value] : flat.items())
      if (value.is_string())
        for (const char c : value.get<std::string>()) acting += static_cast<unsigned char>(c) < 0x20;
    CHECK(acting == 0);
  }
  CHECK(nlohmann::json::parse(write("json"))["findings"][0]["message"].get<std::string>() ==
        "\\x1b[2J\\x1b]0;x\\x07\\u{202e}rtl\\r\\nFIX ]]> <script>alert('1')</script> \"&quot; %0A::error::x | `rm` \\ \\xff\\xfe\\x00 caf\xc3\xa9 @all [a](b)");
}

TEST_CASE("one finding is one GitHub command with nothing smuggled in") {
  const std::string text = write("github");
  CHECK(count(text, "\n") == 1);
  CHECK(base::starts_with(text, "::error file="));
  CHECK(count(text, "%0A::error") == 0);  // the %0A of the log line is %250A
  CHECK(count(text, "%250A::error::x") > 0);
  const std::string file = std::string(*base::between(text, "file=", ",line="));
  CHECK(count(file, ":") == 0);
  CHECK(count(file, "%250A%3A%3Aerror%3A%3Ax") == 1);
}

TEST_CASE("tags are only ours in HTML and XML") {
  for (const char* name : {"html", "junit", "md"}) {
    INFO(name);
    const std::string text = write(name);
    CHECK(count(text, "<script") == 0);
    CHECK(count(text, "&lt;script&gt;") > 0);
    CHECK(count(text, "]]>") == 0);
  }
  CHECK(count(write("junit"), "<failure ") == 1);
  CHECK(count(write("junit"), "<testcase ") == 1);
  CHECK(count(write("html"), "<h1 ") == 1);
}

TEST_CASE("a table row of Markdown keeps its columns") {
  const std::string text = write("md");
  for (const auto line : base::split(text, '\n')) {
    if (!base::starts_with(line, "| E")) continue;
    std::size_t bars = 0;
    for (std::size_t i = 0; i < line.size(); ++i) bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
    CHECK(bars == 6);
  }
}

TEST_CASE("escapes of each language") {
  CHECK(report::utf8(std::string("a\0b\x1b\xff", 5)) == "a\\x00b\\x1b\\xff");
  CHECK(report::utf8("caf\xc3\xa9 \xe6\x97\xa5") == "caf\xc3\xa9 \xe6\x97\xa5");
  CHECK(report::utf8("\xed\xa0\x80\xc0\x80\xf4\x90\x80\x80") == "\\xed\\xa0\\x80\\xc0\\x80\\xf4\\x90\\x80\\x80");
  CHECK(report::utf8("\xe2\x80\xa8\xef\xbf\xbf\xc2\x85") == "\\u{2028}\\u{ffff}\\u{85}");
  CHECK(report::utf8("0123456789abcdef", 12) == "012345678...");
  CHECK(report::html("<a href=\"x\">'&'</a>") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  CHECK(report::xml("]]>'\x01") == "]]&gt;&apos;\\x01");
  CHECK(report::markdown("a|b `c` *d* max_requests _e_ #1 @me <x>") == "a\\|b \\`c\\` \\*d\\* max_requests \\_e\\_ \\#1 &#64;me &lt;x&gt;");
  CHECK(report::github_text("50%\nx") == "50%25\\nx");
  CHECK(report::github_property("a:b,c%") == "a%3Ab%2Cc%25");
  CHECK(report::uri("/srv/a b/\xff#x:1") == "file:///srv/a%20b/%FF%23x%3A1");
  CHECK(report::uri("app.py") == "app.py");
}
