#include "report/escape.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace report {

namespace {

// The length of a well-formed UTF-8 sequence at `text`, by the table of Unicode 15 section 3.9; 0 when there is none.
std::size_t sequence(std::string_view text, char32_t& point) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  point = first;
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 && first <= 0xF4 ? 4 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xC2 && first < 0xE0 ? 2 : 0;
  if (length == 0 || text.size() < length) return 0;
  point = first & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3Fu);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  return overlong || surrogate || point > 0x10FFFF ? 0 : length;
}

// Characters that act instead of being seen: controls, bidirectional marks and isolates, line separators, zero-width ones, noncharacters.
bool acts(char32_t p) {
  return p < 0x20 || (p >= 0x7F && p < 0xA0) || p == 0xAD || p == 0x61C || (p >= 0x200B && p <= 0x200F) || (p >= 0x2028 && p <= 0x202E) || (p >= 0x2060 && p <= 0x206F) ||
         p == 0xFEFF || (p >= 0xFFF0 && p <= 0xFFFB) || (p & 0xFFFE) == 0xFFFE || (p >= 0xE0000 && p <= 0xE007F);
}

std::string entities(std::string_view raw, std::string_view apostrophe) {
  std::string out;
  for (const char c : base::printable(raw)) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else if (c == '\'') out += apostrophe;
    else out += c;
  }
  return out;
}

std::string percent(std::string_view raw, std::string_view banned) {
  std::string out;
  for (const char c : utf8(raw)) {
    if (banned.find(c) != std::string_view::npos) out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else out += c;
  }
  return out;
}

}  // namespace

std::string utf8(std::string_view raw, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < raw.size();) {
    char32_t point = 0;
    const std::size_t length = sequence(raw.substr(i), point);
    std::string shown;
    if (length == 0) shown = fmt::format("\\x{:02x}", static_cast<unsigned char>(raw[i]));
    else if (point == '\n') shown = "\\n";
    else if (point == '\r') shown = "\\r";
    else if (point == '\t') shown = "\\t";
    else if (acts(point)) shown = point < 0x80 ? fmt::format("\\x{:02x}", static_cast<unsigned>(point)) : fmt::format("\\u{{{:x}}}", static_cast<unsigned>(point));
    else shown = raw.substr(i, length);
    if (out.size() + shown.size() + 3 > most && i + std::max<std::size_t>(length, 1) < raw.size()) return out + "...";
    out += shown;
    i += std::max<std::size_t>(length, 1);
  }
  return out;
}

std::string html(std::string_view raw) { return entities(raw, "&#39;"); }
std::string xml(std::string_view raw) { return entities(raw, "&apos;"); }

// What begins a block only at the front of a line (#, -, 1.) is left alone but for #, which GitHub also reads as an issue: the writer never
// lets outside text begin a line. An underscore inside a word is no mark.
std::string markdown(std::string_view raw) {
  static constexpr std::string_view marks = "\\`*[]#|~$";
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  const std::string shown = base::printable(raw);
  std::string out;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const char c = shown[i];
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else if (c == '@') out += "&#64;";  // no one is called by a log line
    else {
      const bool inside = c == '_' && i > 0 && i + 1 < shown.size() && letter(shown[i - 1]) && letter(shown[i + 1]);
      if (marks.find(c) != std::string_view::npos || (c == '_' && !inside)) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string github_text(std::string_view raw) { return percent(raw, "%\r\n"); }
std::string github_property(std::string_view raw) { return percent(raw, "%\r\n:,"); }

std::string uri(std::string_view path) {
  std::string out = base::starts_with(path, "/") ? "file://" : "";
  for (const char c : path.substr(0, text_limit)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' || c == '/';
    if (plain) out += c;
    else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace report
