#include "base/instant.hpp"

#include <fmt/format.h>

#include <cmath>

namespace base {

// Howard Hinnant's public-domain algorithm "days_from_civil", written from its description: eras of 400 years, years from March.
std::int64_t days_from_civil(int year, unsigned month, unsigned day) {
  const std::int64_t y = static_cast<std::int64_t>(year) - (month <= 2 ? 1 : 0);
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t of_era = y - era * 400;
  const std::int64_t of_year = (153 * static_cast<std::int64_t>(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

Civil civil_from(std::int64_t ns) {
  std::int64_t seconds = ns / second_ns, rest = ns % second_ns;
  if (rest < 0) { rest += second_ns; --seconds; }
  std::int64_t days = seconds / 86400, of_day = seconds % 86400;
  if (of_day < 0) { of_day += 86400; --days; }
  const std::int64_t z = days + 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const std::int64_t of_era = z - era * 146097;
  const std::int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * of_year + 2) / 153;
  Civil civil;
  civil.day = static_cast<unsigned>(of_year - (153 * shifted + 2) / 5 + 1);
  civil.month = static_cast<unsigned>(shifted < 10 ? shifted + 3 : shifted - 9);
  civil.year = static_cast<int>(year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0));
  civil.hour = static_cast<unsigned>(of_day / 3600);
  civil.minute = static_cast<unsigned>(of_day / 60 % 60);
  civil.second = static_cast<unsigned>(of_day % 60);
  civil.ns = rest;
  return civil;
}

// first_year and last_year are where 64 bits of nanoseconds end. Nothing that we read is that far away (docker writes 0001-01-01 for
// "never"), and a difference of two times has to fit as well: what lies outside of 1830 to 2110 is held at that edge, not wrapped.
constexpr int reach_begin = 1830, reach_end = 2110;
static_assert(first_year < reach_begin && reach_end < last_year);

std::int64_t ns_from(const Civil& c) {
  if (c.year < reach_begin) return ns_from({reach_begin});
  if (c.year > reach_end) return ns_from({reach_end});
  return ((days_from_civil(c.year, c.month, c.day) * 24 + c.hour) * 60 + c.minute) * 60 * second_ns + c.second * second_ns + c.ns;
}

std::string iso(const Instant& when) {
  if (when.clock == Clock::boot) return fmt::format("+{}.{:06}", when.at / second_ns, when.at % second_ns / 1000);
  // A log that prints whole seconds is shown as it printed them, not as the middle of the second that `at` stands for.
  const bool whole = when.give >= second_ns / 2;
  const Civil c = civil_from(whole ? when.at - when.give : when.at);
  const std::string fraction = whole ? "" : fmt::format(".{:03}", c.ns / 1'000'000);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{}", c.year, c.month, c.day, c.hour, c.minute, c.second, fraction, when.clock == Clock::wall ? "Z" : "");
}

std::string clock_text(const Instant& when) {
  if (when.clock == Clock::boot) return fmt::format("[{}.{:03}]", when.at / second_ns, when.at % second_ns / 1'000'000);
  const Civil c = civil_from(when.give >= second_ns / 2 ? when.at - when.give : when.at);
  return fmt::format("{:02}:{:02}:{:02}", c.hour, c.minute, c.second);
}

std::string duration_text(std::int64_t ns) {
  if (ns < 0) return "-" + duration_text(-ns);
  if (ns < second_ns) return fmt::format("{} ms", (ns + 500'000) / 1'000'000);
  const double seconds = static_cast<double>(ns) / 1e9;
  if (seconds < 60) {
    const double tenth = std::round(seconds * 10) / 10;
    return tenth == std::floor(tenth) ? fmt::format("{:.0f} s", tenth) : fmt::format("{:.1f} s", tenth);
  }
  const std::int64_t whole = ns / second_ns;
  if (whole < 3600) return whole % 60 ? fmt::format("{} min {} s", whole / 60, whole % 60) : fmt::format("{} min", whole / 60);
  if (whole < 86400) return whole % 3600 / 60 ? fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60) : fmt::format("{} h", whole / 3600);
  return fmt::format("{} d {} h", whole / 86400, whole % 86400 / 3600);
}

namespace {

bool digits(std::string_view text, std::size_t at, std::size_t count, std::int64_t& value) {
  if (at + count > text.size()) return false;
  value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  return true;
}

}  // namespace

std::optional<Instant> read_iso(std::string_view text) {
  std::int64_t year, month, day, hour, minute, second;
  if (text.size() < 19 || !digits(text, 0, 4, year) || text[4] != '-' || !digits(text, 5, 2, month) || text[7] != '-' || !digits(text, 8, 2, day)) return std::nullopt;
  if ((text[10] != 'T' && text[10] != ' ') || !digits(text, 11, 2, hour) || text[13] != ':' || !digits(text, 14, 2, minute) || text[16] != ':' || !digits(text, 17, 2, second)) return std::nullopt;
  if (year < reach_begin || year > reach_end || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  std::size_t at = 19;
  std::int64_t fraction = 0, give = second_ns / 2;
  if (at < text.size() && (text[at] == '.' || text[at] == ',')) {
    std::int64_t unit = second_ns;
    std::size_t shown = 0;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++shown) {
      unit /= 10;
      fraction += (text[at] - '0') * unit;
    }
    if (shown == 0) return std::nullopt;
    give = unit > 0 ? unit / 2 : 0;
  } else {
    fraction = second_ns / 2;
  }
  Clock clock = Clock::naive;
  std::int64_t offset = 0;
  if (at < text.size() && text[at] == ' ') ++at;
  if (at < text.size() && text[at] == 'Z') {
    clock = Clock::wall;
    ++at;
  } else if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
    const std::int64_t sign = text[at] == '-' ? -1 : 1;
    std::int64_t hours, minutes = 0;
    if (!digits(text, at + 1, 2, hours)) return std::nullopt;
    at += 3;
    if (at < text.size() && text[at] == ':') ++at;
    if (at < text.size()) {
      if (!digits(text, at, 2, minutes)) return std::nullopt;
      at += 2;
    }
    offset = sign * (hours * 60 + minutes) * 60 * second_ns;
    clock = Clock::wall;
  }
  if (at != text.size()) return std::nullopt;
  Civil civil{static_cast<int>(year), static_cast<unsigned>(month), static_cast<unsigned>(day), static_cast<unsigned>(hour), static_cast<unsigned>(minute), static_cast<unsigned>(second), fraction};
  return Instant{clock, ns_from(civil) - offset, give};
}

}  // namespace base
