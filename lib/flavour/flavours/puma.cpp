// Puma in cluster mode, 5.6 to 8. Source: puma/puma ff2e2126 (8.0.2) lib/puma/cluster.rb, cluster/worker_handle.rb; measured with 5.6.5, 6.6.0 and
// 8.0.2 (servers.md 1.10, 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view version) { return std::string(version.substr(0, version.find('.'))); }

// A worker that is gone is replaced without a word; only the master's own timeout has a line.
std::optional<bool> would_log(std::string_view, std::string_view, Ending ending) { return ending == Ending::timeout_abort; }

std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }

bool recognise(std::string_view args) {
  if (args.starts_with("puma: cluster worker ")) return true;
  return runs(args, "puma", "ruby");
}

Kin kin(std::string_view args) { return args.starts_with("puma: cluster worker ") ? Kin::worker : Kin::master; }

constexpr std::string_view comms[] = {"puma", "ruby"};

constexpr Default defaults[] = {
    {"worker_timeout", "60", "s", "", ""}, {"worker_boot_timeout", "60", "s", "", ""}, {"worker_shutdown_timeout", "30", "s", "", ""}, {"preload_app", "False", "", "", "7"}, {"preload_app", "True", "", "7", ""}, {"workers", "0", "", "", ""}, {"threads", "5", "", "", ""},  // docs/7.0-Upgrade.md
};

constexpr Option options[] = {
    {"-w", "workers", ""}, {"--workers", "workers", ""}, {"worker_timeout", "timeout", "s"}, {"worker_shutdown_timeout", "graceful_timeout", "s"}, {"worker_boot_timeout", "worker_boot_timeout", "s"}, {"threads", "threads", ""}, {"-t", "threads", ""},
    {"preload_app", "preload_app", ""}, {"persistent_timeout", "keepalive", "s"}, {"first_data_timeout", "first_data_timeout", "s"}, {"force_shutdown_after", "force_shutdown_after", "s"}, {"--pidfile", "pidfile", ""},
};

std::vector<std::string> configs_named(std::string_view args) {
  constexpr std::string_view named[] = {"-C", "--config"};
  return values_of(args, named);
}

constexpr std::string_view config_defaults[] = {"config/puma/production.rb", "config/puma.rb"};   // configuration.rb: config_files, by the environment

constexpr Meaning signals[] = {
    {"TERM", Act::graceful, "ends when requests are done", ""},
    {"INT", Act::graceful, "ends when requests are done", ""},
    {"QUIT", Act::at_once, "ends at once", "Ruby's own default: Puma does not handle it"},
    {"USR1", Act::reload, "a phased restart", "ignored where the application is preloaded, which is the default from 7 on"},
    {"USR2", Act::reload, "a full restart", ""},
    {"HUP", Act::unknown, "opens its logs anew", "without stdout_redirect it stops the server (5.6, 6.6)"},
};

constexpr Advice advice[] = {
    {"worker.saturated", "now", "see what each worker has: pumactl stats with the control app (backlog, running, pool_capacity), or rbspy dump --pid PID", "nothing", ""},
    {"worker.saturated", "then", "add workers as memory allows, or threads where the requests wait for I/O; or make the slow requests shorter", "memory", "workers 4"},
    {"worker.hung", "now", "see where its threads are: rbspy dump --pid PID, or kill -INFO of the worker (kill -PWR on Linux: Puma prints the backtraces)", "nothing", ""},
    {"worker.hung", "now", "end it, if nobody waits for it any more: kill -TERM PID of the worker", "its request", ""},
    {"worker.hung", "then", "give requests a deadline of their own (rack-timeout, the database's statement timeout): Puma has none for a request", "the slow requests fail early, with an error of yours", ""},
    {"boot.dependency", "then", "add the gem to the Gemfile, bundle install in the build, and start it by bundle exec, so that it finds what was installed", "nothing: it does not run", ""},
    {"death.timeout", "now", "look for what holds the interpreter's lock: C code of an extension, or a process that was stopped; a slow request alone never does", "nothing", ""},
    {"death.timeout", "then", "give requests a deadline of their own: worker_timeout is none for a request, only for a process that answers no more", "the slow requests fail early, with an error of yours", ""},
    {"death.unknown", "then", "log the wait status: after_worker_shutdown gets it (8.x)", "nothing", ""},
};

}  // namespace

namespace flavours_of {

extern const Flavour puma = {
    .name = "puma",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = defaults,
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = {Scope::ping, "worker_timeout", 5, 5, 9},   // the last ping may be 5 s old: 4.0 s at 6 (measured)
    .gave_up = "its process answered no ping for longer than worker_timeout",
    .gave_up_line = "Terminating timed out worker",
    .tells = Tells::nothing,
    .on_master_death = OnMasterDeath::workers_end,   // "! Detected parent died, dying"
    .signals = signals,
    .reload = "kill -USR1 of the master, kill -USR2 where the application is preloaded (never HUP: without stdout_redirect it stops the server)",
    .reload_late = 5.6,   // a phased restart kills what is over worker_shutdown_timeout at its next check, each 5 s (measured, 5.6.5)
    .options = options,
    .configs_named = configs_named,
    .config_defaults = config_defaults,
    .places = "threads",
    .language = "Ruby",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
