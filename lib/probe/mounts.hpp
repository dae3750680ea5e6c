// Where the file systems are that evidence stands in: cgroups, /proc and how it was mounted, tracefs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "probe/proc.hpp"
#include "source/host.hpp"

namespace probe {

struct Mount { std::string root, at, type, options; };  // options: of the mount and of the super block, comma separated
/// /proc/self/mountinfo, or that of a process; empty when it cannot be read.
std::vector<Mount> read_mounts(const source::Host& host, int pid = 0);

const Mount* mount_at(const std::vector<Mount>& mounts, const std::string& path);
bool has_option(const Mount& mount, std::string_view option);
/// Where the memory controller of a hierarchy version is mounted; "" = nowhere.
std::string memory_mount(const std::vector<Mount>& mounts, int version);
/// The folder of a cgroup's memory files; nullopt when it lies outside of the mounted part (another cgroup namespace).
std::optional<std::string> folder_of(const std::vector<Mount>& mounts, const Cgroup& cgroup);
/// The folder of a path of /proc/PID/cgroup under the mount of a v1 controller ("freezer"; "" = the unified hierarchy, v2); nullopt as above.
std::optional<std::string> folder_of(const std::vector<Mount>& mounts, std::string_view controller, std::string_view path);

}  // namespace probe
