// The form that all files of systemd have (man systemd.syntax): sections, keys, values, with their places. Any key of any section is kept, in
// the order of the file; specifiers (%i) and variables stay as they are written; nothing is judged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parse {

struct UnitEntry {
  std::string_view section, key;   // "Service", "ExecStart"; section empty before the first one
  std::string value;               // continued lines joined by one blank; empty where the key takes back what stood before
  std::uint32_t line = 0, column = 0;          // of the key
  std::uint32_t value_column = 0;              // of the value's first character on that line; 0 where the value begins on a later line, or is empty
  std::uint64_t offset = 0;                    // of the key in the file
  std::string_view source;         // its first line, without blanks at its ends
};

/// A line that is neither a section, a comment nor KEY=VALUE: systemd ignores it with a warning.
struct UnitStray { std::uint32_t line = 0, column = 0; std::string_view text; };

/// At most 10,000 entries, each of at most 64 KiB. Views are into `text`. `strays` may be null.
std::vector<UnitEntry> unit_entries(std::string_view text, std::vector<UnitStray>* strays = nullptr);

/// "web.service" of "/etc/systemd/system/web.service" and of "/etc/systemd/system/web.service.d/limits.conf"; "" for any other path.
std::string_view unit_of_path(std::string_view path);

/// A command without the characters in front that change how it is run, not what: @ - : + ! |
std::string_view unit_command(std::string_view value);

}  // namespace parse
