// The threads of a process where they stand, read by BPF in their own context and without a stop: those that run as a timer of their own interrupts
// them, and the registers of those that wait. Needs what the death watch needs, and perf events; Linux 5.17.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "probe/bpf/stacks.event.h"
#include "probe/stack_records.hpp"

namespace probe {

/// Loaded when it is first asked for something (10 to 30 ms), kept until it goes away. What the kernel refused once is not tried again.
class Sampler {
 public:
  Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;
  ~Sampler();

  /// One stack of each of these threads that runs within `most`: at most `most_sampled` of them. `python`: its interpreter; nullopt none. The samples
  /// are a millisecond of the thread's own time apart, so what sleeps meanwhile has none.
  base::Result<std::map<int, DyingThread>> running(int pid, const std::vector<int>& tids, const std::optional<stack_python>& python, std::chrono::milliseconds most);

  /// Of every thread of a process, by tid, as it entered the kernel: x86-64, rax to r15 as DWARF counts them, then rip. Those of a thread that is on
  /// the processor are old.
  using Registers = std::array<std::uint64_t, STACK_REGISTERS>;
  base::Result<std::map<int, Registers>> registers(int pid);

  static constexpr std::size_t most_sampled = 64;

 private:
  struct Loaded;
  enum class Which : std::uint8_t { samples, registers };   // each is loaded without the other, which would cost as much again
  struct Kept { std::unique_ptr<Loaded> loaded; std::optional<base::Error> refused; };
  base::Result<Loaded*> loaded(Which which);
  Kept samples_, registers_;
};

}  // namespace probe
