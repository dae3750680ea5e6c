// Gemfile.lock: below "specs:" a gem stands four blanks deep, "    puma (6.4.2)"; what it needs, six deep.
#include "base/text.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

Document read_gems(std::string_view text) {
  Document document;
  document.dialect = Dialect::gems;
  std::uint32_t number = 0;
  std::size_t offset = 0;
  for (const std::string_view line : base::split(text, '\n')) {
    const std::size_t from = offset;
    offset += line.size() + 1;
    ++number;
    if (!base::starts_with(line, "    ") || line.size() < 6 || line[4] == ' ' || document.entries.size() >= 20'000) continue;
    const auto open = line.find(" ("), close = line.find(')', open == std::string_view::npos ? 0 : open);
    if (open == std::string_view::npos || close == std::string_view::npos) continue;
    document.entries.push_back({"", std::string(line.substr(4, open - 4)), std::string(line.substr(open + 2, close - open - 2)), {number, 5, from + 4, from + open}, {number, static_cast<std::uint32_t>(open) + 3, from + open + 2, from + close}});
  }
  return document;
}

}  // namespace parse::settings
