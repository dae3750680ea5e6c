// The table of KNOWN_SETTINGS of gunicorn 19.9 to 26.2 (gunicorn/config.py of the tags), in its order. User, group, chdir and the control
// socket depend on the process: their default says how.
#include "flavour/gunicorn_settings.hpp"

#include <array>

namespace flavour {

namespace {

constexpr GunicornSetting table[] = {
    {"config", "-c --config", "./gunicorn.conf.py", "", Takes::one, "", ""},  // looked up in every version (config.py:502@19.9.0)
    {"wsgi_app", "", "None", "", Takes::nothing, "20.1", ""},
    {"bind", "-b --bind", "127.0.0.1:8000", "", Takes::many, "", ""},
    {"backlog", "--backlog", "2048", "", Takes::one, "", ""},
    {"workers", "-w --workers", "1", "", Takes::one, "", ""},
    {"worker_class", "-k --worker-class", "sync", "", Takes::one, "", ""},
    {"threads", "--threads", "1", "", Takes::one, "", ""},
    {"worker_connections", "--worker-connections", "1000", "", Takes::one, "", ""},
    {"max_requests", "--max-requests", "0", "", Takes::one, "", ""},
    {"max_requests_jitter", "--max-requests-jitter", "0", "", Takes::one, "", ""},
    {"timeout", "-t --timeout", "30", "s", Takes::one, "", ""},
    {"graceful_timeout", "--graceful-timeout", "30", "s", Takes::one, "", ""},
    {"keepalive", "--keep-alive", "2", "s", Takes::one, "", ""},
    {"limit_request_line", "--limit-request-line", "4094", "bytes", Takes::one, "", ""},
    {"limit_request_fields", "--limit-request-fields", "100", "", Takes::one, "", ""},
    {"limit_request_field_size", "--limit-request-field_size", "8190", "bytes", Takes::one, "", ""},
    {"reload", "--reload", "False", "", Takes::flag_true, "", ""},
    {"reload_engine", "--reload-engine", "auto", "", Takes::one, "", ""},
    {"reload_extra_files", "--reload-extra-file", "", "", Takes::many, "", ""},
    {"spew", "--spew", "False", "", Takes::flag_true, "", ""},
    {"check_config", "--check-config", "False", "", Takes::flag_true, "", ""},
    {"print_config", "--print-config", "False", "", Takes::flag_true, "20.1", ""},
    {"preload_app", "--preload", "False", "", Takes::flag_true, "", ""},
    {"sendfile", "--no-sendfile", "None", "", Takes::flag_false, "", ""},
    {"reuse_port", "--reuse-port", "False", "", Takes::flag_true, "", ""},
    {"chdir", "--chdir", "the working directory", "", Takes::one, "", ""},
    {"daemon", "-D --daemon", "False", "", Takes::flag_true, "", ""},
    {"raw_env", "-e --env", "", "", Takes::many, "", ""},
    {"pidfile", "-p --pid", "None", "", Takes::one, "", ""},
    {"worker_tmp_dir", "--worker-tmp-dir", "None", "", Takes::one, "", ""},
    {"user", "-u --user", "the starting user", "", Takes::one, "", ""},
    {"group", "-g --group", "the starting group", "", Takes::one, "", ""},
    {"umask", "-m --umask", "0", "", Takes::one, "", ""},
    {"initgroups", "--initgroups", "False", "", Takes::flag_true, "", ""},
    {"tmp_upload_dir", "", "None", "", Takes::nothing, "", ""},
    {"secure_scheme_headers", "", "{'X-FORWARDED-PROTOCOL': 'ssl', 'X-FORWARDED-PROTO': 'https', 'X-FORWARDED-SSL': 'on'}", "", Takes::nothing, "", ""},
    {"forwarded_allow_ips", "--forwarded-allow-ips", "127.0.0.1", "", Takes::one, "", "23.0"},
    {"forwarded_allow_ips", "--forwarded-allow-ips", "127.0.0.1,::1", "", Takes::one, "23.0", ""},
    {"accesslog", "--access-logfile", "None", "", Takes::one, "", ""},
    {"disable_redirect_access_to_syslog", "--disable-redirect-access-to-syslog", "False", "", Takes::flag_true, "", ""},
    {"access_log_format", "--access-logformat", "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"", "", Takes::one, "", ""},
    {"errorlog", "--error-logfile --log-file", "-", "", Takes::one, "", ""},
    {"loglevel", "--log-level", "info", "", Takes::one, "", ""},
    {"capture_output", "--capture-output", "False", "", Takes::flag_true, "", ""},
    {"logger_class", "--logger-class", "gunicorn.glogging.Logger", "", Takes::one, "", ""},
    {"logconfig", "--log-config", "None", "", Takes::one, "", ""},
    {"logconfig_dict", "--log-config-dict", "{}", "", Takes::one, "", "20.1"},
    {"logconfig_dict", "", "{}", "", Takes::nothing, "20.1", ""},
    {"logconfig_json", "--log-config-json", "None", "", Takes::one, "21.0", ""},
    {"syslog_addr", "--log-syslog-to", "udp://localhost:514", "", Takes::one, "", ""},
    {"syslog", "--log-syslog", "False", "", Takes::flag_true, "", ""},
    {"syslog_prefix", "--log-syslog-prefix", "None", "", Takes::one, "", ""},
    {"syslog_facility", "--log-syslog-facility", "user", "", Takes::one, "", ""},
    {"enable_stdio_inheritance", "-R --enable-stdio-inheritance", "False", "", Takes::flag_true, "", ""},
    {"statsd_host", "--statsd-host", "None", "", Takes::one, "", ""},
    {"dogstatsd_tags", "--dogstatsd-tags", "", "", Takes::one, "20.0", ""},
    {"statsd_prefix", "--statsd-prefix", "", "", Takes::one, "", ""},
    {"enable_backlog_metric", "--enable-backlog-metric", "False", "", Takes::flag_true, "24.0", ""},
    {"proc_name", "-n --name", "None", "", Takes::one, "", ""},
    {"default_proc_name", "", "gunicorn", "", Takes::nothing, "", ""},
    {"pythonpath", "--pythonpath", "None", "", Takes::one, "", ""},
    {"paste", "--paste --paster", "None", "", Takes::one, "", ""},
    {"on_starting", "", "", "", Takes::hook, "", ""},
    {"on_reload", "", "", "", Takes::hook, "", ""},
    {"when_ready", "", "", "", Takes::hook, "", ""},
    {"pre_fork", "", "", "", Takes::hook, "", ""},
    {"post_fork", "", "", "", Takes::hook, "", ""},
    {"post_worker_init", "", "", "", Takes::hook, "", ""},
    {"worker_int", "", "", "", Takes::hook, "", ""},
    {"worker_abort", "", "", "", Takes::hook, "", ""},
    {"pre_exec", "", "", "", Takes::hook, "", ""},
    {"pre_request", "", "", "", Takes::hook, "", ""},
    {"post_request", "", "", "", Takes::hook, "", ""},
    {"child_exit", "", "", "", Takes::hook, "", ""},
    {"worker_exit", "", "", "", Takes::hook, "", ""},
    {"nworkers_changed", "", "", "", Takes::hook, "", ""},
    {"on_exit", "", "", "", Takes::hook, "", ""},
    {"ssl_context", "", "", "", Takes::hook, "21.0", ""},
    {"proxy_protocol", "--proxy-protocol", "False", "", Takes::flag_true, "", "24.0"},
    {"proxy_protocol", "--proxy-protocol", "off", "", Takes::maybe, "24.0", ""},
    {"proxy_allow_ips", "--proxy-allow-from", "127.0.0.1", "", Takes::one, "", "23.0"},
    {"proxy_allow_ips", "--proxy-allow-from", "127.0.0.1,::1", "", Takes::one, "23.0", ""},
    {"protocol", "--protocol", "http", "", Takes::one, "24.0", ""},
    {"uwsgi_allow_ips", "--uwsgi-allow-from", "127.0.0.1,::1", "", Takes::one, "24.0", ""},
    {"keyfile", "--keyfile", "None", "", Takes::one, "", ""},
    {"certfile", "--certfile", "None", "", Takes::one, "", ""},
    {"ssl_version", "--ssl-version", "2", "", Takes::one, "", ""},
    {"cert_reqs", "--cert-reqs", "0", "", Takes::one, "", ""},
    {"ca_certs", "--ca-certs", "None", "", Takes::one, "", ""},
    {"suppress_ragged_eofs", "--suppress-ragged-eofs", "True", "", Takes::flag_true, "", ""},
    {"do_handshake_on_connect", "--do-handshake-on-connect", "False", "", Takes::flag_true, "", ""},
    {"ciphers", "--ciphers", "TLSv1", "", Takes::one, "", "20.0"},
    {"ciphers", "--ciphers", "None", "", Takes::one, "20.0", ""},
    {"http_protocols", "--http-protocols", "h1", "", Takes::one, "25.0", ""},
    {"http2_cleartext", "--http2-cleartext", "off", "", Takes::one, "26.2", ""},
    {"http2_max_concurrent_streams", "--http2-max-concurrent-streams", "100", "", Takes::one, "25.0", ""},
    {"http2_initial_window_size", "--http2-initial-window-size", "65535", "bytes", Takes::one, "25.0", ""},
    {"http2_max_frame_size", "--http2-max-frame-size", "16384", "bytes", Takes::one, "25.0", ""},
    {"http2_max_header_list_size", "--http2-max-header-list-size", "65536", "bytes", Takes::one, "25.0", ""},
    {"raw_paste_global_conf", "--paste-global", "", "", Takes::many, "", ""},
    {"permit_obsolete_folding", "--permit-obsolete-folding", "False", "", Takes::flag_true, "23.0", ""},
    {"strip_header_spaces", "--strip-header-spaces", "False", "", Takes::flag_true, "20.0", ""},
    {"permit_unconventional_http_method", "--permit-unconventional-http-method", "False", "", Takes::flag_true, "22.0", ""},
    {"permit_unconventional_http_version", "--permit-unconventional-http-version", "False", "", Takes::flag_true, "22.0", ""},
    {"casefold_http_method", "--casefold-http-method", "False", "", Takes::flag_true, "22.0", ""},
    // Also in Debian's 20.1.0-6+deb12u1, a security backport; an option from 23.0 on is refused (exit 2).
    {"tolerate_dangerous_framing", "--tolerate-dangerous-framing", "False", "", Takes::flag_true, "20.1", "23.0"},
    {"forwarder_headers", "--forwarder-headers", "SCRIPT_NAME,PATH_INFO", "", Takes::one, "23.0", ""},
    {"header_map", "--header-map", "drop", "", Takes::one, "22.0", ""},
    {"asgi_loop", "--asgi-loop", "auto", "", Takes::one, "24.0", ""},
    {"asgi_lifespan", "--asgi-lifespan", "auto", "", Takes::one, "24.0", ""},
    {"asgi_disconnect_grace_period", "--asgi-disconnect-grace-period", "3", "s", Takes::one, "25.0", ""},
    {"http_parser", "--http-parser", "auto", "", Takes::one, "25.2", ""},
    {"root_path", "--root-path", "", "", Takes::one, "24.0", ""},
    {"dirty_apps", "--dirty-app", "", "", Takes::many, "25.0", ""},
    {"dirty_workers", "--dirty-workers", "0", "", Takes::one, "25.0", ""},
    {"dirty_timeout", "--dirty-timeout", "300", "s", Takes::one, "25.0", ""},
    {"dirty_threads", "--dirty-threads", "1", "", Takes::one, "25.0", ""},
    {"dirty_graceful_timeout", "--dirty-graceful-timeout", "30", "s", Takes::one, "25.0", ""},
    {"on_dirty_starting", "", "", "", Takes::hook, "25.0", ""},
    {"dirty_post_fork", "", "", "", Takes::hook, "25.0", ""},
    {"dirty_worker_init", "", "", "", Takes::hook, "25.0", ""},
    {"dirty_worker_exit", "", "", "", Takes::hook, "25.0", ""},
    {"control_socket", "--control-socket", "gunicorn.ctl", "", Takes::one, "25.1", "25.2"},
    {"control_socket", "--control-socket", "$XDG_RUNTIME_DIR/gunicorn.ctl or ~/.gunicorn/gunicorn.ctl", "", Takes::one, "25.2", ""},
    {"control_socket_mode", "--control-socket-mode", "0600", "", Takes::one, "25.1", ""},
    {"control_socket_disable", "--no-control-socket", "False", "", Takes::flag_true, "25.1", ""},
};

// Hooks are functions: they have no default that says anything.
constexpr std::size_t count_defaults() {
  std::size_t count = 0;
  for (const GunicornSetting& row : table) count += row.takes != Takes::hook;
  return count;
}

constexpr auto make_defaults() {
  std::array<Default, count_defaults()> rows{};
  std::size_t at = 0;
  for (const GunicornSetting& row : table)
    if (row.takes != Takes::hook) rows[at++] = {row.name, row.value, row.unit, row.since, row.until};
  return rows;
}

constexpr auto defaults = make_defaults();

// The number at the front of `text` and the dot behind it come off; 0 when there is none. No version number has more than six digits.
int take_part(std::string_view& text) {
  int number = 0, digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9' && digits < 6) {
    number = number * 10 + (text.front() - '0');
    text.remove_prefix(1);
    ++digits;
  }
  if (!text.empty() && text.front() == '.') text.remove_prefix(1);
  else text = {};
  return number;
}

}  // namespace

std::span<const GunicornSetting> gunicorn_settings_table() { return table; }
std::span<const Default> gunicorn_defaults() { return defaults; }

bool gunicorn_knows(std::string_view name) {
  for (const GunicornSetting& row : table)
    if (row.name == name) return true;
  return false;
}

std::string_view gunicorn_unit(std::string_view name) {
  for (const GunicornSetting& row : table)
    if (row.name == name) return row.unit;
  return {};
}

Version read_version(std::string_view text) {
  if (!text.empty() && text.front() == 'v') text.remove_prefix(1);
  if (text.empty() || text.front() < '0' || text.front() > '9') return {};
  Version version;
  version.major = take_part(text);
  version.minor = take_part(text);
  version.patch = take_part(text);
  return version;
}

bool holds_for(std::string_view since, std::string_view until, const Version& version) {
  if (!version.known()) return true;
  if (!since.empty() && version < read_version(since)) return false;
  return until.empty() || version < read_version(until);
}

}  // namespace flavour
