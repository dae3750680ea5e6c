// From the first bytes that came on a connection to what may be told of the request: its line, and headers that name it without being secrets.
#pragma once

#include <string>
#include <string_view>

namespace probe {

struct RequestHead {
  std::string line;        // "GET /report?user=...&page=... HTTP/1.1"; "" when these are no request's beginning
  std::string headers;     // "Host: shop.example; X-Request-Id: 7f3a"
};

/// HTTP, behind a PROXY header, too, and what nginx makes of it for uwsgi_pass and fastcgi_pass; of TLS only that it is. Values of the query are left
/// out, its names stay; of an absolute URL the user and password are left out. Nothing else of the head is kept. Of any bytes; those of a cut head are
/// taken as far as they go.
RequestHead read_request_head(std::string_view bytes);

}  // namespace probe
