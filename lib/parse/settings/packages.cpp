// Which packages a Python project asks for: only their names matter here.
#include <cctype>

#include "base/text.hpp"
#include "base/words.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

namespace {

bool of_a_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.'; }

// PEP 503: one form for "Flask_Login", "flask-login", "flask.login".
std::string normal(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const char plain = c == '_' || c == '.' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (plain == '-' && !out.empty() && out.back() == '-') continue;
    out += plain;
  }
  return out;
}

}  // namespace

Document read_requirements(std::string_view path, std::string_view text) {
  Document document;
  document.dialect = Dialect::requirements;
  const bool lines = path.ends_with(".txt") || path.ends_with(".in");
  std::uint32_t number = 0;
  std::size_t offset = 0;
  const auto add = [&](std::string_view name, std::string_view rest, std::size_t from, std::size_t column) {
    if (name.empty() || document.entries.size() >= 20'000) return;
    document.entries.push_back({"", normal(name), std::string(base::trim(rest.substr(0, 120))), {number, static_cast<std::uint32_t>(column) + 1, from + column, from + column + name.size()}, {}});
  };
  for (const std::string_view whole : base::split(text, '\n')) {
    const std::size_t from = offset;
    offset += whole.size() + 1;
    ++number;
    const std::string_view body = base::trim(whole);
    const std::size_t lead = body.empty() ? 0 : static_cast<std::size_t>(body.data() - whole.data());
    if (lines) {
      if (body.empty() || body.front() == '#') continue;
      if (body.front() == '-') { add("-", body, from, lead); continue; }  // -r other.txt: what it names is not seen here
      std::size_t end = 0;
      while (end < body.size() && of_a_name(body[end])) ++end;
      add(body.substr(0, end), body.substr(end), from, lead);
      continue;
    }
    // TOML and JSON locks and manifests: every name in quotes or in front of = counts; a word too many does no harm.
    std::size_t at = 0;
    while (at < body.size()) {
      if (body[at] == '"' || body[at] == '\'') {
        const auto close = body.find(body[at], at + 1);
        if (close == std::string_view::npos) break;
        std::size_t end = at + 1;
        while (end < close && of_a_name(body[end])) ++end;
        add(body.substr(at + 1, end - at - 1), body.substr(end, close - end), from, lead + at + 1);
        at = close + 1;
      } else if (of_a_name(body[at])) {
        std::size_t end = at;
        while (end < body.size() && of_a_name(body[end])) ++end;
        if (base::starts_with(base::trim(body.substr(end)), "=")) add(body.substr(at, end - at), body.substr(end), from, lead + at);
        at = end;
      } else ++at;
    }
  }
  return document;
}

}  // namespace parse::settings
