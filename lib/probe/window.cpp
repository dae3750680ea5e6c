#include "probe/window.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>

#include "probe/call_watch.hpp"
#include "probe/gap.hpp"
#include "probe/growth.hpp"
#include "probe/servers.hpp"

namespace probe {

namespace {

using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

void observe_with(std::string_view name, const source::Host& host, const Found& found, evidence::Evidence& evidence) {
  for (const Probe* probe : probes())
    if (probe->name == name) probe->observe(host, {}, found, evidence);
}

void wait_until(Steady::time_point end, int fd = -1) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Steady::now());
  pollfd ready{fd, POLLIN, 0};
  ::poll(&ready, 1, static_cast<int>(std::clamp<std::chrono::milliseconds>(left, 0ms, 100ms).count()));
}

std::vector<int> pids_of(const Found& found) {
  std::vector<int> pids;
  for (const FoundServer& server : found.servers) {
    if (server.master.pid) pids.push_back(server.master.pid);
    for (const Process& worker : server.workers) pids.push_back(worker.pid);
  }
  return pids;
}

}  // namespace

evidence::Evidence look_at_descriptors(const source::Host& host, const Found& found) {
  evidence::Evidence evidence;
  for (const std::string_view name : {"descriptors", "processes", "waits"}) observe_with(name, host, found, evidence);
  return evidence;
}

void look_again(const source::Host& host, const Target& target, const Window& window, evidence::Evidence& evidence) {
  const auto end = Steady::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(window.seconds * 1e9));
  Found found = find(host, target);
  std::optional<BpfWatch> deaths;
  std::optional<CallWatch> calls;
  if (window.calls) {
    // Forks and ends of what is watched keep the table of whose calls are seen.
    auto opened = BpfWatch::open({});
    if (opened) {
      deaths = std::move(*opened);
      for (const int pid : pids_of(found)) deaths->add(pid);
      auto followed = CallWatch::open(host, *deaths);
      if (followed) calls = std::move(*followed);
      else evidence.gap(gap_of("system calls (--syscalls)", followed.error()));
    } else {
      evidence.gap(gap_of("system calls (--syscalls)", opened.error()));
    }
  }
  if (calls) calls->share(evidence);
  std::vector<Event> ends;
  while (Steady::now() < end) {
    wait_until(end, calls ? calls->fd() : -1);
    if (!calls) continue;
    ends.clear();
    deaths->drain(ends);
    calls->drain();                          // after the ends, so that whoever has ended had its last call counted
    for (const Event& event : ends)
      if (event.what == Event::What::exit) calls->ended(event.pid);
  }
  if (calls) {
    calls->drain();
    calls->tell(evidence);
  }
  evidence::Evidence later;
  found = find(host, target);
  for (const std::string_view name : {"descriptors", "memory"}) observe_with(name, host, found, later);
  const auto source = later.sources.empty() ? evidence::SourceId{} : evidence.add_source(later.sources.front());
  const auto add = [&](evidence::Fact fact) {
    fact.origin.source = source;
    evidence.add(std::move(fact));
  };
  auto grown = grown_since(evidence, later);
  for (evidence::Fact& fact : later.facts)
    if (evidence::as<evidence::DescriptorsSeen>(fact) || evidence::as<evidence::MemorySeen>(fact)) add(std::move(fact));
  for (evidence::Fact& fact : grown) add(std::move(fact));
}

}  // namespace probe
