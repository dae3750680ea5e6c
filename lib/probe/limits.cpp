#include "probe/limits.hpp"

#include <vector>

#include "base/text.hpp"
#include "probe/proc.hpp"

namespace probe {

namespace {

constexpr int most_parents = 16;

struct Parent { int pid = 0, ppid = 0; std::string comm; };

Parent parent_of(const source::Host& host, int pid) {
  Process process;
  const auto text = host.read("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!text || !read_stat(*text, process)) return {};
  return {process.pid, process.ppid, process.comm};
}

std::string named(const Parent& parent) { return parent.comm + ", pid " + std::to_string(parent.pid); }

bool runs_containers(std::string_view comm) {
  return base::starts_with(comm, "containerd-shim") || base::starts_with(comm, "conmon") || base::starts_with(comm, "dockerd") || base::starts_with(comm, "runc") || base::starts_with(comm, "crun");
}

bool is_service(std::string_view unit) { return unit.size() > 8 && unit.ends_with(".service"); }

}  // namespace

// "Max open files            1024                 524288               files"
FileLimits file_limits(const source::Host& host, int pid) {
  const auto text = host.read("/proc/" + std::to_string(pid) + "/limits", 1 << 14);
  if (!text) return {};
  for (auto line : base::split(*text, '\n')) {
    if (!base::starts_with(line, "Max open files")) continue;
    line.remove_prefix(14);
    std::vector<std::uint64_t> values;
    for (const auto word : base::split(line, ' '))
      if (!word.empty()) values.push_back(static_cast<std::uint64_t>(base::read_number(word).value_or(0)));
    if (values.size() >= 2) return {values[0], values[1]};
  }
  return {};
}

// Used, free (always 0) and allowed: "1184\t0\t9223372036854775807".
MachineFiles machine_files(const source::Host& host) {
  const auto text = host.read("/proc/sys/fs/file-nr", 256);
  if (!text) return {};
  std::vector<std::uint64_t> values;
  for (const auto word : base::split(base::trim(*text), '\t')) values.push_back(static_cast<std::uint64_t>(base::read_number(base::trim(word)).value_or(0)));
  if (values.size() < 3) return {};
  return {values[0], values[2]};
}

std::string limit_from(const source::Host& host, const FoundServer& server) {
  if (!server.master.pid) return {};
  const FileLimits own = file_limits(host, server.master.pid);
  if (own == FileLimits{}) return {};
  const std::string& unit = server.cgroup.unit;
  Parent source;                             // the farthest process that has the same limits
  Parent at = parent_of(host, server.master.pid);
  for (int step = 0; step < most_parents && at.ppid > 0; ++step) {
    const Parent above = parent_of(host, at.ppid);
    if (!above.pid) break;
    if (file_limits(host, above.pid) != own) {
      // Set between the two, while the lower one was started.
      if (runs_containers(above.comm)) return "the container's (" + above.comm + " gave it: --ulimit, or the runtime's default)";
      if (above.pid == 1 && is_service(unit)) return "systemd's for " + unit + " (LimitNOFILE=, or DefaultLimitNOFILE=)";
      if (above.pid == 1 && unit.ends_with(".scope")) return "systemd's for " + unit;
      if (!source.pid) return "set when it was started by " + named(above) + ", which has another one";
      return "that of " + named(source) + ", which " + named(above) + " started with it (a login: limits.conf, or ulimit -n there)";
    }
    source = above;
    at = above;
  }
  if (!source.pid) return {};
  if (source.pid == 1 && is_service(unit)) return "pid 1's own (" + unit + " sets no other)";
  return "inherited from " + named(source) + ", and from above it";
}

}  // namespace probe
