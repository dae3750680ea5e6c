// What budget.hpp leaves out of a request's life: its body on the way up, the body of the answer, a connection that is used again, a full listen
// queue, a stop or reload in the middle. Pure arithmetic like there, each clause measured (docs/timeouts.md). Seconds everywhere.
#pragma once

#include "model/budget.hpp"

namespace model {

/// One way a phase may end.
struct Ending {
  int status = 200;                // 0: the connection is closed without an answer
  double from = 0, to = 0;         // when, from the start of the phase
  bool whole = true;               // the client has the whole answer
  enum class Seen : std::uint8_t { nothing_to_see, by_client, by_nobody, corrupt } seen = Seen::nothing_to_see;  // a cut: who can tell
  int killed = 0;                  // workers that were killed for it
  bool runs = true;                // the application saw the request
  bool known = true;               // false: it may be, what would tell is not known
  std::string why;                 // one short clause
};

/// The answer's body, after its header: pieces that come up to `gap` apart, `lasts` in all, its header `header` seconds after the start of the work.
struct Stream { double header = 0, gap = 0, lasts = 0; enum class Framing : std::uint8_t { chunks, length } framing = Framing::chunks; };
std::vector<Ending> streamed(const Chain& chain, const Request& request, const Stream& stream);

/// The request's body: its bytes in `lasts` seconds with pauses up to `gap`; then `work`. `busy`: every worker is taken for that long.
struct Upload { double bytes = 0, lasts = 0, gap = 0, work = 0, busy = 0; };
std::vector<Ending> uploaded(const Chain& chain, const Request& request, const Upload& upload);

/// A request on a connection that the server closes at that very moment. Empty: it cannot happen. What cannot be told is an Ending that is not known.
std::vector<Ending> raced(const Chain& chain, const Request& request);

/// Requests of `work` seconds that come all at once: which of them wait, and what the others get.
struct Burst { std::size_t at_once = 1; double work = 1; };
struct BurstOutcome {
  std::size_t served = 0, late = 0, refused = 0;   // answered; queued, but behind the proxy's read timeout; never queued
  double last = 0;                                 // when the last one that is served has its answer
  std::vector<Ending> beyond;                      // what a refused one gets
  bool known = true;                               // false: workers or backlog are not known
};
BurstOutcome burst(const Chain& chain, const Burst& burst);

/// What a request sees whose work still takes `left` seconds when the server is told to stop, counted from the supervisor's decision. `fresh`: one
/// that comes only then.
struct Stopping { std::string worker_class; std::string family; bool fresh = false; };
std::vector<Ending> stopped(const Chain& chain, const Stopping& stopping, double left);
/// The longest remaining work that survives a stop; no_limit: any. `known` false: not told by these limits.
struct Survives { double seconds = no_limit; bool known = true; std::string by; };
Survives survives_stop(const Chain& chain);
/// A reload (HUP) of gunicorn: old workers finish what they have, held by their worker timeout alone (graceful_timeout is not enforced there).
std::vector<Ending> reloaded(const Chain& chain, double left);

/// Linux gives up a connect whose SYNs are dropped after about this long (tcp_syn_retries = 6), whatever the proxy's own limit is: 133.9 s measured.
constexpr double kernel_connect_from = 127, kernel_connect_to = 136;

}  // namespace model
