// What single lines of the kernel log say, without the lines around them. Pure; a name in a line (comm, cgroup, library) may hold any
// byte, so every reader works from the parts of the line that a process cannot choose. Joining lines is formats/kernel.cpp.
// Wordings: mm/oom_kill.c, mm/memcontrol.c, arch/x86/mm/fault.c, arch/x86/kernel/traps.c of 2.6.32-el6 to 7.2.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/fact.hpp"

namespace parse::kernel {

/// "Killed process P (comm) total-vm:..." in all its forms, and "Kill process P (comm) sharing same memory".
struct KillLine {
  int pid = 0;
  std::string comm;
  std::string prefix;                                   // "memcg", "none" by the words before it, "" when there are none
  std::uint64_t total_vm = 0, anon_rss = 0;             // bytes
  std::optional<int> uid;
  bool modern = false;                                  // >= 5.1: an oom-kill: line belongs to it unless that was rate-limited
  bool sharer = false;
};
std::optional<KillLine> read_kill(std::string_view text);

/// The front of a kill or oom-kill line whose comm holds a newline: plain dmesg prints it raw, so the rest is the next record.
bool torn_at_comm(std::string_view text);

/// "Kill process P (comm) score S or sacrifice child": the candidate, not the victim.
std::optional<evidence::OomCandidate> read_candidate(std::string_view text, std::string& prefix);

/// "oom-kill:constraint=...,task=comm,pid=TGID,uid=U".
struct OomKillLine {
  int tgid = 0;
  int uid = 0;
  std::string comm, constraint, oom_memcg, task_memcg;
};
std::optional<OomKillLine> read_oom_kill(std::string_view text);

std::optional<evidence::OomInvoked> read_invoked(std::string_view text);
/// "CPU: 1 PID: 743 Comm: gunicorn Not tainted" or el6's "Pid: 743, comm: httpd Not tainted": the pid of that comm.
std::optional<int> read_running_pid(std::string_view text, std::string_view comm);

/// "memory: usage 122880kB, limit 122880kB, failcnt 84"; a limit that means none is 0.
struct MemoryLine { std::uint64_t usage = 0, limit = 0; };
std::optional<MemoryLine> read_memory(std::string_view text);

/// The task table's head: how many numbers stand before the name.
std::optional<std::size_t> read_table_head(std::string_view text);
struct TaskRow { int pid = 0, tgid = 0; std::uint64_t total_vm = 0, rss = 0; std::string comm; };  // in pages
/// `numbers`: from the head; 0 when it was not seen.
std::optional<TaskRow> read_task_row(std::string_view text, std::size_t numbers);

std::optional<evidence::KernelCrash> read_crash(std::string_view text);
std::optional<evidence::KernelHung> read_hung(std::string_view text);
/// `pid` is whose it is, where the line names one.
std::optional<evidence::KernelRefused> read_refusal(std::string_view text, int& pid);
/// The wall time that a record carries in its text: audit's "audit(1795344189.440:2)", the real-time clock's "(1795347032)" at boot.
std::optional<evidence::ClockPair> read_wall(std::string_view text);
/// "oom_kill_process: 4 callbacks suppressed".
std::optional<evidence::KernelSuppressed> read_suppressed(std::string_view text);

}  // namespace parse::kernel
