// What this process is allowed on this machine, and what of the machine's settings stands against it: read once, for doctor and for Gaps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "probe/probe.hpp"
#include "source/host.hpp"

namespace probe {

struct Rights {
  std::uint64_t capabilities = 0;              // CapEff
  std::uint32_t uid = 0;
  int seccomp = 0;                             // 0 off, 1 strict, 2 filter
  bool own_user_namespace = false;             // root only in here
  bool own_pid_namespace = false;              // /proc shows a part of the host
  std::string container;                       // "docker", "podman", "kubernetes", "lxc"; "" none seen
  std::optional<int> yama, dmesg_restrict, perf_paranoid, unprivileged_bpf;   // sysctls; empty: the kernel has no such
  bool btf = false, tracefs = false;
  int hidepid = 0;
  std::string kernel;                          // "6.1.0-28-amd64"

  bool has(int capability) const { return capabilities >> capability & 1; }
};

constexpr int cap_net_admin = 12, cap_sys_ptrace = 19, cap_sys_admin = 21, cap_syslog = 34, cap_perfmon = 38, cap_bpf = 39;  // uapi/linux/capability.h

Rights read_rights(const source::Host& host);

/// "CapEff 00000000a80425fb", for people who compare.
std::string capabilities_text(const Rights& rights);

/// Everything that doctor names: each probe's own sight, then what is no file (watching by BPF, ptrace). Tries what it says: opens and closes.
std::vector<Sight> sights(const source::Host& host, const Rights& rights);

}  // namespace probe
