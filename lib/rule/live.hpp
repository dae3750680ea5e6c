// A server as it runs this moment: its processes by host pid with what a live look read of each. Made of facts alone, so a bundle has it too.
#pragma once

#include <vector>

#include "rule/draft.hpp"

namespace rule {

struct LiveProcess {
  int pid = 0;                                // as our /proc names it
  FactId seen = evidence::no_fact, waits = evidence::no_fact, beat = evidence::no_fact, memory = evidence::no_fact, descriptors = evidence::no_fact, status = evidence::no_fact, served = evidence::no_fact;
  std::vector<FactId> connections;            // accepted ones
};

struct LiveServer {
  std::string flavour = "gunicorn";           // by its log, else by its processes' command lines and titles
  const Server* server = nullptr;             // the run of it that lives; null where nothing but its processes is known
  LiveProcess master;                         // pid 0: it is gone
  std::vector<LiveProcess> workers;           // living ones; zombies are not
  std::vector<FactId> listeners;              // that one of its processes has open
  std::vector<FactId> status;                 // what its own status told, one a pool
};

/// Empty unless a live look gave its processes.
std::vector<LiveServer> live_servers(const Look& look);

/// A draft about it: the values of its run where that is known, else its bare name and the master's pid.
Draft draft_about(const Look& look, std::string rule, const LiveServer& live);
/// The same about one of its processes.
Draft draft_about(const Look& look, std::string rule, const LiveServer& live, const LiveProcess& process);

/// Of a server that is not gunicorn: how many requests one of its workers works on at once; nullopt where there is no such number, or it is not known.
std::optional<std::size_t> places_of(const Look& look, const LiveServer& live);

/// The worker class as it runs, "" unknown.
std::string worker_class(const Look& look, const LiveServer& live);

}  // namespace rule
