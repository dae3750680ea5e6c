// Nobody free to serve, seen while it is so: connections wait in the queue of a listener, and every worker has one that it does not answer.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "rule/capacity.hpp"
#include "rule/live.hpp"
#include "rule/stuck.hpp"

namespace rule {

using namespace evidence;

namespace {

constexpr std::uint64_t many_waiting = 3;
constexpr double settled_s = 1.0;  // a connection that was just accepted makes nobody busy

const ConnectionSeen& connection_of(const Look& look, FactId id) { return std::get<ConnectionSeen>(look.evidence.facts[id].what); }

struct Busy { std::size_t workers = 0, silent_clients = 0; bool more = false; std::vector<FactId> because; };  // more: some has more than it has places

// Workers that hold a connection whose client has been waiting: nothing has come in for a second, so the request is there, or never was sent.
Busy busy_of(const Look& look, const LiveServer& live, std::size_t places, double settled) {
  Busy busy;
  for (const LiveProcess& worker : live.workers) {
    std::size_t waiting = 0, silent = 0;
    // The kernel counts no idle time of a unix socket: then the heartbeat tells how long the worker has been at its request.
    const double still = worker.beat == no_fact ? 0 : std::get<Heartbeat>(look.evidence.facts[worker.beat].what).age_s;
    for (const FactId id : worker.connections) {
      const ConnectionSeen& connection = connection_of(look, id);
      if (connection.silent_s.value_or(still) < settled) continue;
      ++waiting;
      if (connection.received && *connection.received == 0) ++silent;
    }
    if (waiting < places) continue;
    ++busy.workers;
    busy.more = busy.more || waiting > places;
    if (silent >= places) ++busy.silent_clients;
    if (busy.because.size() < 3) busy.because.push_back(worker.connections.front());
    if (busy.because.size() < 3 && worker.waits != no_fact) busy.because.push_back(worker.waits);
  }
  return busy;
}

// "2 of its 2 workers are in GET /report", where its status told it.
void tell_requests(const Look& look, const LiveServer& live, Draft& draft) {
  std::map<std::string, std::size_t> lines;
  std::size_t told = 0;
  for (const LiveProcess& worker : live.workers)
    if (worker.served != no_fact) { ++told; ++lines[as<RequestServed>(look.evidence.facts[worker.served])->line]; }
  const auto most = std::max_element(lines.begin(), lines.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != lines.end()) draft.was_doing.requests = fmt::format("{} of {} were in {}", most->second, told, base::printable(most->first, 160));
}

std::optional<Draft> saturated(const Look& look, const LiveServer& live) {
  if (live.workers.empty()) return std::nullopt;
  FactId longest = no_fact;
  std::uint64_t queue = 0;
  for (const FactId id : live.listeners) {
    const auto& listener = std::get<ListenerSeen>(look.evidence.facts[id].what);
    if (listener.queue > queue) { queue = listener.queue; longest = id; }
  }
  // A loop worker has no number of places. One of threads takes connections off the queue before it has a thread for them, and keeps idle
  // ones for `keepalive`: those that are older wait for a thread.
  const bool other = !flavour::like_gunicorn(live.flavour);
  const auto told = other ? places_of(look, live) : std::nullopt;
  if (other && !told) return std::nullopt;
  const std::string kind = other ? "sync" : worker_class(look, live);
  if (!kind.empty() && kind != "sync" && kind != "gthread") return std::nullopt;
  std::size_t places = told.value_or(1);
  double settled = settled_s;
  if (live.server && kind == "gthread") {
    // Where the setting is not known: it starts a thread when all it has are busy, so it never has more than were needed (gunicorn facts 8).
    const auto threads = model::number_setting(*live.server, "threads");
    const auto* seen = live.workers.front().seen == no_fact ? nullptr : as<ProcessSeen>(look.evidence.facts[live.workers.front().seen]);
    if (threads) places = static_cast<std::size_t>(std::max(1.0, *threads));
    else if (seen && seen->threads > 1) places = seen->threads - 1;
    else return std::nullopt;
    settled += model::number_setting(*live.server, "keepalive").value_or(2);
  }
  const Busy busy = busy_of(look, live, places, settled);
  if (busy.workers < live.workers.size() || (queue == 0 && !(kind == "gthread" && busy.more))) return std::nullopt;
  if (longest == no_fact && !live.listeners.empty()) longest = live.listeners.front();
  if (longest == no_fact) return std::nullopt;
  Draft draft = draft_about(look, "worker.saturated", live);
  const auto& listener = std::get<ListenerSeen>(look.evidence.facts[longest].what);
  draft.sure = Confidence::certain;
  draft.sure_because = "the kernel's queue and the connections of every worker, read at one moment";
  if (kind.empty()) {  // gevent and uvicorn hold many connections in one worker and answer them all
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "every worker has a connection that it does not answer, but the worker class is not known: a loop (gevent, uvicorn) holds many at once";
    draft.missing.push_back("the worker class: the start of its log, its command line, or gunicorn --print-config");
  }
  draft.values["upstream"] = "at " + base::printable(listener.address, 120);
  draft.values["count"] = std::to_string(queue);
  const std::string held = places == 1 ? "a connection that it does not answer" : fmt::format("{} connections that it does not answer, one for each thread", places);
  draft.values["reason"] = fmt::format(": {} in its queue, and {} {}", queue == 1 ? "1 connection waits" : fmt::format("{} connections wait", queue), busy.workers == 1 ? "its one worker has" : fmt::format("each of its {} workers has", busy.workers), held);
  if (busy.silent_clients == busy.workers && busy.workers > 0) {
    draft.values["reason"] += "; the clients of those sent nothing: idle connections hold the workers";
    draft.first.push_back({"then", "put a proxy in front that keeps idle clients (nginx), or use a class that does not give a worker to each connection (gthread, gevent)", "", "a restart", ""});
  }
  because(draft, longest);
  for (const FactId id : busy.because) because(draft, id);
  tell_most(look, live.workers, draft);
  tell_requests(look, live, draft);
  if (const auto capacity = more_workers(look, live); capacity && draft.truth == Truth::yes) {
    draft.first.push_back({"then", "in this look, " + capacity->text, "", "", ""});
    for (const FactId id : capacity->because) because(draft, id);
  }
  draft.group = std::to_string(live.master.pid);
  return draft;
}

// What its own status says: every place is taken, and more wait. One pool of several may be full alone.
std::optional<Draft> told(const Look& look, const LiveServer& live) {
  std::uint64_t in_kernel = 0;
  FactId longest = no_fact;
  for (const FactId id : live.listeners) {
    const auto& listener = std::get<ListenerSeen>(look.evidence.facts[id].what);
    if (listener.queue > in_kernel) { in_kernel = listener.queue; longest = id; }
  }
  for (const FactId id : live.status) {
    const ServerStatus& status = *as<ServerStatus>(look.evidence.facts[id]);
    // The kernel's queue is no pool's where there are several.
    const std::uint64_t queue = std::max(status.queue, live.status.size() == 1 ? in_kernel : 0);
    if (status.places == 0 || status.busy < status.places || queue == 0) continue;
    Draft draft = draft_about(look, "worker.saturated", live);
    draft.sure = Confidence::certain;
    draft.sure_because = fmt::format("its own status ({}) counts its requests, read at this moment", base::printable(status.kind, 40));
    if (!status.pool.empty()) draft.values["upstream"] = "(pool " + base::printable(status.pool, 60) + ")";
    draft.values["count"] = std::to_string(queue);
    draft.values["workers"] = std::to_string(status.workers);
    draft.values["reason"] = fmt::format(": all {} are taken, and {}", status.places == status.workers ? base::counted(status.workers, "worker") : base::counted(status.places, "place") + " of its " + base::counted(status.workers, "worker"), base::counted(queue, "request") + (queue == 1 ? " waits" : " wait"));
    because(draft, id);
    if (status.queue == 0 && longest != no_fact) because(draft, longest);
    std::size_t shown = 0;
    for (const LiveProcess& worker : live.workers)
      if (worker.served != no_fact && shown < 3) { because(draft, worker.served, fmt::format("worker {}", worker.pid)); ++shown; }
    tell_most(look, live.workers, draft);
    tell_requests(look, live, draft);
    draft.group = std::to_string(live.master.pid) + status.pool;
    return draft;
  }
  return std::nullopt;
}

std::optional<Draft> full(const Look& look, const LiveServer& live) {
  for (const FactId id : live.listeners) {
    const auto& listener = std::get<ListenerSeen>(look.evidence.facts[id].what);
    if (listener.limit == 0 || listener.queue <= listener.limit) continue;  // full is one more than the limit (sk_acceptq_is_full, unix_recvq_full)
    Draft draft = draft_about(look, "socket.backlog-full", live);
    draft.sure = Confidence::certain;
    draft.sure_because = "the kernel's own count of its queue";
    draft.subject.role = "socket";
    draft.subject.where = base::printable(listener.address, 200);
    draft.values["upstream"] = base::printable(listener.address, 200);
    draft.values["count"] = std::to_string(listener.queue);
    draft.values["limit"] = std::to_string(listener.limit);
    draft.caused_by_rule = "worker.saturated";
    draft.group = draft.subject.where;
    because(draft, id);
    for (FactId drops = 0; drops < look.evidence.facts.size(); ++drops)
      if (const auto* counted = as<ListenDrops>(look.evidence.facts[drops]); counted && counted->net_namespace == listener.net_namespace && counted->overflows > 0) because(draft, drops, "since the machine started");
    return draft;
  }
  return std::nullopt;
}

// SO_REUSEPORT gives each worker a queue of its own: the kernel goes on handing connections to one that takes none.
std::optional<Draft> uneven(const Look& look, const LiveServer& live) {
  std::map<std::string, std::vector<FactId>> groups;
  for (const FactId id : live.listeners) {
    const auto& address = std::get<ListenerSeen>(look.evidence.facts[id].what).address;
    if (!base::starts_with(address, "unix:")) groups[address].push_back(id);
  }
  for (const auto& [address, ids] : groups) {
    if (ids.size() < 2) continue;
    const auto queue = [&](FactId id) { return std::get<ListenerSeen>(look.evidence.facts[id].what).queue; };
    const auto [least, most] = std::minmax_element(ids.begin(), ids.end(), [&](FactId a, FactId b) { return queue(a) < queue(b); });
    if (queue(*most) < many_waiting || queue(*least) > 0) continue;
    const auto& stuck = std::get<ListenerSeen>(look.evidence.facts[*most].what);
    Draft draft = draft_about(look, "socket.uneven", live);
    draft.subject.role = "socket";
    draft.subject.where = base::printable(address, 120);
    draft.values["address"] = draft.subject.where;
    draft.values["count"] = base::counted(stuck.queue, "connection");
    draft.values["pid"] = base::printable(stuck.holders, 60);
    because(draft, *most);
    because(draft, *least, "a sibling, whose queue is empty");
    if (base::contains(stuck.holders, " ")) {
      draft.truth = Truth::unknown;
      draft.sure_because = "one queue is long and another is empty; whose it is cannot be told, for several processes have it open";
      draft.missing.push_back("which worker takes from it: strace -e trace=accept4 -p PID, for seconds");
    } else {
      draft.sure = Confidence::certain;
      draft.sure_because = "the kernel's own counts of the queues of one address";
    }
    return draft;
  }
  return std::nullopt;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const LiveServer& live : live_servers(look)) {
    auto busy = saturated(look, live);
    if (!busy) busy = told(look, live);
    if (busy) drafts.push_back(std::move(*busy));
    for (const auto cause : {full, uneven})
      if (auto draft = cause(look, live)) drafts.push_back(std::move(*draft));
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check queues = {"queues", {"worker.saturated", "socket.backlog-full", "socket.uneven"}, look_at};
}
}  // namespace rule
