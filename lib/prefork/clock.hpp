// Clocks, and dates that may be written in a signal handler: localtime takes locks, so the zone's offset is asked once and the rest is arithmetic.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

namespace prefork {

inline std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}
inline double monotonic() { return static_cast<double>(monotonic_ns()) / 1e9; }
inline std::int64_t wall_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

/// Of the local zone now, in seconds east.
int zone_offset();

/// Each writes into `room` without a NUL and returns the length; none allocates or locks.
std::size_t write_log_time(char* room, std::int64_t wall, int offset);      // [2026-11-22 10:30:59 +0000], 27 bytes
std::size_t write_access_time(char* room, std::int64_t wall, int offset);   // [22/Nov/2026:10:30:59 +0000], 28 bytes
std::size_t write_http_date(char* room, std::int64_t wall);                 // Sun, 22 Nov 2026 10:30:59 GMT, 29 bytes
std::size_t write_number(char* room, std::uint64_t value);

}  // namespace prefork
