// Apache's server-status: a request like any other, so it takes a worker and leaves a row in the access log. It is asked only where requests are
// allowed. modules/generators/mod_status.c; the answer measured with 2.4.71.
#include "base/text.hpp"
#include "probe/status.hpp"

namespace probe {

namespace {

std::vector<Endpoint> endpoints(const Asked& asked) {
  std::string path, listen;
  for (const auto& entry : asked.settings) {
    if (entry.key == "Listen" && listen.empty()) listen = base::split(base::trim(entry.value), ' ')[0];
    if (entry.key != "SetHandler" || base::trim(entry.value) != "server-status" || !base::starts_with(entry.section, "Location ")) continue;
    path = base::trim(std::string_view(entry.section).substr(9));
    std::erase(path, '"');
  }
  const std::string address = address_of(listen);
  if (path.empty() || path[0] != '/' || path.size() > 100 || address.empty()) return {};
  return {{address, "GET " + path + "?auto HTTP/1.0\r\nHost: localhost\r\nUser-Agent: triage\r\n\r\n", "", "curl -s http://" + address + path + "?auto", "it takes one of its workers for a moment, and leaves a row in its access log"}};
}

std::optional<Told> understand(std::string_view answer, double) {
  const std::string_view body = body_of(answer);
  const auto board = base::between(body, "Scoreboard: ", "\n");
  if (!board) return std::nullopt;
  Told told;
  // _ waits, . is an open slot that may be started, S starting, G graceful; the others work. One of those is our own request.
  for (const char c : base::trim(*board)) {
    if (c == ' ' || c == '\r') continue;
    ++told.server.places;
    if (c != '.') ++told.server.workers;
    if (c != '.' && c != '_' && c != 'S' && c != 'I') ++told.server.busy;
  }
  if (told.server.busy > 0) --told.server.busy;
  return told;
}

}  // namespace

namespace readers_of {
extern const Reader apache = {"server-status", "apache", endpoints, understand};
}
}  // namespace probe
