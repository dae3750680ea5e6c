// A worker class that does not fit what it runs, seen while it runs: an ASGI application on a WSGI class or the other way round, by the file that
// makes it; and a loop class whose workers wait inside of a C driver, where the loop cannot go on.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "rule/live.hpp"

namespace rule {

using namespace evidence;

namespace {

bool is_wsgi(std::string_view kind) { return kind == "sync" || kind == "gthread" || kind == "gevent" || kind == "eventlet"; }
bool is_asgi(std::string_view kind) { return kind == "asgi" || base::contains(kind, "uvicorn"); }
bool yields(std::string_view kind) { return kind == "gevent" || kind == "eventlet" || base::contains(kind, "ggevent"); }

bool owns(const LiveServer& live, int pid) {
  return live.master.pid == pid || std::any_of(live.workers.begin(), live.workers.end(), [&](const LiveProcess& worker) { return worker.pid == pid; });
}

// Its log says so already: the check of the symptoms has the exception.
bool logged(const Look& look) {
  return std::any_of(look.evidence.facts.begin(), look.evidence.facts.end(), [](const Fact& fact) {
    const auto* failed = as<AppFailed>(fact);
    return failed && failed->type == "TypeError" && (base::contains(failed->message, "'send'") || base::contains(failed->message, "positional arguments but "));
  });
}

std::optional<Draft> by_protocol(const Look& look, const LiveServer& live) {
  const std::string kind = worker_class(look, live);
  if (logged(look)) return std::nullopt;
  for (const FactId id : look.evidence.ids_of<ApplicationSeen>()) {
    const auto* app = as<ApplicationSeen>(look.evidence.facts[id]);
    if (!app || !owns(live, look.evidence.facts[id].about.pid)) continue;
    const bool wrong = (app->speaks == "asgi" && is_wsgi(kind)) || (app->speaks == "wsgi" && is_asgi(kind));
    if (!wrong) return std::nullopt;
    Draft draft = draft_about(look, "worker.class-mismatch", live);
    draft.sure = Confidence::likely;
    draft.sure_because = "the file that makes the application, as it is now; it was read, not run";
    draft.values["message"] = fmt::format("{} is an {} application ({})", base::printable(app->app, 80), app->speaks == "asgi" ? "ASGI" : "WSGI", base::printable(app->made_by, 40));
    because(draft, id);
    return draft;
  }
  return std::nullopt;
}

// A loop that is free waits in epoll alone. One that waits in poll or in a read of the driver's own connection stands still with all its requests.
std::optional<Draft> by_driver(const Look& look, const LiveServer& live) {
  if (!yields(worker_class(look, live))) return std::nullopt;
  for (const FactId id : look.evidence.ids_of<DriverMapped>()) {
    const auto* driver = as<DriverMapped>(look.evidence.facts[id]);
    if (!driver || driver->peer.empty() || !owns(live, look.evidence.facts[id].about.pid)) continue;
    std::size_t held = 0;
    FactId first = no_fact;
    for (const LiveProcess& worker : live.workers) {
      if (worker.waits == no_fact) continue;
      const auto& waits = std::get<ProcessWaits>(look.evidence.facts[worker.waits].what);
      const bool on_peer = base::starts_with(waits.on, driver->peer), blind = waits.call == "poll" || waits.call == "ppoll";
      if (waits.state != "S" || !(blind || (on_peer && (waits.call == "recvfrom" || waits.call == "read" || waits.call == "recvmsg")))) continue;
      ++held;
      if (first == no_fact) first = worker.waits;
    }
    if (held == 0) continue;
    Draft draft = draft_about(look, "worker.class-mismatch", live);
    draft.sure = Confidence::likely;
    draft.sure_because = "one look: a loop that runs waits in epoll, and nowhere else";
    draft.values["message"] = fmt::format("{} waits in C, where the loop cannot switch", base::printable(driver->name, 40));
    draft.values["effect"] = fmt::format("; {} of {} stood still in it with all their requests", held, base::counted(live.workers.size(), "worker"));
    draft.own_steps = true;
    draft.first.push_back({"then", driver->name == "psycopg2" ? "patch it (psycogreen.gevent.patch_psycopg() in post_fork), or psycopg 3, or gthread workers" : "a driver in Python that gevent can patch, or gthread workers", "", "a restart", ""});
    because(draft, first);
    because(draft, id);
    return draft;
  }
  return std::nullopt;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const LiveServer& live : live_servers(look))
    for (const auto cause : {by_protocol, by_driver})
      if (auto draft = cause(look, live)) {
        drafts.push_back(std::move(*draft));
        break;
      }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check classes = {"classes", {"worker.class-mismatch"}, look_at};
}
}  // namespace rule
