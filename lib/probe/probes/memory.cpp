// Memory of every master and worker, of their cgroups without what can be taken back, and of the machine; the counters that limit processes.
#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "probe/cgroup_memory.hpp"
#include "probe/look.hpp"
#include "probe/members.hpp"
#include "probe/mounts.hpp"
#include "probe/probe.hpp"

namespace probe {

namespace {

// smaps_rollup walks a process's page tables in the kernel: of some processes, and not of giants, so that nobody waits for us.
constexpr std::size_t most_rollups = 64;
constexpr std::uint64_t largest_rollup = 8ull << 30, most_rolled_up = 24ull << 30;

// "Pss:      1234 kB" of smaps_rollup and meminfo, in bytes.
std::optional<std::uint64_t> row(std::string_view text, std::string_view name) {
  for (const auto line : base::split(text, '\n')) {
    if (!base::starts_with(line, name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    std::string_view rest = base::trim(line.substr(name.size() + 1));
    if (const auto value = base::take_number(rest); value && *value >= 0) return static_cast<std::uint64_t>(*value) * (base::contains(rest, "kB") ? 1024 : 1);
  }
  return std::nullopt;
}

// "some avg10=0.12 avg60=..."
std::optional<double> pressure(std::string_view text, std::string_view kind) {
  for (const auto line : base::split(text, '\n')) {
    if (!base::starts_with(line, kind)) continue;
    const auto value = base::between(line, "avg10=", " ");
    if (!value) return std::nullopt;
    const auto dot = value->find('.');
    const auto whole = base::read_number(value->substr(0, dot));
    const auto hundredths = dot == std::string_view::npos ? std::optional<std::int64_t>(0) : base::read_number(value->substr(dot + 1));
    if (whole && hundredths) return static_cast<double>(*whole) + static_cast<double>(*hundredths) / 100;
  }
  return std::nullopt;
}

class Memory {
 public:
  Memory(const source::Host& host, evidence::Evidence& evidence) : host_(host), evidence_(evidence), source_(add_live_source(evidence, "memory", evidence::SourceKind::proc, host)) {}

  void process(const Process& process, const std::string& unit) {
    const std::string at = "/proc/" + std::to_string(process.pid) + "/";
    evidence::MemorySeen fact;
    fact.rss = process.rss;
    if (rollups_ < most_rollups && process.rss <= largest_rollup && rolled_up_ + process.rss <= most_rolled_up) {
      ++rollups_;
      rolled_up_ += process.rss;
      if (const auto text = host_.read(at + "smaps_rollup", 1 << 14)) {
        fact.pss = row(*text, "Pss");
        fact.swap = row(*text, "Swap");
        fact.anonymous = row(*text, "Anonymous");
        fact.shared = row(*text, "Shared_Dirty");
        const auto clean = row(*text, "Private_Clean"), dirty = row(*text, "Private_Dirty");
        if (clean && dirty) fact.own = *clean + *dirty;
      }
    } else {
      ++skipped_;
    }
    if (const auto text = host_.read(at + "oom_score_adj", 64)) fact.oom_score_adj = static_cast<int>(base::read_number(base::trim(*text)).value_or(0));
    std::string text = "pid " + std::to_string(process.pid) + ": RSS " + base::bytes_text(fact.rss);
    if (fact.own) text += ", its own " + base::bytes_text(*fact.own);
    if (fact.swap && *fact.swap) text += ", swapped out " + base::bytes_text(*fact.swap);
    if (fact.oom_score_adj) text += ", oom_score_adj " + std::to_string(fact.oom_score_adj);
    put(std::move(fact), process.pid, unit, std::move(text));
  }

  void machine() {
    const auto text = host_.read("/proc/meminfo", 1 << 15);
    if (!text) return;
    evidence::HostMemory fact;
    fact.total = row(*text, "MemTotal").value_or(0);
    fact.available = row(*text, "MemAvailable").value_or(0);
    fact.swap_total = row(*text, "SwapTotal").value_or(0);
    fact.swap_free = row(*text, "SwapFree").value_or(0);
    if (const auto stall = host_.read("/proc/pressure/memory", 4096)) {
      fact.some10 = pressure(*stall, "some");
      fact.full10 = pressure(*stall, "full");
    }
    std::string said = base::bytes_text(fact.available) + " of " + base::bytes_text(fact.total) + " available";
    if (fact.swap_total) said += ", swap used " + base::bytes_text(fact.swap_total - fact.swap_free) + " of " + base::bytes_text(fact.swap_total);
    put(std::move(fact), 0, "", std::move(said));
  }

  // What a cgroup really uses: the page cache that it would give back first does not count against its limit.
  void group(const std::vector<Mount>& mounts, const Cgroup& cgroup, int pid) {
    if (cgroup.version == 0 || !groups_.insert(cgroup.memory).second) return;
    const auto folder = folder_of(mounts, cgroup);
    if (!folder) return;
    const auto counted = read_cgroup_memory(host_, *folder, cgroup.memory, cgroup.version);
    if (!counted) return;
    const std::uint64_t used = counted->usage > counted->cache ? counted->usage - counted->cache : 0, limit = counted->limit;
    put(evidence::LimitSeen{"memory", cgroup.memory, used, limit}, pid, cgroup.unit,
        cgroup.memory + ": " + base::bytes_text(used) + (limit ? " of " + base::bytes_text(limit) : std::string()) + " without inactive page cache");
  }

  // pids.current of the cgroup and of every one above it that has a limit.
  void tasks(const std::vector<Mount>& mounts, const Process& process) {
    std::string path;
    bool two = false;
    for (const auto line : base::split(process.cgroup, '\n')) {
      const auto first = line.find(':'), second = first == std::string_view::npos ? first : line.find(':', first + 1);
      if (second == std::string_view::npos) continue;
      const auto controllers = line.substr(first + 1, second - first - 1);
      for (const auto name : base::split(controllers, ','))
        if (name == "pids") { path = std::string(line.substr(second + 1)); two = false; }
      if (controllers.empty() && path.empty()) { path = std::string(line.substr(second + 1)); two = true; }
    }
    if (path.empty()) return;
    for (const auto& mount : mounts) {
      if (two ? mount.type != "cgroup2" : mount.type != "cgroup" || !has_option(mount, "pids")) continue;
      for (std::string at = path; at.size() > 1; at = at.substr(0, at.rfind('/'))) {
        if (!tasks_.insert(at).second) continue;
        const auto used = counter_in(host_, mount.at + at + "/pids.current"), limit = counter_in(host_, mount.at + at + "/pids.max");
        if (used && limit && *limit) put(evidence::LimitSeen{"pids", at, *used, *limit}, process.pid, "", at + ": " + std::to_string(*used) + " tasks of " + std::to_string(*limit) + " (pids.max)");
      }
      return;
    }
  }

  void say_skipped() {
    if (skipped_) evidence_.gap({"private memory of some workers", std::to_string(skipped_) + " were not asked, for it takes time in the kernel", "cat /proc/PID/smaps_rollup", skipped_, {}});
  }

 private:
  void put(evidence::What what, int pid, const std::string& unit, std::string text) {
    auto fact = seen(std::move(what), pid, source_, host_);
    fact.about.unit = unit;
    fact.text = std::move(text);
    evidence_.add(std::move(fact));
  }

  const source::Host& host_;
  evidence::Evidence& evidence_;
  const evidence::SourceId source_;
  std::size_t rollups_ = 0, skipped_ = 0;
  std::uint64_t rolled_up_ = 0;
  std::set<std::string> groups_, tasks_;
};

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  if (found.servers.empty()) return;
  std::size_t left_out = 0;
  Memory memory(host, evidence);
  const auto mounts = read_mounts(host);
  for (const auto& member : members(found, left_out)) {
    if (!member.server) continue;
    memory.process(*member.process, member.server->cgroup.unit);
    memory.group(mounts, read_cgroup(member.process->cgroup), member.process->pid);
    if (member.master) memory.tasks(mounts, *member.process);
  }
  memory.machine();
  memory.say_skipped();
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "memory of processes and machine", "", "", "", ""};
  if (const auto text = host.read("/proc/meminfo", 1 << 15); text && row(*text, "MemAvailable")) sight.detail = base::bytes_text(*row(*text, "MemAvailable")) + " available";
  else {
    sight.state = Sight::State::partial;
    sight.why = "no MemAvailable in /proc/meminfo";
  }
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe memory = {"memory", observe, sight};
}  // namespace probes_of
}  // namespace probe
