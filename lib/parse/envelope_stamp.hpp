// The time stamps that stand in front of log lines.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/instant.hpp"

namespace parse {

/// Takes "2026-11-22T10:31:07.123456789Z" (also with a blank for the T, a comma, +hh:mm, +hhmm, or a blank before the zone) from the front
/// of text; what follows must be a blank, ']' or the end, which stays. `digits` is set to the number of digits of the fraction.
std::optional<base::Instant> take_iso(std::string_view& text, int* digits = nullptr);

/// Takes "Sun 2026-11-22 10:31:07.123456 UTC", as journalctl -o short-full prints it; naive where the zone's name does not tell its distance.
std::optional<base::Instant> take_weekday_iso(std::string_view& text);

/// Takes "Nov 22 10:31:07" or "Nov  2 10:31:07.123456", naive. The year is the latest in which the date is not more than a day after
/// `about_ns`.
std::optional<base::Instant> take_month_day(std::string_view& text, std::int64_t about_ns);

/// Takes "Sun Nov 22 10:31:08 2026", naive.
std::optional<base::Instant> take_ctime(std::string_view& text);

/// Takes "1442.742760" with leading blanks allowed: seconds since boot.
std::optional<base::Instant> take_uptime(std::string_view& text);

/// The number of a month's English abbreviation, 1-12; 0 when it is none.
unsigned month_number(std::string_view text);

/// "1763807467.123" or "1763807467123": seconds, milliseconds, microseconds or nanoseconds since 1970 by their size.
std::optional<base::Instant> read_epoch(std::string_view text);

}  // namespace parse
