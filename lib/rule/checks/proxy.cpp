// What the proxy's error log says of its upstream. Its text is the same for every death of a worker, so it names a cause only where the
// errno or the silence of the server does (gunicorn facts 5).
// Past 300 lines: one function for each of nginx's messages, over the same rows.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/text.hpp"
#include "model/timeline.hpp"
#include "rule/draft.hpp"
#include "rule/interval.hpp"
#include "rule/path.hpp"

namespace rule {

using namespace evidence;

namespace {

// Different requests of 504s that are asked for their way; more are as many locations as nobody can follow.
constexpr std::size_t most_requests = 100;

struct Rows { std::vector<FactId> ids; std::set<std::string> upstreams; std::map<std::string, std::size_t> requests; };

Rows rows_of(const Look& look, std::string_view kind, const std::function<bool(const std::string& upstream)>& leave_out = {}) {
  Rows rows;
  for (const FactId id : look.evidence.ids_of<ProxyError>()) {
    const auto* row = as<ProxyError>(look.evidence.facts[id]);
    if (!row || row->kind != kind || (leave_out && leave_out(upstream_address(*row)))) continue;
    rows.ids.push_back(id);
    rows.upstreams.insert(upstream_address(*row));
    if (!row->uri.empty()) ++rows.requests[(row->method.empty() ? "" : row->method + " ") + row->uri.substr(0, row->uri.find('?'))];
  }
  return rows;
}

// Where a live look knows the way to an upstream, it says what is wrong with it now (check `path`), with the wall; rows that say the same of it
// are said there. What was refused and is reachable again is what happened.
Rows untold(const Look& look, std::string_view kind) {
  if (rows_of(look, kind).ids.empty()) return {};
  std::set<std::string> told;
  for (const Peer& peer : peers(look)) {
    const bool reachable = reachable_now(look, peer);
    if (kind == "refused" ? !reachable && sockets_listed(look) : reachable || !peer.walks.empty()) told.insert(peer.address);
  }
  return rows_of(look, kind, [&](const std::string& upstream) { return told.contains(upstream) || !on_the_way(look, upstream); });
}

Draft start(const Look& look, std::string rule, const Rows& rows) {
  Draft draft;
  draft.rule = std::move(rule);
  draft.sure = Confidence::certain;
  draft.sure_because = "the proxy's own line names the errno";
  const Fact& first = look.evidence.facts[rows.ids.front()];
  draft.subject.role = "socket";
  draft.subject.server = "nginx";
  draft.when = first.when;
  draft.values["count"] = std::to_string(rows.ids.size());
  draft.values["upstream"] = base::printable(rows.upstreams.empty() ? "" : *rows.upstreams.begin(), 120);
  draft.values["path"] = base::starts_with(draft.values["upstream"], "unix:") ? draft.values["upstream"].substr(5) : draft.values["upstream"];
  draft.subject.where = draft.values["upstream"];
  if (const auto* row = as<ProxyError>(first)) {
    draft.values["errno"] = std::to_string(row->code);
    if (!row->uri.empty()) draft.values["request"] = base::printable((row->method.empty() ? "" : row->method + " ") + row->uri, 120);
  }
  if (!rows.requests.empty()) {
    const auto most = std::max_element(rows.requests.begin(), rows.requests.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    draft.values["requests"] = fmt::format("{} of {} were {}", most->second, rows.ids.size(), base::printable(most->first, 80));
  }
  because(draft, rows.ids.front());
  if (rows.ids.size() > 1) because(draft, rows.ids.back());
  draft.group = draft.rule;
  return draft;
}

std::optional<double> apart(const Look& look, FactId row, const std::optional<base::Instant>& when) {
  const auto distance = model::distance_between(look.stack, look.evidence, look.evidence.facts[row], when);
  if (!distance) return std::nullopt;
  return static_cast<double>(distance->ns) / 1e9;
}

// While a server was being stopped on purpose, or was stopped, its proxy is refused for no other reason.
bool stopped_on_purpose(const Look& look, FactId row) {
  for (const Server& server : look.stack.servers) {
    if (server.stop_asked == no_fact) continue;
    if (const auto after = apart(look, row, when_of(look, server.stop_asked)); after && *after >= -1) return true;
  }
  return false;
}

// The death of a worker near this moment: the row is its consequence.
bool near_an_end(const Look& look, FactId row, double seconds) {
  bool found = false;
  look.ends.near(look.evidence.facts[row].when, static_cast<int>(seconds) + 2, [&](model::LifeId id) {
    const Life& life = look.stack.lives[id];
    if (found || (life.asked != model::Asked::nobody && life.timed_out == no_fact && life.signal != 9)) return;
    const auto gap = apart(look, row, life.ended);
    found = gap && *gap >= -seconds && *gap <= seconds;
  });
  if (found) return true;
  for (const Server& server : look.stack.servers)
    if (server.crashed != no_fact)
      if (const auto gap = apart(look, row, when_of(look, server.crashed)); gap && *gap >= -seconds && *gap <= seconds) return true;
  return false;
}

std::optional<Draft> refused_socket(const Look& look) {
  const Rows rows = untold(look, "denied");
  if (rows.ids.empty()) return std::nullopt;
  Draft draft = start(look, "socket.permission", rows);
  const bool unix_socket = std::all_of(rows.upstreams.begin(), rows.upstreams.end(), [](const std::string& upstream) { return base::starts_with(upstream, "unix:"); });
  if (!unix_socket) {  // a TCP port has no mode: a policy said no
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "a TCP port has no mode; 13 is then the answer of a policy (SELinux, AppArmor, seccomp), and which one is not seen";
    draft.missing.push_back("the policy's own log: ausearch -m avc, or journalctl -k | grep -i apparmor (SELinux: httpd_can_network_connect)");
  }
  rule_out(draft, "proxy.server-down", "a server that does not listen is errno 111 or 2, not 13");
  draft.missing.push_back("which directory or mode is the wall: run triage on the live host");
  return draft;
}

std::optional<Draft> missing_socket(const Look& look) {
  Rows rows = untold(look, "missing");
  std::erase_if(rows.ids, [&](FactId id) { return stopped_on_purpose(look, id) && [&] {
    // A second instance on the same path whose stop unlinked it is the classic thief: then the first still runs.
    std::size_t sharing = 0;
    for (const Server& server : look.stack.servers)
      for (const std::string& upstream : rows.upstreams)
        if (base::starts_with(upstream, "unix:") && base::contains(server.listening, upstream)) ++sharing;
    return sharing < 2;
  }(); });
  if (rows.ids.empty()) return std::nullopt;
  const Server* thief = nullptr;
  std::size_t sharing = 0;
  for (const Server& server : look.stack.servers)
    for (const std::string& upstream : rows.upstreams)
      if (base::starts_with(upstream, "unix:") && base::contains(server.listening, upstream)) { ++sharing; if (server.stopped != no_fact) thief = &server; }
  Draft draft = start(look, sharing > 1 && thief ? "socket.stolen" : "socket.missing", rows);
  if (sharing > 1 && thief) {
    draft.sure = Confidence::likely;
    draft.sure_because = "two servers listened on this path, and the one that stopped unlinked it";
    because(draft, thief->stopped);
  } else {
    draft.missing.push_back("who took it away, or whether it was ever made: ss -lxp, and the log of every server bound there");
  }
  return draft;
}

// Refused while a server of ours lives and listens, but not there.
const Server* listens_elsewhere(const Look& look, const Rows& rows) {
  for (const Server& server : look.stack.servers) {
    if (!server.seen_start || server.listening.empty() || server.lives.empty() || server.stopped != no_fact || server.crashed != no_fact || server.halted != no_fact || server.reason != no_fact || server.stop_asked != no_fact) continue;
    for (const model::LifeId id : server.lives)
      if (look.stack.lives[id].orphaned != no_fact) return nullptr;
    for (const std::string& upstream : rows.upstreams) {
      const std::string port = upstream.substr(upstream.rfind(':') == std::string::npos ? 0 : upstream.rfind(':'));
      if (base::contains(server.listening, port)) return nullptr;
    }
    const auto after = apart(look, rows.ids.front(), server.first);
    if (after && *after >= 0) return &server;
  }
  return nullptr;
}

std::optional<Draft> refused_connection(const Look& look) {
  const Rows rows = untold(look, "refused");
  if (rows.ids.empty()) return std::nullopt;
  if (const Server* server = listens_elsewhere(look, rows)) {
    Draft draft = start(look, "socket.refused", rows);
    draft.sure = Confidence::likely;
    draft.sure_because = "the server was up at that moment and listens elsewhere: " + base::printable(server->listening, 100);
    draft.values["reason"] = "; the server listens at " + base::printable(server->listening, 100);
    return draft;
  }
  bool on_purpose = true;
  for (const FactId id : rows.ids) on_purpose &= stopped_on_purpose(look, id);
  Draft draft = start(look, "proxy.server-down", rows);
  if (on_purpose) {
    draft.level = Level::note;
    draft.values["detail"] = "the server had been stopped on purpose";
  }
  draft.sure_because = "the proxy's own line: connection refused";
  draft.caused_by_rule = "master.";
  if (look.stack.servers.empty()) draft.missing.push_back("whether it was down or listens elsewhere: the server's log, ss -ltnp");
  return draft;
}

std::optional<Draft> full_queue(const Look& look) {
  Rows rows = rows_of(look, "queue-full");
  if (!rows.ids.empty()) {
    Draft draft = start(look, "socket.backlog-full", rows);
    draft.sure_because = "EAGAIN on a unix socket is a full listen queue";
    return draft;
  }
  rows = rows_of(look, "timed-out-connecting");
  if (rows.ids.empty()) return std::nullopt;
  Draft draft = start(look, "socket.backlog-full", rows);
  // A TCP handshake that times out on loopback is a full accept queue: the kernel answers for a listener, busy or not, unless its queue is full.
  bool local = true;
  for (const std::string& upstream : rows.upstreams) local &= base::starts_with(upstream, "127.") || base::starts_with(upstream, "localhost") || base::starts_with(upstream, "[::1]");
  if (!local) {
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "a timed-out connect to another host may be its queue, a firewall or the network";
    draft.missing.push_back("the accept queue on the server's host: ss -ltn there");
    draft.values["be"] = "may be";
    draft.values["reason"] = ", or a firewall or the network stands between";
    draft.first.push_back({"now", "measure the way on the proxy's host: curl -so /dev/null -w '%{time_connect}' http://UPSTREAM/ (no answer: a firewall); proxy_connect_timeout must be longer, and longer than 1 s and 3 s where packets are lost: then the first one is sent again", "", "nothing", ""});
  } else {
    draft.sure = Confidence::likely;
    draft.sure_because = "on loopback the kernel answers for every listener, unless its accept queue is full";
  }
  return draft;
}

// The way that one and all of these rows went; nullopt where it is not known, or not one.
std::optional<Way> way_of_all(const Look& look, const Rows& rows) {
  std::optional<Way> one;
  std::set<std::string> asked;
  for (const FactId id : rows.ids) {
    const auto& row = *as<ProxyError>(look.evidence.facts[id]);
    if (!asked.insert(row.method + " " + row.upstream + " " + row.uri).second) continue;
    auto way = asked.size() > most_requests ? std::nullopt : way_of(look, id);
    const auto read = [](const Way& each) { return each.running.route.variants.front().chain.proxy.read; };
    if (!way || !read(*way).known || (one && (read(*one).seconds != read(*way).seconds || one->running.read != way->running.read || one->running.server != way->running.server))) return std::nullopt;
    if (!one) one = std::move(way);
  }
  return one;
}

std::optional<Draft> gave_up(const Look& look) {
  Rows rows = rows_of(look, "timed-out-reading");
  if (rows.ids.empty()) return std::nullopt;
  Draft draft = start(look, "proxy.gave-up-first", rows);
  draft.sure_because = "the proxy's own line: it stopped waiting for the response";
  draft.subject.role = "server";
  std::optional<double> limit;
  for (const Server& server : look.stack.servers)
    if (const auto text = model::text_setting(server, "timeout")) {
      limit = model::number_setting(server, "timeout");
      // 0 is off, and the timeouts of some servers (Puma's, uvicorn's) do not end a request.
      const auto* const known = flavour::flavour(server.flavour);
      const bool ends_requests = !known || known->like_gunicorn || known->timeout.scope == flavour::Scope::request || known->timeout.scope == flavour::Scope::average;
      if (limit != 0 && ends_requests) draft.values["timeout"] = *text + " s";
    }
  const auto way = way_of_all(look, rows);
  if (way) {
    const model::Limit& read = way->running.route.variants.front().chain.proxy.read;
    draft.values["value"] = fmt::format("its read timeout of {}", way->running.read == no_fact ? "60 s, nginx's default" : model::seconds_text(read.seconds));
    because(draft, way->running.read);
  }
  // That the proxy stopped waiting is its own word; that a worker was at it for all of that time follows from both limits.
  bool follows = false;
  if (way && way->running.whole) {
    const model::Chain& chain = way->running.route.variants.front().chain;
    const auto& own = chain.server.law;
    const bool counts = own.measures == flavour::Measures::request && chain.server.worker.seconds != model::no_limit;
    const double killed = chain.server.worker.seconds + own.late + own.uninterruptible;
    follows = !counts || chain.proxy.read.seconds < chain.server.worker.seconds;
    if (counts && chain.proxy.read.seconds > killed) {
      // The worker's own limit would have ended the request first: it was not with a worker for all of that time.
      draft.rule = draft.group = "worker.saturated";
      draft.sure = Confidence::likely;
      draft.values["reason"] = fmt::format(": a request waited {:g} s for its answer, and a worker that has one is killed by {:g} s", chain.proxy.read.seconds, killed);
      draft.sure_because = fmt::format("with a worker timeout of {:g} s, at least {:g} s of the wait were in its queue", chain.server.worker.seconds, chain.proxy.read.seconds - killed);
      draft.subject.server = look.stack.servers[way->running.server].flavour;
      draft.missing.push_back("what the workers were busy with: triage stacks while it lasts");
      return draft;
    }
  }
  if (!follows) {
    draft.sure = Confidence::likely;
    draft.sure_because = "the proxy's own line: it stopped waiting for the response; whether a worker was at it all that time follows from both limits, which are not known for one server";
    if (!way) draft.missing.push_back("the proxy's configuration: nginx -T");
    if (!limit) draft.missing.push_back("the server's timeout: its command line and configuration file");
  }
  if (look.stack.servers.empty()) {
    draft.missing.clear();
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "the proxy stopped waiting; what the server would have done, and whether it was free, is not known";
    draft.missing.push_back("the server's log and its worker timeout; how many workers were busy");
  }
  return draft;
}

// nginx's *N is the client's connection: one path on it that failed on two peers was sent twice. "no live upstreams" is where that ends.
std::optional<Draft> repeated(const Look& look) {
  std::map<std::string, std::pair<std::string, FactId>> seen;  // connection and uri -> its first upstream
  std::vector<FactId> twice;
  for (const char* kind : {"timed-out-reading", "timed-out-connecting", "closed-early", "refused", "reset"}) {
    for (const FactId id : rows_of(look, kind).ids) {
      const auto& row = std::get<ProxyError>(look.evidence.facts[id].what);
      if (row.connection == 0) continue;
      const std::string key = std::to_string(look.evidence.facts[id].origin.source) + " " + std::to_string(row.connection) + " " + row.uri;
      const auto [known, fresh] = seen.emplace(key, std::pair{upstream_address(row), id});
      if (!fresh && known->second.first != upstream_address(row)) twice.push_back(id);
    }
  }
  const Rows none_left = rows_of(look, "no-live");
  if (twice.empty() && none_left.ids.empty()) return std::nullopt;
  Rows rows = none_left;
  if (!twice.empty()) rows.ids = twice;
  Draft draft = start(look, "proxy.retries", rows);
  draft.values["count"] = std::to_string(twice.size());
  for (const FactId id : none_left.ids)
    if (draft.because.size() < 3) because(draft, id);
  if (!twice.empty()) {
    draft.sure = Confidence::likely;  // *N is the client's connection: a client that asked again on it would look the same
    draft.sure_because = "one path on one client connection failed on two upstreams";
  } else {
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "every peer counts as down; what each of them had answered is not in this log";
    draft.missing.push_back("the rows before: nginx's error log from when the first peer failed");
  }
  return draft;
}

// The queue is full while the server lives: its workers are the reason. Many paths that time out at a server that logs nothing say the same.
std::optional<Draft> saturated(const Look& look) {
  const Rows full = rows_of(look, "queue-full");
  const Rows late = rows_of(look, "timed-out-reading");
  const bool many = late.ids.size() >= 10 && late.requests.size() >= 3;
  if (full.ids.empty() && !many) return std::nullopt;
  const Rows& rows = full.ids.empty() ? late : full;
  const Server* alive = nullptr;
  for (const Server& server : look.stack.servers) {
    const auto after = apart(look, rows.ids.front(), server.first);
    if (server.seen_start && after && *after >= -1 && !server.lives.empty()) alive = &server;
  }
  if (!alive) return std::nullopt;
  Draft draft = start(look, "worker.saturated", rows);
  draft.sure = Confidence::likely;
  draft.values["reason"] = full.ids.empty() ? fmt::format(": {} requests timed out at the proxy while they waited, on many paths", rows.ids.size()) : fmt::format(": its queue refused {}", base::counted(rows.ids.size(), "connection"));
  draft.sure_because = full.ids.empty() ? "requests on many paths timed out at once while the server lived" : "its listen queue was full while the server lived: no worker took from it";
  draft.subject.role = "server";
  draft.subject.server = alive->flavour;
  draft.missing.push_back("what they were busy with: triage stacks while it lasts");
  return draft;
}

// Closed early although nothing died: a request on a kept-alive connection that the server was just closing.
std::optional<Draft> keepalive_race(const Look& look) {
  Rows rows = rows_of(look, "closed-early");
  std::erase_if(rows.ids, [&](FactId id) { return near_an_end(look, id, 2.5); });
  if (rows.ids.empty() || look.stack.servers.empty()) return std::nullopt;
  // The server's log must be there and cover the moment, else its silence says nothing.
  bool covered = false, keeps_alive = false;
  for (const Server& server : look.stack.servers) {
    const auto after_start = apart(look, rows.ids.front(), server.first);
    covered |= server.seen_start && after_start && *after_start >= -1;
    keeps_alive |= !server.worker_class.empty() && server.worker_class != "sync";
  }
  bool configured = false;
  for (const FactId id : look.evidence.ids_of<SettingRead>())
    if (const auto& setting = *as<SettingRead>(look.evidence.facts[id]); setting.name == "nginx.keepalive" && setting.value != "0") configured = true;
  if (!covered || !keeps_alive) return std::nullopt;
  Draft draft = start(look, "proxy.keepalive-race", rows);
  draft.sure = configured ? Confidence::likely : Confidence::unknown;
  if (!configured) draft.truth = Truth::unknown;
  draft.sure_because = configured ? "the proxy keeps connections to this server alive, and no worker ended at that moment" : "no worker ended at that moment; whether the proxy keeps connections alive is not known";
  if (!configured) draft.missing.push_back("the proxy's configuration: nginx -T");
  draft.subject.role = "server";
  rule_out(draft, "death.timeout", "the server's log has no end of a worker within 2.5 s");
  return draft;
}

// A way that is open now needs no report of what its log said, nor does one that nobody asked about.
bool over(const Look& look, const Draft& draft) {
  if (!base::starts_with(draft.rule, "socket.")) return false;
  if (!on_the_way(look, draft.subject.where)) return true;
  if (draft.rule != "socket.refused") return false;
  const auto all = peers(look);
  return std::any_of(all.begin(), all.end(), [&](const Peer& peer) { return peer.address == draft.subject.where && reachable_now(look, peer); });
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const auto cause : {refused_socket, missing_socket, refused_connection, full_queue, gave_up, keepalive_race, repeated, saturated})
    if (auto draft = cause(look); draft && !over(look, *draft)) drafts.push_back(std::move(*draft));
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check proxy = {"proxy",
                            {"socket.permission", "socket.missing", "socket.stolen", "proxy.server-down", "socket.backlog-full", "proxy.gave-up-first", "proxy.keepalive-race", "proxy.retries", "socket.refused", "worker.saturated"},
                            look_at};
}
}  // namespace rule
