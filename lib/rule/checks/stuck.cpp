// Workers of other servers than gunicorn that sit in one request: they write no heartbeat, so the client that waits for its answer is the clock, and
// where the process waits tells it from an idle connection.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "rule/live.hpp"

namespace rule {

using namespace evidence;

namespace {

constexpr double long_s = 30;   // nobody ends it: gunicorn's default limit stands in for "too long"

// Is it in its own loop, waiting for a client or for work? Then its connections are idle, or their clients are slow.
bool idle(const Look& look, const LiveProcess& process, const ProcessWaits& waits) {
  static constexpr std::array loops{"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6", "accept", "accept4", "semop", "semtimedop", "flock", "fcntl", "wait4"};
  if (std::find(loops.begin(), loops.end(), waits.call) != loops.end()) return true;
  if (waits.call.empty() && waits.state != "R" && waits.state != "D") return true;
  return std::any_of(process.connections.begin(), process.connections.end(), [&](FactId id) { return !waits.on.empty() && std::get<ConnectionSeen>(look.evidence.facts[id].what).peer == waits.on; });
}

void stuck(const Look& look, const LiveServer& live, std::vector<Draft>& drafts) {
  const flavour::Flavour* const known = flavour::flavour(live.flavour);
  if (!known || known->like_gunicorn || live.master.pid == 0) return;
  // With several places in one process the one that waits need not be the one that was looked at.
  const auto places = places_of(look, live);
  const bool request_clock = known->timeout.scope == flavour::Scope::request || known->timeout.scope == flavour::Scope::task;
  const auto limit = live.server && request_clock ? model::number_setting(*live.server, "timeout") : std::nullopt;
  const double too_long = limit && *limit > 0 ? *limit + known->timeout.late + 1 : long_s;
  for (const LiveProcess& worker : live.workers) {
    if (worker.waits == no_fact) continue;
    const auto& waits = std::get<ProcessWaits>(look.evidence.facts[worker.waits].what);
    if (waits.state == "T" || idle(look, worker, waits)) continue;
    double longest = 0;
    FactId client = no_fact;
    for (const FactId id : worker.connections) {
      const auto& connection = std::get<ConnectionSeen>(look.evidence.facts[id].what);
      if (connection.silent_s && connection.received.value_or(0) > 0 && *connection.silent_s > longest) { longest = *connection.silent_s; client = id; }
    }
    if (longest < too_long || client == no_fact) continue;
    Draft draft = draft_about(look, "worker.hung", live, worker);
    draft.values["age"] = base::duration_text(static_cast<std::int64_t>(longest * 1e9));
    const std::string where = waits.state == "R" ? "it computes (state R)" : waits.call == "futex" ? "it waits for a lock (futex)" : fmt::format("it waits in {}(){}", waits.call.empty() ? "the kernel" : waits.call, waits.on.empty() ? "" : " for " + base::printable(waits.on, 120));
    const std::string nobody = known->timeout.scope == flavour::Scope::none ? live.flavour + " has no timeout of its own" : known->timeout.scope == flavour::Scope::ping || known->timeout.scope == flavour::Scope::loop ? fmt::format("{} is no limit for a request", known->timeout.setting)
                             : limit && *limit == 0 ? fmt::format("{} is off, so nobody ends it", known->timeout.setting) : limit ? fmt::format("{} ({:g} s) did not end it", known->timeout.setting, *limit) : "";
    draft.values["detail"] = where + (nobody.empty() ? "" : "; " + nobody);
    draft.was_doing.syscall = waits.call;
    draft.was_doing.fd = waits.fd;
    draft.was_doing.peer = base::printable(waits.on, 120);
    if (places == std::optional<std::size_t>(1)) {
      draft.sure = Confidence::certain;
      draft.sure_because = "its client has sent its request that long ago, and the process is not back in its loop; both were read from the living process";
    } else {
      draft.sure = Confidence::likely;
      draft.sure_because = "its client has sent its request that long ago; its main thread is not in its loop, and other threads were not looked at";
    }
    because(draft, client);
    because(draft, worker.waits);
    draft.group = "stuck" + std::to_string(live.master.pid);
    drafts.push_back(std::move(draft));
  }
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const LiveServer& live : live_servers(look)) stuck(look, live, drafts);
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check stuck = {"stuck", {"worker.hung"}, look_at};
}
}  // namespace rule
