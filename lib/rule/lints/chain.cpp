// The chain's inequalities, asked of the same model that triage-timeouts prints (model/chain.hpp): a balancer before the proxy, retries that add up,
// stops that cut what the chain allows.
#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "flavour/nginx_time.hpp"
#include "model/chain.hpp"
#include "model/pass.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Deployment;
using model::Limit;
using model::no_limit;
using model::Route;
using model::Spot;

std::string number_text(double seconds) { return model::seconds_text(seconds); }

const model::Choice* choice_of(const Route& route, std::string_view role, std::string_view ending) {
  for (const model::Station& station : route.stations)
    if (station.role == role)
      for (const model::Term& term : station.terms) if (term.name.ends_with(ending)) return &term.choices.front();
  return nullptr;
}

Spot spot_of(const Route& route, std::string_view role, std::string_view ending) {
  const model::Choice* choice = choice_of(route, role, ending);
  return choice && choice->at.known() ? choice->at : route.at;
}

std::string guess_text(const Route& route) { return route.guess.empty() ? "" : " (a guess: " + route.guess + ")"; }

// The balancer gives up while the proxy would still wait: 499 in its log, and the application works on.
void balancer_timeout(const Deployment& all, const Route& route, std::vector<Draft>& drafts) {
  const model::ProxyLimits& proxy = route.variants.front().chain.proxy;
  const double limit = std::min(all.balancer.request, all.balancer.idle);
  if (limit == no_limit || !proxy.present) return;
  const Spot at = spot_of(route, "proxy", "_read_timeout");
  if (!proxy.read.known) { drafts.push_back(lint_unknown(all, "chain.lb-timeout", at, "read_timeout")); return; }
  if (proxy.read.seconds < limit) return;
  Draft draft = lint_draft(all, "chain.lb-timeout", at, {{"name", route.location}, {"value", number_text(proxy.read.seconds)}, {"limit", number_text(limit)}});
  also(all, draft, all.balancer.at);
  draft.prediction = "a request of more than " + number_text(limit) + ": the client gets the balancer's 504, nginx logs 499, the work goes on";
  drafts.push_back(std::move(draft));
}

// The balancer keeps connections longer than who stands behind it: what it sends at the moment of the close is lost.
void balancer_idle(const Deployment& all, const Route& route, std::vector<Draft>& drafts) {
  if (all.balancer.idle == no_limit) return;
  const auto found = [&](const Spot& at, double kept, const std::string& who) {
    if (kept == 0 || kept > all.balancer.idle) return;
    Draft draft = lint_draft(all, "chain.lb-idle", at, {{"name", who}, {"value", number_text(kept)}, {"limit", number_text(all.balancer.idle)}});
    also(all, draft, all.balancer.at);
    draft.prediction = "a request that meets the close: 502 from the balancer, and no line in any log behind it";
    drafts.push_back(std::move(draft));
  };
  if (route.nginx != SIZE_MAX) {
    const model::Nginx& nginx = *all.nginx[route.nginx];
    const auto keep = model::in_force(nginx, nginx.passes[route.pass].block, "keepalive_timeout");
    if (!keep.node) {
      if (keep.unsure || !nginx.whole) drafts.push_back(lint_unknown(all, "chain.lb-idle", route.at, "keepalive_timeout of nginx"));
      else found(route.at, 75, "nginx");
      return;
    }
    const auto seconds = flavour::nginx_seconds(keep.node->directive.argument(0));
    if (seconds) found(nginx.spot(*keep.node), *seconds, "nginx");
    else drafts.push_back(lint_unknown(all, "chain.lb-idle", nginx.spot(*keep.node), "keepalive_timeout of nginx"));
    return;
  }
  const Limit& idle = route.variants.front().chain.server.idle;
  const Spot at = spot_of(route, "server", "keepalive");
  if (!idle.known || route.variants.size() > 1) drafts.push_back(lint_unknown(all, "chain.lb-idle", at, "keepalive of the server"));
  else found(at, idle.seconds, "the server");
}

// All tries together take longer than the balancer waits.
void retry_budget(const Deployment& all, const Route& route, std::vector<Draft>& drafts) {
  const model::ProxyLimits& proxy = route.variants.front().chain.proxy;
  const double limit = std::min(all.balancer.request, all.balancer.idle);
  if (limit == no_limit || !proxy.present || (proxy.peers_known && proxy.peers < 2)) return;
  const Spot at = spot_of(route, "proxy", "_next_upstream");
  if (!proxy.peers_known || !proxy.retries_known || !proxy.read.known || !proxy.next.known) { drafts.push_back(lint_unknown(all, "chain.retry-budget", at, !proxy.peers_known ? "peers" : !proxy.read.known ? "read_timeout" : "next_upstream")); return; }
  if (!proxy.retries_timeout) return;
  const int tries = proxy.tries > 0 ? std::min(proxy.tries, proxy.peers) : proxy.peers;
  if (tries < 2) return;
  // The next one is begun only while next_upstream_timeout is not over.
  const double total = std::min(tries * proxy.read.seconds, proxy.next.seconds == no_limit ? no_limit : std::floor(proxy.next.seconds / std::max(proxy.read.seconds, 1e-3)) * proxy.read.seconds + proxy.read.seconds);
  if (total <= limit || proxy.read.seconds >= limit) return;  // a single try that is too long is chain.lb-timeout
  Draft draft = lint_draft(all, "chain.retry-budget", at, {{"name", route.location}, {"value", number_text(total)}, {"count", std::to_string(tries)}, {"limit", number_text(limit)}});
  also(all, draft, all.balancer.at);
  draft.prediction = "GET of more than " + number_text(proxy.read.seconds) + ": begun on up to " + std::to_string(tries) + " servers, and the balancer has answered 504 at " + number_text(limit);
  drafts.push_back(std::move(draft));
}

// A stop cuts requests that every limit of a working day allows. The plain comparisons of graceful_timeout with one supervisor's limit, and with a
// sync worker's timeout, are rules of their areas; this one is the way through proxy, server and supervisor together.
void shutdown(const Deployment& all, const Route& route, std::vector<Draft>& drafts) {
  if (route.application == SIZE_MAX || route.nginx == SIZE_MAX || route.variants.empty()) return;
  const model::Choice* read = choice_of(route, "proxy", "_read_timeout");
  if (!read || (read->value.known() && read->from != model::From::configured)) return;  // nobody said that requests take that long
  for (const model::Variant& variant : route.variants) {
    const model::Chain& chain = variant.chain;
    if (!chain.stop.known || chain.stop.signal != model::StopLimits::Signal::graceful) continue;
    const bool per_request = chain.server.law.measures == flavour::Measures::request;
    if (per_request) continue;
    const model::Survives most = model::survives_stop(chain);
    const Spot at = spot_of(route, "server", "graceful_timeout");
    if (!most.known || !chain.proxy.read.known) { drafts.push_back(lint_unknown(all, "chain.shutdown-chain", at, !chain.proxy.read.known ? "read_timeout" : "graceful_timeout")); return; }
    if (most.by == "kill" || most.seconds == no_limit || chain.proxy.read.seconds <= most.seconds) continue;
    Draft draft = lint_draft(all, "chain.shutdown-chain", at, {{"name", route.location}, {"value", number_text(most.seconds)}, {"other", number_text(chain.proxy.read.seconds)}, {"under", variant.when.empty() ? "" : " when " + variant.when}, {"guess", guess_text(route)}});
    also(all, draft, spot_of(route, "proxy", "_read_timeout"));
    // A read timeout of a little more is headroom, and no promise that requests take that long.
    if (chain.proxy.read.seconds <= 2 * most.seconds) draft.level = Level::note;
    draft.prediction = "a request with more than " + number_text(most.seconds) + " to go when the stop begins: 502 at " + number_text(most.seconds + chain.stop.before);
    drafts.push_back(std::move(draft));
    return;
  }
}

// Who comes while the server stops waits in the queue of a socket that goes with the last worker. Of units and pods rules of their own say it
// (systemd.no-socket-activation, kubernetes.no-prestop).
void hang_reset(const Deployment& all, const Route& route, std::vector<Draft>& drafts) {
  if (route.application == SIZE_MAX || route.nginx == SIZE_MAX || route.stations.empty() || (route.stations.back().flavour != "compose" && route.stations.back().flavour != "supervisor")) return;
  const model::Chain& chain = route.variants.front().chain;
  bool server = false;
  for (const model::Station& station : route.stations) server = server || flavour::like_gunicorn(station.flavour);
  if (!server || chain.stop.held_socket || !route.guess.empty()) return;
  if (chain.proxy.peers_known && chain.proxy.peers > 1) return;  // the next peer takes it
  const Spot at = route.stations.back().at;
  if (!chain.proxy.peers_known || !chain.stop.known) { drafts.push_back(lint_unknown(all, "chain.shutdown-hang-reset", at, !chain.proxy.peers_known ? "peers" : "what stops it")); return; }
  Draft draft = lint_draft(all, "chain.shutdown-hang-reset", at, {{"name", route.stations.back().name}});
  also(all, draft, route.at);
  draft.prediction = "requests during a restart: 502 when the last worker goes, up to graceful_timeout after they came";
  drafts.push_back(std::move(draft));
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  if (!all.balancer.known() && all.holders.empty()) return;  // nobody gives up in front, nobody stops anything
  std::set<std::size_t> stopped;  // what is about a server is said once, not for each location
  for (const Route& route : model::routes_of(all, {})) {
    if (route.variants.empty()) continue;
    balancer_timeout(all, route, drafts);
    balancer_idle(all, route, drafts);
    retry_budget(all, route, drafts);
    if (route.application == SIZE_MAX) continue;
    shutdown(all, route, drafts);
    if (stopped.insert(route.application).second) hang_reset(all, route, drafts);
  }
}

}  // namespace

namespace lints_of {
extern const Lint chain = {"chain", {"chain.lb-timeout", "chain.lb-idle", "chain.retry-budget", "chain.shutdown-chain", "chain.shutdown-hang-reset"}, look};
}

}  // namespace rule
