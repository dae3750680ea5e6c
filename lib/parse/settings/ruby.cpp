// puma.rb and unicorn.rb: configurations that are Ruby. Their settings are calls at the top level, `workers ENV.fetch("W") { 2 }`; what stands
// inside blocks is code of the application's hooks and is passed over. Nothing is run; what is no literal stays as it is written.
#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

namespace {

bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '?' || c == '!'; }

// The line without its comment; quotes are respected.
std::string_view code_of(std::string_view line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quote) {
      if (line[i] == '\\') ++i;
      else if (line[i] == quote) quote = 0;
    } else if (line[i] == '"' || line[i] == '\'') quote = line[i];
    else if (line[i] == '#') return base::trim(line.substr(0, i));
  }
  return base::trim(line);
}

std::string_view last_word(std::string_view line) {
  std::size_t at = line.size();
  while (at > 0 && word_char(line[at - 1])) --at;
  return line.substr(at);
}

// How many brackets a line leaves open; those in quotes do not count.
int brackets_of(std::string_view code) {
  int open = 0;
  char quote = 0;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (quote) {
      if (c == '\\') ++i;
      else if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') quote = c;
    else if (c == '(' || c == '[' || c == '{') ++open;
    else if (c == ')' || c == ']' || c == '}') --open;
  }
  return open;
}

// The end word of a heredoc that this line begins: <<~EOS, <<-EOS; "" for none.
std::string_view heredoc_of(std::string_view code) {
  const auto at = code.find("<<");
  if (at == std::string_view::npos || at + 3 >= code.size() || (code[at + 2] != '~' && code[at + 2] != '-')) return {};
  std::size_t from = at + 3;
  if (code[from] == '"' || code[from] == '\'') ++from;
  std::size_t end = from;
  while (end < code.size() && word_char(code[end])) ++end;
  return code.substr(from, end - from);
}

bool opens(std::string_view code, std::string_view first) {
  if (code.ends_with("|")) {  // do |worker|
    const auto bar = code.rfind('|', code.size() - 2);
    if (bar != std::string_view::npos) code = base::trim(code.substr(0, bar));
  }
  return last_word(code) == "do" || first == "def" || first == "begin" || first == "while" || first == "class" || first == "module" || first == "case";
}

}  // namespace

Document read_ruby(std::string_view text, Dialect dialect) {
  Document document;
  document.dialect = dialect;
  int blocks = 0, branches = 0, brackets = 0;
  bool comment = false;
  std::string_view heredoc;
  std::uint32_t number = 0;
  std::size_t offset = 0;
  std::vector<bool> open;  // true: an if/unless, whose settings hold under a condition
  for (const std::string_view whole : base::split(text, '\n')) {
    const std::size_t from = offset;
    offset += whole.size() + 1;
    ++number;
    const std::string_view code = code_of(whole);
    if (code == "__END__") break;
    if (!heredoc.empty()) {
      if (base::trim(whole) == heredoc) heredoc = {};
      continue;
    }
    if (comment || base::starts_with(whole, "=begin")) {
      comment = !base::starts_with(whole, "=end");
      continue;
    }
    if (code.empty()) continue;
    heredoc = heredoc_of(code);
    // What stands in brackets that an earlier line opened is that line's: arguments, the body of a { } block.
    const bool inside = brackets > 0;
    brackets = std::max(brackets + brackets_of(code), 0);
    if (inside) continue;
    std::size_t end = 0;
    while (end < code.size() && word_char(code[end])) ++end;
    const std::string_view first = code.substr(0, end);
    if (first == "end") {
      if (!open.empty()) { --(open.back() ? branches : blocks); open.pop_back(); }
      continue;
    }
    if (first == "if" || first == "unless") { open.push_back(true); ++branches; continue; }
    if (first == "else" || first == "elsif") continue;
    const bool block = opens(code, first);
    if (blocks == 0 && !first.empty() && document.entries.size() < 20'000) {
      std::string_view value = base::trim(code.substr(end));
      if (value.size() > 1 && value.front() == '(' && value.back() == ')') value = base::trim(value.substr(1, value.size() - 2));
      const std::size_t lead = static_cast<std::size_t>(code.data() - whole.data());
      const std::size_t at = value.empty() ? from + lead + code.size() : from + static_cast<std::size_t>(value.data() - whole.data());
      if (value.empty() || (value.front() != '=' && value.front() != '.'))
        document.entries.push_back({branches > 0 ? "if" : "", std::string(first), std::string(value), {number, static_cast<std::uint32_t>(lead) + 1, from + lead, from + lead + end}, {number, static_cast<std::uint32_t>(at - from) + 1, at, at + value.size()}});
    }
    if (block) { open.push_back(false); ++blocks; }
  }
  if (!open.empty()) document.wrong.push_back({{number, 1, text.size(), text.size()}, "a block is not closed"});
  return document;
}

}  // namespace parse::settings
