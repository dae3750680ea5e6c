#include <map>

#include "base/text.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

namespace {

constexpr std::size_t most_entries = 20'000;

// The value without a comment behind it; "#" in ERB is Ruby's.
std::string_view value_of(std::string_view text) {
  if (!base::contains(text, "<%"))
    if (const auto comment = text.find(" #"); comment != std::string_view::npos) text = text.substr(0, comment);
  text = base::trim(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front()) text = text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

Document read_database(std::string_view text) {
  Document document;
  document.dialect = Dialect::database;
  std::string section;
  std::map<std::string, std::string, std::less<>> anchors;   // "default" -> the section that has it
  for (std::size_t at = 0; at < text.size() && document.entries.size() < most_entries;) {
    const auto end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    const std::string_view body = base::trim(line);
    const auto colon = body.find(':');
    if (!body.empty() && body.front() != '#' && !base::starts_with(body, "<%") && colon != std::string_view::npos) {
      const std::string_view key = body.substr(0, colon), value = value_of(body.substr(colon + 1));
      const std::size_t key_at = at + static_cast<std::size_t>(body.data() - line.data());
      if (line.front() != ' ' && line.front() != '\t') {
        section = key;
        if (base::starts_with(value, "&")) anchors[std::string(value.substr(1))] = section;
      } else if (key == "<<" && base::starts_with(value, "*")) {
        // What the anchor has holds here as well, until the section says otherwise: the last entry counts.
        const auto from = anchors.find(value.substr(1));
        if (from != anchors.end())
          for (std::size_t i = 0, count = document.entries.size(); i < count && document.entries.size() < most_entries; ++i)
            if (document.entries[i].section == from->second && from->second != section) {
              Entry copy = document.entries[i];
              copy.section = section;
              document.entries.push_back(std::move(copy));
            }
      } else if (!section.empty()) {
        const std::size_t value_at = value.empty() ? key_at + key.size() : at + static_cast<std::size_t>(value.data() - line.data());
        document.entries.push_back({section, std::string(key), std::string(value), place_at(text, key_at, key_at + key.size()), place_at(text, value_at, value_at + value.size())});
      }
    }
    at = end + 1;
  }
  return document;
}

}  // namespace parse::settings
