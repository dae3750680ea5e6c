// Stays attached to servers and everything they fork, by the best rung the machine allows: BPF, else the proc connector, else pidfds and
// looks into /proc. Each rung is found by trying it, never by the kernel's version; what a lower rung cannot tell is a Gap.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/owner.hpp"
#include "evidence/evidence.hpp"
#include "probe/watch_bpf.hpp"
#include "probe/watch_connector.hpp"
#include "probe/watch_event.hpp"
#include "probe/watch_pidfd.hpp"

namespace probe {

/// Which rungs may be tried. `--without bpf,connector,pidfd,kmsg,stacks` takes some away, so that a fallback can be seen on any machine.
struct Rungs { bool bpf = true, connector = true, pidfd = true, kmsg = true, stacks = true; };
base::Result<Rungs> rungs_without(std::string_view words);

class Watch {
 public:
  /// Never fails: the lowest rung is /proc itself.
  static Watch open(const Rungs& rungs, std::vector<std::string> server_names, bool everything = false);

  /// Watches processes and what they have forked already. False when one is gone, or the table is full.
  bool add(const std::vector<int>& pids);
  void remove(int pid);
  /// Readable when something urgent came; drain() must also be called every `pause()`, for what nobody woke us for.
  int fd() const { return epoll_.get(); }
  std::chrono::milliseconds pause() const;
  /// What happened, in the order of its time.
  std::vector<Event> drain();

  const std::string& method() const { return method_; }           // "BPF raw tracepoints"
  bool sees_senders() const { return bpf_.has_value(); }
  const std::vector<evidence::Gap>& gaps() const { return gaps_; }
  std::uint64_t lost() const;                                      // events that were dropped on their way to us
  const std::optional<BpfWatch>& bpf() const { return bpf_; }

 private:
  Watch() = default;
  void from_connector(std::vector<Event>& into);

  base::Fd epoll_;
  std::optional<BpfWatch> bpf_;
  std::optional<ConnectorWatch> connector_;
  std::optional<PidfdWatch> pidfd_;
  std::vector<std::string> server_names_;
  bool everything_ = false;
  std::string method_;
  std::vector<evidence::Gap> gaps_;
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace probe
