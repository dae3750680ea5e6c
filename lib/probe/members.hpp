// The processes that a look is about, one list for the probes that read each of them.
#pragma once

#include <string>
#include <vector>

#include "probe/servers.hpp"
#include "source/host.hpp"

namespace probe {

struct Member {
  const Process* process = nullptr;        // of the Found it was made from
  const FoundServer* server = nullptr;     // null for a proxy's process
  bool master = false;
};

constexpr std::size_t most_members = 1000;

/// Masters first, then workers, then nginx masters; zombies are left out. `left_out` counts what was over the bound.
std::vector<Member> members(const Found& found, std::size_t& left_out);

/// pids of the children of a process, from /proc/PID/task/PID/children.
std::vector<int> children_of(const source::Host& host, int pid);

}  // namespace probe
