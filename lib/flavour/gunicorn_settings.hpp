// gunicorn's settings: their names, command-line options and defaults by version, as one table. Read by the flavour (defaults), by the argv
// grammar (options) and by the reader of configuration files (names).
#pragma once

#include <compare>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flavour/flavour.hpp"

namespace flavour {

/// What an option takes on the command line: gunicorn hands `action`, `nargs` and `const` to argparse.
enum class Takes : std::uint8_t {
  nothing,     // no option: settable in a file only
  one,         // a value
  many,        // a value, and each repetition adds one
  flag_true,   // sets True
  flag_false,  // sets False
  maybe,       // a value or none (nargs="?")
  hook,        // a function of the configuration file
};

struct GunicornSetting {
  std::string_view name;
  std::string_view options;  // separated by blanks
  std::string_view value;    // the default; lists without brackets, "" = empty
  std::string_view unit;     // "s", "bytes", ""
  Takes takes;
  std::string_view since, until;  // "" = open; until is exclusive
};

/// A name whose default or option changed has a row for each range of versions.
std::span<const GunicornSetting> gunicorn_settings_table();
std::span<const Default> gunicorn_defaults();
/// Every version's names: true for "workers", false for "WORKERS".
bool gunicorn_knows(std::string_view name);
/// Its unit, "" when it has none.
std::string_view gunicorn_unit(std::string_view name);

/// The numbers of "23.0.0", "20.1.0+ds-1", "v22"; missing ones are 0. major is -1 when it begins with no number.
struct Version {
  int major = -1, minor = 0, patch = 0;
  bool known() const { return major >= 0; }
  friend auto operator<=>(const Version&, const Version&) = default;
};
Version read_version(std::string_view text);

/// Whether a row of the table holds for a version; every row holds for an unknown one.
bool holds_for(std::string_view since, std::string_view until, const Version& version);

}  // namespace flavour
