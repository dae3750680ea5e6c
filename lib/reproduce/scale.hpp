// Times of a scenario are those of the incident; --scale divides them. What cannot be divided has a floor: gunicorn's settings are whole seconds and
// its arbiter looks once a second.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reproduce {

struct Scale {
  double by = 1;
  double seconds(double value) const { return value / by; }
  /// For settings that are whole seconds; 0 (never) stays 0. At least 1, and 2 for a worker's timeout: below it a healthy worker on a busy machine is killed.
  int whole(std::string_view setting, double value) const;
};

/// "30s", "1.5s", "250ms", "2min" or a bare number of seconds.
std::optional<double> read_seconds(std::string_view text);
/// "512MiB", "64KiB", "1GiB" or a bare number of bytes.
std::optional<double> read_bytes(std::string_view text);
/// 3 -> "3", 0.75 -> "0.75": at most three digits behind the point.
std::string number_text(double value);

/// Places in texts: {30s} becomes the scaled seconds as a number, {30s!} whole ones, {30s~} milliseconds with
/// their unit ("30000ms"), {name} the value of that name. Everything else, and every brace
/// of a program's own, stays.
struct Named { std::string name, value; };
std::string filled(std::string_view text, const Scale& scale, const std::vector<Named>& names);

}  // namespace reproduce
