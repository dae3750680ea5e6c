#include "model/running.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "flavour/nginx_time.hpp"
#include "model/timeline.hpp"

namespace model {

using namespace evidence;

namespace {

// "/api", "= /x", "^~ /static": the prefix, and whether it must be the whole path. nullopt for regular expressions and named locations.
struct Prefix { std::string_view path; bool whole = false; };
std::optional<Prefix> prefix_of(std::string_view location) {
  if (base::starts_with(location, "~") || base::starts_with(location, "@")) return std::nullopt;
  Prefix prefix{location, base::starts_with(location, "=")};
  if (prefix.whole) prefix.path.remove_prefix(1);
  if (base::starts_with(prefix.path, "^~")) prefix.path.remove_prefix(2);
  prefix.path = base::trim(prefix.path);
  return prefix;
}

// nginx's log names the address that it connected to; its configuration may name the machine.
bool leads_to(std::string_view configured, std::string_view connected) {
  if (configured == connected) return true;
  if (!base::starts_with(configured, "localhost:")) return false;
  const std::string_view port = configured.substr(9);
  return connected == "127.0.0.1" + std::string(port) || connected == "[::1]" + std::string(port);
}

const SettingRead* setting_of(const Evidence& evidence, FactId id, const RunningPass& pass) {
  return evidence.facts[id].about.pid == pass.proxy ? as<SettingRead>(evidence.facts[id]) : nullptr;
}

// Whether a setting of a server block counts for a pass: both in one file, and no other server's own lines between them. nullopt: cannot be told.
std::optional<bool> in_its_server(const Evidence& evidence, FactId setting, const RunningPass& pass) {
  const Origin &at = evidence.facts[setting].origin, &route = evidence.facts[pass.route].origin;
  if (at.source != route.source || at.offset == route.offset) return std::nullopt;
  const auto [from, to] = std::minmax(at.offset, route.offset);
  bool other = false, between = false;
  for (const FactId id : evidence.ids_of<SettingRead>()) {
    const Origin& here = evidence.facts[id].origin;
    const auto* one = setting_of(evidence, id, pass);
    if (!one || here.source != at.source || here.offset <= from || here.offset >= to || (one->name != "nginx.listen" && one->name != "nginx.server_name")) continue;
    between = true;
    other = other || one->condition != as<SettingRead>(evidence.facts[setting])->condition;
  }
  if (other) return false;
  return between ? std::nullopt : std::optional(true);
}

Choice choice_of(const Evidence& evidence, FactId id) {
  const auto& read = *as<SettingRead>(evidence.facts[id]);
  return {read.literal ? text_value(read.value) : unknown_value(), "", {}, From::configured};
}

std::string place_of(const Evidence& evidence, FactId id) {
  const Fact& fact = evidence.facts[id];
  std::string_view name = evidence.source_of(fact).name;
  if (base::starts_with(name, "./")) name.remove_prefix(2);
  return base::printable(name, 120) + ":" + std::to_string(fact.origin.line) + ":" + std::to_string(fact.origin.column);
}

struct Proxy {
  const Evidence& evidence;
  const RunningPass& pass;
  Station station;

  Term& add(std::string name, std::string key, const char* unit, const std::string& built_in) {
    const InForceHere found = in_force(evidence, pass, name);
    Term term;
    term.name = std::move(name);
    term.key = std::move(key);
    term.unit = unit;
    Choice choice{text_value(built_in), "", {}, From::built_in};
    if (found.at != no_fact) choice = choice_of(evidence, found.at);
    if (!found.known) choice = {unknown_value(), "", {}, From::unknown};
    term.where = found.at != no_fact ? place_of(evidence, found.at) : found.known ? "default of nginx" : "";
    if (!found.known) term.why = "several blocks set it, and which of them counts cannot be told";
    term.shown = choice.from != From::built_in;
    term.choices = {std::move(choice)};
    station.terms.push_back(std::move(term));
    return station.terms.back();
  }

  Limit time(std::string name, std::string key, const std::string& built_in, bool zero_is_off = false) {
    Term& term = add(std::move(name), std::move(key), "s", built_in);
    Choice& choice = term.choices.front();
    Limit limit{no_limit, term.where, choice.from == From::configured, false};
    const auto seconds = choice.value.known() ? flavour::nginx_seconds(choice.value.text) : std::nullopt;
    if (!seconds) { choice.value = unknown_value(); return limit; }
    choice.value = number_value(*seconds, base::printable(choice.value.text, 40));
    limit.known = true;
    limit.seconds = zero_is_off && *seconds == 0 ? no_limit : *seconds;
    return limit;
  }
};

// The peers of a pass, and what stands of them: "127.0.0.1:8000 max_fails=0 fail_timeout=5s".
void peers(const Evidence& evidence, const RunningPass& pass, ProxyLimits& limits) {
  const auto& route = *as<ProxyRoute>(evidence.facts[pass.route]);
  std::set<std::string_view> addresses;
  for (const FactId id : evidence.ids_of<ProxyRoute>()) {
    const auto& other = *as<ProxyRoute>(evidence.facts[id]);
    if (evidence.facts[id].about.pid == pass.proxy && other.location == route.location && other.upstream == route.upstream && other.role != "backup" && (!route.upstream.empty() || other.address == route.address)) addresses.insert(other.address);
  }
  limits.peers = static_cast<int>(std::clamp<std::size_t>(addresses.size(), 1, 1000));
  limits.peers_known = std::ranges::none_of(addresses, [](std::string_view address) { return base::starts_with(address, "localhost:"); });
  std::set<std::string_view> said;  // of each peer once
  bool differ = false;
  for (const FactId id : evidence.ids_of<SettingRead>()) {
    const auto* one = setting_of(evidence, id, pass);
    if (!one || one->name != "nginx.upstream.server" || one->condition != "upstream " + route.upstream) continue;
    const auto words = base::split(one->value, ' ');
    if (std::ranges::find(words, "backup") != words.end()) continue;
    int fails = 1;
    double again = 10;
    for (const auto word : words) {
      if (base::starts_with(word, "max_fails=")) fails = static_cast<int>(std::min<std::int64_t>(base::read_number(word.substr(10)).value_or(1), 1000));
      if (base::starts_with(word, "fail_timeout=")) again = flavour::nginx_seconds(word.substr(13)).value_or(10);
    }
    differ = differ || (!said.empty() && (fails != limits.max_fails || again != limits.fail_timeout));
    said.insert(one->value);
    limits.max_fails = fails;
    limits.fail_timeout = again;
  }
  differ = differ || (!said.empty() && said.size() != addresses.size());
  if (differ || limits.fail_timeout == 0) limits.max_fails = 0;  // peers that count in different ways: how long all are down is not told
}

Station proxy_station(const Evidence& evidence, const RunningPass& pass, ProxyLimits& limits, FactId& read) {
  Proxy made{evidence, pass, {}};
  made.station.role = "proxy";
  made.station.flavour = "nginx";
  made.station.name = "location " + pass.location;
  made.station.listeners = {as<ProxyRoute>(evidence.facts[pass.route])->address};
  const std::string own = pass.prefix + "_";
  limits.connect = made.time(own + "connect_timeout", "nginx.connect", "60s");
  limits.send = made.time(own + "send_timeout", "nginx.send", "60s");
  limits.read = made.time(own + "read_timeout", "nginx.read", "60s");
  made.station.terms.back().shown = true;
  read = in_force(evidence, pass, own + "read_timeout").at;
  Term& next = made.add(own + "next_upstream", "nginx.next_upstream", "", "error timeout");
  limits.retries_known = next.choices.front().value.known();
  const auto words = base::split(next.choices.front().value.text, ' ');
  const auto has = [&](std::string_view word) { return std::ranges::find(words, word) != words.end(); };
  limits.retries_error = has("error");
  limits.retries_timeout = has("timeout");
  limits.retries_500 = has("http_500");
  limits.retries_non_idempotent = has("non_idempotent");
  const Term& tries = made.add(own + "next_upstream_tries", "nginx.next_upstream_tries", "", "0");
  if (const auto number = base::read_number(tries.choices.front().value.text)) limits.tries = static_cast<int>(std::clamp<std::int64_t>(*number, 0, 1000));
  else limits.retries_known = false;
  limits.next = made.time(own + "next_upstream_timeout", "nginx.next_upstream_timeout", "0", true);
  peers(evidence, pass, limits);
  return std::move(made.station);
}

Station server_station(const Server& server, ServerLimits& limits) {
  Station station;
  station.role = "server";
  station.flavour = server.flavour;
  station.version = server.version;
  const std::string kind = !server.worker_class.empty() ? server.worker_class : text_setting(server, "worker_class").value_or("");
  limits.known = !kind.empty() || !flavour::like_gunicorn(server.flavour);
  limits.law = flavour::worker_limit(server.flavour, server.family, kind);
  const auto add = [&](std::string_view name, const char* unit) {
    Term term;
    term.name = name;
    term.key = "server." + term.name;
    term.unit = unit;
    const auto found = server.settings.find(term.name);
    const auto text = text_setting(server, name);
    const auto number = number_setting(server, name);
    const From from = found == server.settings.end() ? From::unknown : found->second.from;
    term.choices = {{number ? number_value(*number, *text) : text ? text_value(*text) : unknown_value(), "", {}, from}};
    if (found != server.settings.end()) term.where = base::printable(found->second.where, 120);
    if (!text) term.why = "what it runs with is not known";
    term.shown = from != From::built_in || name == "timeout";
    station.terms.push_back(std::move(term));
    return number;
  };
  add("worker_class", "");
  if (!kind.empty()) station.terms.back().choices.front().value = text_value(kind);
  // Each flavour's word for the limit on a request (flavour/worker_limit).
  for (const std::string_view name : {"timeout", "harakiri", "request_terminate_timeout", "worker_timeout"}) {
    if (!server.settings.contains(std::string(name)) && name != "timeout") continue;
    const auto seconds = add(name, "s");
    limits.worker = {!seconds ? no_limit : *seconds == 0 ? no_limit : *seconds, station.terms.back().where, true, seconds.has_value()};
    if (seconds) break;
  }
  if (base::contains(kind, "uvicorn") && limits.worker.seconds != no_limit) limits.law.early = std::max(limits.law.early, limits.worker.seconds / 2);
  limits.workers = static_cast<int>(std::clamp(add("workers", "").value_or(0), 0.0, 1e6));
  return station;
}

// The run of a server that the request was for: one that listens there, or the only one there is; of several runs the last that began before.
std::size_t server_behind(const Stack& stack, const Evidence& evidence, FactId failed, std::string_view address) {
  const auto began = [&](const Server& server) {
    const auto after = distance_between(stack, evidence, evidence.facts[failed], server.first);
    return !after || after->ns >= -after->give - base::second_ns;
  };
  std::size_t found = SIZE_MAX;
  std::set<int> masters;
  for (std::size_t i = 0; i < stack.servers.size(); ++i) {
    const Server& server = stack.servers[i];
    std::string plain = server.listening;
    std::ranges::replace(plain, ',', ' ');
    const auto listens = base::split(plain, ' ');
    const bool there = std::ranges::any_of(listens, [&](std::string_view one) {
      if (const auto scheme = one.find("://"); scheme != std::string_view::npos) one.remove_prefix(scheme + 3);
      return same_address(address, one);
    });
    if (!there && (stack.servers.size() > 1 || !server.listening.empty())) continue;
    if (!began(server)) continue;
    found = i;
    masters.insert(server.master);
  }
  if (found == SIZE_MAX && stack.servers.size() == 1 && began(stack.servers.front())) {
    // Its log says where it listens in its own namespace; behind a name or a mapped port that is another text.
    found = 0;
  }
  return found;
}

}  // namespace

std::optional<RunningPass> running_pass(const Evidence& evidence, std::string_view address, std::string_view uri) {
  const std::string_view path = uri.substr(0, uri.find('?'));
  std::set<int> proxies;
  std::optional<RunningPass> best;
  std::size_t longest = 0;
  for (const FactId id : evidence.ids_of<ProxyRoute>()) {
    const Fact& fact = evidence.facts[id];
    const auto& route = *as<ProxyRoute>(fact);
    if (!leads_to(route.address, address)) continue;
    proxies.insert(fact.about.pid);
    const auto prefix = prefix_of(route.location);
    if (!prefix || proxies.size() > 1) return std::nullopt;
    if (prefix->whole ? path != prefix->path : !base::starts_with(path, prefix->path)) continue;
    if (best && prefix->path.size() + prefix->whole <= longest) continue;
    longest = prefix->path.size() + prefix->whole;
    best = RunningPass{fact.about.pid, id, route.location, "proxy"};
    for (const std::string_view kind : {"uwsgi", "fastcgi", "scgi", "grpc"})
      if (base::starts_with(base::trim(fact.text), std::string(kind) + "_pass")) best->prefix = kind;
  }
  return best;
}

InForceHere in_force(const Evidence& evidence, const RunningPass& pass, std::string_view name) {
  const std::string wanted = "nginx." + std::string(name), here = "location " + pass.location;
  FactId own = no_fact, server = no_fact, top = no_fact;
  std::size_t owns = 0, servers = 0;
  bool unsure = false;
  for (const FactId id : evidence.ids_of<SettingRead>()) {
    const auto* setting = setting_of(evidence, id, pass);
    if (!setting || setting->name != wanted) continue;
    if (setting->condition == here || base::starts_with(setting->condition, here + ", ")) { own = id; ++owns; }
    else if (setting->condition.empty()) top = id;
    else if (base::starts_with(setting->condition, "server")) {
      const auto counts = in_its_server(evidence, id, pass);
      unsure = unsure || !counts;
      if (counts && *counts) { server = id; ++servers; }
    }
  }
  if (owns > 1 || (owns == 0 && (unsure || servers > 1))) return {false, no_fact};
  return {true, owns ? own : servers ? server : top};
}

std::optional<RunningRoute> running_route(const Stack& stack, const Evidence& evidence, FactId failed, std::string_view address, std::string_view uri) {
  const auto pass = running_pass(evidence, address, uri);
  if (!pass) return std::nullopt;
  RunningRoute made;
  made.route.location = "location " + pass->location;
  Variant variant;
  made.route.stations.push_back(proxy_station(evidence, *pass, variant.chain.proxy, made.read));
  variant.chain.server.known = false;
  made.server = server_behind(stack, evidence, failed, address);
  if (made.server != SIZE_MAX) {
    made.route.application = made.server;
    made.route.stations.push_back(server_station(stack.servers[made.server], variant.chain.server));
  }
  made.whole = variant.chain.proxy.read.known && variant.chain.server.known && (variant.chain.server.worker.known || variant.chain.server.law.measures == flavour::Measures::nothing);
  made.route.variants.push_back(std::move(variant));
  return made;
}

}  // namespace model
