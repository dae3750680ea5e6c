// Outcomes as the rows that every output prints. Past 300 lines: a row of its own for each phase of a request, with the words of all of them.
#include "model/outlook.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "base/text.hpp"

namespace model {

namespace {

std::string plain(double seconds) { std::string text = seconds_text(seconds); if (text.ends_with(" s")) text.resize(text.size() - 2); return text; }
std::string window(double from, double to) { return to - from < 0.005 ? seconds_text(from) : to == no_limit ? "from " + seconds_text(from) : plain(from) + "-" + seconds_text(to); }

std::string status_text(const Outcome& one) { return one.status == 0 ? "closed" : std::to_string(one.status); }

const Term* term_of(const Route& route, std::string_view ending) {
  for (const Station& station : route.stations)
    for (const Term& term : station.terms)
      if (term.name == ending || (ending.starts_with("_") && term.name.ends_with(ending))) return &term;
  return nullptr;
}

std::string value_text(const Term& term) {
  std::string text;
  for (const Choice& choice : term.choices) {
    if (!text.empty()) text += " or ";
    text += choice.value.known() ? choice.value.text : "unknown";
  }
  return text;
}

// "proxy_read_timeout 60s (nginx.conf:14:5)".
std::string said(const Term& term) { return term.name + " " + value_text(term) + (term.where.empty() ? "" : " (" + term.where + ")"); }

std::string worker_name(const Route& route) {
  for (const std::string_view name : {"timeout", "harakiri", "request_terminate_timeout", "worker_timeout"}) if (term_of(route, name)) return std::string(name);
  return "timeout";
}

// The terms that a model's word stands for.
const Term* term_behind(const Route& route, std::string_view word) {
  if (word == "read") return term_of(route, "_read_timeout");
  if (word == "worker") return term_of(route, worker_name(route));
  if (word == "next") return term_of(route, "_next_upstream_timeout");
  if (word == "retries") return term_of(route, "_next_upstream");
  if (word == "peers") return nullptr;
  return term_of(route, word);
}

void open_terms(const Route& route, Row& row, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "peers") { row.depends.push_back("how many servers the proxy asks, unknown: its target's number of addresses"); continue; }
    const Term* term = term_behind(route, word);
    row.depends.push_back(term ? term->name + ", unknown: " + (term->where.empty() ? "" : term->where + " ") + term->why : word);
  }
}

Row row_of(const Route& route, const Variant& variant, const Interval& interval, std::string phase, std::string method) {
  Row row;
  row.when = variant.when;
  row.phase = std::move(phase);
  row.method = std::move(method);
  row.from = interval.from;
  row.to = interval.to;
  std::vector<const Outcome*> order;
  for (const Outcome& one : interval.outcomes) order.push_back(&one);
  std::stable_sort(order.begin(), order.end(), [](const Outcome* a, const Outcome* b) { return a->finished > b->finished; });
  bool ghosts = false;
  std::vector<std::pair<std::string, std::string>> said_at;  // when -> which statuses: "500 or 502 at 30-31.1 s" is said once
  for (const Outcome* one : order) {
    const std::string text = status_text(*one);
    if (std::ranges::find(row.client, text) == row.client.end()) row.client.push_back(text);
    const std::string at = one->finished ? "" : one->to == no_limit ? " at a time that is not known" : " at " + window(one->from, one->to), what = one->finished && !variant.chain.server.known ? "what the server answers" : text;
    const auto same = std::ranges::find(said_at, at, &std::pair<std::string, std::string>::first);
    if (same == said_at.end()) said_at.emplace_back(at, what);
    else if (!base::contains(same->second, what)) same->second += " or " + what;
    row.executes = std::max(row.executes, one->runs);
    row.killed_least = one == order.front() ? one->killed : std::min(row.killed_least, one->killed);
    row.killed = std::max(row.killed, one->killed);
    row.blackout = std::max(row.blackout, one->blackout);
    if (variant.chain.server.known) {
      row.ghost_from = ghosts ? std::min(row.ghost_from, one->ghost_from) : one->ghost_from;
      row.ghost_to = std::max(row.ghost_to, one->ghost_to);
      ghosts = true;
    }
    const std::string_view word = one->gave_up == "proxy" ? std::string_view("read") : std::string_view(one->gave_up);
    const auto because = [&](const Term* term) {
      if (term && std::ranges::find(row.because, said(*term)) == row.because.end()) row.because.push_back(said(*term));
    };
    if (word == "balancer") because(term_of(route, variant.chain.balancer.where));
    else if (!word.empty()) because(term_behind(route, word));
    if (one->runs > 1) because(term_of(route, "_next_upstream"));
  }
  if (said_at.size() > 4) {  // many peers: the moments run into each other, and each status is told once with all of its time
    said_at.clear();
    for (const std::string& status : row.client) {
      double from = no_limit, to = 0;
      bool finished = false;
      for (const Outcome* one : order) {
        if (status_text(*one) != status) continue;
        finished = finished || one->finished;
        if (!one->finished) { from = std::min(from, one->from); to = std::max(to, one->to); }
      }
      said_at.emplace_back(finished || from == no_limit ? "" : to == no_limit ? " at a time that is not known" : " at " + window(from, to), status);
    }
  }
  for (const auto& [at, what] : said_at) row.told += (row.told.empty() ? "" : ", or ") + what + at;
  open_terms(route, row, interval.depends);
  return row;
}

bool same_rows(const std::vector<Interval>& a, const std::vector<Interval>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].from != b[i].from || a[i].to != b[i].to || a[i].outcomes != b[i].outcomes) return false;
  return true;
}

void waits(const Route& route, const Variant& variant, const std::string& method, std::vector<Row>& rows) {
  const auto add = [&](const std::string& phase, bool blocks) {
    Request get, post;
    get.blocks = post.blocks = blocks;
    get.method = method.empty() ? "GET" : method;
    post.method = "POST";
    const auto first = outcomes(variant.chain, get);
    const auto second = method.empty() ? outcomes(variant.chain, post) : first;
    const bool same = same_rows(first, second);
    for (const Interval& one : first) rows.push_back(row_of(route, variant, one, phase, !method.empty() ? method : same ? "any" : "GET"));
    if (!same) for (const Interval& one : second) rows.push_back(row_of(route, variant, one, phase, "POST"));
  };
  add("wait", false);
  if (variant.chain.server.known && variant.chain.server.law.measures == flavour::Measures::loop && variant.chain.server.worker.seconds != no_limit) add("blocked", true);
}

std::string client_of(const Ending& end) { return end.status == 0 ? "closed" : end.whole || end.status != 200 ? std::to_string(end.status) : "200 cut"; }

Row phase_row(const Variant& variant, const char* phase, double from, double to) {
  Row row;
  row.when = variant.when;
  row.phase = phase;
  row.from = from;
  row.to = to;
  row.client = {"200"};
  row.told = "200";
  return row;
}

void endings(Row& row, const std::vector<Ending>& all) {
  row.client.clear();
  row.told.clear();
  for (const Ending& end : all) {
    const std::string text = client_of(end);
    if (std::ranges::find(row.client, text) == row.client.end()) { row.client.push_back(text); row.told += (row.told.empty() ? "" : " or ") + text; }
    row.killed_least = &end == &all.front() ? end.killed : std::min(row.killed_least, end.killed);
    row.killed = std::max(row.killed, end.killed);
    if (!end.runs) row.executes = 0;
    if (!end.why.empty() && std::ranges::find(row.because, end.why) == row.because.end()) row.because.push_back(end.why);
  }
}

// The rows of the other phases: each has one moment at which it changes.
void phases(const Route& route, const Variant& variant, const std::string& method, std::vector<Row>& rows) {
  const Chain& chain = variant.chain;
  const ProxyLimits& proxy = chain.proxy;
  const auto explain = [&](Row& row, std::string_view word) { if (const Term* term = term_behind(route, word)) row.because.insert(row.because.begin(), said(*term)); };
  if (proxy.present && proxy.read.known && proxy.read.seconds != no_limit) {
    rows.push_back(phase_row(variant, "body", 0, proxy.read.seconds));
    Row row = phase_row(variant, "body", proxy.read.seconds, no_limit);
    endings(row, streamed({.balancer = {}, .proxy = proxy, .server = {}, .stop = {}}, {}, {0, proxy.read.seconds + 1, proxy.read.seconds + 2, Stream::Framing::chunks}));
    std::erase(row.client, "200");
    row.told = "200, but cut: its header is out, there is no 504 any more";
    if (row.client.empty()) row.client = {"200 cut"};
    explain(row, "read");
    rows.push_back(std::move(row));
  }
  const ServerLimits& server = chain.server;
  if (server.known && server.law.measures == flavour::Measures::request && server.worker.known && server.worker.seconds != no_limit) {
    const double limit = std::max(0.0, server.worker.seconds - server.law.early), late = server.worker.seconds + server.law.late;
    Chain alone = chain;
    alone.proxy.read = {};
    rows.push_back(phase_row(variant, "answer", 0, limit));
    Row either = phase_row(variant, "answer", limit, late);
    either.client.emplace_back("200 cut");
    either.killed = 1;
    either.told = "200, whole or cut";
    explain(either, "worker");
    rows.push_back(std::move(either));
    Row row = phase_row(variant, "answer", late, no_limit);
    const auto cut = streamed(alone, {}, {0, 1, late + 10, Stream::Framing::chunks});
    endings(row, cut);
    row.told = "200, but cut at " + window(limit, late);
    for (const Ending& end : cut)
      if (!end.whole) row.told += end.seen == Ending::Seen::by_nobody ? "; looks whole to the client" : end.known ? "; the client can tell" : "";
    explain(row, "worker");
    rows.push_back(std::move(row));
  }
  if (proxy.present && proxy.client_body.known) {
    const double limit = proxy.client_body.seconds;
    rows.push_back(phase_row(variant, "upload", 0, limit));
    Row row = phase_row(variant, "upload", limit, no_limit);
    endings(row, uploaded(chain, {}, {1, limit + 2, limit + 1, 0, 0}));
    row.told = "closed without an answer (408 in the access log)";
    if (const Term* term = term_of(route, "client_body_timeout")) row.because.insert(row.because.begin(), said(*term));
    rows.push_back(std::move(row));
  }
  for (const std::string& one : method.empty() ? std::vector<std::string>{"GET", "POST"} : std::vector<std::string>{method}) {
    Request request;
    request.method = one;
    const auto race = raced(chain, request);
    if (race.empty()) continue;
    Row row = phase_row(variant, "idle", server.idle.known ? server.idle.seconds : 0, no_limit);
    row.method = one;
    endings(row, race);
    row.told = "at the moment of the server's close: " + row.told;
    if (const Term* term = term_of(route, "keepalive_timeout")) row.because.push_back(said(*term));
    if (const Term* term = term_of(route, "keepalive")) row.because.push_back(said(*term));
    if (!race.front().known) row.depends.emplace_back("how long either side keeps a connection, unknown: keepalive, its timeouts or nginx's version");
    rows.push_back(std::move(row));
  }
  if (server.known && server.workers > 0 && server.backlog > 0) {
    Burst many;
    many.at_once = static_cast<std::size_t>(server.workers) + static_cast<std::size_t>(server.backlog) + 2;
    many.work = 1;
    const BurstOutcome out = burst(chain, many);
    if (out.known && !out.beyond.empty()) {
      Row row = phase_row(variant, "queue", 0, no_limit);
      endings(row, out.beyond);
      row.executes = 0;
      row.told = "beyond " + std::to_string(server.workers) + " at work and " + std::to_string(server.backlog + 1) + " in the queue: " + (server.unix_socket ? "502 at once" : row.told);
      rows.push_back(std::move(row));
    }
  }
  // Old workers at a reload: of gunicorn's the worker timeout alone, of others a limit of its own.
  if (server.known && !server.reload.known) {
    Row row = phase_row(variant, "reload", 0, no_limit);
    row.client.emplace_back("502");
    row.told = "200 or 502";
    open_terms(route, row, {variant.reload_name.empty() ? worker_name(route) : variant.reload_name});
    rows.push_back(std::move(row));
  }
  if (server.known && server.reload.known && server.reload.seconds != no_limit) {
    const bool own = server.law.measures != flavour::Measures::request || !server.worker.known || server.reload.seconds < server.worker.seconds;
    const double from = own ? server.reload.seconds : server.worker.seconds, to = from + (own ? server.reload_late : server.law.late);
    if (from > 0) rows.push_back(phase_row(variant, "reload", 0, from));
    Row row = phase_row(variant, "reload", from > 0 ? to : 0, no_limit);
    endings(row, reloaded(chain, to + 7));
    row.told += " at " + window(from, to);
    explain(row, own ? std::string_view(variant.reload_name) : "worker");
    rows.push_back(std::move(row));
  }
  if (chain.stop.known) {
    const Survives most = survives_stop(chain);
    if (!most.known) {
      Row row = phase_row(variant, "stop", 0, no_limit);
      endings(row, stopped(chain, variant.stopping, 1));
      row.depends.emplace_back("the limits of the stop, unknown: its signal, graceful_timeout or what the supervisor waits");
      rows.push_back(std::move(row));
    } else {
      const double limit = most.seconds == no_limit ? no_limit : most.seconds + chain.stop.before;
      const bool left = most.by == "orphans", untouched = most.by == "nobody";
      if (left || untouched) {  // the request is whole; what is wrong is what stays
        if (left) rows.push_back(phase_row(variant, "stop", 0, chain.stop.kill.seconds));
        Row row = phase_row(variant, "stop", left ? chain.stop.kill.seconds : 0, no_limit);
        row.told = left ? "200: its worker outlives the master that is killed, and holds what it holds until it has ended" : "200: no signal is sent, and the server stays";
        if (const Term* term = term_of(route, "KillMode")) row.because.push_back(said(*term));
        rows.push_back(std::move(row));
        return;
      }
      if (limit > 0) rows.push_back(phase_row(variant, "stop", 0, limit));
      if (limit != no_limit) {
        Row row = phase_row(variant, "stop", limit, no_limit);
        endings(row, stopped(chain, variant.stopping, limit + 2));
        row.told += " at " + seconds_text(limit) + " after the stop began";
        if (most.by == "graceful") { if (const Term* term = term_of(route, variant.graceful_name)) row.because.push_back(said(*term)); }
        else if (most.by == "kill" && !route.stations.empty() && !route.stations.back().terms.empty()) row.because.push_back(said(route.stations.back().terms.front()));
        rows.push_back(std::move(row));
      }
    }
  }
}

// Everything that decides about the rows. Where a value was set is not part of it: a hundred locations that say the same are one.
std::string key_of(const Route& route) {
  std::string key = std::to_string(route.application) + "|" + route.guess + "|";
  for (const Station& station : route.stations) {
    key += station.role + "|";
    for (const Term& term : station.terms) {
      key += term.name;
      key += '=';
      for (const Choice& choice : term.choices) { key += choice.value.known() ? choice.value.text : "?"; key += choice.from == From::built_in ? ';' : ','; }
    }
  }
  for (const Variant& one : route.variants)
    key += one.when + std::to_string(one.chain.proxy.peers) + (one.chain.proxy.peers_known ? "k" : "u") + (one.chain.proxy.version_known ? "k" : "u") + (one.chain.proxy.version_1_1 ? "1" : "0") + (one.chain.proxy.idle.known ? "k" : "u") + std::to_string(one.chain.proxy.idle.seconds);
  return key;
}

}  // namespace

std::string span_text(double from, double to) { return to == no_limit ? "from " + seconds_text(from) : plain(from) + " - " + seconds_text(to); }

std::string killed_text(const Row& row) {
  if (row.killed == 0) return {};
  if (row.killed_least == row.killed) return row.killed == 1 ? "a worker is killed" : std::to_string(row.killed) + " workers are killed";
  return row.killed == 1 ? "a worker may be killed" : "up to " + std::to_string(row.killed) + " workers are killed";
}

std::string besides(const Row& row) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (row.executes > 1) add("done up to " + std::to_string(row.executes) + " times");
  if (row.ghost_to > 0.05) add(row.ghost_to == no_limit ? "goes on for nobody" : "goes on for nobody, up to " + seconds_text(row.ghost_to));
  if (const std::string killed = killed_text(row); !killed.empty()) add(killed);
  if (row.blackout > 0) add("then 502 for everybody, " + seconds_text(row.blackout));
  return text;
}

std::vector<Group> outlook(const std::vector<Route>& routes, const std::string& method) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const auto [place, fresh] = known.emplace(key_of(routes[i]), groups.size());
    if (!fresh) { groups[place->second].routes.push_back(i); continue; }
    Group group;
    group.routes.push_back(i);
    for (const Variant& variant : routes[i].variants) {
      waits(routes[i], variant, method, group.rows);
      phases(routes[i], variant, method, group.rows);
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<Timeline> timeline(const Route& route, const Request& request, double work) {
  std::vector<Timeline> all;
  for (const Variant& variant : route.variants) {
    Timeline line;
    line.when = variant.when;
    const Chain& chain = variant.chain;
    const auto add = [&](double at, double until, std::string what) { line.moments.push_back({at, until, std::move(what)}); };
    const bool proxied = chain.proxy.present;
    add(0, 0, proxied ? "the proxy has the request and connects: the kernel answers at once while its queue has room" : "the server's kernel takes the connection");
    add(request.queued, request.queued, "a worker begins with it");
    const std::string send = proxied && chain.proxy.send.known ? "; the proxy's send timeout, " + seconds_text(chain.proxy.send.seconds) + ", counts only while a body is written, and has nothing more to do" : "";
    if (!send.empty()) add(request.queued, request.queued, "the request is sent" + send);
    const auto said_now = outcomes_at(chain, request, work);
    if (chain.server.known && chain.server.law.measures == flavour::Measures::loop && !request.blocks) add(request.queued, request.queued, "the worker's timeout does not count: this class only watches that its loop turns");
    const bool either = said_now.size() > 1;
    for (const Outcome& one : said_now) {
      const std::string how = either ? "either: " : "";
      if (one.finished) {
        add(work + one.from, work + one.to, how + (chain.server.known ? "the work ends, the client gets 200" : "the server's answer"));
        continue;
      }
      const std::string who = one.gave_up == "proxy" ? "the proxy gives up" : one.gave_up == "balancer" ? "the load balancer gives up" : "the master kills the worker";
      add(one.from, one.to, how + who + ": the client gets " + status_text(one) + (one.runs > 1 ? "; it was tried on " + std::to_string(one.runs) + " servers, one after the other" : ""));
      if (one.ghost_to > 0) add(one.to + one.ghost_from, one.to + one.ghost_to, "until then " + std::string(one.runs > 1 ? "the workers go" : "the worker goes") + " on for nobody" + (one.killed > 0 ? ", and is killed" : ""));
      if (one.blackout > 0) add(one.to, one.to + one.blackout, "every other request gets 502 as well: the proxy takes all servers for down");
    }
    const auto line_of = outcomes(chain, request);
    for (const Interval& interval : line_of)
      if (work >= interval.from && work < interval.to) {
        Row row;
        open_terms(route, row, interval.depends);
        line.depends = row.depends;
      }
    std::stable_sort(line.moments.begin(), line.moments.end(), [](const Moment& a, const Moment& b) { return a.at < b.at; });
    all.push_back(std::move(line));
  }
  return all;
}

}  // namespace model
