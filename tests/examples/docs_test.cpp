// docs/rules.md and docs/vocabulary.md are printed, not written: this compares them with what the cards say now.
#include <fstream>
#include <sstream>

#include "rule/docs.hpp"
#include "support/catch.hpp"

namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(TRIAGE_SOURCE_DIR "/" + path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The first line that differs says more than two documents beside each other.
std::string difference(const std::string& ours, const std::string& made) {
  std::istringstream a(ours), b(made);
  std::string left, right;
  for (int line = 1;; ++line) {
    const bool more_left = static_cast<bool>(std::getline(a, left)), more_right = static_cast<bool>(std::getline(b, right));
    if (!more_left && !more_right) return ours == made ? "" : "the last newline";
    if (more_left != more_right || left != right) return "line " + std::to_string(line) + ": '" + left + "' should be '" + right + "'; run ./dev docs";
  }
}

}  // namespace

TEST_CASE("docs/rules.md is fresh") { CHECK(difference(text_of("docs/rules.md"), rule::rules_markdown(rule::built_in_cards())).empty()); }
TEST_CASE("docs/vocabulary.md is fresh") { CHECK(difference(text_of("docs/vocabulary.md"), rule::vocabulary_markdown()).empty()); }
