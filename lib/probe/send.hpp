// One HTTP request, and the time it takes: what `--send` allows. Plain sockets, no redirect is followed, the body is not read.
#pragma once

#include <string>

#include "base/result.hpp"
#include "parse/nginx/route.hpp"

namespace probe {

struct Answer { int status = 0; double seconds = 0; };

/// GET with "Connection: close" and a user agent that names us, waiting at most `patience_s`. Error: refused, no answer in time, no HTTP, TLS.
base::Result<Answer> send_request(const parse::nginx::Request& request, double patience_s = 65);

}  // namespace probe
