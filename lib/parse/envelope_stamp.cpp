#include "parse/envelope_stamp.hpp"

#include <array>

#include "base/text.hpp"

namespace parse {

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

bool two(std::string_view text, std::size_t at, unsigned& value) {
  if (at + 2 > text.size() || !digit(text[at]) || !digit(text[at + 1])) return false;
  value = static_cast<unsigned>((text[at] - '0') * 10 + (text[at + 1] - '0'));
  return true;
}

bool clock_at(std::string_view text, std::size_t at, base::Civil& civil) {
  return two(text, at, civil.hour) && at + 8 <= text.size() && text[at + 2] == ':' && two(text, at + 3, civil.minute) && text[at + 5] == ':' && two(text, at + 6, civil.second) &&
         civil.hour < 24 && civil.minute < 60 && civil.second < 61;
}

// ".123456" at `at`: the nanoseconds and how fine they are told. Whole seconds are taken in their middle.
std::int64_t fraction_at(std::string_view text, std::size_t& at, std::int64_t& give, int* digits) {
  if (digits) *digits = 0;
  give = base::second_ns / 2;
  if (at + 1 >= text.size() || (text[at] != '.' && text[at] != ',') || !digit(text[at + 1])) return base::second_ns / 2;
  std::int64_t unit = base::second_ns, ns = 0;
  int shown = 0;
  for (++at; at < text.size() && digit(text[at]) && shown < 18; ++at, ++shown) {
    unit /= 10;
    ns += (text[at] - '0') * unit;
  }
  if (digits) *digits = shown;
  give = unit / 2;
  return ns;
}

}  // namespace

unsigned month_number(std::string_view text) {
  static constexpr std::array<std::string_view, 12> names{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (unsigned i = 0; i < names.size(); ++i)
    if (text == names[i]) return i + 1;
  return 0;
}

std::optional<base::Instant> take_iso(std::string_view& text, int* digits) {
  if (text.size() < 19 || !digit(text[0]) || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ')) return std::nullopt;
  base::Civil civil;
  unsigned high = 0, low = 0;
  if (!two(text, 0, high) || !two(text, 2, low) || !two(text, 5, civil.month) || !two(text, 8, civil.day) || !clock_at(text, 11, civil)) return std::nullopt;
  if (civil.month < 1 || civil.month > 12 || civil.day < 1 || civil.day > 31) return std::nullopt;
  civil.year = static_cast<int>(high * 100 + low);
  std::size_t at = 19;
  base::Instant when;
  civil.ns = fraction_at(text, at, when.give, digits);
  when.clock = base::Clock::naive;
  std::size_t zone = at;
  if (zone + 5 < text.size() && text[zone] == ' ' && (text[zone + 1] == '+' || text[zone + 1] == '-')) ++zone;  // "%Y-%m-%d %H:%M:%S %z"
  std::int64_t offset = 0;
  if (zone < text.size() && text[zone] == 'Z') {
    when.clock = base::Clock::wall;
    at = zone + 1;
  } else if (zone < text.size() && (text[zone] == '+' || text[zone] == '-')) {
    unsigned hours = 0, minutes = 0;
    std::size_t end = zone + 3;
    const bool colon = end < text.size() && text[end] == ':';
    if (two(text, zone + 1, hours) && two(text, end + (colon ? 1 : 0), minutes) && hours < 24 && minutes < 60) {
      end += colon ? 3 : 2;
      offset = (text[zone] == '-' ? -1 : 1) * static_cast<std::int64_t>(hours * 60 + minutes) * 60 * base::second_ns;
      when.clock = base::Clock::wall;
      at = end;
    } else if (zone == at) {
      return std::nullopt;
    }
  }
  if (at < text.size() && text[at] != ' ' && text[at] != ']') return std::nullopt;
  when.at = base::ns_from(civil) - offset;
  text.remove_prefix(at);
  return when;
}

std::optional<base::Instant> take_month_day(std::string_view& text, std::int64_t about_ns) {
  if (text.size() < 15 || text[3] != ' ' || text[6] != ' ') return std::nullopt;
  base::Civil civil;
  civil.month = month_number(text.substr(0, 3));
  if (civil.month == 0) return std::nullopt;
  if (text[4] == ' ' && digit(text[5])) civil.day = static_cast<unsigned>(text[5] - '0');
  else if (!two(text, 4, civil.day)) return std::nullopt;
  if (civil.day < 1 || civil.day > 31 || !clock_at(text, 7, civil)) return std::nullopt;
  std::size_t at = 15;
  base::Instant when{base::Clock::naive, 0, 0};
  civil.ns = fraction_at(text, at, when.give, nullptr);
  if (at < text.size() && text[at] != ' ') return std::nullopt;
  civil.year = base::civil_from(about_ns).year;
  when.at = base::ns_from(civil);
  if (when.at > about_ns + 86400 * base::second_ns) {
    --civil.year;
    when.at = base::ns_from(civil);
  }
  text.remove_prefix(at);
  return when;
}

std::optional<base::Instant> take_ctime(std::string_view& text) {
  if (text.size() < 24 || text[3] != ' ' || text[7] != ' ' || text[10] != ' ' || text[19] != ' ') return std::nullopt;
  base::Civil civil;
  unsigned high = 0, low = 0;
  civil.month = month_number(text.substr(4, 3));
  if (text[8] == ' ' && digit(text[9])) civil.day = static_cast<unsigned>(text[9] - '0');
  else if (!two(text, 8, civil.day)) return std::nullopt;
  if (civil.month == 0 || civil.day < 1 || civil.day > 31 || !clock_at(text, 11, civil) || !two(text, 20, high) || !two(text, 22, low)) return std::nullopt;
  civil.year = static_cast<int>(high * 100 + low);
  civil.ns = base::second_ns / 2;
  text.remove_prefix(24);
  return base::Instant{base::Clock::naive, base::ns_from(civil), base::second_ns / 2};
}

std::optional<base::Instant> take_uptime(std::string_view& text) {
  std::string_view rest = text;
  while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  if (rest.empty() || !digit(rest[0])) return std::nullopt;
  const auto seconds = base::take_number(rest);
  if (!seconds || *seconds > 4'000'000'000 || rest.size() < 2 || rest[0] != '.' || !digit(rest[1])) return std::nullopt;
  std::size_t at = 0;
  base::Instant when{base::Clock::boot, 0, 0};
  const std::int64_t ns = fraction_at(rest, at, when.give, nullptr);
  when.at = *seconds * base::second_ns + ns;
  rest.remove_prefix(at);
  text = rest;
  return when;
}

std::optional<base::Instant> read_epoch(std::string_view text) {
  const auto whole = base::take_number(text);
  if (!whole || *whole < 100'000'000) return std::nullopt;
  std::int64_t unit = base::second_ns;
  for (std::int64_t most = *whole / 100'000'000'000; unit > 1 && most > 0; most /= 1000) unit /= 1000;
  if (*whole > INT64_MAX / unit - 1) return std::nullopt;
  base::Instant when{base::Clock::wall, *whole * unit, unit / 2};
  if (text.empty()) {
    if (unit == base::second_ns) when.at += unit / 2;
    return when;
  }
  std::size_t at = 0;
  std::int64_t give = 0;
  const std::int64_t part = fraction_at(text, at, give, nullptr);
  if (at != text.size() || at == 0) return std::nullopt;
  when.at += part / (base::second_ns / unit);
  when.give = give / (base::second_ns / unit);
  return when;
}

}  // namespace parse
