// The memory of another process, read only: a live one by process_vm_readv, which neither stops nor signals it, or an image that a test gives.
#pragma once

#include <cstddef>
#include <cstdint>

namespace probe {

class Memory {
 public:
  virtual ~Memory() = default;
  /// False when not all of it could be read; what is in `into` is then worth nothing.
  virtual bool read(std::uint64_t address, void* into, std::size_t size) const = 0;
};

class LiveMemory : public Memory {
 public:
  explicit LiveMemory(int pid) : pid_(pid) {}
  bool read(std::uint64_t address, void* into, std::size_t size) const override;

 private:
  int pid_;
};

}  // namespace probe
