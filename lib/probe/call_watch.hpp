// The calls of some servers as they come, for `--syscalls`: what BPF saw, joined with what a look says of their descriptors.
#pragma once

#include <deque>
#include <map>
#include <tuple>
#include <utility>

#include "evidence/evidence.hpp"
#include "probe/calls.hpp"
#include "probe/calls_bpf.hpp"
#include "source/host.hpp"

namespace probe {

class CallWatch {
 public:
  /// Of the processes that `deaths` watches. Fails where BPF is refused.
  static base::Result<CallWatch> open(const source::Host& host, const BpfWatch& deaths);

  int fd() const { return bpf_.fd(); }               // readable at a first refusal; drain() must also be called every 100 ms
  /// Asks from now on about every connection that a look found open in several processes (DescriptorShared), and about no other: those known
  /// already go on, those that are gone are let go.
  void share(const evidence::Evidence& looked);
  /// Takes in what came. True when it is news: a call was refused for the first time, or a connection got its second user.
  bool drain();
  /// Did anything come that a rule would speak of?
  bool any() const;
  void ended(int pid);
  /// Its number belongs to another process from now on.
  void began(int pid);
  /// The facts until now, from a source of their own; what was lost is a Gap.
  void tell(evidence::Evidence& into) const;
  std::uint64_t lost() const { return bpf_.lost(); }
  std::vector<BpfWatch::Cost> costs() const { return bpf_.costs(); }

 private:
  struct Noted { std::uint64_t used = 0, soft = 0; };
  struct Asked { evidence::Subject about; std::string peer; std::int64_t since_ns = 0; SocketUse use; };
  using Key = std::tuple<int, long, int>;            // pid, call, error

  CallWatch(const source::Host& host, CallsBpf bpf) : host_(&host), bpf_(std::move(bpf)) {}
  Noted note(int pid, int error) const;

  const source::Host* host_;
  CallsBpf bpf_;
  std::map<Key, Noted> noted_;                       // what was open when it was refused first
  std::deque<std::pair<Refusals, Noted>> gone_;      // of processes that have ended, oldest first
  std::map<std::uint64_t, Asked> asked_;             // by inode
  std::size_t not_asked_ = 0;
};

}  // namespace probe
