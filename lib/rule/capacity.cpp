#include "rule/capacity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace rule {

using namespace evidence;

namespace {

FactId processors_of(const Look& look, const LiveServer& live) {
  for (const FactId id : look.evidence.ids_of<CpuSeen>())
    if (as<CpuSeen>(look.evidence.facts[id]) && look.evidence.facts[id].about.pid == live.master.pid) return id;
  return no_fact;
}

bool one_of(std::string_view call, std::initializer_list<std::string_view> all) { return std::find(all.begin(), all.end(), call) != all.end(); }

// What stands against gevent: drivers that wait in C.
std::string drivers_of(const Look& look, const LiveServer& live, std::vector<FactId>& ids) {
  std::string names;
  for (const FactId id : look.evidence.ids_of<DriverMapped>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* driver = as<DriverMapped>(fact);
    if (!driver || std::none_of(live.workers.begin(), live.workers.end(), [&](const LiveProcess& worker) { return worker.pid == fact.about.pid; })) continue;
    names += (names.empty() ? "" : ", ") + base::printable(driver->name, 40);
    ids.push_back(id);
  }
  return names;
}

}  // namespace

Waiting waiting_of(const Look& look, const LiveProcess& worker, std::string* on) {
  if (worker.waits == no_fact) return Waiting::unknown;
  const auto& waits = std::get<ProcessWaits>(look.evidence.facts[worker.waits].what);
  if (waits.state == "R") return Waiting::computing;
  if (waits.state == "D") return Waiting::disk;
  if (waits.call.empty()) return Waiting::unknown;
  if (waits.call == "futex") return Waiting::lock;
  if (waits.call == "nanosleep" || waits.call == "clock_nanosleep") return Waiting::sleeping;
  if (one_of(waits.call, {"accept", "accept4"}) || base::starts_with(waits.on, "the listener ")) return Waiting::idle;
  // epoll, and poll and select on several, name no peer: a loop that is idle looks like one that waits for somebody.
  if (waits.on.empty() || !one_of(waits.call, {"recvfrom", "recvmsg", "read", "readv", "sendto", "sendmsg", "write", "writev", "connect", "sendfile", "poll", "ppoll"})) return Waiting::unknown;
  for (const FactId id : worker.connections)
    if (std::get<ConnectionSeen>(look.evidence.facts[id].what).peer == waits.on) return Waiting::client;
  const bool socket = base::contains(waits.on, ":") || base::starts_with(waits.on, "a unix socket");
  if (!socket || base::starts_with(waits.on, "pipe:")) return Waiting::unknown;
  if (on) *on = waits.on;
  return Waiting::upstream;
}

std::string room_text(const Look& look, const LiveServer& live) {
  std::uint64_t each = 0;
  for (const LiveProcess& worker : live.workers)
    if (worker.memory != no_fact) each = std::max(each, std::get<MemorySeen>(look.evidence.facts[worker.memory].what).own.value_or(0));
  if (each == 0 || live.workers.empty()) return {};
  const auto* seen = live.workers.front().seen == no_fact ? nullptr : as<ProcessSeen>(look.evidence.facts[live.workers.front().seen]);
  std::optional<std::uint64_t> left;
  std::string where = "the machine";
  for (const Fact& fact : look.evidence.facts) {
    if (const auto* host = as<HostMemory>(fact); host && (!left || host->available < *left)) { left = host->available; where = "the machine"; }
    const auto* limit = as<LimitSeen>(fact);
    if (!limit || limit->what != "memory" || limit->limit == 0 || !seen || limit->where != seen->cgroup) continue;
    const std::uint64_t room = limit->limit > limit->used ? limit->limit - limit->used : 0;
    if (!left || room < *left) { left = room; where = "its cgroup"; }
  }
  if (!left) return {};
  const std::uint64_t more = *left / each;
  return more == 0 ? fmt::format("not one more fits into the memory of {}", where) : fmt::format("{} more of {} fit into the memory of {}", more, base::bytes_text(each), where);
}

std::optional<Capacity> more_workers(const Look& look, const LiveServer& live) {
  if (live.workers.size() < 2) return std::nullopt;
  std::set<Waiting> kinds;
  std::set<std::string> upstreams;
  Capacity capacity;
  for (const LiveProcess& worker : live.workers) {
    std::string on;
    kinds.insert(waiting_of(look, worker, &on));
    if (!on.empty()) upstreams.insert(on);
    if (worker.waits != no_fact && capacity.because.size() < 2) capacity.because.push_back(worker.waits);
  }
  if (kinds.size() != 1) return std::nullopt;
  const std::size_t count = live.workers.size();
  const std::string room = room_text(look, live), fits = room.empty() ? "" : "; " + room;
  switch (*kinds.begin()) {
    case Waiting::computing: {
      const FactId id = processors_of(look, live);
      if (id == no_fact) return std::nullopt;
      const auto& cpu = std::get<CpuSeen>(look.evidence.facts[id].what);
      const double processors = std::min(static_cast<double>(cpu.cpus), cpu.quota.value_or(1e9));
      capacity.because.push_back(id);
      if (static_cast<double>(count) >= processors) capacity.text = fmt::format("more workers would not help: all {} compute, and there are {:g} processors for them", count, processors);
      else capacity.text = fmt::format("up to {:g} workers would help: all {} compute, and there are {:g} processors{}", processors, count, processors, fits);
      break;
    }
    case Waiting::disk: capacity.text = fmt::format("more workers would wait as well: all {} wait inside the kernel (state D), for a disk or a network file system", count); break;
    case Waiting::lock: capacity.text = fmt::format("all {} wait for a lock (futex): one of their own process frees with more workers, one that they share does not{}", count, fits); break;
    case Waiting::sleeping: capacity.text = fmt::format("more workers would help, or less sleep: all {} sleep in the application{}", count, fits); break;
    case Waiting::client: capacity.text = fmt::format("more workers would be held as well: all {} wait for their own clients; a proxy that buffers (nginx) lets them go", count); break;
    case Waiting::upstream: {
      if (upstreams.size() != 1) return std::nullopt;
      const std::string against = drivers_of(look, live, capacity.because);
      capacity.text = fmt::format("more workers help only as far as {} answers more at once: all {} wait for it{}; threads (gthread) give the same at less memory{}", base::printable(*upstreams.begin(), 80), count, fits,
                                  against.empty() ? "" : ", gevent does not while " + against + " waits in C");
      break;
    }
    case Waiting::idle:
    case Waiting::unknown: return std::nullopt;
  }
  return capacity;
}

}  // namespace rule
