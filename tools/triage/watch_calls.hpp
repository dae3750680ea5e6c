// What `--syscalls` adds to a watch: descriptors that the kernel refuses, and connections that several processes really use, told as deaths are: a
// provisional line at once, one amended line with the counts of its first seconds. Each is told once.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "options.hpp"
#include "probe/call_watch.hpp"
#include "probe/probe.hpp"
#include "probe/watch.hpp"

namespace triage {

class WatchedCalls {
 public:
  /// A Gap where it is refused: the watch goes on without.
  static std::optional<WatchedCalls> open(const source::Host& host, const probe::Watch& watch, std::vector<evidence::Gap>& gaps);

  int fd() const { return calls_.fd(); }
  /// Looks at the servers' descriptors for connections that they share by now. The text says how many.
  std::string look(const probe::Target& target);
  void ended(int pid) {
    drain();                                 // what it was refused just before
    calls_.ended(pid);
  }
  /// Forked: a number that was another process's is told anew.
  void began(int pid);
  void drain() { news_ |= calls_.drain(); }
  std::uint64_t lost() const { return calls_.lost(); }

  /// What there is to print now; `all`: the watch ends, nothing stays provisional.
  struct Said { std::string text; std::size_t findings = 0; bool failed = false; };
  Said say(const Options& options, const probe::Target& target, const rule::Cards& cards, bool all);
  /// Is something to be said? Cheap; say() looks at processes.
  bool due(bool all) const;

 private:
  using Steady = std::chrono::steady_clock;
  struct Told { Steady::time_point due; std::string last; bool reaches = false, done = false; };

  WatchedCalls(const source::Host& host, probe::CallWatch calls) : host_(&host), calls_(std::move(calls)) {}

  const source::Host* host_;
  probe::CallWatch calls_;
  std::map<std::string, Told> told_;         // by id
  Steady::time_point said_{};
  Steady::duration saying_{};
  bool news_ = false;
};

}  // namespace triage
