// limits.conf of pam_limits: `who type item value` lines.
#include "base/text.hpp"
#include "base/words.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

Document read_limits(std::string_view text) {
  Document document;
  document.dialect = Dialect::limits;
  std::uint32_t number = 0;
  std::size_t offset = 0;
  for (const std::string_view whole : base::split(text, '\n')) {
    const std::size_t from = offset;
    offset += whole.size() + 1;
    ++number;
    const std::string_view body = base::trim(whole.substr(0, whole.find('#')));
    if (body.empty() || document.entries.size() == 20'000) continue;
    const auto words = base::shell_words(body);
    if (words.size() < 4) continue;
    const std::size_t lead = static_cast<std::size_t>(body.data() - whole.data());
    const Place at{number, static_cast<std::uint32_t>(lead) + 1, from + lead, from + lead + words[0].size()};
    document.entries.push_back({words[1], words[0], words[2] + " " + words[3], at, at});
  }
  return document;
}

}  // namespace parse::settings
