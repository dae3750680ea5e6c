// Moments with the clock they were read from and the give of the reading. Two instants of different clocks are never compared;
// model/timeline estimates the offset between clocks from joined pairs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace base {

enum class Clock : std::uint8_t {
  wall,   // UTC
  naive,  // wall time printed without a zone: at some unknown offset, whole quarters of an hour, from UTC
  boot,   // seconds since boot as the kernel log prints them (local_clock: stands still in suspend)
};

constexpr std::int64_t second_ns = 1'000'000'000;

struct Instant {
  Clock clock = Clock::wall;
  std::int64_t at = 0;    // nanoseconds since 1970 (wall, naive) or since boot
  std::int64_t give = 0;  // +- nanoseconds: 500 ms for a log that prints whole seconds (at is then the middle of that second)

  friend bool operator==(const Instant&, const Instant&) = default;
};

/// Days since 1970-01-01 of a Gregorian date; any year, months 1-12.
std::int64_t days_from_civil(int year, unsigned month, unsigned day);

struct Civil { int year = 1970; unsigned month = 1, day = 1, hour = 0, minute = 0, second = 0; std::int64_t ns = 0; };
Civil civil_from(std::int64_t ns_since_1970);
/// Held at the first second of first_year or last_year outside of them.
constexpr int first_year = 1680, last_year = 2260;
std::int64_t ns_from(const Civil& civil);

/// "2026-11-22T10:30:58.723Z"; naive without the Z; boot as "+123.456789".
std::string iso(const Instant& when);
/// "10:30:58" for screens; boot as "[  123.456]".
std::string clock_text(const Instant& when);
/// "30 s", "2.5 s", "250 ms", "3 min 20 s", "2 h 5 min": for people.
std::string duration_text(std::int64_t ns);

/// ISO 8601 with T or blank, optional fraction, optional Z or +hh[:]mm; nullopt when it is not one or lies
/// outside first_year..last_year. The whole text must match.
std::optional<Instant> read_iso(std::string_view text);

}  // namespace base
