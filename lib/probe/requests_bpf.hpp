// The requests that watched processes serve, and for what their threads wait, as BPF keeps them for --requests. Asked when a process has died: the rows
// of its connections are frozen from the signal of its death on.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "evidence/evidence.hpp"
#include "probe/bpf/requests.event.h"
#include "probe/watch_bpf.hpp"

namespace probe {

/// One connection of a process that was served, or waited for, and what its thread waited in since that request began.
struct ServedConnection {
  unsigned fd = 0;
  request_row row{};
  request_thread thread{};                   // since 0: nothing is known of it
};

/// A process's connections as facts: the requests that were not answered, the longest last, and the waits of their threads. `at_ns`: CLOCK_BOOTTIME, its end.
std::vector<evidence::Fact> facts_of(int pid, std::vector<ServedConnection> connections, std::int64_t at_ns, std::int64_t wall_minus_boot);

class RequestsBpf {
 public:
  /// Of the processes that `deaths` watches. Fails where the kernel refuses.
  static base::Result<RequestsBpf> open(const BpfWatch& deaths);

  RequestsBpf(RequestsBpf&&) noexcept;
  RequestsBpf& operator=(RequestsBpf&&) noexcept;
  ~RequestsBpf();

  /// Of a process that lives, or has just ended.
  std::vector<ServedConnection> of(int pid) const;
  /// Its rows are given up.
  void ended(int pid);
  std::uint64_t lost() const;                // connections and threads for which there was no row
  std::vector<BpfWatch::Cost> costs() const;

 private:
  struct Loaded;
  explicit RequestsBpf(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace probe
