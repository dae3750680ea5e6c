// What every kind of worker has, and what its signals do (gunicorn's workers/base.py): TERM finishes and leaves, INT and QUIT leave at once, ABRT is the
// master's word that the timeout has passed, USR1 reopens the logs, WINCH is ignored, HUP kills.
#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "prefork/access.hpp"
#include "prefork/faults.hpp"
#include "prefork/heartbeat.hpp"
#include "prefork/inherited.hpp"
#include "prefork/listener.hpp"
#include "prefork/log.hpp"
#include "prefork/manner.hpp"
#include "prefork/reply.hpp"
#include "prefork/settings.hpp"
#include "prefork/statsd.hpp"

namespace prefork {

struct Worker {
  const Settings& settings;
  const Manner& manner;
  Log& log;
  AccessLog& access;
  const AccessFormat& format;
  Faults faults;
  Board& board;
  Slot& slot;
  Heartbeat& heartbeat;
  std::vector<Listener>& listeners;
  Statsd statsd;
  Inherited& inherited;
  bool demonstrates = false;           // builtin:demo: /upstream, /random and /events are answered from `inherited`
  const App* app = nullptr;
  int age = 0, parent = 0;
  std::uint64_t max_requests = 0;      // with its jitter; 0: none
  bool logs_answer_fields = false, has_threads = false;
  std::atomic<std::uint64_t> served{0};
  std::mutex access_mutex{};             // of the threads worker

  void beat();                         // with heartbeat_stall where that is on
  bool parent_is_gone() const;         // and says so
  /// The rest of a request's accounting: figures, access log, max_requests.
  void note(const Request& request, const Reply& reply, std::int64_t took_ns);
  /// USR1 and the buffered access log; from the loops, often.
  void tend();
  /// The pre_request hook; gunicorn's own says the request at debug.
  void announce(const Request& request);
  /// Faults that strike at a request,, just before the application.
  /// The answer, where the fault itself gives one.
  std::string suffer(const Request& request);
  bool may_suffer() const { return demonstrates || faults.any(); }
  /// accept_lock_holder_killed: nobody accepts but who has the lock. False while another has it.
  bool may_accept();
  void accepted();
};

// The worker's own signals. One worker a process, so their state is file-scope.
namespace signals {
void install(Worker& worker);
bool stopping();
void stop();                   // from inside: max_requests, a lost parent
int wake_fd();                 // readable after a signal; empty it by drain_wake
void drain_wake();
/// The sync worker's connection, for SIGABRT: it is told 500 where the manner answers, as long as nothing was sent. `target` may be empty.
void in_flight(int fd, std::string_view method, std::string_view target);
void answer_begun();
void landed();
}  // namespace signals

void run_sync(Worker& worker);
void run_threads(Worker& worker);
void run_event(Worker& worker);

}  // namespace prefork
