// System calls seen by BPF, for `--syscalls` only: an object of its own on the tables of the death watch, with which it lives and ends. It changes
// nothing in whoever is watched but their pace: what it costs stands in docs/decisions/0003. No pins.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "probe/calls.hpp"
#include "probe/watch_bpf.hpp"

namespace probe {

class CallsBpf {
 public:
  /// Fails with the kernel's answer and a remedy where it is refused; the death watch is not touched by that.
  static base::Result<CallsBpf> open(const BpfWatch& deaths);

  CallsBpf(CallsBpf&&) noexcept;
  CallsBpf& operator=(CallsBpf&&) noexcept;
  ~CallsBpf();

  int fd() const;                                   // readable when somebody was refused something for the first time
  /// In the order in which the calls ended. To be called every 100 ms, for uses wake nobody.
  void drain(std::vector<CallEvent>& into);
  /// Asks about a socket, or no longer. False when there are 256 already.
  bool ask(std::uint64_t inode);
  void forget(std::uint64_t inode);
  std::vector<Refusals> refusals() const;           // at most 1024
  void ended(int pid);                              // its refusals are dropped
  std::uint64_t lost() const;                       // uses that did not fit into the ring, refusals that did not fit into the table
  std::vector<BpfWatch::Cost> costs() const;

 private:
  struct Loaded;
  explicit CallsBpf(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace probe
