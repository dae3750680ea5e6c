// What a process is doing this moment, thread by thread: its state, the call it is in and where that leads, and its Python stack. Nothing is stopped,
// signalled or written to. A thread that did not run between two looks at its context switches is told as it stood; one that ran is read again, at most
// three times, then sampled on the processor by BPF; without that only what stayed the same is told, with the doubt said.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evidence/evidence.hpp"
#include "probe/net_table.hpp"
#include "probe/thread_call.hpp"
#include "source/host.hpp"

namespace probe {

struct ThreadDoing {
  int tid = 0;                               // as our /proc names it; 0: a thread of Python's that no thread of the kernel could be told for
  int ns_tid = 0;                            // in its own pid namespace
  char state = '?';                          // R S D T Z ...
  std::string comm, wchan;
  ThreadCall call;
  std::string peer;                          // the process at the other end, where it is on this machine: "pid 812 (postgres)"
  evidence::ThreadStack stack;
};

struct ProcessDoing {
  int pid = 0;
  std::string comm, title;                   // title: its command line in one line
  std::string runtime;                       // "CPython 3.11.2"; "" none that is known
  std::vector<ThreadDoing> threads;          // the main one first, then by tid
  std::size_t left_out = 0;                  // threads beyond `most_threads`
};

constexpr std::size_t most_threads = 512;

/// none: not read; to_python: those inside of the interpreter's own, for the rest is Python's stack; all.
enum class Native : std::uint8_t { none, to_python, all };

class Sampler;  // samples_bpf.hpp

/// One process of thousands of threads, or one that nothing reads fast, holds up a look so long; what is left then is a Gap. 512 threads take 0.1 s.
constexpr std::chrono::seconds longest_look{3};

struct HowToRead {
  using Steady = std::chrono::steady_clock;
  Native native = Native::none;
  bool stop = false;                         // a thread that runs may be stopped for the read: its calls may see EINTR
  Sampler* sampler = nullptr;                // for threads that run, and those whose native stack wants more registers; nullptr: without BPF
  Steady::time_point until = Steady::time_point::max();   // of all that is looked at together
};

/// Of one process of a live host. What could not be read is a Gap. `table`: of its network namespace. Its main thread is told at least, also when the
/// time is over.
ProcessDoing what_it_does(const source::Host& host, int pid, const TableOf& table, HowToRead how, std::vector<evidence::Gap>& gaps);

inline ProcessDoing what_it_does(const source::Host& host, int pid, const NetTable& table, HowToRead how, std::vector<evidence::Gap>& gaps) {
  return what_it_does(host, pid, [&]() -> const NetTable& { return table; }, how, gaps);
}

/// Names the processes at the other end of local connections: one pass over all descriptors for all of these. `tables`: by network namespace.
void name_peers(const source::Host& host, std::vector<ProcessDoing>& all, const std::map<std::uint64_t, NetTable>& tables, std::vector<evidence::Gap>& gaps,
                HowToRead::Steady::time_point until = HowToRead::Steady::time_point::max());

/// The frames outside of which all of several reads of a running thread agree, innermost first; lines are the last read's.
std::vector<evidence::StackFrame> agreed(const std::vector<std::vector<evidence::StackFrame>>& reads);

}  // namespace probe
