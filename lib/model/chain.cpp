// From a deployment to the hops of each route. Past 300 lines: one maker looks up each limit in the order of who decides it.
#include "model/chain.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "model/pass.hpp"

namespace model {

namespace {

constexpr std::size_t most_variants = 8;

// A count that a file sets; what is none, or below zero, is 0: not known.
int whole(double number) { return number >= 0 ? static_cast<int>(std::min(number, 1e6)) : 0; }

struct Maker {
  const Deployment& all;
  const Given& given;
  std::vector<Application> applications;

  std::string where_of(const Choice& choice, const std::string& whose) const {
    if (choice.from == From::built_in) return "default of " + whose;
    if (!choice.at.known()) return choice.from == From::configured ? "--set" : "";
    return place_text(all, choice.at);
  }

  // What stands there, for a value that depends: "int(os.environ["T"])".
  std::string line_of(const Spot& at) const {
    if (at.file >= all.files.size() || at.at >= all.files[at.file].text.size()) return "the files do not fix it";
    const std::string& text = all.files[at.file].text;
    const auto begin = text.rfind('\n', at.at) == std::string::npos || at.at == 0 ? 0 : text.rfind('\n', at.at) + 1;
    std::string_view line = std::string_view(text).substr(begin, text.find('\n', begin) - begin);
    if (const auto equals = line.find('='); equals != std::string_view::npos && equals < 40) line.remove_prefix(equals + 1);
    return "'" + base::printable(base::trim(line), 60) + "' is not fixed by the files";
  }

  // A list of files may end where the settings go on: what is then not set is not at its default.
  // Why what nginx's files leave unset is unknown: the main file is not here, or an include of it could not be read.
  std::string why_open(const Nginx& nginx) const {
    if (!nginx.whole) return "nginx.conf, which may set it, is not here";
    if (nginx.tree.unread.empty()) return "";
    const auto& unread = nginx.tree.unread.front();
    const auto& words = unread.directive.words;
    const auto& word = words[std::min<std::size_t>(1, words.size() - 1)];
    return "the include at " + place_text(all, {unread.file < nginx.files.size() ? nginx.files[unread.file] : no_file, word.line, word.column, 0, 0}) + ", which may set it, could not be read";
  }

  Term term(std::string name, std::string key, Choices choices, std::string unit, const std::string& whose, bool whole, const std::string& why_open) const {
    Term made;
    made.name = std::move(name);
    made.key = std::move(key);
    made.unit = std::move(unit);
    made.choices = std::move(choices);
    if (made.choices.empty()) made.choices.push_back({unknown_value(), "", {}, From::unknown});
    if (!whole)
      for (Choice& choice : made.choices)
        if (choice.from == From::built_in) { choice.value = unknown_value(); choice.from = From::unknown; choice.at = {}; }
    // What a file that was not read may set has no place of its own: the pass or the command is not where it would be set.
    if (!why_open.empty())
      for (Choice& choice : made.choices) if (choice.from == From::unknown) choice.at = {};
    made.where = where_of(made.choices.front(), whose);
    const bool open = std::ranges::any_of(made.choices, [](const Choice& choice) { return !choice.value.known(); });
    if (open) {
      const Choice& first = *std::ranges::find_if(made.choices, [](const Choice& choice) { return !choice.value.known(); });
      if (!first.value.text.empty()) made.why = "'" + base::printable(first.value.text, 60) + "' is not fixed by the files";
      else if (!why_open.empty() && !first.at.known()) made.why = why_open;
      else made.why = line_of(first.at);
    }
    return made;
  }

  Limit limit(const Term& term, const Choice& choice, bool zero_is_off) const {
    Limit out;
    out.where = term.where;
    out.configured = choice.from != From::built_in;
    // A negative time, or one that is no number, is none that a server would take.
    out.known = choice.value.known() && choice.value.number >= 0;
    out.seconds = !out.known || (zero_is_off && choice.value.number == 0) || choice.value.number >= 1e17 ? no_limit : choice.value.number;
    return out;
  }
  Limit limit(const Term& term, bool zero_is_off = false) const { return limit(term, term.choices.front(), zero_is_off); }

  Station balancer(Chain& chain) const {
    Station station;
    station.role = "balancer";
    station.flavour = "load balancer";
    const auto add = [&](const char* name, const char* key, const Limit& limit) {
      if (limit.seconds == no_limit) return;
      Term made;
      made.name = name;
      made.key = key;
      made.choices = {{number_value(limit.seconds, seconds_text(limit.seconds)), "", {}, From::configured}};
      made.where = "command line";
      made.unit = "s";
      station.terms.push_back(std::move(made));
    };
    add("request timeout", "", given.balancer_request);
    add("idle timeout", "", given.balancer_idle);
    // An idle limit ends a request that stays silent as well: nothing flows until the header comes.
    chain.balancer = given.balancer_request;
    if (given.balancer_idle.seconds < chain.balancer.seconds) chain.balancer = given.balancer_idle;
    return station;
  }

  Station proxy(const Nginx& nginx, const Pass& pass, Chain& chain) const {
    const PassSettings settings(nginx, pass);
    Station station;
    station.role = "proxy";
    station.flavour = "nginx";
    station.version = nginx.version;
    station.at = pass.at;
    station.name = pass.prefix + "_pass " + pass.target;
    const std::string whose = "nginx" + (nginx.version.empty() ? "" : " " + nginx.version), open = why_open(nginx);
    const auto add = [&](std::string_view word, std::string name, std::string key, Choices choices, const char* unit) -> const Term& {
      (void)word;
      station.terms.push_back(term(std::move(name), std::move(key), std::move(choices), unit, whose, nginx.whole, open));
      return station.terms.back();
    };
    const auto own_term = [&](std::string_view word, std::string key, const char* unit) -> const Term& { return add(word, pass.prefix + "_" + std::string(word), std::move(key), settings.of(word), unit); };
    const auto at_default = [](Term& one) { one.shown = one.choices.front().from != From::built_in; };
    ProxyLimits& p = chain.proxy;
    p.client_body = limit(add("client_body_timeout", "client_body_timeout", "nginx.client_body_timeout", settings.plain_time("client_body_timeout", "60s"), "s"));
    at_default(station.terms.back());
    p.connect = limit(own_term("connect_timeout", "nginx.connect", "s"));
    p.send = limit(own_term("send_timeout", "nginx.send", "s"));
    p.read = limit(own_term("read_timeout", "nginx.read", "s"));
    const Term& next = own_term("next_upstream", "nginx.next_upstream", "");
    const Value& words = next.choices.front().value;
    const auto has = [&](std::string_view word) { return std::ranges::find(words.items, word) != words.items.end(); };
    p.retries_known = words.known();
    p.retries_error = has("error");
    p.retries_timeout = has("timeout");
    p.retries_500 = has("http_500");
    p.retries_non_idempotent = has("non_idempotent");
    const Upstream* upstream = upstream_of(nginx, pass);
    const std::size_t peers = upstream ? static_cast<std::size_t>(std::ranges::count_if(upstream->peers, [](const Peer& peer) { return !peer.down; })) : 1;
    // A name with two addresses is two peers, and localhost commonly has two.
    const Choices count = settings.of("peers");
    p.peers_known = count.front().value.known();
    p.peers = static_cast<int>(std::max<std::size_t>(peers, 1));
    const bool local_name = !upstream && base::starts_with(pass.address, "localhost");
    if (local_name) p.peers_known = false;
    station.terms.back().shown = p.peers > 1 || !p.peers_known || next.choices.front().from != From::built_in;
    const Term tries = own_term("next_upstream_tries", "nginx.next_upstream_tries", "");
    at_default(station.terms.back());
    if (tries.choices.front().value.known()) p.tries = whole(tries.choices.front().value.number);
    else p.retries_known = false;
    p.next = limit(own_term("next_upstream_timeout", "nginx.next_upstream_timeout", "s"), true);
    at_default(station.terms.back());
    if (upstream && upstream->peers.size() > 1) {
      const Term fails = term("max_fails", "nginx.max_fails", settings.of("max_fails"), "", whose, true, "");
      const Term again = term("fail_timeout", "nginx.fail_timeout", settings.of("fail_timeout"), "s", whose, true, "");
      if (fails.choices.front().value.known()) p.max_fails = whole(fails.choices.front().value.number);
      if (again.choices.front().value.known()) p.fail_timeout = again.choices.front().value.number;
      if (p.fail_timeout == 0) p.max_fails = 0;
      station.terms.push_back(fails);
      station.terms.push_back(again);
    }
    const Term buffered = own_term("request_buffering", "nginx.request_buffering", "");
    station.terms.back().shown = buffered.choices.front().from != From::built_in;
    p.buffers_request = !buffered.choices.front().value.known() || buffered.choices.front().value.number != 0;
    // How long a connection to the server is kept: not at all without keepalive, or where nginx closes every one.
    const Choices kept = settings.of("keepalive"), held = settings.connection_kept();
    p.idle.seconds = 0;
    if (upstream) {
      const Term keep = term("keepalive", "nginx.keepalive", kept, "", whose, nginx.whole, "nginx from 1.29.7 keeps 32, older ones none: --target-nginx V tells");
      const Term idle = term("keepalive_timeout", "nginx.keepalive_timeout", settings.of("keepalive_timeout"), "s", whose, true, "");
      const Value &number = keep.choices.front().value, &used = held.front().value;
      const bool none = (number.known() && number.number == 0) || (used.known() && used.number == 0);
      if (!none) {
        p.idle = limit(idle);
        p.idle.known = p.idle.known && number.known() && used.known();
        station.terms.push_back(keep);
        station.terms.push_back(idle);
      }
    }
    const Choices version = settings.of("http_version");
    p.version_known = version.front().value.known();
    p.version_1_1 = version.front().value.text != "1.0";
    if (pass.prefix != "proxy") { p.version_known = true; p.version_1_1 = false; }
    for (const auto& peer : upstream ? upstream->peers : std::vector<Peer>{}) station.listeners.push_back(peer.address);
    if (!upstream && !pass.address.empty()) station.listeners.push_back(pass.address);
    return station;
  }

  Station server(const Application& application) const {
    Station station;
    station.role = "server";
    station.flavour = application.flavour;
    station.version = application.version;
    station.name = application.name;
    station.at = application.at;
    station.listeners = application.listens;
    const std::string whose = std::string(flavour::shown(application.flavour)) + (application.version.empty() ? "" : " " + application.version);
    const Backend* backend = application.backend < 0 ? nullptr : &all.servers[static_cast<std::size_t>(application.backend)];
    const std::string open = !backend ? "" : backend->config_missing ? "its configuration file, which may set it, is not here" : backend->config != no_file && all.files[backend->config].unreadable ? "its configuration file, which may set it, could not be read" : "";
    const auto add = [&](std::string name, const Choices& choices, const char* unit, bool always) {
      if (choices.empty()) return;
      Term made = term(name, "server." + name, choices, unit, whose, true, open);
      made.shown = always || made.choices.size() > 1 || made.choices.front().from != From::built_in;
      station.terms.push_back(std::move(made));
    };
    add("worker_class", application.kind, "", true);
    add(application.worker_name, application.worker, "s", true);
    if (application.graceful_name != application.worker_name) add(application.graceful_name, application.graceful, "s", true);
    if (application.reload_name != application.graceful_name) add(application.reload_name, application.reload, "s", false);
    add(application.flavour == "puma" ? "persistent_timeout" : "keepalive", application.idle, "s", flavour::like_gunicorn(application.flavour));
    add(flavour::like_gunicorn(application.flavour) || application.flavour == "puma" ? "workers" : "processes", application.workers, "", false);
    add("threads", application.threads, "", false);
    add("backlog", application.backlog, "", false);
    return station;
  }

  // Several signals, one right after the other: the harshest of them.
  static StopLimits::Signal together(const StopLaw& law, const std::vector<std::string>& sent) {
    using Signal = StopLimits::Signal;
    Signal found = Signal::graceful;
    for (const std::string& signal : sent) {
      const Signal one = meaning_of(law, signal);
      if (one == Signal::unknown) return one;
      if (one != Signal::graceful && found != Signal::at_once) found = one;
    }
    return found;
  }

  // One chain for each combination of the server's possible values.
  void variants(const Application& application, const Station& station, const Chain& base, const StopLimits& stop, std::vector<Variant>& out) const {
    const auto dimension = [&](std::string_view name) -> std::vector<Choice> {
      const auto found = std::ranges::find(station.terms, name, &Term::name);
      if (found == station.terms.end()) return {{unknown_value(), "", {}, From::unknown}};
      return found->choices;
    };
    std::vector<Choice> kinds = application.kind.empty() ? std::vector<Choice>{{text_value(""), "", {}, From::built_in}} : dimension("worker_class");
    // A class that nobody knows is one of two for the model, and which of them is said.
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (kinds[i].value.known()) continue;
      const std::string when = kinds[i].when.empty() ? "" : kinds[i].when + " and ";
      Choice loop = kinds[i];
      kinds[i].value = text_value("sync");
      kinds[i].when = when + "the workers are sync";
      loop.value = text_value("gthread");
      loop.when = when + "the workers have threads or a loop";
      kinds.insert(kinds.begin() + static_cast<std::ptrdiff_t>(i) + 1, loop);
      ++i;
    }
    const std::array<std::vector<Choice>, 3> rest{dimension(application.worker_name), application.graceful.empty() ? std::vector<Choice>{{unknown_value(), "", {}, From::unknown}} : dimension(application.graceful_name),
                                                  application.idle.empty() ? std::vector<Choice>{{unknown_value(), "", {}, From::unknown}} : dimension(application.flavour == "puma" ? "persistent_timeout" : "keepalive")};
    const auto count = [&](const char* name, const Choices& choices) {
      if (choices.empty()) return std::string_view(name) == "threads" ? 1 : 0;
      if (choices.size() > 1 || !choices.front().value.known()) return 0;
      return whole(choices.front().value.number);
    };
    for (const Choice& kind : kinds)
      for (const Choice& worker : rest[0])
        for (const Choice& graceful : rest[1])
          for (const Choice& idle : rest[2]) {
            Variant made;
            bool impossible = false;
            const std::array<const Choice*, 4> picked{&kind, &worker, &graceful, &idle};
            for (std::size_t i = 0; i < picked.size(); ++i) {
              for (std::size_t k = 0; k < i; ++k) impossible = impossible || contradict(picked[i]->when, picked[k]->when);
              const std::string& one = picked[i]->when;
              if (!one.empty() && !base::contains(made.when, one)) made.when += (made.when.empty() ? "" : " and ") + one;
            }
            if (impossible) continue;
            made.chain = base;
            made.chain.stop = stop;
            ServerLimits& s = made.chain.server;
            s.known = true;
            s.law = flavour::worker_limit(application.flavour, application.family, kind.value.text);
            const auto find_term = [&](std::string_view name) { return *std::ranges::find(station.terms, name, &Term::name); };
            s.worker = limit(find_term(application.worker_name), worker, true);
            // The uvicorn worker shows that it lives every half of its timeout, so that little more than the other half may end it.
            if (kind.value.text == "uvicorn" && s.worker.seconds != no_limit) s.law.early = std::max(s.law.early, s.worker.seconds / 2);
            const bool both = application.graceful_name == application.worker_name;
            s.graceful = both ? s.worker : application.graceful.empty() ? Limit{} : limit(find_term(application.graceful_name), graceful, false);
            s.graceful.known = s.graceful.known && (both || !application.graceful.empty());
            const StopLaw law = flavour::like_gunicorn(application.flavour) ? stop_law("gunicorn", kind.value.text) : application.stop;
            s.orphans = law.orphans;
            s.reload_late = flavour::like_gunicorn(application.flavour) ? s.law.late : law.reload_late;
            if (flavour::like_gunicorn(application.flavour)) { if (s.law.measures == flavour::Measures::request) s.reload = s.worker; }
            else if (application.reload_name == application.worker_name) s.reload = s.worker;
            else if (application.reload_name == application.graceful_name) s.reload = s.graceful;
            else if (!application.reload.empty()) s.reload = limit(find_term(application.reload_name), application.reload.front(), false);
            made.graceful_name = application.graceful_name;
            made.reload_name = application.reload_name;
            made.chain.stop.signal = together(law, made.chain.stop.sent);
            s.idle.known = idle.value.known();
            s.idle.seconds = idle.value.known() ? idle.value.number : no_limit;
            if (kind.value.text == "sync") s.idle = {0, "sync workers close after every answer", false, true};
            s.workers = count("workers", application.workers) * count("threads", application.threads);
            s.backlog = count("backlog", application.backlog);
            s.unix_socket = !application.listens.empty() && base::starts_with(application.listens.front(), "unix:");
            made.stopping = {kind.value.text, application.family, false};
            if (out.size() < most_variants) { out.push_back(std::move(made)); continue; }
            // More than a reader could follow: the worker timeout is then any of them.
            out.back().when = "other combinations";
            out.back().chain.server.worker.known = false;
          }
  }

  std::string block_name(const Nginx& nginx, const Pass& pass) const {
    for (int block = pass.block; block >= 0; block = nginx.blocks[static_cast<std::size_t>(block)].parent)
      if (nginx.blocks[static_cast<std::size_t>(block)].context == "server")
        for (const auto* node : own(nginx, block, "server_name")) return node->directive.argument(0);
    return {};
  }

  void finish(Route route, const Chain& chain, std::vector<Route>& out) const {
    Route made = std::move(route);
    if (made.application == SIZE_MAX) {
      Variant variant;
      variant.chain = chain;
      variant.chain.server.known = false;
      made.variants.push_back(std::move(variant));
    } else {
      const Application& application = applications[made.application];
      made.stations.push_back(server(application));
      StopLimits stop;
      Station supervisor = stop_station(all, application, stop);
      variants(application, made.stations.back(), chain, stop, made.variants);
      if (!supervisor.role.empty()) made.stations.push_back(std::move(supervisor));
    }
    out.push_back(std::move(made));
  }

  // The servers that a pass reaches: those that stand there by address, else the only one of its protocol, as a guess.
  std::vector<std::pair<std::size_t, std::string>> behind(const Nginx& nginx, const Pass& pass) const {
    std::vector<std::string> peers;
    if (const Upstream* upstream = upstream_of(nginx, pass)) for (const Peer& peer : upstream->peers) peers.push_back(peer.address);
    else if (!pass.address.empty()) peers.push_back(pass.address);
    std::vector<std::pair<std::size_t, std::string>> exact, maybe;
    for (std::size_t i = 0; i < applications.size(); ++i) {
      const Application& one = applications[i];
      if (one.prefix != pass.prefix || flavour::like_gunicorn(one.flavour)) continue;
      const bool found = std::ranges::any_of(peers, [&](const std::string& peer) { return std::ranges::any_of(one.listens, [&](const std::string& listen) { return same_address(peer, listen); }); });
      if (found) exact.emplace_back(i, "");
      else if (!one.listens_known || peers.empty()) maybe.emplace_back(i, "it is the only " + std::string(flavour::shown(one.flavour)) + " here, and nothing says that it is another");
    }
    if (!exact.empty()) return exact;
    return maybe.size() == 1 ? maybe : std::vector<std::pair<std::size_t, std::string>>{};
  }
};

}  // namespace

std::string seconds_text(double seconds) {
  if (seconds == no_limit || seconds >= 1e17) return "never";
  const double rounded = std::round(seconds * 1000) / 1000;
  std::string text = std::to_string(rounded);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text + " s";
}

bool left_aside(const Deployment& all, const Nginx& nginx) {
  if (nginx.whole || nginx.files.empty()) return false;
  const std::string& path = all.files[nginx.files.front()].path;
  return std::ranges::any_of(all.nginx, [&](const auto& other) {
    if (!other->whole || other->files.empty()) return false;
    const std::string& main = all.files[other->files.front()].path;
    return base::starts_with(path, main.substr(0, main.rfind('/') + 1));
  });
}

std::vector<Route> routes_of(const Deployment& all, const Given& given) {
  const Maker maker{all, given, applications_of(all)};
  std::map<std::pair<std::size_t, std::size_t>, std::vector<const Link*>> links;
  for (const Link& link : all.links) links[{link.nginx, link.pass}].push_back(&link);
  std::vector<std::size_t> by_backend(all.servers.size(), SIZE_MAX);
  for (std::size_t i = 0; i < maker.applications.size(); ++i)
    if (maker.applications[i].backend >= 0) by_backend[static_cast<std::size_t>(maker.applications[i].backend)] = i;
  std::vector<bool> reached(maker.applications.size(), false);
  std::vector<Route> out;
  for (std::size_t n = 0; n < all.nginx.size(); ++n) {
    const Nginx& nginx = *all.nginx[n];
    if (left_aside(all, nginx)) continue;
    for (std::size_t p = 0; p < nginx.passes.size(); ++p) {
      const Pass& pass = nginx.passes[p];
      Route route;
      route.nginx = n;
      route.pass = p;
      route.at = pass.at;
      route.location = pass_name(nginx, pass);
      route.server_name = maker.block_name(nginx, pass);
      Chain chain;
      if (given.balancer) route.stations.push_back(maker.balancer(chain));
      route.stations.push_back(maker.proxy(nginx, pass, chain));
      std::vector<std::pair<std::size_t, std::string>> servers;
      if (const auto found = links.find({n, p}); found != links.end()) for (const Link* link : found->second) servers.emplace_back(by_backend[link->server], link->guess ? link->why : "");
      if (servers.empty()) servers = maker.behind(nginx, pass);
      if (servers.empty()) {
        maker.finish(std::move(route), chain, out);
        continue;
      }
      for (const auto& [application, guess] : servers) {
        Route one = route;
        one.application = application;
        one.guess = guess;
        reached[application] = true;
        maker.finish(std::move(one), chain, out);
      }
    }
  }
  for (std::size_t i = 0; i < maker.applications.size(); ++i) {
    if (reached[i]) continue;
    Route route;
    route.application = i;
    route.at = maker.applications[i].at;
    route.location = maker.applications[i].name;
    Chain chain;
    chain.proxy.present = false;
    if (given.balancer) route.stations.push_back(maker.balancer(chain));
    maker.finish(std::move(route), chain, out);
  }
  return out;
}

}  // namespace model
