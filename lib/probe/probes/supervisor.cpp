// Who started the servers and within what limits: the systemd unit of each master by its cgroup, read from its files (nothing is asked of
// systemd itself), or the container it runs in; the limits of the process, and the CPU quota of its cgroup.
// Past 300 lines by a few: unit, container and process limits are one answer to who gave what.
#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "flavour/systemd.hpp"
#include "parse/read.hpp"
#include "probe/look.hpp"
#include "probe/mounts.hpp"
#include "probe/probe.hpp"
#include "probe/settings.hpp"

namespace probe {

namespace {

constexpr std::size_t most_sockets = 200;   // socket units that are read in order to find the server's
constexpr std::size_t most_marks = 12;

// ---- the unit -------------------------------------------------------------------------------------------------------

struct Unit { std::string name, root; bool user = false; };  // name empty: no service of a systemd that we know of

bool hex_id(std::string_view text) { return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

// The cgroup path that the service manager made: name=systemd where there is v1, else the unified one.
std::string service_path(std::string_view text) {
  std::string unified;
  for (const auto line : base::split(text, '\n')) {
    const auto first = line.find(':'), second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    if (controllers == "name=systemd") return std::string(line.substr(second + 1));
    if (controllers.empty()) unified = std::string(line.substr(second + 1));
  }
  return unified;
}

// A service above a container (containerd.service) did not start what runs in it; one below it belongs to a systemd in the container.
Unit unit_of(const FoundServer& server) {
  Unit unit;
  const Process& process = server.master.pid ? server.master : server.workers.front();
  bool inside = false;
  const std::string path = service_path(process.cgroup);
  for (const auto part : base::split(path, '/')) {
    auto id = part;
    if (id.ends_with(".scope")) id.remove_suffix(6);
    if (const auto cut = id.find_last_of("-:"); cut != std::string_view::npos) id.remove_prefix(cut + 1);
    if (hex_id(id)) { unit = {}; inside = true; continue; }
    if (base::starts_with(part, "user@") && part.ends_with(".service")) { unit.user = true; unit.name.clear(); continue; }
    if (part.ends_with(".service")) unit.name = std::string(part);
  }
  if (inside) unit.root = server.root;
  return unit;
}

// The .socket units whose service it is: by name, by Sockets=, or by a Service= among those that stand beside it.
std::vector<std::string> sockets_of(const source::Host& host, const Unit& unit) {
  std::set<std::string> names{unit.name.substr(0, unit.name.rfind('.')) + ".socket"};
  std::size_t asked = 0;
  for (const auto folder : flavour::unit_folders()) {
    const std::string at = unit.root + std::string(folder);
    if (folder.find("/lib/") != std::string_view::npos) continue;  // those of packages go by name
    const auto entries = host.list(at);
    if (!entries) continue;
    for (const auto& entry : *entries) {
      if (!entry.name.ends_with(".socket") || names.contains(entry.name) || ++asked > most_sockets) continue;
      const auto text = host.read(at + "/" + entry.name, 1 << 16);
      if (!text) continue;
      for (const auto line : base::split(*text, '\n'))
        if (base::trim(line) == "Service=" + unit.name) names.insert(entry.name);
    }
  }
  std::vector<std::string> files;
  for (const auto& name : names)
    for (auto& path : unit_files(host, name, unit.root)) files.push_back(std::move(path));
  return files;
}

std::vector<std::string> manager_files(const source::Host& host, const std::string& root) {
  std::vector<std::string> files;
  if (host.stat(root + "/etc/systemd/system.conf")) files.push_back(root + "/etc/systemd/system.conf");
  std::set<std::string> names;
  for (const auto folder : flavour::manager_folders()) {
    const auto entries = host.list(root + std::string(folder));
    if (!entries) continue;
    for (const auto& entry : *entries)
      if (entry.name.ends_with(".conf") && names.insert(entry.name).second && files.size() < 50) files.push_back(root + std::string(folder) + "/" + entry.name);
  }
  return files;
}

void read_unit(const source::Host& host, const FoundServer& server, const Unit& unit, std::set<std::string>& read, std::optional<evidence::SourceId>& source, evidence::Evidence& evidence) {
  if (unit.user) {
    evidence.gap({"unit " + unit.name + " of " + name_of(server), "it belongs to a user's own systemd, whose files are not read here", "systemctl --user cat " + unit.name, 1, {}});
    return;
  }
  auto files = unit_files(host, unit.name, unit.root);
  if (files.empty()) {
    evidence.gap({"unit file of " + unit.name, "it is in none of the folders that systemd reads", "run where systemd runs: systemctl cat " + unit.name, 1, {}});
  } else {
    for (auto& path : sockets_of(host, unit)) files.push_back(std::move(path));
  }
  if (!source) source = add_live_source(evidence, "/proc", evidence::SourceKind::proc, host);
  evidence::UnitSeen seen_unit{"system", ""};
  for (const auto& path : files) seen_unit.files += (seen_unit.files.empty() ? "" : " ") + path;
  auto fact = seen(std::move(seen_unit), server.pid(), *source, host);
  fact.about.unit = unit.name;
  fact.when = server.master.pid ? started_at(host, server.master) : std::nullopt;
  fact.text = "pid " + std::to_string(server.pid()) + " is in the cgroup of " + unit.name + (files.empty() ? std::string() : ", which " + base::counted(files.size(), "file") + " make");
  evidence.add(std::move(fact));
  auto wanted = files;
  if (!files.empty())
    for (auto& path : manager_files(host, unit.root)) wanted.push_back(std::move(path));
  std::vector<std::string> fresh;
  for (auto& path : wanted)
    if (read.insert(path).second) fresh.push_back(std::move(path));
  if (!fresh.empty()) parse::read(host, fresh, {}, evidence);
}

// ---- the container --------------------------------------------------------------------------------------------------

std::string runtime_of(std::string_view cgroup) {
  struct Word { std::string_view in, runtime; };
  static constexpr std::array<Word, 10> words{{{"cri-containerd", "containerd"}, {"crio-", "cri-o"}, {"libpod-", "podman"}, {"docker-", "docker"}, {"/docker/", "docker"}, {"lxc.payload", "lxc"}, {"/lxc/", "lxc"},
                                               {"machine.slice/systemd-nspawn@", "systemd-nspawn"}, {"/containerd/", "containerd"}, {"/podman/", "podman"}}};
  for (const Word& word : words)
    if (base::contains(cgroup, word.in)) return std::string(word.runtime);
  return {};
}

// ".../kubepods-burstable-pod1f0e_4c.slice/...", ".../kubepods/burstable/pod1f0e-4c/..."
std::string pod_of(std::string_view cgroup) {
  if (!base::contains(cgroup, "kubepods")) return {};
  for (auto part : base::split(cgroup, '/')) {
    if (part.ends_with(".slice")) part.remove_suffix(6);
    const std::size_t at = part.rfind("pod");
    if (at == std::string_view::npos || (at > 0 && part[at - 1] != '-')) continue;
    std::string uid(part.substr(at + 3));
    std::replace(uid.begin(), uid.end(), '_', '-');
    if (uid.size() >= 32 && uid.find_first_not_of("0123456789abcdef-") == std::string::npos) return uid;
  }
  return {};
}

void see_container(const source::Host& host, const FoundServer& server, std::optional<evidence::SourceId>& source, evidence::Evidence& evidence) {
  const Process& process = server.master.pid ? server.master : server.workers.front();
  evidence::ContainerSeen container;
  container.id = server.cgroup.container;
  container.runtime = runtime_of(process.cgroup);
  container.pod = pod_of(process.cgroup);
  std::size_t marks = 0;
  const auto mark = [&](std::string_view name) { if (marks++ < most_marks) container.marks += (container.marks.empty() ? "" : " ") + std::string(name); };
  for (const char* path : {"/.dockerenv", "/run/.containerenv", "/etc/podinfo"})
    if (host.stat(server.root + path)) mark(path);
  // Names alone: what the variables hold is the application's business.
  if (const auto text = host.read("/proc/" + std::to_string(process.pid) + "/environ", 1 << 20))
    for (const auto entry : base::split(*text, '\0')) {
      const auto name = entry.substr(0, entry.find('='));
      if (name == "container" || name == "KUBERNETES_SERVICE_HOST" || name == "KUBERNETES_SERVICE_PORT" || name == "KUBERNETES_PORT") mark(name);
    }
  if (container.id.empty() && container.runtime.empty() && container.pod.empty() && container.marks.empty()) return;
  if (!source) source = add_live_source(evidence, "/proc", evidence::SourceKind::proc, host);
  std::string text = "pid " + std::to_string(process.pid) + " runs in a container";
  if (!container.runtime.empty()) text += " of " + container.runtime;
  if (!container.pod.empty()) text += ", pod " + container.pod;
  if (!container.marks.empty()) text += " (" + container.marks + ")";
  auto fact = seen(std::move(container), process.pid, *source, host);
  fact.text = std::move(text);
  evidence.add(std::move(fact));
}

// ---- limits ---------------------------------------------------------------------------------------------------------

// "Max open files            1024                 524288               files"
std::optional<std::pair<std::string_view, std::string_view>> row_of(std::string_view text, std::string_view name) {
  for (const auto line : base::split(text, '\n')) {
    if (!base::starts_with(line, name)) continue;
    auto rest = base::trim(line.substr(name.size()));
    const auto soft = rest.substr(0, rest.find(' '));
    rest = base::trim(rest.substr(soft.size()));
    return std::pair{soft, rest.substr(0, rest.find(' '))};
  }
  return std::nullopt;
}

std::optional<std::uint64_t> limit(const std::optional<std::pair<std::string_view, std::string_view>>& row, bool hard = false) {
  if (!row) return std::nullopt;
  const auto number = base::read_number(hard ? row->second : row->first);
  return number && *number >= 0 ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
}

void see_limits(const source::Host& host, int pid, std::optional<evidence::SourceId>& source, evidence::Evidence& evidence) {
  const auto text = host.read("/proc/" + std::to_string(pid) + "/limits", 1 << 14);
  if (!text || !row_of(*text, "Max open files")) return;
  if (!source) source = add_live_source(evidence, "/proc", evidence::SourceKind::proc, host);
  evidence::ProcessLimits limits;
  limits.files = limit(row_of(*text, "Max open files"));
  limits.files_hard = limit(row_of(*text, "Max open files"), true);
  limits.processes = limit(row_of(*text, "Max processes"));
  limits.memory = limit(row_of(*text, "Max address space"));
  limits.core = limit(row_of(*text, "Max core file size"));
  const auto word = [](const std::optional<std::uint64_t>& value) { return value ? std::to_string(*value) : std::string("unlimited"); };
  std::string said = "/proc/" + std::to_string(pid) + "/limits: open files " + word(limits.files) + " (hard " + word(limits.files_hard) + "), processes " + word(limits.processes);
  if (limits.memory) said += ", address space " + base::bytes_text(*limits.memory);
  auto fact = seen(limits, pid, *source, host);
  fact.text = std::move(said);
  evidence.add(std::move(fact));
}

struct Quota { double processors = 0; std::uint64_t periods = 0, throttled = 0; };

std::uint64_t row_number(std::string_view text, std::string_view key) {
  for (const auto line : base::split(text, '\n'))
    if (base::starts_with(line, key) && line.size() > key.size() && line[key.size()] == ' ') return static_cast<std::uint64_t>(std::max<std::int64_t>(0, base::read_number(base::trim(line.substr(key.size()))).value_or(0)));
  return 0;
}

std::optional<Quota> quota_in(const source::Host& host, const std::string& folder, bool two) {
  std::optional<std::int64_t> quota, period;
  if (two) {
    const auto text = host.read(folder + "/cpu.max", 128);  // "max 100000", "50000 100000"
    if (!text) return std::nullopt;
    const auto words = base::split(base::trim(*text), ' ');
    if (words.size() == 2) { quota = base::read_number(words[0]); period = base::read_number(words[1]); }
  } else {
    const auto first = host.read(folder + "/cpu.cfs_quota_us", 64), second = host.read(folder + "/cpu.cfs_period_us", 64);
    if (!first || !second) return std::nullopt;
    quota = base::read_number(base::trim(*first));
    period = base::read_number(base::trim(*second));
  }
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  Quota all;
  all.processors = static_cast<double>(*quota) / static_cast<double>(*period);
  if (const auto stat = host.read(folder + "/cpu.stat", 8192)) { all.periods = row_number(*stat, "nr_periods"); all.throttled = row_number(*stat, "nr_throttled"); }
  return all;
}

void see_quota(const source::Host& host, const std::vector<Mount>& mounts, const Process& process, std::set<std::string>& done, std::optional<evidence::SourceId>& source, evidence::Evidence& evidence) {
  std::string path;
  bool two = false;
  for (const auto line : base::split(process.cgroup, '\n')) {
    const auto first = line.find(':'), second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    for (const auto name : base::split(controllers, ','))
      if (name == "cpu") { path = std::string(line.substr(second + 1)); two = false; }
    if (controllers.empty() && path.empty()) { path = std::string(line.substr(second + 1)); two = true; }
  }
  const auto mount = std::find_if(mounts.begin(), mounts.end(), [&](const Mount& one) { return two ? one.type == "cgroup2" : one.type == "cgroup" && has_option(one, "cpu"); });
  if (path.empty() || mount == mounts.end()) return;
  for (std::string at = path; at.size() > 1; at = at.substr(0, at.rfind('/'))) {
    if (!done.insert(at).second) continue;
    const auto quota = quota_in(host, mount->at + at, two);
    if (!quota) continue;
    if (!source) source = add_live_source(evidence, "/proc", evidence::SourceKind::proc, host);
    auto fact = seen(evidence::CgroupCpu{at, quota->processors, quota->periods, quota->throttled}, process.pid, *source, host);
    const auto hundredths = static_cast<std::uint64_t>(quota->processors * 100 + 0.5);
    fact.text = at + ": " + std::to_string(hundredths / 100) + "." + (hundredths % 100 < 10 ? "0" : "") + std::to_string(hundredths % 100) + " processors, held back in " + std::to_string(quota->throttled) + " of " + std::to_string(quota->periods) + " periods";
    evidence.add(std::move(fact));
  }
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  if (found.servers.empty()) return;
  std::optional<evidence::SourceId> source;
  std::set<std::string> read, groups;
  const auto mounts = read_mounts(host);
  for (const auto& server : found.servers) {
    if (!server.pid()) continue;
    if (const Unit unit = unit_of(server); !unit.name.empty()) read_unit(host, server, unit, read, source, evidence);
    see_container(host, server, source, evidence);
    see_limits(host, server.pid(), source, evidence);
    see_quota(host, mounts, server.master.pid ? server.master : server.workers.front(), groups, source, evidence);
  }
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "supervisor (units, containers)", "", "", "", ""};
  std::size_t units = 0, files = 0, containers = 0;
  for (const auto& server : find_servers(host)) {
    if (!server.pid()) continue;
    containers += !server.cgroup.container.empty();
    const Unit unit = unit_of(server);
    if (unit.name.empty()) continue;
    ++units;
    const auto all = unit.user ? std::vector<std::string>{} : unit_files(host, unit.name, unit.root);
    files += all.size();
    if (!all.empty()) continue;
    sight.state = Sight::State::partial;
    sight.why = "no file of " + unit.name + " is here";
    sight.remedy = "run where systemd runs";
    sight.instead = "limits are read from /proc and the cgroup, not where they are set";
  }
  sight.detail = base::counted(units, "unit") + " in " + base::counted(files, "file") + ", " + base::counted(containers, "container");
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe supervisor = {"supervisor", observe, sight};
}  // namespace probes_of
}  // namespace probe
