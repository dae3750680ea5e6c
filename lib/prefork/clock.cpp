#include "prefork/clock.hpp"

#include <cstring>

namespace prefork {
namespace {

constexpr char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr char weekdays[] = "SunMonTueWedThuFriSat";

struct Out {
  char* at;
  void put(const char* text, std::size_t size) { std::memcpy(at, text, size); at += size; }
  void put(char c) { *at++ = c; }
  void two(int value) { put(static_cast<char>('0' + value / 10 % 10)); put(static_cast<char>('0' + value % 10)); }
  void four(int value) { two(value / 100); two(value % 100); }
  void zone(int offset) {
    put(offset < 0 ? '-' : '+');
    const int minutes = (offset < 0 ? -offset : offset) / 60;
    two(minutes / 60);
    two(minutes % 60);
  }
};

}  // namespace

// Days to a date by eras of 400 years, March first, so that the leap day comes last (the usual arithmetic; checked against gmtime in the tests).
Civil civil_of(std::int64_t seconds) {
  std::int64_t days = seconds / 86'400, rest = seconds % 86'400;
  if (rest < 0) rest += 86'400, --days;
  Civil out;
  out.hour = static_cast<int>(rest / 3600);
  out.minute = static_cast<int>(rest / 60 % 60);
  out.second = static_cast<int>(rest % 60);
  out.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  days += 719'468;
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const std::int64_t of_era = days - era * 146'097;
  const std::int64_t year = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const std::int64_t month = (5 * of_year + 2) / 153;
  out.day = static_cast<int>(of_year - (153 * month + 2) / 5 + 1);
  out.month = static_cast<int>(month < 10 ? month + 3 : month - 9);
  out.year = static_cast<int>(year + era * 400 + (out.month <= 2 ? 1 : 0));
  return out;
}

int zone_offset() {
  const std::time_t now = ::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return static_cast<int>(local.tm_gmtoff);
}

std::size_t write_log_time(char* room, std::int64_t wall, int offset) {
  const Civil date = civil_of(wall + offset);
  Out out{room};
  out.put('[');
  out.four(date.year);
  out.put('-');
  out.two(date.month);
  out.put('-');
  out.two(date.day);
  out.put(' ');
  out.two(date.hour);
  out.put(':');
  out.two(date.minute);
  out.put(':');
  out.two(date.second);
  out.put(' ');
  out.zone(offset);
  out.put(']');
  return static_cast<std::size_t>(out.at - room);
}

std::size_t write_access_time(char* room, std::int64_t wall, int offset) {
  const Civil date = civil_of(wall + offset);
  Out out{room};
  out.put('[');
  out.two(date.day);
  out.put('/');
  out.put(months + 3 * (date.month - 1), 3);
  out.put('/');
  out.four(date.year);
  out.put(':');
  out.two(date.hour);
  out.put(':');
  out.two(date.minute);
  out.put(':');
  out.two(date.second);
  out.put(' ');
  out.zone(offset);
  out.put(']');
  return static_cast<std::size_t>(out.at - room);
}

std::size_t write_http_date(char* room, std::int64_t wall) {
  const Civil date = civil_of(wall);
  Out out{room};
  out.put(weekdays + 3 * date.weekday, 3);
  out.put(", ", 2);
  out.two(date.day);
  out.put(' ');
  out.put(months + 3 * (date.month - 1), 3);
  out.put(' ');
  out.four(date.year);
  out.put(' ');
  out.two(date.hour);
  out.put(':');
  out.two(date.minute);
  out.put(':');
  out.two(date.second);
  out.put(" GMT", 4);
  return static_cast<std::size_t>(out.at - room);
}

std::size_t write_number(char* room, std::uint64_t value) {
  char digits[20];
  std::size_t count = 0;
  do digits[count++] = static_cast<char>('0' + value % 10); while (value /= 10);
  for (std::size_t i = 0; i < count; ++i) room[i] = digits[count - 1 - i];
  return count;
}

}  // namespace prefork
