// uWSGI's stats socket (stats = ADDRESS): the master's own, so it answers while every worker is busy; it speaks as soon as somebody connects, and
// with stats-http puts the head of an HTTP answer before it (core/stats.c, 2.0.21; the answer measured with 2.0.21).
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "parse/json/document.hpp"
#include "probe/status.hpp"
#include "probe/status_json.hpp"

namespace probe {

namespace {

using nlohmann::json;

std::vector<Endpoint> endpoints(const Asked& asked) {
  std::string where = asked.option({"--stats", "--stats-server"});
  for (const char* name : {"stats", "stats-server"})
    if (where.empty()) where = asked.setting(name);
  const std::string address = address_of(where);
  if (address.empty()) return {};
  return {{address, "", "", "uwsgi --connect-and-read " + where, ""}};
}

std::string variable(const json& variables, std::string_view name) {
  if (variables.is_array())
    for (const json& one : variables)
      if (const std::string text = parse::json::text_of(one); base::starts_with(text, name)) return text.substr(name.size());
  return {};
}

std::optional<Told> understand(std::string_view answer, double now) {
  const auto document = status_json(body_of(answer));
  if (!document || !document->contains("workers")) return std::nullopt;
  using parse::json::member, parse::json::text_of;
  Told told;
  const json& sockets = member(*document, "sockets");
  if (sockets.is_array())
    for (const json& one : sockets) {
      // The longest of its queues; a unix socket's is not told (0 of 0).
      const std::uint64_t queue = count_of(one, "queue");
      if (queue < told.server.queue) continue;
      told.server.queue = queue;
      told.server.queue_limit = count_of(one, "max_queue");
    }
  told.server.full = count_of(*document, "listen_queue_errors");
  for (const json& one : member(*document, "workers")) {
    Told::Worker worker;
    worker.pid = static_cast<int>(count_of(one, "pid"));
    worker.status.state = text_of(member(one, "status")).substr(0, 20);
    worker.status.handled = count_of(one, "requests");
    ++told.server.workers;
    const json& cores = member(one, "cores");
    if (cores.is_array())
      for (const json& core : cores) {
        ++worker.status.places;
        if (count_of(core, "in_request") == 0) continue;
        ++worker.status.busy;
        const double began = static_cast<double>(count_of(member(core, "req_info"), "request_start"));
        const double seconds = began > 0 && now > began ? now - began : 0;
        const std::string method = variable(member(core, "vars"), "REQUEST_METHOD="), uri = variable(member(core, "vars"), "REQUEST_URI=");
        if (uri.empty() || (!worker.request.empty() && seconds <= worker.seconds)) continue;
        worker.request = method + " " + uri;
        worker.seconds = seconds;
      }
    told.server.places += worker.status.places;   // of those that cheaper stopped too: it starts them when they are needed
    told.server.busy += worker.status.busy;
    if (worker.pid > 0) told.workers.push_back(std::move(worker));
  }
  return told;
}

}  // namespace

namespace readers_of {
extern const Reader uwsgi = {"uwsgi stats", "uwsgi", endpoints, understand};
}
}  // namespace probe
