// Memory accounting of the servers' cgroups and of every ancestor that has a limit, v1 and v2: the second witness of an OOM kill.
#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "probe/cgroup_memory.hpp"
#include "probe/look.hpp"
#include "probe/mounts.hpp"
#include "probe/probe.hpp"

namespace probe {

namespace {

// Both hierarchies may freeze it (hybrid mode), and each says in the group's own file what an ancestor does to it: v2 cgroup.events, v1
// freezer.state (kernel/cgroup/legacy_freezer.c, freezer_read: FREEZING while some are still on their way).
void see_frozen(const source::Host& host, const std::vector<Mount>& mounts, const Process& process, std::optional<evidence::SourceId>& source, evidence::Evidence& evidence) {
  for (const auto line : base::split(process.cgroup, '\n')) {
    const std::size_t first = line.find(':'), second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = base::split(line.substr(first + 1, second - first - 1), ',');
    const bool unified = controllers.size() == 1 && controllers[0].empty();
    if (!unified && std::find(controllers.begin(), controllers.end(), "freezer") == controllers.end()) continue;
    const std::string path(line.substr(second + 1));
    const auto folder = folder_of(mounts, unified ? "" : "freezer", path);
    if (!folder) continue;
    const std::string file = *folder + (unified ? "/cgroup.events" : "/freezer.state");
    const auto state = host.read(file, 4096);
    if (!state || !base::contains(*state, unified ? "frozen 1" : "FROZEN")) continue;
    if (!source) source = add_live_source(evidence, "/sys/fs/cgroup", evidence::SourceKind::cgroup, host);
    auto fact = seen(evidence::CgroupFrozen{path, unified ? 2 : 1}, process.pid, *source, host);
    fact.text = file + (unified ? ": frozen 1" : ": FROZEN");
    evidence.add(std::move(fact));
    return;
  }
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  const auto& servers = found.servers;
  if (servers.empty()) return;
  const auto mounts = read_mounts(host);
  std::optional<evidence::SourceId> source;
  std::set<std::string> done;
  for (const auto& server : servers) {
    std::set<std::string> groups;
    if (server.master.pid) {
      groups.insert(server.master.cgroup);
      see_frozen(host, mounts, server.master, source, evidence);
    }
    for (const auto& worker : server.workers) groups.insert(worker.cgroup);
    for (const auto& text : groups) {
      const Cgroup group = read_cgroup(text);
      if (group.version == 0) continue;
      const std::string mount = memory_mount(mounts, group.version);
      const auto folder = mount.empty() ? std::nullopt : folder_of(mounts, group);
      if (!folder) {
        evidence.gap({"memory counters of " + name_of(server), mount.empty() ? "no cgroup file system with memory is mounted" : "its cgroup " + group.memory + " is outside of what is mounted here",
                      "run on the host, or mount /sys/fs/cgroup", 1, {}});
        continue;
      }
      std::string at = *folder, path = group.memory;
      for (int depth = 0; depth < 24; ++depth) {
        const bool first = depth == 0;
        if (done.insert(at).second) {
          const auto memory = read_cgroup_memory(host, at, path, group.version);
          if (!memory && first) evidence.gap({"memory counters of " + name_of(server), "cannot read " + at, group.version == 2 ? "enable the memory controller for it (cgroup.subtree_control)" : "run as root", 1, {}});
          if (memory && (first || memory->limit > 0)) {
            if (!source) source = add_live_source(evidence, mount, evidence::SourceKind::cgroup, host);
            auto fact = seen(*memory, server.master.pid, *source, host);
            fact.about.unit = group.unit;
            fact.text = at + ": limit " + (memory->limit ? base::bytes_text(memory->limit) : "none") + ", used " + base::bytes_text(memory->usage) + ", peak " + base::bytes_text(memory->peak) +
                        (memory->oom_kills ? ", oom_kill " + std::to_string(*memory->oom_kills) : "");
            evidence.add(std::move(fact));
          }
        }
        const std::size_t slash = at.rfind('/'), inner = path.rfind('/');
        if (at.size() <= mount.size() || slash == std::string::npos || slash < mount.size()) break;
        at.resize(slash);
        path = inner == std::string::npos || inner == 0 ? "/" : path.substr(0, inner);
        if (at == mount) break;  // the root group has no limit and no counters
      }
    }
  }
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::no, "memory counters (cgroup)", "", "", "", ""};
  const auto mounts = read_mounts(host);
  const int version = !memory_mount(mounts, 1).empty() ? 1 : !memory_mount(mounts, 2).empty() ? 2 : 0;
  if (version == 0) {
    sight.why = "no cgroup file system with memory is mounted";
    sight.remedy = "mount it: mount -t cgroup2 none /sys/fs/cgroup";
    sight.instead = "OOM kills are told from the kernel log alone";
    return sight;
  }
  sight.state = Sight::State::ok;
  sight.detail = "v" + std::to_string(version) + ", " + (version == 2 ? "memory.events" : "memory.oom_control") + " at " + memory_mount(mounts, version);
  for (const auto& server : find_servers(host)) {
    if (folder_of(mounts, server.cgroup)) continue;
    sight.state = Sight::State::partial;
    sight.why = "the cgroup of " + name_of(server) + " is not below what is mounted here";
    sight.remedy = "run on the host";
  }
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe cgroups = {"cgroups", observe, sight};
}  // namespace probes_of
}  // namespace probe
