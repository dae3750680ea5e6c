// The exported symbols of an ELF file by name, from .dynsym, which stripping leaves. Bounded, of any bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace probe {

struct ElfSymbols {
  std::uint64_t base = 0;                            // virtual address of the file's beginning: what it is loaded at, less this, is the bias
  std::map<std::string, std::uint64_t> addresses;    // of those that were asked for and are defined
};

/// Of an open 64-bit file of this machine's byte order.
base::Result<ElfSymbols> read_symbols(int fd, const std::vector<std::string>& names);

}  // namespace probe
