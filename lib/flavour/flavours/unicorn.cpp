// Unicorn. Source: defunkt/unicorn e9862718 lib/unicorn/http_server.rb; measured with 6.0.0 and 6.1.0 (servers.md 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view) { return "6"; }

// reap_all_workers: INFO for an exit with 0, ERROR for all others. murder_lazy_workers: ERROR.
std::optional<bool> would_log(std::string_view, std::string_view level, Ending ending) {
  if (level == "critical" || level == "fatal") return false;
  return ending != Ending::exit_zero || level == "info" || level == "debug";
}

std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }

bool recognise(std::string_view args) {
  if (args.starts_with("unicorn master") || args.starts_with("unicorn worker[") || args.starts_with("unicorn_rails master") || args.starts_with("unicorn_rails worker[")) return true;
  std::string_view rest = args;
  return runs(rest, "unicorn", "ruby") || runs(args, "unicorn_rails", "ruby");
}

Kin kin(std::string_view args) { return args.find(" worker[") != std::string_view::npos ? Kin::worker : Kin::master; }

constexpr std::string_view comms[] = {"unicorn", "ruby"};

constexpr Default defaults[] = {{"timeout", "60", "s", "", ""}, {"worker_processes", "1", "", "", ""}};

constexpr Option options[] = {{"timeout", "timeout", "s"}, {"worker_processes", "workers", ""}, {"preload_app", "preload_app", ""}, {"stderr_path", "stderr_path", ""}, {"pid", "pidfile", ""}};

std::vector<std::string> configs_named(std::string_view args) {
  constexpr std::string_view named[] = {"-c", "--config-file"};
  return values_of(args, named);
}

constexpr Meaning signals[] = {
    {"QUIT", Act::graceful, "ends when requests are done", ""},
    {"TERM", Act::at_once, "ends at once", "the opposite of gunicorn's"},
    {"INT", Act::at_once, "ends at once", ""},
    {"HUP", Act::reload, "reloads the configuration, and the application unless preload_app", ""},
    {"USR2", Act::unknown, "starts a new master beside the old one", ""},
};

constexpr Advice advice[] = {
    {"worker.hung", "now", "see where it is: rbspy dump --pid PID", "nothing", ""},
    {"worker.hung", "now", "end it, if nobody waits for it any more: kill -KILL PID", "its request", ""},
    {"worker.hung", "then", "look why its master did not end it at timeout; give what the request waits for its own deadline", "the slow requests fail early, with an error of yours", ""},
    {"boot.dependency", "then", "add the gem to the Gemfile, bundle install in the build, and start it by bundle exec, so that it finds what was installed", "nothing: it does not run", ""},
    {"death.timeout", "now", "see what the living workers are stuck in, before they are killed too: rbspy dump --pid PID", "nothing", ""},
    {"death.timeout", "then", "give what the request waits for its own deadline (database, HTTP client, lock), shorter than the worker timeout", "the slow requests fail early, with an error of yours", ""},
    {"death.timeout", "then", "if requests are rightly that slow, take them out of the worker (a queue); raise 'timeout' last: each stuck request then holds a worker for longer", "a reload", "timeout 60"},
};

}  // namespace

namespace flavours_of {

extern const Flavour unicorn = {
    .name = "unicorn",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = defaults,
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = {Scope::request, "timeout", 0, 2, 9},   // one request at a time, so the tick is the request's: 3.9 s at 3 (measured)
    .gave_up = "it did not come back from its request within its timeout",
    .gave_up_line = "timeout ... killing",
    .tells = Tells::status,
    .says_ready = true,
    .on_master_death = OnMasterDeath::workers_leave,
    .signals = signals,
    .reload = "kill -HUP of the master",
    .reopen = "kill -USR1 of the master",
    .reload_late = 2,   // measured, 6.0.0
    .options = options,
    .configs_named = configs_named,
    .places = "1",
    .language = "Ruby",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
