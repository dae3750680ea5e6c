// Apache's configuration: `Directive value` lines inside <Section argument>. Includes are not followed.
#include "base/text.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

namespace {

constexpr std::size_t most_entries = 20'000, deepest = 200;

}  // namespace

Document read_apache(std::string_view text) {
  Document out;
  out.dialect = Dialect::apache;
  std::vector<std::string> sections;
  std::uint32_t number = 0;
  std::size_t offset = 0;
  for (const auto line : base::split(text, '\n')) {
    const std::size_t from = offset;
    offset += line.size() + 1;
    ++number;
    const std::string_view words = base::trim(line);
    if (words.empty() || words[0] == '#' || out.entries.size() >= most_entries) continue;
    if (base::starts_with(words, "</")) {
      if (!sections.empty()) sections.pop_back();
      continue;
    }
    if (words[0] == '<') {
      // What stands in <IfModule> holds where the module is there, which is the rule.
      const std::string_view inside = words.substr(1, words.find('>') - 1);
      if (sections.size() < deepest) sections.push_back(base::starts_with(inside, "If") ? std::string() : std::string(inside));
      continue;
    }
    const std::size_t blank = words.find_first_of(" \t");
    if (blank == std::string_view::npos) continue;
    std::string section;
    for (const std::string& one : sections)
      if (!one.empty()) section = one;
    const auto place = [&](std::string_view part) {
      const auto column = static_cast<std::size_t>(part.data() - line.data());
      return Place{number, static_cast<std::uint32_t>(column) + 1, from + column, from + column + part.size()};
    };
    const auto add = [&](std::string_view key, std::string_view value) { out.entries.push_back({section, std::string(key), std::string(value), place(key), place(value)}); };
    const std::string_view directive = words.substr(0, blank), value = base::trim(words.substr(blank));
    add(directive, value);
    // "WSGIDaemonProcess site processes=2 threads=15 request-timeout=30"
    if (directive != "WSGIDaemonProcess") continue;
    for (const auto word : base::split(value, ' '))
      if (const std::size_t equals = word.find('='); equals != std::string_view::npos) add(word.substr(0, equals), word.substr(equals + 1));
  }
  return out;
}

}  // namespace parse::settings
