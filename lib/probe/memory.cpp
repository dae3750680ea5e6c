#include "probe/memory.hpp"

#include "probe/python/interpreter.hpp"

namespace probe {

bool LiveMemory::read(std::uint64_t address, void* into, std::size_t size) const { return !over() && read_memory(pid_, address, into, size); }

}  // namespace probe
