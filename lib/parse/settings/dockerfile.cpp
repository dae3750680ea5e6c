// Dockerfiles: instructions with their continuations, comments between, heredocs passed over. ARG and ENV stay as they are written.
#include <cctype>

#include "base/text.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

namespace {

constexpr std::size_t most_entries = 20'000, longest_value = 65'536;

// The end word of `<<EOF` or `<<-"EOF"`, "" for none.
std::string heredoc_of(std::string_view line) {
  auto at = line.find("<<");
  if (at == std::string_view::npos) return {};
  at += 2;
  if (at < line.size() && line[at] == '-') ++at;
  std::string word;
  for (; at < line.size(); ++at) {
    const char c = line[at];
    if (c == '"' || c == '\'') continue;
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') break;
    word += c;
  }
  return word;
}

// The lines that hold something: comments, blank lines and the bodies of heredocs are passed over.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  std::string_view whole, body;
  std::uint32_t number = 0;
  std::size_t from = 0, lead = 0;  // where the line begins, and how far its body is indented
  bool passed = false;             // a line without code stood in front of this one
  std::string heredoc;             // set: what follows is passed over until this word

  bool next() {
    passed = false;
    while (at_ <= text_.size()) {
      from = at_;
      const auto end = std::min(text_.find('\n', at_), text_.size());
      whole = text_.substr(at_, end - at_);
      at_ = end + 1;
      ++number;
      body = base::trim(whole);
      if (!heredoc.empty()) {
        if (body == heredoc) heredoc.clear();
        continue;
      }
      if (number == 1) first_ = body;
      if (body.empty()) { passed = true; continue; }
      if (body.front() == '#') continue;
      lead = static_cast<std::size_t>(body.data() - whole.data());
      return true;
    }
    return false;
  }
  std::string_view first() const { return first_; }
  /// Takes the mark of a continuation off the body.
  bool continued(char mark) {
    if (body.back() != mark) return false;
    body = base::trim(body.substr(0, body.size() - 1));
    return true;
  }
  /// The body as one more part of what the entry holds.
  void append_to(Entry& open) const {
    if (open.value.size() < longest_value) {
      if (!open.value.empty() && !body.empty()) open.value += ' ';
      open.value += body;
    }
    open.value_at.end = from + lead + body.size();
  }

 private:
  std::string_view text_, first_;
  std::size_t at_ = 0;
};

}  // namespace

Document read_dockerfile(std::string_view text) {
  Document document;
  document.dialect = Dialect::dockerfile;
  int stage = 0;
  bool continues = false;
  for (Lines line(text); line.next();) {  // comments and blank lines do not end a continued instruction
    const bool more = line.continued(base::starts_with(line.first(), "# escape=`") ? '`' : '\\');
    if (continues) {
      line.append_to(document.entries.back());
      continues = more;
      continue;
    }
    const auto blank = line.body.find_first_of(" \t");
    Entry entry;
    for (const char c : line.body.substr(0, blank)) entry.key += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const std::string_view value = blank == std::string_view::npos ? std::string_view{} : base::trim(line.body.substr(blank));
    entry.value = value;
    const std::size_t begin = line.from + line.lead;
    entry.key_at = {line.number, static_cast<std::uint32_t>(line.lead) + 1, begin, begin + entry.key.size()};
    const std::size_t at = value.empty() ? begin + line.body.size() : line.from + static_cast<std::size_t>(value.data() - line.whole.data());
    entry.value_at = {line.number, static_cast<std::uint32_t>(at - line.from) + 1, at, at + value.size()};
    if (entry.key == "FROM") ++stage;
    entry.section = std::to_string(stage);
    if (document.entries.size() == most_entries) break;
    if (entry.key == "RUN" || entry.key == "COPY") line.heredoc = heredoc_of(value);
    document.entries.push_back(std::move(entry));
    continues = more;
  }
  return document;
}

Document read_procfile(std::string_view text) {
  Document document;
  document.dialect = Dialect::procfile;
  for (Lines line(text); line.next() && document.entries.size() < most_entries;) {
    const auto colon = line.body.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view value = base::trim(line.body.substr(colon + 1));
    const std::size_t begin = line.from + line.lead;
    const std::size_t at = value.empty() ? line.from + line.whole.size() : line.from + static_cast<std::size_t>(value.data() - line.whole.data());
    document.entries.push_back({"", std::string(line.body.substr(0, colon)), std::string(value), {line.number, static_cast<std::uint32_t>(line.lead) + 1, begin, begin + colon}, {line.number, static_cast<std::uint32_t>(at - line.from) + 1, at, at + value.size()}});
  }
  return document;
}

Document read_script(std::string_view text) {
  Document document;
  document.dialect = Dialect::script;
  bool continues = false;
  for (Lines line(text); line.next();) {
    continues = continues && !line.passed;  // a blank line ends a command, a comment does not
    const bool more = line.continued('\\');
    if (continues && !document.entries.empty()) {
      line.append_to(document.entries.back());
      continues = more;
      continue;
    }
    continues = more;
    if (document.entries.size() == most_entries) break;
    line.heredoc = heredoc_of(line.body);
    const std::size_t begin = line.from + line.lead;
    const Place at{line.number, static_cast<std::uint32_t>(line.lead) + 1, begin, begin + line.body.size()};
    document.entries.push_back({"", base::starts_with(line.body, "exec ") ? "exec" : "run", std::string(line.body), {at.line, at.column, at.at, at.at}, at});
  }
  return document;
}

}  // namespace parse::settings
