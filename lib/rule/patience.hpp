// How long nginx waits for the answer to a request, from its configuration as facts: the read timeout of the location that the request falls
// into, else of the levels above it, else nginx's default.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rule/check.hpp"

namespace rule {

struct Patience {
  double seconds = 60;                 // ngx_http_proxy_module: the default
  std::string text = "60s";            // as it is written
  FactId at = evidence::no_fact;       // the setting; no_fact: nowhere set
};

/// Of `uri` at the upstream `address` ("127.0.0.1:8000", "unix:/run/x"). nullopt without a configuration that leads there, and wherever more than
/// one value may be in force: a regular expression among the locations, levels between that were not told apart.
std::optional<Patience> patience_of(const Look& look, std::string_view address, std::string_view uri);

}  // namespace rule
