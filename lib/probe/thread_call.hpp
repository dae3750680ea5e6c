// The system call that a thread is in, in words: /proc/PID/task/TID/syscall gives its number and arguments, the descriptor tables where it leads, and
// the thread's memory what its pointers point to. Nothing is stopped, so the thread may have left the call meanwhile.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "probe/memory.hpp"
#include "probe/net_table.hpp"
#include "source/host.hpp"

namespace probe {

/// The file's one line. fs/proc/base.c proc_pid_syscall@6.12: "running", "-1 sp pc" outside of a call, "number six-arguments sp pc" in one.
struct CallLine {
  bool running = false;
  long number = -1;                          // -1: in none: it faulted into the kernel
  std::array<std::uint64_t, 6> arguments{};
  std::uint64_t sp = 0, pc = 0;              // 0 while it runs
};
std::optional<CallLine> read_call_line(std::string_view text);

/// What a futex leads to: only this process's threads can wake it, or those of others, too (FUTEX_PRIVATE_FLAG).
constexpr std::string_view own_lock = "a lock in its own memory", own_lock_for_a_time = "a lock in its own memory, for a limited time", shared_lock = "a lock that processes share";

struct ThreadCall {
  std::string name;                          // "recvfrom"; "system call 999"; "" none
  std::string arguments;                     // "fd 11, up to 8192 B"; "" none that are known
  std::optional<int> fd;                     // the one descriptor that it is on
  std::string on;                            // where that leads: "10.0.0.2:5432 (PostgreSQL)"
  std::uint64_t inode = 0;                   // of that socket; 0 none
  std::optional<double> seconds;             // how long it waits at most from now on; nullopt: for ever, or not told
};

/// The sockets of its network namespace, asked for only where a descriptor leads to one: a machine may have many.
using TableOf = std::function<const NetTable&()>;

/// `memory`: of the thread's process; nullptr where there is none (a recording): what pointers lead to stays unsaid.
ThreadCall call_of(const source::Host& host, int pid, const CallLine& line, const TableOf& table, const Memory* memory);

/// Where a descriptor's link leads, in words: a file's path, "the listener ...", a peer.
std::string where_to(const std::string& target, const NetTable& table);

}  // namespace probe
