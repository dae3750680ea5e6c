// The stacks of watched processes as they die: which interpreter each server runs, handed to BPF; what each has mapped, read while it lives; and what
// BPF read, as facts with source lines and native frames.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "evidence/evidence.hpp"
#include "probe/native/unwind.hpp"
#include "probe/python/interpreter.hpp"
#include "probe/stack_of.hpp"
#include "probe/stacks_bpf.hpp"

namespace probe {

/// One dying thread as facts: its stack, and the call it was in. `python`: what it was read by; nullptr none. `native`: unwound already; of a thread
/// of Python only what is inside of the interpreter.
std::vector<evidence::Fact> facts_of(const DyingThread& thread, const Interpreter* python, std::vector<evidence::StackFrame> native, std::int64_t wall_minus_boot);

class DeathStacks {
 public:
  /// Of the processes that `deaths` watches. Fails where the kernel refuses.
  static base::Result<DeathStacks> open(const BpfWatch& deaths, bool everything = false);

  int fd() const { return bpf_.fd(); }       // readable when a stack came
  /// A process that is watched from now on: what it runs, it and its forks. A Gap for a Python that is not known; none for what is no Python.
  void add(int pid, std::vector<evidence::Gap>& gaps);
  /// The same of a process that runs what `of` runs, a fork of it or of what it was forked from; false when it does not.
  bool add_fork(int pid, int of);
  bool knows(int pid) const { return pythons_.contains(pid); }
  /// What a process of the server `group` (its master's pid) has mapped is read now and then, for its native stack: a library that it opens later
  /// than the last look has no names.
  void follow(int pid, int group);
  /// Reads what is due: new processes soon and again after 2 and 10 s, when their application is loaded, and all once in 30 s.
  void look();
  void ended(int pid);
  /// What came since, in the order of its time.
  std::vector<evidence::Fact> drain(std::int64_t wall_minus_boot);
  std::uint64_t lost() const { return bpf_.lost(); }
  std::vector<BpfWatch::Cost> costs() const { return bpf_.costs(); }

 private:
  static constexpr std::size_t most_gone = 256, most_followed = 2000, most_looks = 32, most_relatives = 16;
  using Steady = std::chrono::steady_clock;
  struct Followed {
    int group = 0, looks = 0;
    Steady::time_point due;
    std::shared_ptr<const std::string> maps;             // forks of one master have the same: one text for all of them
  };
  static constexpr std::size_t most_tables = 256, longest_table = 1 << 18, most_asked = 16;
  explicit DeathStacks(StacksBpf bpf) : bpf_(std::move(bpf)) {}
  /// The whole line tables of frames that were cut, from its relatives that live: a fork has the same code at the same address, which the bytes that
  /// did come prove.
  void complete(DyingThread& thread, const PythonLayout& layout);
  std::shared_ptr<const std::string> shared(std::string maps);
  using Unwinders = std::map<const std::string*, Unwinder>;
  std::vector<evidence::StackFrame> native_of(const DyingThread& thread, bool to_python, Unwinders& unwinders) const;

  StacksBpf bpf_;
  std::map<int, Interpreter> pythons_;       // by pid
  std::map<std::string, std::string> tables_;   // whole ones, by their first bytes and length
  std::map<int, Interpreter> gone_;          // of those that ended: their last threads may still come
  std::map<int, Followed> followed_, followed_gone_;
  std::map<std::size_t, std::weak_ptr<const std::string>> texts_;   // of maps, by hash
};

}  // namespace probe
