#include "prefork/manner.hpp"

#include <array>

namespace prefork {
namespace {

constexpr Manner own{.name = "", .starting = "triage-server 0.1.0"};

// arbiter.py and workers/*.py of the tags; measured rows in facts: boot limits, abort answers, queued signals, reload.
constexpr Manner gunicorn(std::string_view name, std::string_view starting) {
  Manner manner{.name = name, .starting = starting};
  manner.heartbeats = Heartbeats::mtime;
  manner.boot_has_own_limit = manner.guards_suspend = manner.backs_off = manner.drains_backlog = manner.limits_waiting = manner.watches_parent_busy = false;
  manner.exact_statuses = false;
  manner.early_ready = manner.repeats_term = manner.signals_lost_at_boot = true;
  return manner;
}

constexpr Manner v20() {
  Manner manner = gunicorn("gunicorn-20.1", "gunicorn 20.1.0");
  manner.heartbeats = Heartbeats::ctime;
  manner.reaps_in_loop = manner.every_pass = manner.answers_abort = manner.ports_per_worker = manner.logs_method = false;
  manner.most_queued = 5;
  manner.words = DeathWords::v20;
  manner.halts_on_any_child = true;
  return manner;
}

constexpr Manner v23() {
  Manner manner = gunicorn("gunicorn-23", "gunicorn 23.0.0");
  manner.boot_is_unlimited = true;
  manner.reaps_in_loop = manner.every_pass = manner.ports_per_worker = manner.logs_method = false;
  manner.most_queued = 5;
  manner.words = DeathWords::v21;
  manner.abort_status = 0;
  manner.halts_on_any_child = true;
  return manner;
}

constexpr Manner v26() {
  Manner manner = gunicorn("gunicorn-26", "gunicorn 26.1.0");
  manner.boot_is_unlimited = manner.reload_waits = true;
  manner.abort_status = 0;
  return manner;
}

constexpr std::array manners{own, v20(), v23(), v26()};

}  // namespace

const Manner* manner_of(std::string_view like) {
  for (const Manner& manner : manners)
    if (manner.name == like) return &manner;
  return nullptr;
}

std::vector<std::string_view> manner_names() {
  std::vector<std::string_view> names;
  for (const Manner& manner : manners)
    if (!manner.name.empty()) names.push_back(manner.name);
  return names;
}

}  // namespace prefork
