// What stops a server: systemd (TimeoutStopSec 90 s), compose (10 s), Kubernetes (30 s, its preStop hook in it), supervisor (10 s). What the
// signals mean is the server's (stop_law). Of a container every process goes with its first; supervisor kills one process unless told to kill all,
// and systemd whom KillMode= names.
#include "model/chain.hpp"
#include "flavour/flavour.hpp"

namespace model {

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
    made.where = choice.from == From::built_in ? "default of " + std::string(flavour::shown(station.flavour)) : !choice.at.known() ? "--set" : place_text(all, choice.at);
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
  if (!signal_key.empty())
    if (const Choice* said = term(signal_key, holder.kind == Holder::Kind::unit ? "KillSignal" : "stop signal", "")) signal = said->value.known() ? said->value.text : "";
  stop.sent = {signal};
  const auto yes = [&](std::string_view word) { const Choice* said = only_choice(holder.settings, word); return said && said->value.known() && said->value.number != 0; };
  if (holder.kind == Holder::Kind::program && !yes("stopasgroup") && !yes("killasgroup")) stop.kills = StopLimits::Kills::main;
  if (holder.kind == Holder::Kind::unit) {
    // ExecStop= runs first; what it leaves gets the signal. A kill returns at once, so both come.
    if (const Choice* command = term("exec_stop", "ExecStop", "")) stop.sent.insert(stop.sent.begin(), command->value.known() ? std::string(signal_sent(command->value.text)) : "");
    const Choice *mode = term("kill_mode", "KillMode", ""), *last = only_choice(holder.settings, "send_sigkill");
    if (last && last->value.known() && last->value.number == 0) stop.kill = {no_limit, "SendSIGKILL=no", true, true};
    if (mode && !mode->value.known()) stop.known = false;
    else if (mode && mode->value.text == "process") stop.kills = StopLimits::Kills::main;
    else if (mode && mode->value.text == "none") {
      stop.kills = StopLimits::Kills::none;
      stop.kill = {no_limit, station.terms.back().where, true, true};
      stop.sent.pop_back();
    }
    stop.held_socket = socket_activated(all, holder);
  }
  return station;
}

}  // namespace model
