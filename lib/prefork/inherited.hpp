// What a master may leave to its workers across the fork and should not: a connection, a generator's state, an epoll, a held lock. The faults of the group
// "fork state" have it shared; without them each worker makes its own. builtin:demo shows the difference at /upstream, /random and /events.
#pragma once

#include <pthread.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/owner.hpp"
#include "prefork/faults.hpp"

namespace prefork {

class Inherited {
 public:
  /// By the master, before each fork: makes what the faults that are on want shared.
  void prepare(const Faults& faults);
  /// Around the fork, in the master: the locks that another thread would hold at that moment.
  void hold_locks(const Faults& faults);
  void release_locks();
  /// By the worker after the fork; `age` reseeds. May wait for ever: fork_lock_log.
  void settle(const Faults& faults, int age);

  /// Of /upstream?n=, /random, /events?n=; empty for another path.
  std::string answer(std::string_view path, std::string_view query);
  /// fork_lock_pool: the first request takes the lock.
  void take_pool_lock();

 private:
  std::string ask_upstream(int count);
  std::string count_events(int count);

  base::Fd upstream_, epoll_, event_;
  std::uint64_t random_ = 0x5eed;
  bool shares_upstream_ = false, shares_epoll_ = false, in_pieces_ = false, holds_log_ = false, holds_pool_ = false;
  pthread_mutex_t log_lock_ = PTHREAD_MUTEX_INITIALIZER, pool_lock_ = PTHREAD_MUTEX_INITIALIZER;
};

}  // namespace prefork
