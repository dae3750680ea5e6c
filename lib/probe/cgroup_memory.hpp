// What a cgroup's memory controller has counted: limit, use, and how many of its processes the OOM killer took.
#pragma once

#include <optional>
#include <string>

#include "evidence/fact.hpp"
#include "source/host.hpp"

namespace probe {

/// A counter or limit of a cgroup, 0 for "max" and what v1 prints instead; nullopt when it cannot be read.
std::optional<std::uint64_t> counter_in(const source::Host& host, const std::string& path);

/// From `folder`, where the group's files are (memory.events and others on v2, memory.oom_control and others on v1); nullopt without them.
/// `path`: the group's name, as /proc/PID/cgroup has it.
std::optional<evidence::CgroupMemory> read_cgroup_memory(const source::Host& host, const std::string& folder, const std::string& path, int version);

}  // namespace probe
