// The settings, under gunicorn's names and with its defaults (config.py@26.1.0) where it has them; ours stand below. One table knows how each is
// written on the command line, read, checked and printed, so that a file, the environment and the command line cannot drift apart.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "prefork/http/rules.hpp"

namespace prefork {

struct Settings {
  std::string app;                                   // wsgi_app: module:symbol, or builtin:name
  std::vector<std::string> bind;                     // 127.0.0.1:8000, or 0.0.0.0:$PORT
  std::int64_t backlog = 2048, workers = 1, threads = 1, worker_connections = 1000, max_requests = 0, max_requests_jitter = 0;
  std::string worker_class = "sync";                 // sync, gthread (threads), event
  double timeout = 30, graceful_timeout = 30, keepalive = 2;   // seconds
  HttpRules http;
  std::string errorlog = "-", accesslog, loglevel = "info", access_log_format = "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"";
  std::string pidfile, user, group, chdir, proc_name, worker_tmp_dir;
  std::int64_t umask = 0;
  std::vector<std::string> raw_env;
  bool daemon = false, initgroups = false, preload_app = false, reuse_port = false, capture_output = false;
  std::string statsd_host, statsd_prefix, dogstatsd_tags;

  // Ours.
  std::string like;                                  // a Manner
  std::string app_argument;                          // given to the application's load()
  std::string heartbeat = "auto";                    // auto (as `like`), tmp, shared
  double boot_timeout = 120;                         // a worker that has not booted by then; 0: none
  double header_timeout = 10, body_timeout = 30, write_timeout = 60;   // of a client; 0: none
  double shutdown_linger = 0.5;                      // how long an answer to an unread request is protected from the close
  std::string accept = "shared";                     // shared, exclusive: who is woken by a new connection in the event loop
  std::string thread_watchdog = "off";               // off, pool (all threads stuck), any (one is)
  bool suspend_guard = true, respawn_backoff = true, drain_backlog = true, ready_after_boot = true;
  std::string log_format = "text";                   // text, json
  std::int64_t access_log_buffer = 32'768;           // bytes kept for at most 0.1 s; 0: every line at once, as gunicorn
  std::string admin;                                 // unix:/path or host:port of the admin socket; empty: none
  std::vector<std::string> faults;                   // name[=value][,path=/x][,every=N][,chance=P]
  std::int64_t seed = 1;                             // of faults that are races
};

enum class Written : std::uint8_t { number, seconds, truth, text, list };

struct SettingRow {
  std::string_view name;           // gunicorn's, or ours
  Written written = Written::text;
  std::string_view flags;          // as CLI11 takes them: "-w,--workers"
  std::string_view help;
  bool ours = false;
};

std::span<const SettingRow> setting_rows();
const SettingRow* setting_row(std::string_view name);

/// Sets one by name. Lists take all of `values`, the others exactly one; truths are "true" and "false". The error says what would have been right.
base::Result<> set(Settings& settings, std::string_view name, const std::vector<std::string>& values);
/// As it would be written in a file; lists joined by commas. For --print-config and the admin socket.
std::string shown(const Settings& settings, std::string_view name);
/// What no single setting can know: the class's threads, the default address from PORT, the manner's switches.
base::Result<> settle(Settings& settings, std::string_view port);

}  // namespace prefork
