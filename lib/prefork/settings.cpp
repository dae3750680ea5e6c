#include "prefork/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/near.hpp"
#include "base/text.hpp"
#include "prefork/manner.hpp"

namespace prefork {
namespace {

using enum Written;

constexpr std::array rows{
    SettingRow{"wsgi_app", text, "", "the application: module:symbol, or builtin:hello"},
    SettingRow{"bind", list, "-b,--bind", "host:port, unix:/path, fd://N; may be repeated"},
    SettingRow{"backlog", number, "--backlog", "connections that may wait"},
    SettingRow{"workers", number, "-w,--workers", "worker processes"},
    SettingRow{"worker_class", text, "-k,--worker-class", "sync, gthread or event"},
    SettingRow{"threads", number, "--threads", "threads of a worker; more than 1 makes sync gthread"},
    SettingRow{"worker_connections", number, "--worker-connections", "open connections of a gthread or event worker"},
    SettingRow{"max_requests", number, "--max-requests", "a worker is replaced after so many; 0: never"},
    SettingRow{"max_requests_jitter", number, "--max-requests-jitter", "and up to so many more"},
    SettingRow{"timeout", seconds, "-t,--timeout", "a worker silent for longer is killed; 0: never"},
    SettingRow{"graceful_timeout", seconds, "--graceful-timeout", "workers have so long to finish when the server stops"},
    SettingRow{"keepalive", seconds, "--keep-alive", "an idle connection is kept so long"},
    SettingRow{"limit_request_line", number, "--limit-request-line", "bytes"},
    SettingRow{"limit_request_fields", number, "--limit-request-fields", "how many"},
    SettingRow{"limit_request_field_size", number, "--limit-request-field_size,--limit-request-field-size", "bytes"},
    SettingRow{"permit_obsolete_folding", truth, "--permit-obsolete-folding", "values on several lines"},
    SettingRow{"permit_unconventional_http_method", truth, "--permit-unconventional-http-method", "methods in lower case, short or long ones"},
    SettingRow{"permit_unconventional_http_version", truth, "--permit-unconventional-http-version", "versions other than 1.x"},
    SettingRow{"casefold_http_method", truth, "--casefold-http-method", "methods become upper case"},
    SettingRow{"strip_header_spaces", truth, "--strip-header-spaces", "blanks before the colon"},
    SettingRow{"header_map", text, "--header-map", "names with an underscore: drop, refuse or dangerous"},
    SettingRow{"forwarder_headers", list, "--forwarder-headers", "those that trusted peers may send nevertheless"},
    SettingRow{"forwarded_allow_ips", list, "--forwarded-allow-ips", "trusted peers"},
    SettingRow{"proxy_protocol", text, "--proxy-protocol", "off, v1, v2 or auto"},
    SettingRow{"proxy_allow_ips", list, "--proxy-allow-from", "who may send it"},
    SettingRow{"errorlog", text, "--error-logfile,--log-file", "- is stderr"},
    SettingRow{"accesslog", text, "--access-logfile", "- is stdout; empty: none"},
    SettingRow{"access_log_format", text, "--access-logformat", "with gunicorn's variables"},
    SettingRow{"loglevel", text, "--log-level", "debug, info, warning, error or critical"},
    SettingRow{"capture_output", truth, "--capture-output", "stdout and stderr of the application go to the error log"},
    SettingRow{"pidfile", text, "-p,--pid", "where the master's pid stands"},
    SettingRow{"user", text, "-u,--user", "of the workers"},
    SettingRow{"group", text, "-g,--group", "of the workers"},
    SettingRow{"initgroups", truth, "--initgroups", "with the user's other groups"},
    SettingRow{"umask", number, "-m,--umask", "of files and unix sockets; 0 makes sockets 0777, as gunicorn's do"},
    SettingRow{"chdir", text, "--chdir", "where to run"},
    SettingRow{"daemon", truth, "-D,--daemon", "in the background"},
    SettingRow{"raw_env", list, "-e,--env", "NAME=value for the workers; may be repeated"},
    SettingRow{"proc_name", text, "-n,--name", "in the processes' titles"},
    SettingRow{"preload_app", truth, "--preload", "the application is loaded once, before the fork"},
    SettingRow{"reuse_port", truth, "--reuse-port", "SO_REUSEPORT; a listener per worker but for --like below 24"},
    SettingRow{"worker_tmp_dir", text, "--worker-tmp-dir", "of the heartbeat files"},
    SettingRow{"statsd_host", text, "--statsd-host", "host:port or unix:/path"},
    SettingRow{"statsd_prefix", text, "--statsd-prefix", "before gunicorn.requests..."},
    SettingRow{"dogstatsd_tags", text, "--dogstatsd-tags", "name:value,..."},
    SettingRow{"like", text, "--like", "behave as gunicorn-20.1, gunicorn-23 or gunicorn-26", true},
    SettingRow{"app_argument", text, "--app-argument", "given to the application when it is loaded", true},
    SettingRow{"heartbeat", text, "--heartbeat", "auto, tmp (a file, as gunicorn) or shared (memory)", true},
    SettingRow{"boot_timeout", seconds, "--boot-timeout", "a worker that has not booted by then is killed; 0: never", true},
    SettingRow{"header_timeout", seconds, "--header-timeout", "a client has so long for a request's head; 0: no limit", true},
    SettingRow{"body_timeout", seconds, "--body-timeout", "a body may pause so long", true},
    SettingRow{"write_timeout", seconds, "--write-timeout", "a client may take nothing for so long", true},
    SettingRow{"shutdown_linger", seconds, "--shutdown-linger", "an answer to an unread request is protected so long", true},
    SettingRow{"require_host", truth, "--require-host", "refuse HTTP/1.1 without Host, as RFC 9112 demands", true},
    SettingRow{"limit_request_body", number, "--limit-request-body", "bytes; 0: no limit", true},
    SettingRow{"accept", text, "--accept", "who is woken by a new connection: shared or exclusive", true},
    SettingRow{"thread_watchdog", text, "--thread-watchdog", "stuck threads stop the heartbeat: off, pool (all) or any", true},
    SettingRow{"suspend_guard", truth, "--suspend-guard", "time in which the master did not run counts against nobody", true},
    SettingRow{"respawn_backoff", truth, "--respawn-backoff", "wait longer after each worker that dies while it boots", true},
    SettingRow{"drain_backlog", truth, "--drain-backlog", "answer what waits in the backlog before a graceful exit", true},
    SettingRow{"ready_after_boot", truth, "--ready-after-boot", "READY=1 after the first worker has booted", true},
    SettingRow{"log_format", text, "--log-format", "text or json", true},
    SettingRow{"access_log_buffer", number, "--access-log-buffer", "bytes kept back for at most 0.1 s; 0: none", true},
    SettingRow{"admin", text, "--admin", "unix:/path or host:port for figures and faults", true},
    SettingRow{"faults", list, "--fault", "name[=value][,path=/x][,every=N][,chance=P]", true},
    SettingRow{"seed", number, "--seed", "of faults that are races", true},
};

base::Error wrong(std::string_view name, std::string_view value, std::string answer) {
  return {base::Kind::usage, fmt::format("reading {} = '{}'", name, base::printable(value, 200)), std::move(answer), "", 0};
}

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

struct Slot {
  std::int64_t* number = nullptr;
  std::size_t* size = nullptr;
  std::uint64_t* wide = nullptr;
  double* seconds = nullptr;
  bool* truth = nullptr;
  std::string* text = nullptr;
  std::vector<std::string>* list = nullptr;
};

Slot slot_of(Settings& s, std::string_view name) {
  struct Named { std::string_view name; Slot slot; };
  const std::array all{
      Named{"wsgi_app", {.text = &s.app}}, Named{"bind", {.list = &s.bind}}, Named{"backlog", {.number = &s.backlog}}, Named{"workers", {.number = &s.workers}},
      Named{"worker_class", {.text = &s.worker_class}}, Named{"threads", {.number = &s.threads}}, Named{"worker_connections", {.number = &s.worker_connections}},
      Named{"max_requests", {.number = &s.max_requests}}, Named{"max_requests_jitter", {.number = &s.max_requests_jitter}}, Named{"timeout", {.seconds = &s.timeout}},
      Named{"graceful_timeout", {.seconds = &s.graceful_timeout}}, Named{"keepalive", {.seconds = &s.keepalive}}, Named{"limit_request_line", {.size = &s.http.limit_request_line}},
      Named{"limit_request_fields", {.size = &s.http.limit_request_fields}}, Named{"limit_request_field_size", {.size = &s.http.limit_request_field_size}},
      Named{"permit_obsolete_folding", {.truth = &s.http.permit_obsolete_folding}}, Named{"permit_unconventional_http_method", {.truth = &s.http.permit_unconventional_http_method}},
      Named{"permit_unconventional_http_version", {.truth = &s.http.permit_unconventional_http_version}}, Named{"casefold_http_method", {.truth = &s.http.casefold_http_method}},
      Named{"strip_header_spaces", {.truth = &s.http.strip_header_spaces}}, Named{"forwarder_headers", {.list = &s.http.forwarder_headers}},
      Named{"forwarded_allow_ips", {.list = &s.http.forwarded_allow_ips}}, Named{"proxy_allow_ips", {.list = &s.http.proxy_allow_ips}}, Named{"errorlog", {.text = &s.errorlog}},
      Named{"accesslog", {.text = &s.accesslog}}, Named{"access_log_format", {.text = &s.access_log_format}}, Named{"loglevel", {.text = &s.loglevel}},
      Named{"capture_output", {.truth = &s.capture_output}}, Named{"pidfile", {.text = &s.pidfile}}, Named{"user", {.text = &s.user}}, Named{"group", {.text = &s.group}},
      Named{"initgroups", {.truth = &s.initgroups}}, Named{"umask", {.number = &s.umask}}, Named{"chdir", {.text = &s.chdir}}, Named{"daemon", {.truth = &s.daemon}},
      Named{"raw_env", {.list = &s.raw_env}}, Named{"proc_name", {.text = &s.proc_name}}, Named{"preload_app", {.truth = &s.preload_app}}, Named{"reuse_port", {.truth = &s.reuse_port}},
      Named{"worker_tmp_dir", {.text = &s.worker_tmp_dir}}, Named{"statsd_host", {.text = &s.statsd_host}}, Named{"statsd_prefix", {.text = &s.statsd_prefix}},
      Named{"dogstatsd_tags", {.text = &s.dogstatsd_tags}}, Named{"like", {.text = &s.like}}, Named{"app_argument", {.text = &s.app_argument}}, Named{"heartbeat", {.text = &s.heartbeat}},
      Named{"boot_timeout", {.seconds = &s.boot_timeout}}, Named{"header_timeout", {.seconds = &s.header_timeout}}, Named{"body_timeout", {.seconds = &s.body_timeout}},
      Named{"write_timeout", {.seconds = &s.write_timeout}}, Named{"shutdown_linger", {.seconds = &s.shutdown_linger}}, Named{"require_host", {.truth = &s.http.require_host}},
      Named{"limit_request_body", {.wide = &s.http.limit_request_body}}, Named{"accept", {.text = &s.accept}}, Named{"thread_watchdog", {.text = &s.thread_watchdog}},
      Named{"suspend_guard", {.truth = &s.suspend_guard}}, Named{"respawn_backoff", {.truth = &s.respawn_backoff}}, Named{"drain_backlog", {.truth = &s.drain_backlog}},
      Named{"ready_after_boot", {.truth = &s.ready_after_boot}}, Named{"log_format", {.text = &s.log_format}}, Named{"access_log_buffer", {.number = &s.access_log_buffer}},
      Named{"admin", {.text = &s.admin}}, Named{"faults", {.list = &s.faults}}, Named{"seed", {.number = &s.seed}}};
  for (const Named& one : all)
    if (one.name == name) return one.slot;
  return {};
}

constexpr std::array<std::string_view, 3> maps{"drop", "refuse", "dangerous"};
constexpr std::array<std::string_view, 4> proxies{"off", "v1", "v2", "auto"};

// Settings that take one of a few words.
std::vector<std::string_view> words_for(std::string_view name) {
  if (name == "header_map") return {maps.begin(), maps.end()};
  if (name == "proxy_protocol") return {proxies.begin(), proxies.end()};
  if (name == "worker_class") return {"sync", "gthread", "threads", "event"};
  if (name == "loglevel") return {"debug", "info", "warning", "error", "critical"};
  if (name == "heartbeat") return {"auto", "tmp", "shared"};
  if (name == "accept") return {"shared", "exclusive"};
  if (name == "thread_watchdog") return {"off", "pool", "any"};
  if (name == "log_format") return {"text", "json"};
  if (name == "like") return manner_names();
  return {};
}

base::Result<std::int64_t> whole_number(std::string_view name, std::string_view text) {
  // gunicorn's auto_int: 0o22, 022 and 0x12 are numbers too, which umask is usually written as.
  int radix = 10;
  std::string_view digits = text;
  if (digits.starts_with("0x")) radix = 16, digits.remove_prefix(2);
  else if (digits.starts_with("0o")) radix = 8, digits.remove_prefix(2);
  else if (name == "umask" && digits.size() > 1 && digits[0] == '0') radix = 8, digits.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, radix);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return base::fail(wrong(name, text, "not a whole number"));
  if (value < 0) return base::fail(wrong(name, text, "must not be negative"));
  return value;
}

std::int64_t most_of(std::string_view name) {
  if (name == "workers") return 512;
  if (name == "threads") return 1024;
  if (name == "umask") return 0777;
  if (name == "access_log_buffer") return 1 << 20;
  if (name == "limit_request_line" || name == "limit_request_field_size") return static_cast<std::int64_t>(hard_line_limit);
  return 1'000'000'000;
}

}  // namespace

std::span<const SettingRow> setting_rows() { return rows; }

const SettingRow* setting_row(std::string_view name) {
  for (const SettingRow& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

base::Result<> set(Settings& settings, std::string_view name, const std::vector<std::string>& values) {
  const SettingRow* row = setting_row(name);
  if (!row) {
    std::vector<std::string_view> known;
    for (const SettingRow& one : rows) known.push_back(one.name);
    return base::fail({base::Kind::usage, fmt::format("reading the setting '{}'", base::printable(name, 80)), "there is no such setting" + base::did_you_mean(name, known), "", 0});
  }
  if (row->written != list && values.size() != 1) return base::fail(wrong(name, "", "takes one value"));
  const std::string& value = row->written == list ? name == "bind" && values.empty() ? std::string() : values.empty() ? settings.app : values.front() : values.front();
  if (const auto words = words_for(name); !words.empty()) {
    const auto found = std::find(words.begin(), words.end(), value);
    if (found == words.end() && !(name == "like" && value.empty())) {
      std::string all;
      for (const std::string_view word : words) all += (all.empty() ? "" : ", ") + std::string(word);
      return base::fail(wrong(name, value, "must be one of " + all + base::did_you_mean(value, words)));
    }
    if (name == "header_map") return settings.http.header_map = static_cast<HeaderMap>(found - words.begin()), base::Result<>{};
    if (name == "proxy_protocol") return settings.http.proxy_protocol = static_cast<ProxyProtocol>(found - words.begin()), base::Result<>{};
  }
  const Slot slot = slot_of(settings, name);
  switch (row->written) {
    case text: *slot.text = value; break;
    case truth:
      if (value != "true" && value != "false") return base::fail(wrong(name, value, "must be true or false"));
      *slot.truth = value == "true";
      break;
    case seconds: {
      const auto read = number_of(value);
      if (!read || *read < 0 || *read > 1e9) return base::fail(wrong(name, value, "must be a number of seconds, 0 or more"));
      *slot.seconds = *read;
      break;
    }
    case number: {
      TRY(read, whole_number(name, value));
      if (read > most_of(name)) return base::fail(wrong(name, value, fmt::format("must not be over {}", most_of(name))));
      if (slot.number) *slot.number = read;
      else if (slot.size) *slot.size = static_cast<std::size_t>(read);
      else *slot.wide = static_cast<std::uint64_t>(read);
      break;
    }
    case list:
      slot.list->clear();
      // gunicorn's lists of addresses are comma separated in one word as well.
      for (const std::string& one : values)
        if (name == "raw_env" || name == "faults") slot.list->push_back(one);
        else for (const std::string_view part : base::split(one, ',')) if (!base::trim(part).empty()) slot.list->emplace_back(base::trim(part));
      break;
  }
  return {};
}

std::string shown(const Settings& settings, std::string_view name) {
  if (name == "header_map") return std::string(maps[static_cast<std::size_t>(settings.http.header_map)]);
  if (name == "proxy_protocol") return std::string(proxies[static_cast<std::size_t>(settings.http.proxy_protocol)]);
  const Slot slot = slot_of(const_cast<Settings&>(settings), name);  // read only
  if (slot.number) return name == "umask" ? fmt::format("0{:o}", *slot.number) : std::to_string(*slot.number);
  if (slot.size) return std::to_string(*slot.size);
  if (slot.wide) return std::to_string(*slot.wide);
  if (slot.seconds) return fmt::format("{}", *slot.seconds);
  if (slot.truth) return *slot.truth ? "true" : "false";
  if (slot.text) return *slot.text;
  std::string out;
  if (slot.list) for (const std::string& one : *slot.list) out += (out.empty() ? "" : ",") + one;
  return out;
}

base::Result<> settle(Settings& settings, std::string_view port) {
  if (settings.bind.empty()) settings.bind.push_back(port.empty() ? "127.0.0.1:8000" : "0.0.0.0:" + std::string(port));
  if (settings.worker_class == "threads") settings.worker_class = "gthread";
  // config.py:113: several threads make sync gthread.
  if (settings.worker_class == "sync" && settings.threads > 1) settings.worker_class = "gthread";
  if (settings.threads == 0) return base::fail(wrong("threads", "0", "must be 1 or more"));
  const Manner& manner = *manner_of(settings.like);
  settings.suspend_guard = settings.suspend_guard && manner.guards_suspend;
  settings.respawn_backoff = settings.respawn_backoff && manner.backs_off;
  settings.drain_backlog = settings.drain_backlog && manner.drains_backlog;
  settings.ready_after_boot = settings.ready_after_boot && !manner.early_ready;
  if (!manner.limits_waiting) settings.header_timeout = settings.body_timeout = settings.write_timeout = 0;
  return {};
}

}  // namespace prefork
