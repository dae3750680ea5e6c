// Passenger, open source. Source: phusion/passenger 080171e6e; measured with 6.0.17 under Apache (servers.md 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view) { return "6"; }
std::optional<bool> would_log(std::string_view, std::string_view, Ending) { return false; }   // "no longer exists!" names no status
std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }
bool recognise(std::string_view args) { return args.starts_with("Passenger "); }

Kin kin(std::string_view args) {
  if (args.starts_with("Passenger core")) return Kin::master;
  if (args.starts_with("Passenger watchdog") || args.starts_with("Passenger AppPreloader")) return Kin::aside;
  return Kin::worker;
}

constexpr std::string_view comms[] = {"Passenger", "ruby", "python", "node"};
constexpr Advice advice[] = {
    {"worker.saturated", "now", "see its processes, their sessions and the queue: passenger-status", "nothing", ""},
    {"worker.saturated", "then", "raise passenger_max_pool_size as far as memory allows, or make requests shorter; the queue's length is passenger_max_request_queue_size", "memory", ""},
};

}  // namespace

namespace flavours_of {

extern const Flavour passenger = {
    .name = "passenger",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = {},
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = {},   // max_request_time is Enterprise
    .tells = Tells::end,
    .on_master_death = OnMasterDeath::workers_leave,
    .reload = "passenger-config restart-app",
    .language = "",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
