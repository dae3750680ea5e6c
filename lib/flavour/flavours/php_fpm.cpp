// php-fpm. Sources: php/php-src sapi/fpm/fpm/{fpm_children,fpm_request,fpm_process_ctl}.c; measured with 8.2.36 and 8.4.24 (servers.md 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view) { return "8"; }

// fpm_children.c fpm_children_bury: an end by SIGQUIT or with 0 is a NOTICE, the others are WARNINGs.
std::optional<bool> would_log(std::string_view, std::string_view level, Ending ending) {
  if (level == "error" || level == "alert" || level == "critical") return false;
  return ending != Ending::exit_zero || level != "warning";
}

std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }

bool recognise(std::string_view args) {
  if (args.starts_with("php-fpm: master process") || args.starts_with("php-fpm: pool ")) return true;
  const std::string_view program = last_part(next_word(args));
  return program.starts_with("php-fpm") && program.find(':') == std::string_view::npos;
}

Kin kin(std::string_view args) { return args.starts_with("php-fpm: pool ") ? Kin::worker : Kin::master; }

constexpr std::string_view comms[] = {"php-fpm"};

constexpr Default defaults[] = {
    {"request_terminate_timeout", "0", "s", "", ""},
    {"process_control_timeout", "0", "s", "", ""},
    {"pm.max_requests", "0", "", "", ""},
};

constexpr Option options[] = {
    {"request_terminate_timeout", "timeout", "s"}, {"pm.max_children", "workers", ""}, {"process_control_timeout", "graceful_timeout", "s"}, {"pm.max_requests", "max_requests", ""}, {"listen.backlog", "backlog", ""}, {"pm", "pm", ""},
    {"request_slowlog_timeout", "request_slowlog_timeout", "s"}, {"slowlog", "slowlog", ""}, {"rlimit_files", "rlimit_files", ""}, {"pm.status_path", "pm.status_path", ""}, {"pm.status_listen", "pm.status_listen", ""}, {"error_log", "error_log", ""},
    {"pm.process_idle_timeout", "pm.process_idle_timeout", "s"}, {"emergency_restart_threshold", "emergency_restart_threshold", ""}, {"catch_workers_output", "catch_workers_output", ""}, {"log_level", "log_level", ""},
};

// Its title names the main file: "php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)".
std::vector<std::string> configs_named(std::string_view args) {
  constexpr std::string_view title = "php-fpm: master process (", named[] = {"-y", "--fpm-config"};
  if (!args.starts_with(title)) return values_of(args, named);
  args.remove_prefix(title.size());
  return {std::string(args.substr(0, args.rfind(')')))};
}

constexpr Meaning signals[] = {
    {"TERM", Act::at_once, "ends at once", ""},
    {"QUIT", Act::graceful, "ends when requests are done", "waits process_control_timeout only, 0 by default"},
    {"USR2", Act::reload, "reloads by execve, the same pid", "with process_control_timeout = 0 running requests are cut"},
    {"USR1", Act::unknown, "opens its logs anew", ""},
    {"INT", Act::at_once, "ends at once", ""},
};

constexpr Advice advice[] = {
    {"worker.hung", "now", "see where it is: phpspy -p PID, or gdb; the slowlog writes the PHP stack of the next one (request_slowlog_timeout)", "nothing", ""},
    {"worker.hung", "now", "end it, if nobody waits for it any more: kill -TERM PID", "its request", ""},
    {"worker.hung", "then", "set request_terminate_timeout above what a request may rightly take: without it nobody ends one (max_execution_time counts CPU time alone)", "a reload", "request_terminate_timeout = 60s"},
    {"death.timeout", "now", "see where it was: request_slowlog_timeout and slowlog write the PHP stack of slow requests", "a reload", "request_slowlog_timeout = 5s"},
    {"death.timeout", "then", "give what the request waits for its own deadline (database, HTTP client), shorter than request_terminate_timeout", "the slow requests fail early, with an error of yours", ""},
    {"death.timeout", "then", "if requests are rightly that slow, take them out of the pool (a queue, php-cli), or give them a pool of their own; raise request_terminate_timeout last", "a reload", ""},
    {"worker.saturated", "now", "see what holds the children: the status page on a listen address of its own (pm.status_listen), for one served by the pool waits behind the stuck requests", "nothing", ""},
    {"worker.saturated", "then", "raise pm.max_children as far as the memory of so many children allows, or make the slow requests shorter (slowlog)", "memory", "pm.max_children = ..."},
    {"memory.limit-in-process", "then", "find what takes so much at that place; memory_limit is a request's own limit, and the child lives on", "nothing", ""},
};

}  // namespace

namespace flavours_of {

extern const Flavour php_fpm = {
    .name = "php-fpm",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = defaults,
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = {Scope::request, "request_terminate_timeout", 0, 1.1, 15},   // 2.5 to 4.0 s at 2 to 3 (measured); SIGTERM, and again at each heartbeat (fpm_request.c)
    .gave_up = "one request took longer than request_terminate_timeout",
    .gave_up_line = "execution timed out",
    .tells = Tells::status,
    .on_master_death = OnMasterDeath::workers_serve,
    .signals = signals,
    .reload = "kill -USR2 of the master, with process_control_timeout above 0, or it cuts what runs",
    .reopen = "kill -USR1 of the master",
    .reload_late = 0.6,   // measured, 8.2.36
    .options = options,
    .configs_named = configs_named,
    .places = "1",
    .language = "PHP",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
