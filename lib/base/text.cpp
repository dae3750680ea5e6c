#include "base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace base {

namespace {

// The length of the UTF-8 sequence at `text` and its code point; 0 when the bytes are not valid UTF-8 (overlong and surrogates included).
std::size_t decode(std::string_view text, char32_t& point) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first >= 0xF0 && first <= 0xF4 ? 4 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xC2 && first < 0xE0 ? 2 : 0;
  if (length == 0 || text.size() < length) return 0;
  point = first & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3Fu);
  }
  if ((length == 3 && point < 0x800) || (length == 4 && point < 0x10000) || (point >= 0xD800 && point <= 0xDFFF) || point > 0x10FFFF) return 0;
  return length;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  out.reserve(std::min(text.size(), most) + 8);
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    std::string shown;
    std::size_t used = 1;
    char32_t point = 0;
    if (c >= 0x20 && c < 0x7F) shown = std::string(1, static_cast<char>(c));
    else if (c == '\n') shown = "\\n";
    else if (c == '\t') shown = "\\t";
    else if (c == '\r') shown = "\\r";
    else if (const std::size_t length = decode(text.substr(i), point); length > 0) {
      shown = fmt::format("\\u{{{:x}}}", static_cast<unsigned>(point));
      used = length;
    } else shown = fmt::format("\\x{:02x}", c);
    if (out.size() + shown.size() > most) {
      out.resize(std::min(out.size(), most > 3 ? most - 3 : 0));
      return out + "...";
    }
    out += shown;
    i += used;
  }
  return out;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  width = std::max<std::size_t>(width, 8);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    std::string_view word = text.substr(at, end - at);
    at = end < text.size() ? end + 1 : end;
    if (!line.empty() && line.size() + 1 + word.size() > width) { lines.push_back(std::move(line)); line.clear(); }
    while (word.size() > width) {
      lines.emplace_back(word.substr(0, width));
      word.remove_prefix(width);
    }
    if (word.empty()) continue;
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty() || lines.empty()) lines.push_back(std::move(line));
  return lines;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }
bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (std::size_t from = 0;;) {
    const std::size_t end = text.find(at, from);
    parts.push_back(text.substr(from, end == std::string_view::npos ? end : end - from));
    if (end == std::string_view::npos) return parts;
    from = end + 1;
  }
}

std::optional<std::int64_t> take_number(std::string_view& text) {
  std::size_t i = 0;
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) i = 1;
  const std::size_t from = i;
  std::int64_t value = 0;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    if (value > (INT64_MAX - 9) / 10) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  if (i == from) return std::nullopt;
  text.remove_prefix(i);
  return negative ? -value : value;
}

std::optional<std::int64_t> read_number(std::string_view text) {
  const auto value = take_number(text);
  return text.empty() ? value : std::nullopt;
}

std::optional<std::string_view> between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t start = text.find(before);
  if (start == std::string_view::npos) return std::nullopt;
  text.remove_prefix(start + before.size());
  if (after.empty()) return text;
  const std::size_t end = text.find(after);
  if (end == std::string_view::npos) return std::nullopt;
  return text.substr(0, end);
}

std::string bytes_text(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> units{"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < units.size()) { value /= 1024; ++unit; }
  const double rounded = static_cast<double>(static_cast<std::int64_t>(value * 10 + 0.5)) / 10;
  if (value >= 10 || rounded == static_cast<double>(static_cast<std::int64_t>(rounded))) return fmt::format("{:.0f} {}", value, units[unit]);
  return fmt::format("{:.1f} {}", rounded, units[unit]);
}

namespace {
// Linux x86 and arm numbers (include/uapi/asm-generic/signal.h); index = number.
constexpr std::array<const char*, 32> signals{"",     "HUP",  "INT",    "QUIT", "ILL",  "TRAP", "ABRT", "BUS",  "FPE",  "KILL",  "USR1",  "SEGV", "USR2",  "PIPE",  "ALRM", "TERM",
                                              "STKFLT", "CHLD", "CONT",   "STOP", "TSTP", "TTIN", "TTOU", "URG",  "XCPU", "XFSZ",  "VTALRM", "PROF", "WINCH", "IO",    "PWR",  "SYS"};
}  // namespace

std::string signal_text(int number) {
  if (number > 0 && number < static_cast<int>(signals.size())) return std::string("SIG") + signals[static_cast<std::size_t>(number)];
  return fmt::format("signal {}", number);
}

std::optional<int> signal_number(std::string_view name) {
  if (const auto number = read_number(name)) return *number > 0 && *number < 65 ? std::optional<int>(static_cast<int>(*number)) : std::nullopt;
  std::string upper(name.substr(0, 16));
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (starts_with(upper, "SIG")) upper.erase(0, 3);
  if (upper == "CLD") upper = "CHLD";
  for (std::size_t i = 1; i < signals.size(); ++i)
    if (upper == signals[i]) return static_cast<int>(i);
  return std::nullopt;
}

std::string counted(std::uint64_t count, std::string_view noun) { return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s"); }

}  // namespace base
