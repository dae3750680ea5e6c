// The kernel log of the running machine: from /dev/kmsg record by record, else from what the syslog system call still holds.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace probe {

struct KernelText {
  std::string text;                 // records of /dev/kmsg as they are read, or lines as `dmesg -r` prints them
  std::string name;                 // "/dev/kmsg", "syslog(2)"
  bool records = false;             // /dev/kmsg's form: facilities can be told apart
  bool from_start = false;          // the first record is the first of this boot
  bool lost = false;                // overrun while reading, or a cut at `most`
};

/// Everything that is in the ring now, at most `most` bytes; the newest records are kept. Never waits.
base::Result<KernelText> read_kernel_text(std::size_t most = 64 << 20);

}  // namespace probe
