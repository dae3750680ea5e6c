// What is known of each kind of server: how to recognise it, its settings' defaults by version, what its lines would have said. Facts here
// carry their source (server version, file:line).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flavour {

/// A setting's default, from one version on.
struct Default { std::string_view name, value, unit, since, until; };  // since/until: "" = open; until is exclusive

/// How an end of a worker is worded at a log level, so that absence can be reasoned from.
enum class Ending : std::uint8_t { signal_kill, signal_term, signal_other, exit_zero, exit_nonzero, timeout_abort };

struct Flavour {
  std::string_view name;                                 // "gunicorn"
  /// "20.0" "20.1" "21" "22" "24" from "23.0.0"; "" when unknown.
  std::string (*family)(std::string_view version);
  /// Would this version at this log level (debug info warning error critical) have logged such an end? nullopt = a race, or not known.
  std::optional<bool> (*would_log)(std::string_view family, std::string_view log_level, Ending ending);
  /// Does a sync timeout end by the worker's own exit (false: it stays silent)? Exit code it then has.
  std::optional<int> (*timeout_exit_code)(std::string_view family);
  std::span<const Default> defaults;
  /// Is this command line one of this server's?
  bool (*recognise)(std::string_view args);
};

std::span<const Flavour* const> flavours();              // made by table(): every file in flavours/
const Flavour* flavour(std::string_view name);

}  // namespace flavour
