// How many files a process and the machine may have open, and who gave a server its limit.
#pragma once

#include <cstdint>
#include <string>

#include "probe/servers.hpp"
#include "source/host.hpp"

namespace probe {

/// RLIMIT_NOFILE; 0: unlimited, or it cannot be read.
struct FileLimits {
  std::uint64_t soft = 0, hard = 0;
  bool operator==(const FileLimits&) const = default;
};
FileLimits file_limits(const source::Host& host, int pid);

/// fs.file-nr: open now, and at most; 0 when it cannot be read.
struct MachineFiles { std::uint64_t used = 0, most = 0; };
MachineFiles machine_files(const source::Host& host);

/// How a server's master came to its limit, in words: "systemd gave it to web.service", "it is that of pid 1", "its shell (bash, pid 4711) has
/// it, too". A limit belongs to a process and is inherited, so the walk goes up while parents have the same one; at most 16 of them. "" unknown.
std::string limit_from(const source::Host& host, const FoundServer& server);

}  // namespace probe
