// What every BPF object needs before it is loaded: the running kernel's structs, cut down to what it asks for, and the words for a refusal.
#pragma once

#include <string>
#include <string_view>

#include "base/owner.hpp"
#include "base/result.hpp"

struct btf;

namespace probe {

/// What libbpf must know of this kernel: a small BTF in a file that only has a descriptor. Without it (an unknown form of BTF) libbpf
/// reads the kernel's own, all of it.
struct KernelShape {
  base::Fd small;
  bool first_is_pointer = false;             // the first argument of the tracepoint that was asked about
  /// "/proc/self/fd/N" for libbpf; "" without one.
  std::string path() const { return small ? "/proc/self/fd/" + std::to_string(small.get()) : std::string(); }
};

/// `ours`: the object's own BTF. `tracepoint` may be "". Fails where the kernel has no BTF.
base::Result<KernelShape> shape_of_kernel(const btf* ours, std::string_view tracepoint);

/// libbpf prints nothing: what it has to say becomes a Gap.
void be_silent();
/// What lets BPF in where this errno refused it; "" for another one.
std::string remedy_for_bpf(int code);

}  // namespace probe
