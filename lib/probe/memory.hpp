// The memory of another process, read only: a live one by process_vm_readv, which neither stops nor signals it, or an image that a test gives.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace probe {

class Memory {
 public:
  virtual ~Memory() = default;
  /// False when not all of it could be read; what is in `into` is then worth nothing.
  virtual bool read(std::uint64_t address, void* into, std::size_t size) const = 0;
  /// The time for reading is spent: read() gives nothing more.
  virtual bool over() const { return false; }
};

class LiveMemory : public Memory {
 public:
  using Steady = std::chrono::steady_clock;
  /// Asked before each read. One read that the kernel holds (a page that a FUSE server does not bring) is not ended by it: only our own end does that.
  explicit LiveMemory(int pid, Steady::time_point until = Steady::time_point::max()) : pid_(pid), until_(until) {}
  bool read(std::uint64_t address, void* into, std::size_t size) const override;
  bool over() const override { return Steady::now() >= until_; }

 private:
  int pid_;
  Steady::time_point until_;
};

}  // namespace probe
