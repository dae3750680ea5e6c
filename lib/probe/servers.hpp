// The pre-fork servers that run here: masters, their workers, and workers whose master is gone. Found in one pass over /proc by the command
// line, the title, the signals a process catches and who its parent is; nothing is asked of the servers themselves.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/evidence.hpp"
#include "probe/probe.hpp"
#include "probe/proc.hpp"
#include "source/host.hpp"

namespace probe {

struct FoundServer {
  std::string flavour;                               // "gunicorn"
  Process master;                                    // pid 0: it is gone, and the workers live on
  std::vector<Process> workers;                      // direct children that serve, by pid
  std::vector<Process> children;                     // what workers (or the master) started besides: a task queue, a converter
  std::vector<int> orphans;                          // pids of `workers` whose parent is no longer the master
  int replaces = 0;                                  // after USR2: the old master that this one was started by
  std::string args;                                  // as it was started; with a title written over it, the title
  bool title = false;                                // args is a title: the real arguments are gone
  std::map<std::string, std::string> environment;    // GUNICORN_CMD_ARGS, WEB_CONCURRENCY, PORT and nothing else
  Cgroup cgroup;                                     // of the master, or of the first worker
  std::string root;                                  // "/proc/PID/root" when it sees another file system than we do, else ""

  /// A path as the server sees it, made one that we can open: relative ones from its working directory, through its root.
  std::string path(std::string_view as_it_sees) const;
  int pid() const { return master.pid ? master.pid : workers.empty() ? 0 : workers.front().pid; }
};

struct Found {
  std::vector<FoundServer> servers;                  // by master's start
  std::vector<Process> proxies;                      // nginx masters
  std::vector<evidence::Gap> gaps;
};

/// Looks at every process once. Empty when none runs; a Gap where /proc itself is refused or hides other users' processes.
/// With a target only its servers, where it names pids (of a master or any worker), units, containers, pid files or unix sockets,
/// and the proxies that may reach these (reach.hpp).
Found find(const source::Host& host, const Target& target = {});
/// The servers alone.
std::vector<FoundServer> find_servers(const source::Host& host, const Target& target = {});

/// The flavour of the server that these arguments start, "" for none: shells, editors and pagers that only mention one are not.
std::string_view server_started_by(const std::vector<std::string>& argv);

/// What a gunicorn process is, by the signals it catches (facts: measured masks of 20.1 to 26): only the master catches HUP with CHLD and
/// USR2; workers reset HUP to its default.
bool catches_as_master(std::uint64_t caught);
bool catches_as_worker(std::uint64_t caught);

}  // namespace probe
