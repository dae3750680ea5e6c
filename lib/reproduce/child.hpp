// Processes of a run: each in the run's cgroup and namespaces, each dying with the one that started it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/owner.hpp"
#include "base/result.hpp"
#include "reproduce/ground.hpp"

namespace reproduce {

double now_s();                                  // monotonic
bool write_file(const std::string& path, const std::string& text);
std::string read_file(const std::string& path, std::size_t most = 1 << 22);
/// The full path of a program, "" when there is none: beside ours, PATH, then the sbin folders.
std::string program(const std::string& name);

struct Command {
  std::vector<std::string> words, environment;   // the whole environment
  std::string folder, output;                    // output: stdout and stderr are appended to it
  bool limited = false;                          // in the cgroup with the limits
  int listener = -1;                             // handed over as descriptor 3, with LISTEN_FDS and LISTEN_PID
  std::uint64_t descriptors = 0;                 // RLIMIT_NOFILE; 0: as it is
};

struct Child {
  int pid = 0;                                   // as this machine names it
  base::Fd pidfd;
};
base::Result<Child> spawn(const Command& command, const Ground& ground, const Space& space);

/// A process of the run, outside of the server's limits, that takes so many bytes of memory, page by page, and keeps them.
base::Result<Child> neighbour(std::uint64_t bytes, const Ground& ground);

/// The pid in the innermost pid namespace; 0 when it is gone.
int own_pid(int host_pid);
/// ppid; 0 when it is gone.
int parent_of(int host_pid);
/// Resident bytes; 0 when it is gone.
std::uint64_t resident(int host_pid);
/// How often it has gone to sleep of its own will; 0 when it is gone.
std::uint64_t sleeps_of(int host_pid);
/// Children of it that nobody has reaped.
int zombies_of(int host_pid);
/// Has a worker's own handlers: SIGTERM is caught, SIGHUP is not.
bool serves(int host_pid);
/// "SIGKILL", "exit 3", "unknown"
std::string status_text(std::optional<int> status);

}  // namespace reproduce
