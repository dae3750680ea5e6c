// triage-server, this project's own: gunicorn's settings, lines and processes. Its master words ends as gunicorn 24 and later does
// (lib/prefork/master.cpp say_death); under --like its log is that gunicorn's, version and all, and so is what it does.
#include <array>

#include "base/text.hpp"
#include "flavour/flavour.hpp"

namespace flavour {
namespace {

// Its own versions begin with 0; another one is the gunicorn that it was told to be like.
std::string reference_family(std::string_view version) {
  if (version.empty()) return "";
  return base::starts_with(version, "0.") ? "own" : flavour("gunicorn")->family(version);
}

// lib/prefork/master.cpp say_death with DeathWords::v24.
std::optional<bool> reference_would_log(std::string_view family, std::string_view log_level, Ending ending) {
  if (ending == Ending::exit_zero) return false;
  if (ending == Ending::timeout_abort) return true;  // CRITICAL at every level
  if (family != "own") return flavour("gunicorn")->would_log(family, log_level, ending);
  if (log_level.empty()) return std::nullopt;
  if (log_level == "critical") return false;
  if (log_level == "error") return ending == Ending::signal_kill || ending == Ending::exit_nonzero;
  if (log_level == "warning") return ending != Ending::signal_term;
  return true;
}

// lib/prefork/manner.hpp abort_status: the SIGABRT handler leaves with 1.
std::optional<int> reference_timeout_exit_code(std::string_view family) { return family == "own" ? std::optional<int>(1) : flavour("gunicorn")->timeout_exit_code(family); }

// lib/prefork/settings.hpp, every one of them, in gunicorn's notation (True, None); tests/unit/prefork holds the two together.
constexpr std::array reference_defaults{
    Default{"wsgi_app", "None", "", "", ""},
    Default{"bind", "127.0.0.1:8000", "", "", ""},
    Default{"backlog", "2048", "", "", ""},
    Default{"workers", "1", "", "", ""},
    Default{"worker_class", "sync", "", "", ""},
    Default{"threads", "1", "", "", ""},
    Default{"worker_connections", "1000", "", "", ""},
    Default{"max_requests", "0", "", "", ""},
    Default{"max_requests_jitter", "0", "", "", ""},
    Default{"timeout", "30", "s", "", ""},
    Default{"graceful_timeout", "30", "s", "", ""},
    Default{"keepalive", "2", "s", "", ""},
    Default{"limit_request_line", "4094", "bytes", "", ""},
    Default{"limit_request_fields", "100", "", "", ""},
    Default{"limit_request_field_size", "8190", "bytes", "", ""},
    Default{"permit_obsolete_folding", "False", "", "", ""},
    Default{"permit_unconventional_http_method", "False", "", "", ""},
    Default{"permit_unconventional_http_version", "False", "", "", ""},
    Default{"casefold_http_method", "False", "", "", ""},
    Default{"strip_header_spaces", "False", "", "", ""},
    Default{"header_map", "drop", "", "", ""},
    Default{"forwarder_headers", "SCRIPT_NAME,PATH_INFO", "", "", ""},
    Default{"forwarded_allow_ips", "127.0.0.1,::1", "", "", ""},
    Default{"proxy_protocol", "off", "", "", ""},
    Default{"proxy_allow_ips", "127.0.0.1,::1", "", "", ""},
    Default{"errorlog", "-", "", "", ""},
    Default{"accesslog", "None", "", "", ""},
    Default{"access_log_format", "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"", "", "", ""},
    Default{"loglevel", "info", "", "", ""},
    Default{"capture_output", "False", "", "", ""},
    Default{"pidfile", "None", "", "", ""},
    Default{"user", "None", "", "", ""},
    Default{"group", "None", "", "", ""},
    Default{"initgroups", "False", "", "", ""},
    Default{"umask", "0", "", "", ""},
    Default{"chdir", "None", "", "", ""},
    Default{"daemon", "False", "", "", ""},
    Default{"raw_env", "", "", "", ""},
    Default{"proc_name", "None", "", "", ""},
    Default{"preload_app", "False", "", "", ""},
    Default{"reuse_port", "False", "", "", ""},
    Default{"worker_tmp_dir", "None", "", "", ""},
    Default{"statsd_host", "None", "", "", ""},
    Default{"statsd_prefix", "", "", "", ""},
    Default{"dogstatsd_tags", "", "", "", ""},
    Default{"like", "None", "", "", ""},
    Default{"app_argument", "None", "", "", ""},
    Default{"heartbeat", "auto", "", "", ""},
    Default{"boot_timeout", "120", "s", "", ""},
    Default{"header_timeout", "10", "s", "", ""},
    Default{"body_timeout", "30", "s", "", ""},
    Default{"write_timeout", "60", "s", "", ""},
    Default{"shutdown_linger", "0.5", "s", "", ""},
    Default{"require_host", "False", "", "", ""},
    Default{"limit_request_body", "0", "bytes", "", ""},
    Default{"accept", "shared", "", "", ""},
    Default{"thread_watchdog", "off", "", "", ""},
    Default{"suspend_guard", "True", "", "", ""},
    Default{"respawn_backoff", "True", "", "", ""},
    Default{"drain_backlog", "True", "", "", ""},
    Default{"ready_after_boot", "True", "", "", ""},
    Default{"log_format", "text", "", "", ""},
    Default{"access_log_buffer", "32768", "bytes", "", ""},
    Default{"admin", "None", "", "", ""},
    Default{"faults", "", "", "", ""},
    Default{"seed", "1", "", "", ""},
};

// lib/prefork/settings.cpp: those of its options that gunicorn does not have, and take a value.
constexpr std::array reference_options{
    Option{"--like", "like", ""},                         Option{"--app-argument", "app_argument", ""},       Option{"--heartbeat", "heartbeat", ""},
    Option{"--boot-timeout", "boot_timeout", "s"},        Option{"--header-timeout", "header_timeout", "s"},  Option{"--body-timeout", "body_timeout", "s"},
    Option{"--write-timeout", "write_timeout", "s"},      Option{"--shutdown-linger", "shutdown_linger", "s"}, Option{"--limit-request-body", "limit_request_body", "bytes"},
    Option{"--accept", "accept", ""},                     Option{"--thread-watchdog", "thread_watchdog", ""}, Option{"--log-format", "log_format", ""},
    Option{"--access-log-buffer", "access_log_buffer", "bytes"}, Option{"--admin", "admin", ""},             Option{"--fault", "faults", ""},
    Option{"--seed", "seed", ""},
};

constexpr std::string_view reference_comms[] = {"triage-server"};

Kin reference_kin(std::string_view args) {
  if (base::starts_with(args, "triage-server: master [")) return Kin::master;
  return base::starts_with(args, "triage-server: worker [") ? Kin::worker : Kin::either;
}

bool reference_recognise(std::string_view args) {
  if (base::starts_with(args, "triage-server: master [") || base::starts_with(args, "triage-server: worker [")) return true;
  const std::string_view program = args.substr(0, args.find_first_of(std::string_view(" \t\n\0", 4)));
  return program.substr(program.rfind('/') + 1) == "triage-server";
}

}  // namespace

namespace flavours_of {

extern const Flavour reference = {
    .name = "reference",
    .program = "triage-server",
    .like_gunicorn = true,
    .family = reference_family,
    .would_log = reference_would_log,
    .timeout_exit_code = reference_timeout_exit_code,
    .defaults = reference_defaults,
    .recognise = reference_recognise,
    .kin = reference_kin,
    .comms = reference_comms,
    .timeout = {Scope::loop, "timeout", 1, 1.1, 9},
    .gave_up = "it gave no heartbeat for longer than its timeout",
    .gave_up_line = "WORKER TIMEOUT",
    .options = reference_options,
    .config_file = "triage-server.json",
};

}  // namespace flavours_of
}  // namespace flavour
