// What every check says in the same way: the values of the cards' slots, a life's name, what it was doing.
#pragma once

#include "flavour/flavour.hpp"
#include "rule/check.hpp"

namespace rule {

using model::Life;
using model::Server;

/// A draft about one life with the values every card may use: server version role pid host_pid master worker_class timeout graceful_timeout
/// age signal exit_code request workers when.
Draft draft_about(const Look& look, std::string rule, const Life& life);
/// A draft about a server as a whole (its master is the subject when it is known).
Draft draft_about(const Look& look, std::string rule, const Server& server);

/// "worker 451", "worker 14 (host 31989)", "the master 12".
std::string name_of(const Life& life);

/// Seconds from the first moment to the second; nullopt when either is missing or the clocks differ.
std::optional<double> seconds_between(const std::optional<base::Instant>& from, const std::optional<base::Instant>& to);
std::optional<base::Instant> when_of(const Look& look, FactId id);

/// What the worker's request was: named by the interrupted request's own line, else by the proxy's rows of that moment when they agree.
struct Request { std::string line; FactId because = evidence::no_fact; bool idle = false; };
std::optional<Request> request_of(const Look& look, const Life& life);

/// How many of its workers exited with a code before they said that they can serve, where none ever said so; 0 where its log does not say that,
/// or one did.
std::size_t never_ready(const Look& look, const Server& server);

/// Did the server's own log, at its version and level, have a line for such an end? nullopt when that is not known.
std::optional<bool> would_log(const Server& server, flavour::Ending ending);

void because(Draft& draft, FactId id, std::string note = {});
void rule_out(Draft& draft, std::string cause, std::string why);

/// "gunicorn 23.0.0" or "gunicorn".
std::string server_text(const Server& server);

}  // namespace rule
