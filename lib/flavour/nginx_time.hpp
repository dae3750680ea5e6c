// What nginx makes of a time in its configuration.
#pragma once

#include <optional>
#include <string_view>

namespace flavour {

/// Seconds of "60", "60s", "1m30s", "1h 30m", "500ms" (ngx_parse_time.c@1.31.4): units from the largest down, each once; no decimals.
/// nullopt for what nginx refuses, and for variables.
std::optional<double> nginx_seconds(std::string_view text);

}  // namespace flavour
