// What stops a server: systemd (TimeoutStopSec 90 s), compose (10 s), Kubernetes (30 s, its preStop hook in it), supervisor (10 s). What the
// signal means depends on the server: SIGTERM is a graceful stop for gunicorn and puma, a quick one for unicorn and php-fpm, and a reload for a
// uwsgi without die-on-term (measured, 2.0.21).
#include <algorithm>

#include "base/text.hpp"
#include "model/chain.hpp"

namespace model {

namespace {

StopLimits::Signal meaning(const Application& application, std::string_view signal) {
  using Signal = StopLimits::Signal;
  const auto is = [&](int number) { return base::signal_number(signal) == number; };
  constexpr int interrupt = 2, quit = 3, kill = 9, term = 15;
  if (is(kill)) return Signal::at_once;
  if (application.flavour == "gunicorn") return is(term) ? Signal::graceful : is(interrupt) || is(quit) ? Signal::at_once : Signal::unknown;
  if (application.flavour == "uwsgi") return is(term) ? (application.term_is_reload ? Signal::reload : Signal::at_once) : is(interrupt) || is(quit) ? Signal::at_once : Signal::unknown;
  if (application.flavour == "puma") return is(term) ? Signal::graceful : is(interrupt) ? Signal::at_once : Signal::unknown;
  return is(quit) ? Signal::graceful : is(term) || is(interrupt) ? Signal::at_once : Signal::unknown;
}

}  // namespace

Station stop_station(const Deployment& all, const Application& application, StopLimits& stop) {
  Station station;
  stop = {};
  stop.kill.known = false;
  if (application.holder < 0) return station;
  const Holder& holder = all.holders[static_cast<std::size_t>(application.holder)];
  station.role = "supervisor";
  station.name = holder.name;
  station.at = holder.at;
  std::string limit, name, key, signal_key;
  switch (holder.kind) {
    case Holder::Kind::unit: station.flavour = "systemd"; limit = "timeout_stop"; name = "TimeoutStopSec"; signal_key = "kill_signal"; break;
    case Holder::Kind::service: station.flavour = "compose"; limit = "stop_grace"; name = "stop_grace_period"; signal_key = "stop_signal"; break;
    case Holder::Kind::pod: station.flavour = "kubernetes"; limit = "grace"; name = "terminationGracePeriodSeconds"; break;
    case Holder::Kind::program: station.flavour = "supervisor"; limit = "stopwait"; name = "stopwaitsecs"; signal_key = "stop_signal"; break;
    case Holder::Kind::image:
    case Holder::Kind::process:
    case Holder::Kind::script: return {};  // it says what runs, not who stops it
  }
  const auto term = [&](std::string_view word, std::string shown, std::string unit) -> const Choice* {
    const auto found = holder.settings.find(word);
    if (found == holder.settings.end() || found->second.empty()) return nullptr;
    Term made;
    made.name = std::move(shown);
    made.choices = found->second;
    made.unit = std::move(unit);
    const Choice& choice = made.choices.front();
    made.where = choice.from == From::built_in ? "default of " + station.flavour : !choice.at.known() ? "--set" : place_text(all, choice.at);
    if (!choice.value.known()) made.why = "it depends on what replaces it when it is read";
    made.shown = word == limit || choice.from != From::built_in;
    if (word == limit) made.key = "stop.timeout";
    station.terms.push_back(std::move(made));
    return only_choice(holder.settings, word);
  };
  stop.known = true;
  if (const Choice* kill = term(limit, name, "s"); kill && kill->value.known()) stop.kill = {kill->value.number >= 1e17 ? no_limit : kill->value.number, station.terms.back().where, kill->from != From::built_in, true};
  if (holder.kind == Holder::Kind::pod) {
    const Choice* before = term("prestop", "preStop", "s");
    if (before && before->value.known()) stop.before = before->value.number;
    else if (before) stop.known = false;
  }
  std::string signal = "SIGTERM";
  bool signal_known = true;
  if (!signal_key.empty())
    if (const Choice* said = term(signal_key, holder.kind == Holder::Kind::unit ? "KillSignal" : "stop signal", "")) { signal = said->value.text; signal_known = said->value.known(); }
  stop.signal = signal_known ? meaning(application, signal) : StopLimits::Signal::unknown;
  if (holder.kind == Holder::Kind::unit) {
    const Choice *mode = term("kill_mode", "KillMode", ""), *last = only_choice(holder.settings, "send_sigkill");
    if (last && last->value.known() && last->value.number == 0) stop.kill = {no_limit, "SendSIGKILL=no", true, true};
    // KillMode=process kills the master alone, and its workers stay until they notice: not in the model.
    if (mode && (mode->value.text == "process" || mode->value.text == "none" || !mode->value.known())) stop.known = false;
    stop.held_socket = socket_activated(all, holder);
  }
  return station;
}

}  // namespace model
