// Faults on demand: each is a thing that has happened to a pre-fork server in production, by the name that facts and scenarios know it by. A fault is
// switched in shared memory, so that the admin socket reaches every process at once; while none is on, asking costs one load.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "prefork/board.hpp"

namespace prefork {

enum class Fault : std::uint8_t {
  lost_term, abort_grace_race, hup_stall, slow_boot, slow_boot_killed, slow_boot_immortal, boot_loop, boot_halt, orphan_exit3_halt, sigchld_storm, sigchld_log_reentry,
  freeze_thaw_massacre, orphan_under_load, pid_reuse_kill, usr2_stale_pidfile, usr2_double, usr2_early_kill, early_ready, zombie_pid1, double_term,
  heartbeat_stall, heartbeat_dir_gone, masked_hang, ping_false_positive,
  herd, exclusive_imbalance, reuseport_drop, backlog_overflow, term_backlog_reset, midkill_read, midkill_unread, keepalive_race, preconnect_block, early_response_rst,
  slow_client, inherited_listener_eaddrinuse, unix_socket_unlinked_by_old_master,
  shared_upstream, prng_dup, epoll_inherit, fork_lock_log, fork_lock_pool, fd_inherit_leak, accept_lock_holder_killed,
  hang, spin, deadlock, leak, fd_leak, segfault, max_requests_sync
};

struct FaultRow {
  Fault fault;
  std::string_view name;
  double value;               // when none is given
  std::string_view about;     // what happens, and what the value means
};

std::span<const FaultRow> fault_rows();
const FaultRow* fault_row(std::string_view name);

class Faults {
 public:
  Faults(Board& board, std::uint64_t seed) : board_(&board), seed_(seed) {}

  /// "name[=value][,path=/x][,every=N][,chance=P]"
  base::Result<> turn_on(std::string_view spec);
  base::Result<> turn_off(std::string_view name);   // "all" too

  bool is_on(Fault fault) const { return (board_->faults_on.load(std::memory_order_relaxed) >> static_cast<unsigned>(fault) & 1) != 0; }
  bool any() const { return board_->faults_on.load(std::memory_order_relaxed) != 0; }
  /// True when it is to happen now: it is on, `path` begins with its path, and it is its turn (every, chance; with the seed always the same turns).
  bool strikes(Fault fault, std::string_view path = {}) const;
  double value(Fault fault) const { return board_->faults[static_cast<std::size_t>(fault)].value.load(std::memory_order_relaxed); }
  std::uint64_t seed() const { return seed_; }
  std::string list() const;   // a line each: name on|off value fired

 private:
  Board* board_;
  std::uint64_t seed_;
};

/// 64 well mixed bits of `x` (splitmix64): for choices that a seed repeats.
std::uint64_t mixed(std::uint64_t x);

}  // namespace prefork
