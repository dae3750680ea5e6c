// Apache with the prefork MPM, and mod_wsgi's daemon processes. Sources: apache/httpd server/mpm_unix.c ap_process_child_status,
// GrahamDumpleton/mod_wsgi 4.9.4; measured with 2.4.68, 2.4.71, mod_wsgi 4.9.4 and 5.0.2 (servers.md 1.6-1.8, 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view) { return "2.4"; }

// Never a child that ended by SIGKILL, SIGTERM, SIGHUP or SIGUSR1; AH00052 is a NOTICE; an exit code is mod_wsgi's business, which does not tell
// it from a signal. Its timeouts are said at wsgi:info, which the log shows only by itself.
std::optional<bool> would_log(std::string_view, std::string_view, Ending ending) {
  if (ending == Ending::signal_kill || ending == Ending::signal_term || ending == Ending::exit_zero || ending == Ending::exit_nonzero) return false;
  return std::nullopt;
}

std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }

bool recognise(std::string_view args) {
  if (args.starts_with("(wsgi:")) return true;
  const std::string_view program = last_part(next_word(args));
  return program == "apache2" || program == "httpd";
}

Kin kin(std::string_view args) { return args.starts_with("(wsgi:") ? Kin::worker : Kin::either; }

constexpr std::string_view comms[] = {"apache2", "httpd", "(wsgi:"};

constexpr Default defaults[] = {   // mod_wsgi 4.9.4; server/core.c, prefork.c of 2.4
    {"request-timeout", "0", "s", "", ""}, {"shutdown-timeout", "5", "s", "", ""}, {"deadlock-timeout", "300", "s", "", ""}, {"MaxRequestWorkers", "256", "", "", ""}, {"ListenBackLog", "511", "", "", ""},
};

// "request-timeout" and what follows are words of WSGIDaemonProcess.
constexpr Option options[] = {
    {"MaxRequestWorkers", "workers", ""}, {"MaxClients", "workers", ""}, {"MaxConnectionsPerChild", "max_requests", ""}, {"ListenBackLog", "backlog", ""}, {"GracefulShutDownTimeout", "GracefulShutDownTimeout", "s"}, {"KeepAliveTimeout", "keepalive", "s"},
    {"Timeout", "socket_timeout", "s"}, {"LogLevel", "log_level", ""}, {"StartServers", "StartServers", ""},
    {"request-timeout", "timeout", "s"}, {"shutdown-timeout", "graceful_timeout", "s"}, {"deadlock-timeout", "deadlock-timeout", "s"}, {"processes", "processes", ""}, {"threads", "threads", ""}, {"maximum-requests", "maximum-requests", ""}, {"queue-timeout", "queue-timeout", "s"},
    {"inactivity-timeout", "inactivity-timeout", "s"},
};

std::vector<std::string> configs_named(std::string_view args) {
  constexpr std::string_view named[] = {"-f"};
  return values_of(args, named);
}

constexpr std::string_view config_defaults[] = {"/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/usr/local/apache2/conf/httpd.conf"};

constexpr Meaning signals[] = {
    {"TERM", Act::at_once, "ends at once", ""},
    {"USR1", Act::reload, "reloads; children finish their requests", "mod_wsgi's daemon processes do not: they are stopped after shutdown-timeout"},
    {"HUP", Act::reload, "reloads, cutting requests", ""},
    {"WINCH", Act::graceful, "ends when requests are done", ""},
};

constexpr Advice advice[] = {
    {"worker.hung", "now", "see where it is: py-spy dump --pid PID for mod_wsgi, gdb or mod_status's URL column for others", "nothing", ""},
    {"worker.hung", "now", "end it, if nobody waits for it any more: kill -TERM PID", "its request", ""},
    {"worker.hung", "then", "Apache has no timeout for a request: with mod_wsgi's daemon mode set request-timeout, and give what the request waits for its own deadline", "a reload", "WSGIDaemonProcess ... request-timeout=60"},
    {"death.timeout", "now", "mod_wsgi wrote the Python stacks of that moment into the log, under \"Dumping stack trace\": see what was waited for", "nothing", ""},
    {"death.timeout", "then", "give what the request waits for its own deadline; request-timeout counts the sum of all running requests over all threads", "the slow requests fail early, with an error of yours", ""},
    {"death.unknown", "then", "set LogLevel wsgi:info: without it mod_wsgi logs neither deaths nor timeouts", "a reload", "LogLevel warn wsgi:info"},
    {"worker.saturated", "then", "raise MaxRequestWorkers as far as the memory of so many children allows, or make requests shorter; mod_status shows what they do", "memory", "MaxRequestWorkers 300"},
};

}  // namespace

namespace flavours_of {

extern const Flavour apache = {
    .name = "apache",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = defaults,
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = {Scope::average, "request-timeout", 0, 3, 0},   // stops itself, and its reaper thread exits the process after shutdown-timeout
    .gave_up = "its requests took longer than mod_wsgi's request-timeout allows on average",
    .gave_up_line = "request time limit exceeded",
    .tells = Tells::end,
    .on_master_death = OnMasterDeath::workers_serve,
    .signals = signals,
    .reload = "apachectl graceful",
    .reopen = "apachectl graceful",
    .options = options,
    .configs_named = configs_named,
    .config_defaults = config_defaults,
    .language = "",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
