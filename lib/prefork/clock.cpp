#include "prefork/clock.hpp"

#include <cstring>

#include "base/instant.hpp"

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
  void clock(const base::Civil& date) {
    two(static_cast<int>(date.hour));
    put(':');
    two(static_cast<int>(date.minute));
    put(':');
    two(static_cast<int>(date.second));
  }
  void zone(int offset) {
    put(offset < 0 ? '-' : '+');
    const int minutes = (offset < 0 ? -offset : offset) / 60;
    two(minutes / 60);
    two(minutes % 60);
  }
};

// 0 is Sunday; the first of January 1970 was a Thursday.
std::int64_t weekday_of(std::int64_t wall) {
  const std::int64_t days = wall / 86'400 - (wall % 86'400 < 0 ? 1 : 0);
  return ((days + 4) % 7 + 7) % 7;
}

}  // namespace

int zone_offset() {
  const std::time_t now = ::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return static_cast<int>(local.tm_gmtoff);
}

std::size_t write_log_time(char* room, std::int64_t wall, int offset) {
  const base::Civil date = base::civil_from((wall + offset) * base::second_ns);
  Out out{room};
  out.put('[');
  out.four(date.year);
  out.put('-');
  out.two(static_cast<int>(date.month));
  out.put('-');
  out.two(static_cast<int>(date.day));
  out.put(' ');
  out.clock(date);
  out.put(' ');
  out.zone(offset);
  out.put(']');
  return static_cast<std::size_t>(out.at - room);
}

std::size_t write_access_time(char* room, std::int64_t wall, int offset) {
  const base::Civil date = base::civil_from((wall + offset) * base::second_ns);
  Out out{room};
  out.put('[');
  out.two(static_cast<int>(date.day));
  out.put('/');
  out.put(months + 3 * (date.month - 1), 3);
  out.put('/');
  out.four(date.year);
  out.put(':');
  out.clock(date);
  out.put(' ');
  out.zone(offset);
  out.put(']');
  return static_cast<std::size_t>(out.at - room);
}

std::size_t write_http_date(char* room, std::int64_t wall) {
  const base::Civil date = base::civil_from(wall * base::second_ns);
  Out out{room};
  out.put(weekdays + 3 * weekday_of(wall), 3);
  out.put(", ", 2);
  out.two(static_cast<int>(date.day));
  out.put(' ');
  out.put(months + 3 * (date.month - 1), 3);
  out.put(' ');
  out.four(date.year);
  out.put(' ');
  out.clock(date);
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
