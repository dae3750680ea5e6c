// How a given gunicorn behaves where the versions differ (--like), and how this server does without it. Each row is a difference that an incident
// has turned on; docs/server.md prints them beside their sources.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace prefork {

enum class Heartbeats : std::uint8_t { ctime, mtime, shared };        // fchmod, futimens of CLOCK_MONOTONIC, a word in shared memory
enum class DeathWords : std::uint8_t { v20, v21, v24 };

struct Manner {
  std::string_view name;                 // "" for our own
  std::string_view starting;             // what "Starting ..." says
  Heartbeats heartbeats = Heartbeats::shared;
  bool boot_has_own_limit = true;        // a booting worker is measured by boot_timeout and not by timeout
  bool boot_is_unlimited = false;        // 22+: the fresh file's mtime is the wall clock's, far ahead of the monotonic one
  bool reaps_in_loop = true;             // 24+; before, in the SIGCHLD handler
  std::size_t most_queued = 64;          // signals; to 23: 5
  bool every_pass = true;                // 24+: workers are looked after in every pass, before only when no signal is queued
  bool reload_waits = false;             // 24+: reload() blocks up to graceful_timeout
  DeathWords words = DeathWords::v24;
  bool answers_abort = true;             // 22+: a timed-out sync request gets 500
  int abort_status = 1;                  // of a worker that was aborted in a request
  bool exact_statuses = true;            // 414, 431, 505, 408... where gunicorn says 400 or nothing
  bool guards_suspend = true;            // no timeouts are counted over a time in which the master itself did not run
  bool backs_off = true;                 // waits longer and longer between workers that die while they boot
  bool ports_per_worker = true;          // reuse_port: a listener per worker, made after the fork (24+)
  bool early_ready = false;              // READY=1 before any worker has booted
  bool drains_backlog = true;            // accepts what the kernel has completed before a graceful exit
  bool limits_waiting = true;            // clients have header_timeout and body_timeout
  bool watches_parent_busy = true;       // the parent is looked for under load too
  bool repeats_term = false;             // a surplus worker gets SIGTERM at every pass
  bool signals_lost_at_boot = false;     // TERM between fork and the worker's own handlers is swallowed
  bool halts_on_any_child = false;       // before 26.1: exit 3 or 4 of a child that is no worker halts too
  bool logs_method = true;               // 25.2+: "Error handling request GET /uri"
};

/// "", "gunicorn-20.1", "gunicorn-23" or "gunicorn-26"; nullptr for another word.
const Manner* manner_of(std::string_view like);
std::vector<std::string_view> manner_names();

}  // namespace prefork
