// The stacks of watched processes as they die: which interpreter each server runs, handed to BPF; and what BPF read, as facts with source lines.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "evidence/evidence.hpp"
#include "probe/python/interpreter.hpp"
#include "probe/stacks_bpf.hpp"

namespace probe {

/// One dying thread as facts: its stack, and the call it was in. `python`: what it was read by; nullptr none.
std::vector<evidence::Fact> facts_of(const DyingThread& thread, const Interpreter* python, std::int64_t wall_minus_boot);

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
  void ended(int pid);
  /// What came since, in the order of its time.
  std::vector<evidence::Fact> drain(std::int64_t wall_minus_boot);
  std::uint64_t lost() const { return bpf_.lost(); }
  std::vector<BpfWatch::Cost> costs() const { return bpf_.costs(); }

 private:
  static constexpr std::size_t most_gone = 256;
  static constexpr std::size_t most_tables = 256, longest_table = 1 << 18, most_asked = 16;
  explicit DeathStacks(StacksBpf bpf) : bpf_(std::move(bpf)) {}
  /// The whole line tables of frames that were cut, from its relatives that live: a fork has the same code at the same address, which the bytes that
  /// did come prove.
  void complete(DyingThread& thread, const PythonLayout& layout);

  StacksBpf bpf_;
  std::map<int, Interpreter> pythons_;       // by pid
  std::map<std::string, std::string> tables_;   // whole ones, by their first bytes and length
  std::map<int, Interpreter> gone_;          // of those that ended: their last threads may still come
};

}  // namespace probe
