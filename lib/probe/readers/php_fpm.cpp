// php-fpm's status, where pm.status_listen gives it a pool of its own: without that it is answered by a worker of the pool that is looked at, and
// waits 5 s behind the stuck requests (servers.md, measured with 8.2.36). Spoken by FastCGI; sapi/fpm/fpm/fpm_status.c@8.2.
#include <map>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "parse/json/document.hpp"
#include "probe/status.hpp"
#include "probe/status_json.hpp"

namespace probe {

namespace {

using nlohmann::json;

// One record: version 1, its kind, request 1, the length of what follows, no padding.
void record(std::string& out, char kind, std::string_view content) {
  out += {1, kind, 0, 1, static_cast<char>(content.size() >> 8), static_cast<char>(content.size() & 255), 0, 0};
  out += content;
}

std::string request_for(std::string_view path) {
  std::string pairs;
  const auto pair = [&](std::string_view name, std::string_view value) {
    pairs += {static_cast<char>(name.size()), static_cast<char>(value.size())};
    pairs += std::string(name) + std::string(value);
  };
  pair("SCRIPT_NAME", path);
  pair("SCRIPT_FILENAME", path);
  pair("REQUEST_METHOD", "GET");
  pair("REQUEST_URI", path);
  pair("QUERY_STRING", "full&json");
  std::string out;
  record(out, 1, std::string_view("\0\1\0\0\0\0\0\0", 8));   // begin: responder, close when done
  record(out, 4, pairs);
  record(out, 4, {});
  record(out, 5, {});
  return out;
}

std::string output_of(std::string_view answer) {
  std::string out;
  while (answer.size() >= 8) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(answer[at]); };
    const std::size_t length = static_cast<std::size_t>(byte(4) << 8 | byte(5)), padding = byte(6);
    const bool output = byte(0) == 1 && byte(1) == 6;
    answer.remove_prefix(8);
    if (output) out += answer.substr(0, length);
    answer.remove_prefix(std::min(answer.size(), length + padding));
  }
  return out;
}

std::vector<Endpoint> endpoints(const Asked& asked) {
  struct Pool { std::string path, listen; };
  std::map<std::string, Pool> pools;
  for (const auto& entry : asked.settings) {
    if (entry.key == "pm.status_path") pools[entry.section].path = base::trim(entry.value);
    if (entry.key == "pm.status_listen") pools[entry.section].listen = base::trim(entry.value);
  }
  std::vector<Endpoint> all;
  for (const auto& [name, pool] : pools) {
    if (pool.path.empty() || pool.path.size() > 100) continue;
    Endpoint endpoint;
    endpoint.pool = name;
    if (pool.listen.empty()) endpoint.taken = "it is answered by a worker of the same pool, behind the requests that hold it; pm.status_listen gives it one of its own";
    else {
      endpoint.address = address_of(pool.listen);
      endpoint.request = request_for(pool.path);
      endpoint.by_hand = "SCRIPT_NAME=" + pool.path + " SCRIPT_FILENAME=" + pool.path + " REQUEST_METHOD=GET QUERY_STRING=full cgi-fcgi -bind -connect " + pool.listen;
    }
    all.push_back(std::move(endpoint));
  }
  return all;
}

std::optional<Told> understand(std::string_view answer, double) {
  const std::string output = output_of(answer);
  const std::size_t body = output.find("\r\n\r\n");
  if (body == std::string::npos) return std::nullopt;
  const auto document = status_json(std::string_view(output).substr(body + 4));
  if (!document || !document->contains("total processes")) return std::nullopt;
  using parse::json::member, parse::json::text_of;
  Told told;
  told.server.pool = text_of(member(*document, "pool")).substr(0, 60);
  told.server.workers = told.server.places = count_of(*document, "total processes");
  told.server.busy = count_of(*document, "active processes");
  told.server.queue = count_of(*document, "listen queue");
  told.server.queue_limit = count_of(*document, "listen queue len");
  told.server.full = count_of(*document, "max children reached");
  const json& processes = member(*document, "processes");
  if (processes.is_array())
    for (const json& one : processes) {
      Told::Worker worker;
      worker.pid = static_cast<int>(count_of(one, "pid"));
      worker.status.state = text_of(member(one, "state")).substr(0, 20);
      worker.status.pool = told.server.pool;
      worker.status.places = 1;
      worker.status.handled = count_of(one, "requests");
      // Of an idle one the request is its last.
      if (worker.status.state == "Idle") { told.workers.push_back(std::move(worker)); continue; }
      worker.status.busy = 1;
      if (const std::string uri = text_of(member(one, "request uri")); !uri.empty() && uri != "-") worker.request = text_of(member(one, "request method")) + " " + uri;
      worker.seconds = static_cast<double>(count_of(one, "request duration")) / 1e6;
      told.workers.push_back(std::move(worker));
    }
  return told;
}

}  // namespace

namespace readers_of {
extern const Reader php_fpm = {"php-fpm status", "php-fpm", endpoints, understand};
}
}  // namespace probe
