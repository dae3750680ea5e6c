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

}  // namespace

Document read_dockerfile(std::string_view text) {
  Document document;
  document.dialect = Dialect::dockerfile;
  int stage = 0;
  char escape = '\\';
  bool continues = false;
  std::string heredoc;
  std::uint32_t number = 0;
  std::size_t offset = 0;
  for (const std::string_view whole : base::split(text, '\n')) {
    const std::size_t from = offset;
    offset += whole.size() + 1;
    ++number;
    std::string_view body = base::trim(whole);
    if (!heredoc.empty()) {
      if (body == heredoc) heredoc.clear();
      continue;
    }
    if (number == 1 && base::starts_with(body, "# escape=`")) escape = '`';
    if (body.empty() || body.front() == '#') continue;  // comments do not end a continued instruction
    const std::size_t lead = static_cast<std::size_t>(body.data() - whole.data());
    const bool more = body.back() == escape;
    if (more) body = base::trim(body.substr(0, body.size() - 1));
    if (continues) {
      Entry& open = document.entries.back();
      if (open.value.size() < longest_value) {
        if (!open.value.empty() && !body.empty()) open.value += ' ';
        open.value += body;
      }
      open.value_at.end = from + lead + body.size();
      continues = more;
      continue;
    }
    const auto blank = body.find_first_of(" \t");
    Entry entry;
    for (const char c : body.substr(0, blank)) entry.key += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const std::string_view value = blank == std::string_view::npos ? std::string_view{} : base::trim(body.substr(blank));
    entry.value = value;
    entry.key_at = {number, static_cast<std::uint32_t>(lead) + 1, from + lead, from + lead + entry.key.size()};
    const std::size_t at = value.empty() ? from + lead + body.size() : from + static_cast<std::size_t>(value.data() - whole.data());
    entry.value_at = {number, static_cast<std::uint32_t>(at - from) + 1, at, at + value.size()};
    if (entry.key == "FROM") ++stage;
    entry.section = std::to_string(stage);
    if (document.entries.size() == most_entries) break;
    if (entry.key == "RUN" || entry.key == "COPY") heredoc = heredoc_of(value);
    document.entries.push_back(std::move(entry));
    continues = more;
  }
  return document;
}

Document read_procfile(std::string_view text) {
  Document document;
  document.dialect = Dialect::procfile;
  std::uint32_t number = 0;
  std::size_t offset = 0;
  for (const std::string_view whole : base::split(text, '\n')) {
    const std::size_t from = offset;
    offset += whole.size() + 1;
    ++number;
    const std::string_view body = base::trim(whole);
    const auto colon = body.find(':');
    if (body.empty() || body.front() == '#' || colon == std::string_view::npos || document.entries.size() == most_entries) continue;
    const std::string_view value = base::trim(body.substr(colon + 1));
    const std::size_t lead = static_cast<std::size_t>(body.data() - whole.data());
    const std::size_t at = value.empty() ? from + whole.size() : from + static_cast<std::size_t>(value.data() - whole.data());
    document.entries.push_back({"", std::string(body.substr(0, colon)), std::string(value), {number, static_cast<std::uint32_t>(lead) + 1, from + lead, from + lead + colon}, {number, static_cast<std::uint32_t>(at - from) + 1, at, at + value.size()}});
  }
  return document;
}

Document read_script(std::string_view text) {
  Document document;
  document.dialect = Dialect::script;
  bool continues = false;
  std::string heredoc;
  std::uint32_t number = 0;
  std::size_t offset = 0;
  for (const std::string_view whole : base::split(text, '\n')) {
    const std::size_t from = offset;
    offset += whole.size() + 1;
    ++number;
    std::string_view body = base::trim(whole);
    if (!heredoc.empty()) {
      if (body == heredoc) heredoc.clear();
      continue;
    }
    if (body.empty() || body.front() == '#') { continues = continues && !body.empty(); continue; }
    const std::size_t lead = static_cast<std::size_t>(body.data() - whole.data());
    const bool more = body.back() == '\\';
    if (more) body = base::trim(body.substr(0, body.size() - 1));
    if (continues && !document.entries.empty()) {
      Entry& open = document.entries.back();
      if (open.value.size() < longest_value) (open.value += ' ') += body;
      open.value_at.end = from + lead + body.size();
      continues = more;
      continue;
    }
    continues = more;
    if (document.entries.size() == most_entries) break;
    heredoc = heredoc_of(body);
    const bool replaces = base::starts_with(body, "exec ");
    const Place at{number, static_cast<std::uint32_t>(lead) + 1, from + lead, from + lead + body.size()};
    document.entries.push_back({"", replaces ? "exec" : "run", std::string(body), {at.line, at.column, at.at, at.at}, at});
  }
  return document;
}

}  // namespace parse::settings
