// What a worker does shortly before its master would kill it: its heartbeat file is looked at, and when that has not been touched for a share of the
// server's timeout, its threads are read as `triage stacks` reads them. So the stack before SIGABRT is known without BPF, too.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evidence/evidence.hpp"
#include "probe/samples_bpf.hpp"
#include "probe/servers.hpp"

namespace triage {

class Beats {
 public:
  /// `share` of the timeout, 0 to 1; 0: never.
  Beats(const source::Host& host, double share) : host_(host), share_(share) {}

  /// A server of gunicorn's way and its workers, again when it has new ones. Others have no heartbeat file, and are passed over.
  void add(const probe::FoundServer& server);
  /// A process was forked; it is a worker when `master` is known.
  void began(int pid, int master);
  void ended(int pid);
  /// Looks when it is time to: what workers do whose heartbeat has grown old since the last look. Each is told once for a heartbeat.
  std::vector<evidence::Fact> look();

 private:
  using Steady = std::chrono::steady_clock;
  struct Server {
    std::optional<double> timeout_s;         // nullopt: a title hides the command line, and nothing else tells; 0: never
    Steady::time_point read;
    double due_s(double share) const { return timeout_s.value_or(usual_timeout_s) * share; }
  };
  static constexpr double usual_timeout_s = 30;   // gunicorn's own (config.py:Timeout)
  struct Worker { int master = 0; std::string file; std::int64_t told_ns = 0; Steady::time_point sought; };

  std::optional<double> timeout_in_force(const probe::FoundServer& server) const;
  void seek(int pid, Worker& worker) const;
  void tell(int pid, double age_s, std::optional<double> timeout_s, Steady::time_point until, std::vector<evidence::Fact>& into) const;

  const source::Host& host_;
  double share_;
  std::map<int, Server> servers_;            // by master
  std::map<int, Worker> workers_;
  std::unique_ptr<probe::Sampler> sampler_ = std::make_unique<probe::Sampler>();   // loaded at the first worker that computes
  Steady::time_point looked_{};
};

}  // namespace triage
