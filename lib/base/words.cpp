#include "base/words.hpp"

#include "base/text.hpp"

namespace base {

namespace {

bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::vector<std::string> nul_words(std::string_view text) {
  while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  std::vector<std::string> words;
  for (const auto word : split(text, '\0')) {
    if (words.size() == most_words) break;
    words.emplace_back(word);
  }
  return words;
}

}  // namespace

std::vector<std::string> shell_words(std::string_view text) {
  if (contains(text, std::string_view("\0", 1))) return nul_words(text);
  std::vector<std::string> words;
  std::string word;
  bool inside = false;  // a word has begun, maybe an empty quoted one
  char quote = 0;
  for (std::size_t at = 0; at < text.size() && words.size() < most_words; ++at) {
    const char c = text[at];
    const bool last = at + 1 == text.size();
    if (quote == '\'') {
      if (c == '\'') quote = 0;
      else word += c;
    } else if (c == '\\' && !last) {
      const char next = text[++at];
      if (next == '\n') continue;
      // Inside double quotes a backslash is itself unless it protects one of these.
      if (quote == '"' && next != '"' && next != '\\' && next != '$' && next != '`') word += '\\';
      word += next;
      inside = true;
    } else if (quote == '"') {
      if (c == '"') quote = 0;
      else word += c;
    } else if (c == '\'' || c == '"') {
      quote = c;
      inside = true;
    } else if (blank(c)) {
      if (inside) words.push_back(std::move(word));
      word.clear();
      inside = false;
    } else {
      word += c;
      inside = true;
    }
  }
  if (inside && words.size() < most_words) words.push_back(std::move(word));
  return words;
}

bool is_assignment(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  for (std::size_t i = 0; i < equals; ++i) {
    const char c = word[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && (i == 0 || c < '0' || c > '9')) return false;
  }
  return true;
}

std::string_view file_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace base
