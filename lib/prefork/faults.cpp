#include "prefork/faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <cstring>
#include <vector>

#include "base/near.hpp"
#include "base/text.hpp"

namespace prefork {
namespace {

using enum Fault;

constexpr std::array rows{
    FaultRow{lost_term, "lost_term", 0.3, "SIGTERM between fork and the worker's own handlers is lost; the window lasts so many seconds (gunicorn #1910)"},
    FaultRow{abort_grace_race, "abort_grace_race", 0, "SIGKILL follows SIGABRT in the same pass, as when a signal is queued; the handler never runs"},
    FaultRow{hup_stall, "hup_stall", 0, "a reload blocks the master until the old workers are gone, at most graceful_timeout"},
    FaultRow{slow_boot, "slow_boot", 5, "a worker takes so many seconds to load the application"},
    FaultRow{slow_boot_killed, "slow_boot_killed", 0, "timeout counts from the fork, so that a slow boot is killed and begun anew (to 21.x)"},
    FaultRow{slow_boot_immortal, "slow_boot_immortal", 0, "a worker that has not booted is never killed (22.0+)"},
    FaultRow{boot_loop, "boot_loop", 1, "a worker dies while it boots: 1 exit status 1, 11 by SIGSEGV; respawned at once"},
    FaultRow{boot_halt, "boot_halt", 3, "a worker exits with so much while it boots: 3 or 4 halt the server"},
    FaultRow{orphan_exit3_halt, "orphan_exit3_halt", 0, "exit status 3 of a child that is no worker halts the server (before 26.1, as PID 1)"},
    FaultRow{sigchld_storm, "sigchld_storm", 0, "one wait for each SIGCHLD: deaths that share one leave zombies"},
    FaultRow{sigchld_log_reentry, "sigchld_log_reentry", 0, "the master logs in its SIGCHLD handler while it logs: it dies of it (pre #3441)"},
    FaultRow{freeze_thaw_massacre, "freeze_thaw_massacre", 0, "after a suspend longer than timeout every worker is killed"},
    FaultRow{orphan_under_load, "orphan_under_load", 0, "workers look for their master only while they are idle"},
    FaultRow{pid_reuse_kill, "pid_reuse_kill", 0, "the master signals a pid that it remembers and that is another process now: the value"},
    FaultRow{usr2_stale_pidfile, "usr2_stale_pidfile", 0, "the new master of an upgrade finds another live pid in its pidfile and gives up: the value is that pid"},
    FaultRow{usr2_double, "usr2_double", 0, "a second SIGUSR2 starts a second new master"},
    FaultRow{usr2_early_kill, "usr2_early_kill", 0, "the old master stops as soon as the new one is forked"},
    FaultRow{early_ready, "early_ready", 0, "READY=1 before any worker has booted"},
    FaultRow{zombie_pid1, "zombie_pid1", 0, "the master reaps nobody but its workers: strangers stay zombies (puma #3255)"},
    FaultRow{double_term, "double_term", 0, "a surplus worker gets SIGTERM at every pass"},
    FaultRow{heartbeat_stall, "heartbeat_stall", 5, "a heartbeat takes so many seconds, as on a stalled disk"},
    FaultRow{heartbeat_dir_gone, "heartbeat_dir_gone", 0, "the heartbeat's directory is gone at the next spawn: the master dies"},
    FaultRow{masked_hang, "masked_hang", 0, "requests hang in the thread pool while the heartbeat goes on"},
    FaultRow{ping_false_positive, "ping_false_positive", 5, "a request computes for so many seconds of processor time and is killed though it works"},
    FaultRow{herd, "herd", 0, "every idle worker is woken by every connection"},
    FaultRow{exclusive_imbalance, "exclusive_imbalance", 0, "EPOLLEXCLUSIVE: one worker gets nearly all connections"},
    FaultRow{reuseport_drop, "reuseport_drop", 0, "a listener per worker: what waits in a dying worker's queue is reset"},
    FaultRow{backlog_overflow, "backlog_overflow", 4, "the listeners' backlog is so small"},
    FaultRow{term_backlog_reset, "term_backlog_reset", 0, "a graceful exit resets what waits in the backlog"},
    FaultRow{midkill_read, "midkill_read", 0, "SIGKILL after a request was read: the client sees the end of the connection"},
    FaultRow{midkill_unread, "midkill_unread", 0, "SIGKILL with the request unread: the client sees a reset"},
    FaultRow{keepalive_race, "keepalive_race", 0, "an idle connection is closed just as the next request comes in"},
    FaultRow{preconnect_block, "preconnect_block", 0, "a silent connection holds a sync worker until its timeout"},
    FaultRow{early_response_rst, "early_response_rst", 0, "the answer is sent before the body is read, and the close resets it (#872)"},
    FaultRow{slow_client, "slow_client", 0, "no limit on how slowly a client may send"},
    FaultRow{inherited_listener_eaddrinuse, "inherited_listener_eaddrinuse", 0, "an upgrade binds anew instead of inheriting"},
    FaultRow{unix_socket_unlinked_by_old_master, "unix_socket_unlinked_by_old_master", 0, "the old master of an upgrade removes the socket of the new one"},
    FaultRow{shared_upstream, "shared_upstream", 0, "workers share one connection opened before the fork; /upstream shows whose answer came: 0 whole replies, 1 in pieces"},
    FaultRow{prng_dup, "prng_dup", 0, "workers share the random numbers' state of before the fork; /random shows them"},
    FaultRow{epoll_inherit, "epoll_inherit", 0, "an epoll made before the fork is shared: events go to the other worker; /events counts them"},
    FaultRow{fork_lock_log, "fork_lock_log", 0, "a lock of the log is held at the moment of fork: the worker waits for it for ever"},
    FaultRow{fork_lock_pool, "fork_lock_pool", 0, "the same with a memory pool's lock, met by the first request"},
    FaultRow{fd_inherit_leak, "fd_inherit_leak", 0, "workers keep the descriptors of their siblings"},
    FaultRow{accept_lock_holder_killed, "accept_lock_holder_killed", 0, "workers take a lock to accept, and its holder is killed: nobody accepts again (uWSGI thunder-lock)"},
    FaultRow{hang, "hang", 3600, "a request sleeps for so many seconds"},
    FaultRow{spin, "spin", 3600, "a request computes for so many seconds, and SIGABRT is ignored meanwhile, as by a loop in C under Python"},
    FaultRow{deadlock, "deadlock", 0, "a request waits for a lock that it holds"},
    FaultRow{leak, "leak", 1 << 20, "a request leaks so many bytes"},
    FaultRow{fd_leak, "fd_leak", 1, "a request leaks so many descriptors"},
    FaultRow{segfault, "segfault", 0, "a request ends in SIGSEGV"},
    FaultRow{max_requests_sync, "max_requests_sync", 0, "no jitter: all workers are recycled together"},
};
static_assert(rows.size() <= most_faults);

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error != std::errc() || end != text.data() + text.size() || !(value >= 0) ? std::nullopt : std::optional<double>(value);
}

}  // namespace

std::span<const FaultRow> fault_rows() { return rows; }

const FaultRow* fault_row(std::string_view name) {
  for (const FaultRow& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

base::Result<> Faults::turn_on(std::string_view spec) {
  const auto wrong = [&](std::string answer) { return base::fail({base::Kind::usage, "reading the fault '" + base::printable(spec, 120) + "'", std::move(answer), "write name[=value][,path=/x][,every=N][,chance=P]", 0}); };
  const auto words = base::split(spec, ',');
  const auto mark = words.front().find('=');
  const FaultRow* row = fault_row(words.front().substr(0, mark));
  if (!row) {
    std::vector<std::string_view> known;
    for (const FaultRow& one : rows) known.push_back(one.name);
    return wrong("there is no such fault" + base::did_you_mean(words.front().substr(0, mark), known));
  }
  double value = row->value, chance = 1;
  std::uint32_t every = 1;
  std::string_view path;
  if (mark != std::string_view::npos) {
    const auto read = number_of(words.front().substr(mark + 1));
    if (!read) return wrong("its value is no number");
    value = *read;
  }
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    const std::string_view text = word.substr(std::min(word.size(), word.find('=') + 1));
    const auto read = number_of(text);
    if (word.starts_with("path=") && text.starts_with('/') && text.size() < 64) path = text;
    else if (word.starts_with("every=") && read && *read >= 1 && *read < 1e9) every = static_cast<std::uint32_t>(*read);
    else if (word.starts_with("chance=") && read && *read <= 1) chance = *read;
    else return wrong("'" + base::printable(word, 60) + "' is not understood");
  }
  const auto at = static_cast<std::size_t>(row->fault);
  FaultSwitch& to = board_->faults[at];
  board_->faults_on.fetch_and(~(std::uint64_t{1} << at));
  to.value = value;
  to.every = every;
  to.chance = chance;
  to.seen = 0;
  to.path.fill('\0');
  std::ranges::copy(path, to.path.begin());
  board_->faults_on.fetch_or(std::uint64_t{1} << at, std::memory_order_release);
  return {};
}

base::Result<> Faults::turn_off(std::string_view name) {
  if (name == "all") {
    board_->faults_on = 0;
    return {};
  }
  const FaultRow* row = fault_row(name);
  if (!row) {
    std::vector<std::string_view> known{"all"};
    for (const FaultRow& one : rows) known.push_back(one.name);
    return base::fail({base::Kind::usage, "switching off '" + base::printable(name, 80) + "'", "there is no such fault" + base::did_you_mean(name, known), "", 0});
  }
  board_->faults_on.fetch_and(~(std::uint64_t{1} << static_cast<unsigned>(row->fault)));
  return {};
}

bool Faults::strikes(Fault fault, std::string_view path) const {
  if (!is_on(fault)) return false;
  FaultSwitch& of = board_->faults[static_cast<std::size_t>(fault)];
  const std::string_view wanted(of.path.data(), ::strnlen(of.path.data(), of.path.size()));
  if (!path.starts_with(wanted)) return false;
  const std::uint32_t turn = of.seen.fetch_add(1);
  if ((turn + 1) % of.every.load() != 0) return false;
  const double chance = of.chance.load();
  if (chance < 1 && static_cast<double>(mixed(seed_ ^ (static_cast<std::uint64_t>(fault) << 32) ^ turn) >> 11) * 0x1p-53 >= chance) return false;
  of.fired.fetch_add(1);
  return true;
}

std::string Faults::list() const {
  std::string out;
  for (const FaultRow& row : rows) {
    const FaultSwitch& of = board_->faults[static_cast<std::size_t>(row.fault)];
    const bool on = is_on(row.fault);
    out += fmt::format("{} {} value={} fired={}\n", row.name, on ? "on" : "off", on ? of.value.load() : row.value, of.fired.load());
  }
  return out;
}

}  // namespace prefork
