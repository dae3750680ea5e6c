// `name = value` lines under [sections]. man systemd.syntax: a backslash at the end of a line continues it and comments stand only at the front of
// a line; supervisor (configparser) continues by indentation and takes " ;" as a comment; uwsgi and php-fpm take ; behind a value.
#include "base/text.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

namespace {

constexpr std::size_t most_entries = 20'000, longest_value = 65'536;

}  // namespace

Document read_ini(std::string_view text, Dialect dialect) {
  Document document;
  document.dialect = dialect;
  std::string section;
  bool continues = false, in_entry = false;
  std::uint32_t number = 0;
  std::size_t offset = 0;
  for (const std::string_view whole : base::split(text, '\n')) {
    const std::size_t from = offset;
    offset += whole.size() + 1;
    ++number;
    std::string_view body = base::trim(whole);
    const std::size_t lead = static_cast<std::size_t>(body.data() - whole.data());
    if (body.empty() || body.front() == '#' || body.front() == ';') {
      if (!continues && body.empty()) in_entry = false;
      continue;
    }
    if (dialect != Dialect::systemd) {
      for (std::size_t i = 1; i < body.size(); ++i)
        if (body[i] == ';' && (body[i - 1] == ' ' || body[i - 1] == '\t')) { body = base::trim(body.substr(0, i)); break; }
    }
    const bool more = dialect == Dialect::systemd && body.ends_with("\\");
    if (more) body = base::trim(body.substr(0, body.size() - 1));
    const bool indented = dialect == Dialect::supervisor && lead > 0 && in_entry;
    if (continues || indented) {
      if (!document.entries.empty() && document.entries.back().value.size() < longest_value) {
        Entry& open = document.entries.back();
        if (!open.value.empty()) open.value += ' ';
        else open.value_at = {number, static_cast<std::uint32_t>(lead) + 1, from + lead, from + lead};
        open.value += body;
        open.value_at.end = from + lead + body.size();
      }
      continues = more;
      continue;
    }
    continues = more;
    if (body.front() == '[') {
      const auto close = body.find(']');
      if (close == std::string_view::npos) document.wrong.push_back({{number, static_cast<std::uint32_t>(lead) + 1, from + lead, from + lead + body.size()}, "the section's bracket is not closed"});
      else section = std::string(body.substr(1, close - 1));
      in_entry = false;
      continue;
    }
    auto equals = body.find('=');
    if (dialect == Dialect::supervisor)
      if (const auto colon = body.find(':'); colon < equals) equals = colon;
    const std::string_view key = base::trim(body.substr(0, equals));
    const auto column = static_cast<std::uint32_t>(lead) + 1;
    if (equals == std::string_view::npos && dialect == Dialect::systemd) {
      document.wrong.push_back({{number, column, from + lead, from + lead + body.size()}, "this line is neither a section nor a setting"});
      continue;
    }
    if (document.entries.size() == most_entries) break;
    Entry entry;
    entry.section = section;
    entry.key = key;
    entry.key_at = {number, column, from + lead, from + lead + key.size()};
    if (equals != std::string_view::npos) {
      const std::string_view value = base::trim(body.substr(equals + 1));
      const std::size_t at = value.empty() ? from + lead + body.size() : from + static_cast<std::size_t>(value.data() - whole.data());
      entry.value = value;
      entry.value_at = {number, static_cast<std::uint32_t>(at - from) + 1, at, at + value.size()};
    }
    document.entries.push_back(std::move(entry));
    in_entry = true;
  }
  return document;
}

}  // namespace parse::settings
