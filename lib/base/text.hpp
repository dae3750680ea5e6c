// Text on its way to a terminal, and the small scanning that every bounded parser needs. What comes from outside is never printed raw.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace base {

/// ASCII only: control characters, escape sequences, bidirectional marks and every other non-ASCII or invalid byte become \xNN
/// (valid UTF-8 becomes \u{N}); newline \n, tab \t. Cut to `most` columns with "..." when longer.
std::string printable(std::string_view text, std::size_t most = 4096);

/// Breaks text into lines of at most `width` columns at blanks; words longer than a line are split.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

std::string_view trim(std::string_view text);
bool starts_with(std::string_view text, std::string_view start);
bool contains(std::string_view text, std::string_view part);
std::vector<std::string_view> split(std::string_view text, char at);

/// A decimal number that is the whole text; nullopt on anything else or on overflow.
std::optional<std::int64_t> read_number(std::string_view text);
/// The number at the front of `text`, which is shortened by it; nullopt (and text unchanged) when there is none.
std::optional<std::int64_t> take_number(std::string_view& text);
/// What stands between `before` and `after` in text (after may be empty: to the end); nullopt when either is missing.
std::optional<std::string_view> between(std::string_view text, std::string_view before, std::string_view after);

/// "191 MiB", "512 B", "1.5 GiB".
std::string bytes_text(std::uint64_t bytes);
/// The name of a signal number: 9 -> "SIGKILL"; unknown numbers as "signal N".
std::string signal_text(int number);
/// "SIGKILL", "KILL", "kill" or "9" -> 9; nullopt when it names none.
std::optional<int> signal_number(std::string_view name);
/// "1 worker", "3 workers".
std::string counted(std::uint64_t count, std::string_view noun);

}  // namespace base
