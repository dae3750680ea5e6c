#include "probe/cgroup_memory.hpp"

#include "base/text.hpp"

namespace probe {

std::optional<std::uint64_t> counter_in(const source::Host& host, const std::string& path) {
  const auto text = host.read(path, 256);
  if (!text) return std::nullopt;
  const auto word = base::trim(*text);
  if (word == "max") return 0;
  const auto value = base::read_number(word);
  // v1 has no word for "no limit": the largest multiple of the page size stands for it (PAGE_COUNTER_MAX).
  if (!value || *value < 0 || *value >= INT64_MAX - 65'535) return 0;
  return static_cast<std::uint64_t>(*value);
}

namespace {

// "oom_kill 3" in memory.events or memory.oom_control, "inactive_file 4096" in memory.stat.
std::optional<std::uint64_t> row_in(std::string_view text, std::string_view name) {
  for (const auto line : base::split(text, '\n')) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos || line.substr(0, blank) != name) continue;
    if (const auto value = base::read_number(base::trim(line.substr(blank + 1))); value && *value >= 0) return static_cast<std::uint64_t>(*value);
  }
  return std::nullopt;
}

}  // namespace

std::optional<evidence::CgroupMemory> read_cgroup_memory(const source::Host& host, const std::string& folder, const std::string& path, int version) {
  evidence::CgroupMemory memory;
  memory.path = path;
  memory.version = version;
  if (version == 2) {
    const auto events = host.read(folder + "/memory.events", 4096);
    if (!events) return std::nullopt;
    if (const auto stat = host.read(folder + "/memory.stat", 1 << 15)) memory.cache = row_in(*stat, "inactive_file").value_or(0);
    memory.oom_kills = row_in(*events, "oom_kill");
    memory.oom_events = row_in(*events, "oom");
    memory.limit = counter_in(host, folder + "/memory.max").value_or(0);
    memory.usage = counter_in(host, folder + "/memory.current").value_or(0);
    memory.peak = counter_in(host, folder + "/memory.peak").value_or(0);  // from 5.19 on
    memory.group = counter_in(host, folder + "/memory.oom.group").value_or(0) == 1;
    return memory;
  }
  const auto usage = counter_in(host, folder + "/memory.usage_in_bytes");
  if (!usage) return std::nullopt;
  memory.usage = *usage;
  if (const auto stat = host.read(folder + "/memory.stat", 1 << 15)) memory.cache = row_in(*stat, "total_inactive_file").value_or(0);
  memory.limit = counter_in(host, folder + "/memory.limit_in_bytes").value_or(0);
  memory.peak = counter_in(host, folder + "/memory.max_usage_in_bytes").value_or(0);
  if (const auto control = host.read(folder + "/memory.oom_control", 4096)) memory.oom_kills = row_in(*control, "oom_kill");  // from 4.13 on
  return memory;
}

}  // namespace probe
