// Who gives up first: what a client sees of a request, for every time that its work may take, from the limits along the way (load balancer,
// proxy, server). Pure arithmetic over intervals: a kill that a once-a-second poll decides comes in a window, not at a moment. The clauses are
// measured; docs/timeouts.md says where. Seconds everywhere; infinity = no limit.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "flavour/flavour.hpp"
#include "flavour/worker_limit.hpp"

namespace model {

constexpr double no_limit = std::numeric_limits<double>::infinity();

/// A limit and where it was set: "app.conf:14:5", or "default of nginx 1.22".
struct Limit {
  double seconds = no_limit;
  std::string where;
  bool configured = false;
  bool known = true;               // false: its value cannot be told from the files
};

struct ProxyLimits {
  bool present = true;
  Limit connect, send, read;
  int peers = 1;                   // tried in turn; `localhost` with two addresses counts as two
  bool peers_known = true;
  bool retries_error = true, retries_timeout = true, retries_500 = false, retries_non_idempotent = false;  // proxy_next_upstream
  bool retries_known = true;       // false: an include that could not be read may change them
  int tries = 0;                   // proxy_next_upstream_tries, 0 = every peer
  Limit next;                      // proxy_next_upstream_timeout; 0 in nginx = no limit, here no_limit
  int max_fails = 1;
  double fail_timeout = 10;
  bool buffers_request = true;
  Limit client_body;               // between two reads of the request's body
  Limit idle;                      // how long a connection to the server is kept without a request; 0 = none is kept
  bool version_1_1 = false;        // how it speaks to the server: an answer without a length is framed by chunks, else by the end of the connection
  bool version_known = true;
};

/// What becomes of the request of a worker whose master was killed.
enum class Orphans : std::uint8_t { finish, end, unknown };  // end: within a second or so

struct ServerLimits {
  bool known = true;               // false: nothing is known of it, its answers are its own
  flavour::WorkerLimit law;
  Limit worker;                    // timeout, harakiri, request_terminate_timeout; no_limit when off
  Limit graceful;                  // what a request may take to finish at a stop
  Limit reload;                    // what an old worker may take at a reload, whatever else holds it
  double reload_late = 0;          // seconds that its end may come later
  Orphans orphans = Orphans::unknown;
  Limit idle;                      // its keep-alive; 0 = it closes after every answer
  int workers = 0, backlog = 0;    // requests that it works on at once, and its listen queue; 0 = not known
  bool unix_socket = false;
};

/// How it is stopped, by systemd, a container runtime, Kubernetes, supervisor.
struct StopLimits {
  bool known = false;              // false: nothing here says who stops it
  using Signal = flavour::Act;
  Signal signal = Signal::graceful;  // what the signals sent mean to this server
  std::vector<std::string> sent;   // their names, of ExecStop= and of the supervisor; "": one that is not known
  Limit kill;                      // from the first signal to SIGKILL
  double before = 0;               // of it, what a preStop hook takes before the signal is sent
  enum class Kills : std::uint8_t { all, main, none } kills = Kills::all;  // whom SIGKILL is for; none: nobody is, and no signal is sent
  bool held_socket = false;        // somebody else holds the listening socket: connections wait for the next start
};

struct Chain {
  Limit balancer;                  // in front of the proxy: its whole-request limit
  ProxyLimits proxy;
  ServerLimits server;
  StopLimits stop;
};

/// The request asked about. nginx takes POST, LOCK and PATCH as not idempotent, and nothing else.
struct Request {
  std::string method = "GET";
  double queued = 0;               // seconds in the accept queue before a worker takes it
  bool blocks = false;             // it blocks the event loop for its whole time (a computation, a call that is not awaited)
  bool uninterruptible = false;    // in C code that does not return to the interpreter
};

/// One thing that may happen. Several in an interval: which of them depends on a poll's phase.
struct Outcome {
  int status = 200;                // what the client reads; 0: the connection is closed without an answer
  double from = 0, to = 0;         // when, in seconds since it asked; for a finished request the offset behind its own work (to = from)
  bool finished = false;           // `from` counts from the end of the work
  int runs = 1;                    // how many workers began it
  int killed = 0;                  // workers that were killed for it
  double ghost_from = 0, ghost_to = 0;  // seconds of work after the client's answer that nobody waits for, added up over workers
  double blackout = 0;             // seconds in which every other request gets 502 as well ("no live upstreams")
  std::string gave_up;             // "worker" "proxy" "balancer", "" nobody
  bool operator==(const Outcome&) const = default;
};

/// Work that takes [from, to) seconds, once a worker has it.
struct Interval {
  double from = 0, to = no_limit;
  std::vector<Outcome> outcomes;
  std::vector<std::string> depends;  // names of limits that are not known and decide between them: "read", "worker", "balancer", "next", "peers", "retries"
};

/// Covers [0, infinity) without a hole, shortest work first; neighbours differ. A limit that is not known is taken to be anything: what is listed
/// is what may happen under any of its values.
std::vector<Interval> outcomes(const Chain& chain, const Request& request);

/// The same for one duration.
std::vector<Outcome> outcomes_at(const Chain& chain, const Request& request, double work);

}  // namespace model
