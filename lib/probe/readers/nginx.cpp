// nginx's stub_status: answered by its event loop, so nobody is kept; where its location leaves rows in the access log it is asked only with --send.
// src/http/modules/ngx_http_stub_status_module.c; the answer measured with 1.22.1.
#include "base/text.hpp"
#include "parse/nginx/tree.hpp"
#include "probe/nginx_files.hpp"
#include "probe/status.hpp"

namespace probe {

namespace {

using parse::nginx::child, parse::nginx::Node;

bool quiet(const Node& node, bool before) {
  const Node* const log = child(node, "access_log");
  return log ? log->directive.argument(0) == "off" : before;
}

void locations(const Node& node, const std::string& address, bool silent, std::vector<Endpoint>& all, int depth) {
  for (const Node& one : node.children) {
    if (one.directive.name() != "location" || depth > 8) continue;
    const bool now = quiet(one, silent);
    const std::string path = one.directive.argument(0) == "=" || one.directive.argument(0) == "^~" ? one.directive.argument(1) : one.directive.argument(0);
    if (child(one, "stub_status") && !path.empty() && path[0] == '/' && path.size() < 100 && all.size() < 4)
      all.push_back({address, "GET " + path + " HTTP/1.0\r\nHost: localhost\r\nUser-Agent: triage\r\n\r\n", "", "curl -s http://" + address + path, now ? "" : "it leaves a row in its access log (access_log off; in that location would not)"});
    locations(one, address, now, all, depth + 1);
  }
}

std::vector<Endpoint> endpoints(const Asked& asked) {
  std::vector<Endpoint> all;
  const auto tree = parse::nginx::read_tree(asked.host, asked.server.root, nginx_main_file(asked.host, asked.server.master, asked.server.root));
  for (const Node& http : tree.top) {
    if (http.directive.name() != "http") continue;
    for (const Node& server : http.children) {
      if (server.directive.name() != "server") continue;
      const Node* const listen = child(server, "listen");
      bool tls = false;
      if (listen)
        for (std::size_t i = 1; listen && i < listen->directive.words.size(); ++i) tls = tls || listen->directive.words[i].text == "ssl";
      // Only by its first address, and only where the request finds this server by that alone.
      const Node* const name = child(server, "server_name");
      const bool named = name && name->directive.argument(0) != "localhost" && name->directive.argument(0) != "_" && name->directive.argument(0) != "127.0.0.1";
      const std::string address = address_of(listen ? listen->directive.argument(0) : "80");
      if (!tls && !named && !address.empty()) locations(server, address, quiet(server, quiet(http, false)), all, 0);
    }
  }
  return all;
}

// Active connections: 2
// server accepts handled requests
//  5 5 5
// Reading: 0 Writing: 1 Waiting: 1
std::optional<Told> understand(std::string_view answer, double) {
  const std::string_view body = body_of(answer);
  const auto number = [&](std::string_view name) { const auto text = base::between(body, name, " "); return text ? base::read_number(base::trim(*text)) : std::nullopt; };
  const auto active = number("Active connections: "), reading = number("Reading: "), writing = number("Writing: ");
  if (!active || !reading || !writing) return std::nullopt;
  Told told;
  told.server.busy = static_cast<std::uint64_t>(std::max<std::int64_t>(0, *reading + *writing - 1));   // without our own
  return told;
}

}  // namespace

namespace readers_of {
extern const Reader nginx = {"stub_status", "nginx", endpoints, understand};
}
}  // namespace probe
