// The first rung: raw tracepoints through BPF. Sees who sent which signal, the OOM killer's mark, and every fork, exec and exit of what is
// watched, with the pids of both namespaces taken at that moment. Holds no pins: when the process ends, the kernel takes everything back.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "probe/watch_event.hpp"

namespace probe {

class BpfWatch {
 public:
  struct Options {
    bool everything = false;                        // every process of the machine (bench and storm tests)
    std::vector<std::string> server_names;          // first bytes of program names that are watched from their exec on; at most 16
  };
  /// Fails with Kind::unsupported when built without BPF, with the kernel's answer and a remedy when it refuses.
  static base::Result<BpfWatch> open(const Options& options);

  BpfWatch(BpfWatch&&) noexcept;
  BpfWatch& operator=(BpfWatch&&) noexcept;
  ~BpfWatch();

  int fd() const;                                   // readable when something urgent came
  void drain(std::vector<Event>& into);
  bool add(int pid);
  void remove(int pid);
  std::uint64_t lost() const;                       // events that did not fit into the ring, or processes that did not fit into the table
  /// The tables that say who is watched, for another BPF object: a hash by tgid, and an array whose only value has a byte for a tgid's low 16 bits
  /// from `marks_at` on.
  struct Watched { int table = -1, marks = -1; std::size_t marks_at = 0; };
  Watched watched() const;
  /// Milliseconds spent in "btf", "open", "load", "attach": where a start's time goes.
  const std::vector<std::pair<std::string, double>>& times() const;
  /// Run time and count of each program, while kernel.bpf_stats_enabled is set.
  struct Cost { std::string program; std::uint64_t ns = 0, runs = 0; };
  std::vector<Cost> costs() const;

 private:
  struct Loaded;
  explicit BpfWatch(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace probe
