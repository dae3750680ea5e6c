// Which way a request takes through a configuration: the server block by address and name, the location by nginx's own order of precedence,
// and where that sends it (ngx_http_core_module.c:ngx_http_core_find_location, ngx_http.c:ngx_http_add_addresses@1.31.4). What only a running
// request decides (variables, if, rewrite) is said, not guessed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "parse/nginx/tree.hpp"

namespace parse::nginx {

struct Request {
  bool tls = false;
  std::string host;             // as the client names it, without a port
  std::string address;          // a numeric one when the host is one, else ""
  std::uint16_t port = 80;
  std::string path = "/";       // without the query
};

/// "http://127.0.0.1:8080/report?x=1". Error for anything that is no http or https URL.
base::Result<Request> read_url(std::string_view url);

struct Route {
  const Node* server = nullptr;        // null: no server block takes this address
  const Node* location = nullptr;      // null: the server block itself
  const Node* pass = nullptr;          // proxy_pass, uwsgi_pass...; null: nginx answers by itself
  std::string upstream;                // the name of its upstream block, "" for a direct address
  std::vector<std::string> peers;      // "unix:/run/app.sock", "127.0.0.1:8000"; backups and those that are down are left out
  std::vector<std::string> notes;      // what may send it elsewhere: "rewrite at /etc/nginx/a.conf:7:5"
};

Route route_of(const Tree& tree, const Request& request);

/// The address behind a pass or a server line: "http://app/x" -> "app", "http://unix:/run/x.sock:/y" -> "unix:/run/x.sock".
std::string address_of(std::string_view target);

}  // namespace parse::nginx
