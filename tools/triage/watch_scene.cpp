#include "watch_scene.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>

#include "base/text.hpp"
#include "parse/read.hpp"
#include "probe/cgroup_memory.hpp"
#include "probe/gap.hpp"
#include "probe/mounts.hpp"

namespace triage {

namespace {

using namespace evidence;

constexpr std::size_t most_happened = 20'000;      // ten storms
constexpr std::size_t most_kernel = 512 << 10;
constexpr std::uint32_t write_flags = 03;          // O_WRONLY | O_RDWR

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * base::second_ns + now.tv_nsec;
}

Fact about(int pid, What what, std::string text) {
  Fact fact;
  fact.what = std::move(what);
  fact.about = {pid, PidSpace::host, {}};
  fact.when = base::Instant{base::Clock::wall, clock_ns(CLOCK_REALTIME), base::second_ns};
  fact.text = std::move(text);
  return fact;
}

Fact seen_fact(const probe::Process& process) {
  ProcessSeen seen;
  seen.ppid = process.ppid;
  seen.ns_pid = process.ns_pid;
  seen.state = std::string(1, process.state);
  seen.comm = process.comm;
  seen.args = probe::command_text(process.argv);
  seen.exe = process.exe;
  seen.cgroup = probe::read_cgroup(process.cgroup).memory;
  seen.cwd = process.cwd;
  seen.rss = process.rss;
  if (process.started_ns) seen.started_ns = process.started_ns;
  if (process.caught) seen.signals_caught = fmt::format("{:016x}", *process.caught);
  seen.uid = process.uid;
  seen.pid_namespace = process.pid_namespace;
  seen.threads = process.threads;
  std::string text = seen.args;
  return about(process.pid, std::move(seen), std::move(text));
}

}  // namespace

std::int64_t boot_now() { return clock_ns(CLOCK_BOOTTIME); }
std::int64_t wall_minus_boot() { return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME); }

Scene::Scene(const source::Host& host, std::string method, std::future<base::Result<probe::KmsgFollower>> kmsg)
    : host_(host), method_(std::move(method)), chronicle_(host), kmsg_coming_(std::move(kmsg)), attached_boot_(boot_now()) {}

void Scene::add(const probe::FoundServer& server) {
  const auto add_process = [&](const probe::Process& process) {
    if (!process.pid) return;
    std::vector<Fact>& facts = seen_[process.pid];
    facts.clear();
    facts.push_back(seen_fact(process));
    parents_[process.pid] = process.ppid;
    ended_.erase(process.pid);
    chronicle_.remember(process.pid, probe::read_cgroup(process.cgroup).memory);
  };
  add_process(server.master);
  for (const probe::Process& worker : server.workers) add_process(worker);
  for (const probe::Process& child : server.children) add_process(child);
  if (server.master.pid) {
    masters_.insert(server.master.pid);
    std::string environment;
    for (const auto& [name, value] : server.environment) environment += (environment.empty() ? "" : " ") + name + "=" + value;
    if (!server.title) seen_[server.master.pid].push_back(about(server.master.pid, ServerCommand{server.args, environment}, server.args));
  }
  add_logs(server);
}

void Scene::add_logs(const probe::FoundServer& server) {
  const int pid = server.pid();
  auto descriptors = probe::read_descriptors(host_, pid);
  if (!descriptors) {
    gaps_.push_back(probe::gap_of("the log of server " + std::to_string(pid), descriptors.error()));
    return;
  }
  std::string piped;
  bool file = false;
  for (probe::Descriptor& descriptor : *descriptors) {
    const std::string& target = descriptor.target;
    if (!base::starts_with(target, "/")) {
      if (descriptor.fd == 2) piped = target;
      continue;
    }
    if (base::starts_with(target, "/dev/") || base::starts_with(target, "/proc/") || target.ends_with(" (deleted)")) continue;
    probe::read_descriptor_flags(host_, pid, descriptor);
    if (!(descriptor.flags & write_flags)) continue;
    const std::string path = server.root + target;
    file = true;
    auto log = std::find_if(logs_.begin(), logs_.end(), [&](const LogTail& known) { return known.path() == path; });
    if (log == logs_.end()) log = logs_.emplace(logs_.end(), path, target);
    log->written_by(pid);
  }
  if (!file && !piped.empty())
    miss({"the log of server " + std::to_string(pid), "it writes to " + base::printable(piped, 60), "set errorlog to a file, or read its journal or container log beside this", 1, {}});
}

// A server is looked at again and again: what could not be seen is said once.
void Scene::miss(Gap gap) {
  if (std::none_of(gaps_.begin(), gaps_.end(), [&](const Gap& known) { return known.wanted == gap.wanted && known.reason == gap.reason; })) gaps_.push_back(std::move(gap));
}

void Scene::count_oom_kills(const probe::FoundServer& server) {
  const probe::Cgroup& group = server.cgroup;
  if (group.version == 0 || group.memory.empty()) return;
  if (std::any_of(counters_.begin(), counters_.end(), [&](const Counter& counter) { return counter.path == group.memory && counter.version == group.version; })) return;
  const auto folder = probe::folder_of(probe::read_mounts(host_), group);
  const auto memory = folder ? probe::read_cgroup_memory(host_, *folder, group.memory, group.version) : std::nullopt;
  if (memory && memory->oom_kills) {
    counters_.push_back({*folder, group.memory, group.version, server.pid(), *memory->oom_kills});
    return;
  }
  counters_.push_back({"", group.memory, group.version, server.pid(), 0});
  gaps_.push_back({"OOM kills that the cgroup of server " + std::to_string(server.pid()) + " counts", !folder ? "its cgroup " + group.memory + " is outside of what is mounted here" : "no oom_kill counter in " + *folder,
                   "run on the host, with the memory controller enabled for the group (cgroup.subtree_control)", 1, {}});
}

int Scene::master_of(int pid) const {
  const auto parent = parents_.find(pid);
  return parent != parents_.end() && masters_.contains(parent->second) ? parent->second : 0;
}

std::vector<int> Scene::children_of_masters() const {
  std::vector<int> pids;
  for (const auto& [pid, parent] : parents_)
    if (masters_.contains(parent) && !ended_.contains(pid)) pids.push_back(pid);
  return pids;
}

bool Scene::belongs(int pid) const {
  constexpr int deepest = 16;
  for (int depth = 0; depth < deepest; ++depth) {
    if (seen_.contains(pid) || masters_.contains(pid)) return true;
    const auto parent = parents_.find(pid);
    if (parent == parents_.end()) return false;
    pid = parent->second;
  }
  return false;
}

bool Scene::has_ended(int pid) const { return ended_.contains(pid); }

void Scene::take(const probe::Event& event) {
  if (event.parent && event.what != probe::Event::What::exit) parents_[event.pid] = event.parent;
  else if (event.parent) parents_.try_emplace(event.pid, event.parent);
  if (event.what == probe::Event::What::fork) ended_.erase(event.pid);
  if (event.what == probe::Event::What::fork)      // the pid was another's, whose stack says nothing of this one
    std::erase_if(happened_, [&](const auto& entry) { return entry.first == event.pid && (as<ThreadStack>(entry.second) || as<RequestServed>(entry.second) || as<TimeBlocked>(entry.second)); });
  for (Fact& fact : chronicle_.step(event, wall_minus_boot())) happened_.emplace_back(fact.about.pid, std::move(fact));
  if (event.what == probe::Event::What::exit) ended_.insert(event.pid);
  forget_oldest();
}

void Scene::take(Fact fact) {
  happened_.emplace_back(fact.about.pid, std::move(fact));
  forget_oldest();
}

void Scene::forget_oldest() {
  // The oldest process that has ended long ago is forgotten whole, so that no life is left with half of its facts.
  while (happened_.size() > most_happened) {
    const int pid = happened_.front().first;
    std::erase_if(happened_, [&](const auto& entry) { return entry.first == pid; });
    seen_.erase(pid);
    parents_.erase(pid);
    ended_.erase(pid);
  }
}

bool Scene::poll() {
  bool came = false;
  for (LogTail& log : logs_) came |= log.poll();
  if (kmsg_coming_.valid() && kmsg_coming_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
    auto kmsg = kmsg_coming_.get();
    if (kmsg) kmsg_ = std::move(*kmsg);
    else gaps_.push_back(probe::gap_of("kernel log", kmsg.error()));
  }
  if (kmsg_) kmsg_->drain(kernel_);
  if (kernel_.size() > most_kernel) {
    const std::size_t line = kernel_.find('\n', kernel_.size() - most_kernel / 2);
    kernel_.erase(0, line == std::string::npos ? kernel_.size() / 2 : line + 1);
  }
  return came;
}

std::vector<std::string> Scene::log_names() const {
  std::vector<std::string> names;
  for (const LogTail& log : logs_) names.push_back(log.name());
  return names;
}

Evidence Scene::evidence(std::uint64_t events_lost) const {
  Evidence evidence;
  const std::int64_t to_wall = wall_minus_boot();
  Source watch;
  watch.name = method_;
  watch.kind = SourceKind::watch;
  watch.live = true;
  watch.lost = events_lost != 0;
  watch.first = base::Instant{base::Clock::wall, attached_boot_ + to_wall, 0};
  const SourceId watch_id = evidence.add_source(watch);
  Source proc;
  proc.name = "/proc";
  proc.kind = SourceKind::proc;
  proc.live = true;
  const SourceId proc_id = evidence.add_source(proc);
  for (const auto& [pid, facts] : seen_)
    for (Fact fact : facts) {
      fact.origin.source = proc_id;
      evidence.add(std::move(fact));
    }

  for (const LogTail& log : logs_) {
    const auto stream = source::memory_stream(log.text());
    const std::size_t before = evidence.sources.size();
    parse::read_stream(*stream, log.name(), {}, evidence);
    for (std::size_t id = before; id < evidence.sources.size(); ++id) {
      evidence.sources[id].live = true;
      evidence.sources[id].writer = std::max(log.writer(), 0);
    }
  }
  if (kmsg_) {
    const std::size_t before = evidence.sources.size();
    const auto stream = source::memory_stream(kernel_);
    parse::read_stream(*stream, "/dev/kmsg", {}, evidence);
    if (evidence.sources.size() == before) evidence.add_source({});
    Source& kernel = evidence.sources[before];
    kernel.name = "/dev/kmsg";
    kernel.kind = SourceKind::kernel_log;
    kernel.live = kernel.kernel_facility_known = true;
    kernel.lost |= kmsg_->lost() != 0;
    // Its stamps are those of the monotonic clock.
    const std::int64_t suspended = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);
    kernel.first = base::Instant{base::Clock::boot, kmsg_->covers_from(), 0};
    kernel.last = base::Instant{base::Clock::boot, clock_ns(CLOCK_MONOTONIC), 0};
    kernel.zero = base::Instant{base::Clock::wall, to_wall + suspended, 50'000'000};
  }

  std::optional<SourceId> counted;
  for (const Counter& counter : counters_) {
    if (counter.folder.empty()) continue;
    auto memory = probe::read_cgroup_memory(host_, counter.folder, counter.path, counter.version);
    if (!memory || !memory->oom_kills) continue;      // removed with its last process
    memory->oom_kills_before = counter.before;
    if (!counted) {
      Source source;
      source.name = counter.folder;
      source.kind = SourceKind::cgroup;
      source.live = true;
      counted = evidence.add_source(source);
    }
    std::string text = counter.path + ": oom_kill " + std::to_string(*memory->oom_kills) + ", " + std::to_string(counter.before) + " when the watch attached";
    Fact fact = about(counter.master, std::move(*memory), std::move(text));
    fact.origin.source = *counted;
    evidence.add(std::move(fact));
  }

  for (const auto& [pid, fact] : happened_) {
    Fact copy = fact;
    copy.origin.source = watch_id;
    evidence.add(std::move(copy));
  }
  if (events_lost) {
    Fact lost = about(0, EventsLost{events_lost, method_}, base::counted(events_lost, "event") + " lost");
    lost.origin.source = watch_id;
    evidence.add(std::move(lost));
  }
  return evidence;
}

}  // namespace triage
