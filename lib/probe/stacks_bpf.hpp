// The stacks of dying threads as BPF read them at signal_deliver: a BPF object of its own, for kernels before 5.17 refuse it and the death watch must
// not go with it. Raw: code objects with their line tables; death_stacks.hpp makes facts of them.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "probe/stack_records.hpp"
#include "probe/watch_bpf.hpp"

namespace probe {

class StacksBpf {
 public:
  /// Of the processes that `deaths` watches. Fails where the kernel refuses it, with its answer.
  static base::Result<StacksBpf> open(const BpfWatch& deaths, bool everything = false);

  StacksBpf(StacksBpf&&) noexcept;
  StacksBpf& operator=(StacksBpf&&) noexcept;
  ~StacksBpf();

  int fd() const;                            // readable when a stack came
  void drain(std::vector<DyingThread>& into);
  /// `pid` and whatever it forks run this interpreter. False when 4096 are known already.
  bool add(int pid, const stack_python& python);
  void remove(int pid);
  std::uint64_t lost() const;                // frames and stacks that did not fit into the ring
  std::vector<BpfWatch::Cost> costs() const;

 private:
  struct Loaded;
  explicit StacksBpf(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace probe
