// The processors that each server may use: the affinity of its master, the quota of its cgroup and of those above it, and the pressure on them.
#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "probe/look.hpp"
#include "probe/mounts.hpp"
#include "probe/probe.hpp"
#include "probe/servers.hpp"

namespace probe {

namespace {

// "0-3,8" -> 5
std::uint64_t counted(std::string_view list) {
  std::uint64_t count = 0;
  for (const auto part : base::split(base::trim(list), ',')) {
    const std::size_t dash = part.find('-');
    const auto first = base::read_number(part.substr(0, dash)), last = dash == std::string_view::npos ? first : base::read_number(part.substr(dash + 1));
    if (first && last && *last >= *first && *last < 100'000) count += static_cast<std::uint64_t>(*last - *first + 1);
  }
  return count;
}

std::optional<double> quota_in(const source::Host& host, const std::string& folder, bool two) {
  const auto value = [&](const char* name) {
    const auto text = host.read(folder + "/" + name, 128);
    return text ? base::read_number(base::trim(*text)) : std::nullopt;
  };
  if (!two) {
    const auto quota = value("cpu.cfs_quota_us"), period = value("cpu.cfs_period_us");
    return quota && period && *quota > 0 && *period > 0 ? std::optional(static_cast<double>(*quota) / static_cast<double>(*period)) : std::nullopt;
  }
  const auto text = host.read(folder + "/cpu.max", 128);  // "200000 100000", "max 100000"
  if (!text) return std::nullopt;
  const auto words = base::split(base::trim(*text), ' ');
  const auto quota = base::read_number(words[0]), period = words.size() > 1 ? base::read_number(words[1]) : std::nullopt;
  return quota && period && *quota > 0 && *period > 0 ? std::optional(static_cast<double>(*quota) / static_cast<double>(*period)) : std::nullopt;
}

// The least quota of its group and of every one above.
std::optional<double> quota_of(const source::Host& host, const std::vector<Mount>& mounts, std::string_view text) {
  std::optional<double> least;
  for (const auto line : base::split(text, '\n')) {
    const auto first = line.find(':'), second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto names = base::split(line.substr(first + 1, second - first - 1), ',');
    const bool two = names.size() == 1 && names[0].empty();
    if (!two && std::find(names.begin(), names.end(), "cpu") == names.end()) continue;
    for (const auto& mount : mounts) {
      if (mount.root != "/" || (two ? mount.type != "cgroup2" : mount.type != "cgroup" || !has_option(mount, "cpu"))) continue;
      for (std::string at(line.substr(second + 1)); at.size() > 1; at.resize(at.rfind('/')))
        if (const auto quota = quota_in(host, mount.at + at, two); quota && (!least || *quota < *least)) least = quota;
      break;
    }
  }
  return least;
}

std::optional<double> pressure(const source::Host& host) {
  const auto text = host.read("/proc/pressure/cpu", 512);
  const auto value = text ? base::between(*text, "some avg10=", " ") : std::nullopt;
  double share = 0;
  if (!value || std::from_chars(value->data(), value->data() + value->size(), share).ec != std::errc{}) return std::nullopt;
  return share;
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  if (found.servers.empty()) return;
  const auto source = add_live_source(evidence, "processors", evidence::SourceKind::proc, host);
  const auto mounts = read_mounts(host);
  const auto some10 = pressure(host);
  for (const auto& server : found.servers) {
    const auto status = host.read("/proc/" + std::to_string(server.pid()) + "/status", 1 << 16);
    const auto list = status ? base::between(*status, "Cpus_allowed_list:", "\n") : std::nullopt;
    evidence::CpuSeen fact;
    if (list) fact.cpus = counted(*list);
    if (fact.cpus == 0) continue;
    fact.quota = quota_of(host, mounts, server.master.pid ? server.master.cgroup : server.workers.front().cgroup);
    fact.some10 = some10;
    std::string text = "pid " + std::to_string(server.pid()) + " may run on " + base::counted(fact.cpus, "processor");
    if (fact.quota) text += ", of which its cgroup gives " + std::to_string(*fact.quota).substr(0, 4);
    auto whole = seen(std::move(fact), server.pid(), source, host);
    whole.about.unit = server.cgroup.unit;
    whole.text = std::move(text);
    evidence.add(std::move(whole));
  }
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "processors and their quota", "", "", "", ""};
  const auto status = host.read("/proc/self/status", 1 << 16);
  const auto list = status ? base::between(*status, "Cpus_allowed_list:", "\n") : std::nullopt;
  if (list) sight.detail = base::counted(counted(*list), "processor");
  else sight.state = Sight::State::no;
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe processors = {"processors", observe, sight};
}  // namespace probes_of
}  // namespace probe
