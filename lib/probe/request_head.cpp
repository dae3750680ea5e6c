#include "probe/request_head.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace probe {

namespace {

constexpr std::size_t most_target = 400, most_value = 120;
constexpr std::array<std::string_view, 3> told{"Host", "X-Request-Id", "Content-Length"};

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
}

/// RFC 9110 5.6.2: letters in every method that is in use.
bool is_method(std::string_view word) {
  return !word.empty() && word.size() <= 20 && std::ranges::all_of(word, [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
}

std::string without_secrets(std::string_view target) {
  std::string text;
  std::string_view rest = target;
  // "http://user:password@host/path": only what stands before the path can be one.
  if (const std::size_t scheme = rest.find("://"); scheme != std::string_view::npos && scheme < rest.find_first_of("/?")) {
    const std::size_t begin = scheme + 3, end = std::min(rest.find_first_of("/?#", begin), rest.size());
    const std::size_t at = rest.substr(begin, end - begin).rfind('@');
    text = rest.substr(0, begin);
    rest = rest.substr(at == std::string_view::npos ? begin : begin + at + 1);
  }
  const std::size_t query = rest.find('?');
  text += rest.substr(0, query);
  if (query == std::string_view::npos) return text;
  text += '?';
  bool first = true;
  for (const std::string_view pair : base::split(rest.substr(query + 1), '&')) {
    if (!first) text += '&';
    first = false;
    const std::size_t equals = pair.find('=');
    // A word without "=" is a value as well: "?eyJhbGciOi".
    text += equals == std::string_view::npos ? std::string() : std::string(pair.substr(0, equals)) + "=";
    if (!pair.empty()) text += "...";
  }
  return text;
}

}  // namespace

RequestHead read_request_head(std::string_view bytes) {
  RequestHead head;
  std::string_view line = bytes.substr(0, bytes.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || !is_method(line.substr(0, space))) return head;
  std::string_view target = line.substr(space + 1), version;
  if (const std::size_t end = target.find(' '); end != std::string_view::npos) {
    version = target.substr(end + 1);
    target = target.substr(0, end);
  }
  if (target.empty() || (target.front() != '/' && target != "*" && !base::contains(target, ":"))) return head;
  std::string safe = without_secrets(target);
  if (safe.size() > most_target) safe = safe.substr(0, most_target) + "...";
  head.line = std::string(line.substr(0, space)) + " " + safe;
  if (base::starts_with(version, "HTTP/")) head.line += " " + std::string(version.substr(0, 8));

  std::size_t at = bytes.find('\n');
  while (at != std::string_view::npos && at + 1 < bytes.size()) {
    const std::size_t end = bytes.find('\n', at + 1);
    if (end == std::string_view::npos) break;            // cut: a value might be half a secret, or half of what it is
    std::string_view row = bytes.substr(at + 1, end - at - 1);
    at = end;
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty()) break;
    const std::size_t colon = row.find(':');
    if (colon == std::string_view::npos) continue;
    for (const std::string_view name : told) {
      if (!same_name(row.substr(0, colon), name)) continue;
      const std::string_view value = base::trim(row.substr(colon + 1));
      head.headers += (head.headers.empty() ? "" : "; ") + std::string(name) + ": " + std::string(value.substr(0, most_value));
    }
  }
  return head;
}

}  // namespace probe
