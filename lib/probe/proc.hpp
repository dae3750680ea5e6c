// One process as /proc tells it, read through a Host so that a recording replays. The texts are parsed by pure functions; what a
// process may hide (links, environment: they need ptrace access) stays empty and is no error.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "source/host.hpp"

namespace probe {

struct Process {
  int pid = 0, ppid = 0;                     // as our /proc names them
  int ns_pid = 0;                            // in its own pid namespace; 0 unknown, equal to pid without one
  char state = '?';
  std::string comm;
  std::vector<std::string> argv;             // empty for a kernel thread or a zombie
  std::int64_t started_ns = 0;               // since boot, suspend included (/proc/PID/stat field 22, 10 ms ticks)
  std::optional<int> exit_code;              // raw wait status of a zombie (field 52; 0 without ptrace access)
  std::uint64_t rss = 0, threads = 0;        // bytes
  std::uint32_t uid = 0;
  std::optional<std::uint64_t> caught, ignored;  // SigCgt, SigIgn
  std::string exe, cwd, root;                // links; empty when refused
  std::string cgroup;                        // the text of /proc/PID/cgroup
  std::uint64_t pid_namespace = 0;
};

/// Fills pid, ppid, comm, state, started_ns, exit_code, threads from the text of /proc/PID/stat; false when it is none.
bool read_stat(std::string_view text, Process& process);
/// Fills ns_pid, uid, caught, ignored, rss, threads from the text of /proc/PID/status.
void read_status(std::string_view text, Process& process);
/// "a\0b c\0" -> {"a", "b c"}. A title written over the arguments (setproctitle) is one word.
std::vector<std::string> read_cmdline(std::string_view text);
/// The arguments in one line, quoted for a shell where they need it.
std::string command_text(const std::vector<std::string>& argv);

/// Every process, cheaply: stat and cmdline only. Kernel threads are left out. At most `most`; `refused` counts those that could not be read.
struct ProcessTable { std::map<int, Process> all; std::size_t refused = 0; bool cut = false; };
base::Result<ProcessTable> read_processes(const source::Host& host, std::size_t most = 50'000);
/// The rest of one: status, links, cgroup.
void read_more(const source::Host& host, Process& process);

/// What a cgroup file's text says: the memory controller's path, and who made the group.
struct Cgroup {
  std::string memory;                        // "/system.slice/web.service"
  int version = 0;                           // of the hierarchy that accounts memory: 1 or 2; 0 unknown
  std::string unit;                          // innermost systemd service or scope
  std::string container;                     // 64 hex digits of docker, containerd, cri-o, podman
};
Cgroup read_cgroup(std::string_view text);

/// The named variables of /proc/PID/environ; nothing else of it is kept.
std::map<std::string, std::string> read_environment(const source::Host& host, int pid, const std::vector<std::string>& names);

/// An open descriptor: where it leads and how it was opened.
struct Descriptor { int fd = 0; std::string target; std::uint32_t flags = 0; std::uint64_t position = 0; };
base::Result<std::vector<Descriptor>> read_descriptors(const source::Host& host, int pid, std::size_t most = 4096);
/// Flags and position of one descriptor, from /proc/PID/fdinfo.
void read_descriptor_flags(const source::Host& host, int pid, Descriptor& descriptor);

}  // namespace probe
