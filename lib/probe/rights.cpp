#include "probe/rights.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/owner.hpp"
#include "base/text.hpp"
#include "probe/mounts.hpp"
#include "probe/servers.hpp"
#include "probe/watch_bpf.hpp"
#include "probe/watch_connector.hpp"

namespace probe {

namespace {

std::optional<int> sysctl(const source::Host& host, const std::string& name) {
  const auto text = host.read("/proc/sys/" + name, 32);
  if (!text) return std::nullopt;
  const auto value = base::read_number(base::trim(*text));
  return value ? std::optional<int>(static_cast<int>(*value)) : std::nullopt;
}

std::string container_of(const source::Host& host) {
  if (std::getenv("KUBERNETES_SERVICE_HOST")) return "kubernetes";
  if (host.stat("/.dockerenv")) return "docker";
  if (host.stat("/run/.containerenv")) return "podman";
  // systemd-nspawn, LXC and others put it into the environment of their first process.
  if (const auto text = host.read("/run/systemd/container", 64)) return std::string(base::trim(*text));
  const auto first = read_environment(host, 1, {"container"});
  const auto named = first.find("container");
  return named == first.end() ? "" : named->second;
}

std::string with_capabilities(const Rights& rights, std::string_view what) {
  std::string text = std::string(what) + " (" + capabilities_text(rights) + ")";
  if (rights.seccomp == 2) text += ", seccomp filter on";
  if (rights.own_user_namespace) text += ", in a user namespace";
  return text;
}

std::string how_to_grant(const Rights& rights, std::string_view capability) {
  if (rights.container == "kubernetes") return "kubectl debug POD --profile=sysadmin --target=CONTAINER --image=...";
  if (!rights.container.empty()) return "docker run --cap-add " + std::string(capability) + " ..., or run on the host";
  return "run as root, or grant CAP_" + std::string(capability);
}

// Reading another process's memory without stopping it asks the same permission as ptrace (PTRACE_MODE_ATTACH): opening is the whole try.
Sight memory_sight(const source::Host& host, const Rights& rights) {
  Sight sight{Sight::State::ok, "stacks of Python workers", "", "", "", ""};
  int pid = 0;
  for (const auto& server : find_servers(host))
    if (!server.workers.empty()) pid = server.workers.front().pid;
  if (pid == 0) {
    sight.detail = "no worker runs";
    if (rights.has(cap_sys_ptrace)) { sight.detail += "; CAP_SYS_PTRACE is there"; return sight; }
    sight.state = Sight::State::partial;
    sight.detail += "; only of my own user's processes";
  } else {
    const base::Fd memory(::open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
    if (memory) { sight.detail = "memory of pid " + std::to_string(pid) + " readable"; return sight; }
    sight.state = Sight::State::no;
    sight.detail = std::string("ptrace refused: ") + std::strerror(errno);
  }
  sight.why = with_capabilities(rights, "no CAP_SYS_PTRACE");
  if (rights.yama && *rights.yama > 0) sight.why += ", yama ptrace_scope " + std::to_string(*rights.yama);
  sight.remedy = rights.container == "kubernetes" ? "kubectl debug POD --profile=general --target=CONTAINER ..." : how_to_grant(rights, "SYS_PTRACE");
  sight.instead = "system call and state from /proc, where they may be read";
  return sight;
}

Sight watch_sight(const Rights& rights) {
  Sight sight{Sight::State::ok, "death watch (BPF)", "", "", "", ""};
  const auto watch = BpfWatch::open({});
  if (watch) {
    double all = 0;
    for (const auto& [step, took] : watch->times()) all += took;
    sight.detail = fmt::format("loads and attaches in {:.0f} ms", all);
    return sight;
  }
  sight.state = Sight::State::no;
  sight.detail = watch.error().doing + (watch.error().answer.empty() ? "" : ": " + watch.error().answer);
  std::vector<std::string> why;
  if (!rights.has(cap_bpf) && !rights.has(cap_sys_admin)) why.push_back("no CAP_BPF");
  if (!rights.has(cap_perfmon) && !rights.has(cap_sys_admin)) why.push_back("no CAP_PERFMON");
  if (!rights.btf) why.push_back("the kernel shows no BTF (/sys/kernel/btf/vmlinux)");
  if (rights.seccomp == 2) why.push_back("seccomp filter on");
  if (rights.own_user_namespace) why.push_back("in a user namespace");
  if (rights.unprivileged_bpf && *rights.unprivileged_bpf && !rights.has(cap_bpf)) why.push_back("unprivileged_bpf_disabled = " + std::to_string(*rights.unprivileged_bpf));
  for (const auto& reason : why) sight.why += (sight.why.empty() ? "" : ", ") + reason;
  sight.remedy = !watch.error().remedy.empty() ? watch.error().remedy : how_to_grant(rights, "BPF --cap-add PERFMON");
  const auto connector = ConnectorWatch::open();
  if (connector) {
    sight.state = Sight::State::partial;
    sight.instead = "the process connector: exit statuses, but not who killed";
  } else {
    sight.instead = "pidfds and looks into /proc; short-lived workers can be missed";
  }
  return sight;
}

Sight proc_sight(const source::Host& host, const Rights& rights) {
  Sight sight{Sight::State::ok, "/proc", "shows every process", "", "", ""};
  if (const auto list = host.list("/proc"); !list) {
    sight.state = Sight::State::no;
    sight.detail = list.error().answer;
    sight.remedy = "run where /proc is mounted";
    return sight;
  }
  if (rights.hidepid > 0 && !rights.has(cap_sys_ptrace)) {
    sight.state = Sight::State::partial;
    sight.detail = "hides other users' processes";
    sight.why = "mounted with hidepid=" + std::to_string(rights.hidepid);
    sight.remedy = "run as root, or in the group of its gid= option";
  } else if (rights.own_pid_namespace) {
    sight.state = Sight::State::partial;
    sight.detail = "shows this pid namespace only";
    sight.why = "in a pid namespace of its own" + (rights.container.empty() ? std::string() : " (" + rights.container + ")");
    sight.remedy = rights.container.empty() || rights.container == "kubernetes" ? "run on the host (node), or in a pod with hostPID" : "run on the host, or docker run --pid=host ...";
    sight.instead = "kernel and container pids are joined by their order and time";
  }
  return sight;
}

}  // namespace

std::string capabilities_text(const Rights& rights) { return fmt::format("CapEff {:016x}", rights.capabilities); }

Rights read_rights(const source::Host& host) {
  Rights rights;
  if (const auto status = host.read("/proc/self/status", 1 << 16)) {
    for (const auto line : base::split(*status, '\n')) {
      if (const auto value = base::between(line, "CapEff:\t", "")) rights.capabilities = std::strtoull(std::string(*value).c_str(), nullptr, 16);
      if (const auto value = base::between(line, "Seccomp:\t", "")) rights.seccomp = static_cast<int>(base::read_number(base::trim(*value)).value_or(0));
    }
  }
  rights.uid = ::geteuid();
  if (const auto map = host.read("/proc/self/uid_map", 4096)) {
    const auto words = base::split(base::trim(*map), ' ');
    rights.own_user_namespace = base::trim(words.back()) != "4294967295";
  }
  // The initial namespaces have fixed inode numbers (include/linux/proc_ns.h: PROC_PID_INIT_INO).
  if (const auto ns = host.link("/proc/self/ns/pid")) rights.own_pid_namespace = *ns != "pid:[4026531836]";
  rights.container = container_of(host);
  rights.yama = sysctl(host, "kernel/yama/ptrace_scope");
  rights.dmesg_restrict = sysctl(host, "kernel/dmesg_restrict");
  rights.perf_paranoid = sysctl(host, "kernel/perf_event_paranoid");
  rights.unprivileged_bpf = sysctl(host, "kernel/unprivileged_bpf_disabled");
  rights.btf = host.stat("/sys/kernel/btf/vmlinux").has_value();
  const auto mounts = read_mounts(host);
  for (const auto& mount : mounts) {
    rights.tracefs = rights.tracefs || mount.type == "tracefs";
    if (mount.at != "/proc" || mount.type != "proc") continue;
    for (const auto option : base::split(mount.options, ','))
      if (const auto value = base::between(option, "hidepid=", ""))
        rights.hidepid = *value == "invisible" ? 2 : *value == "noaccess" ? 1 : *value == "ptraceable" ? 4 : static_cast<int>(base::read_number(*value).value_or(0));
  }
  if (const auto release = host.read("/proc/sys/kernel/osrelease", 128)) rights.kernel = std::string(base::trim(*release));
  return rights;
}

std::vector<Sight> sights(const source::Host& host, const Rights& rights) {
  std::vector<Sight> all{proc_sight(host, rights)};
  for (const Probe* probe : probes())
    if (probe->sight) all.push_back(probe->sight(host));
  all.push_back(memory_sight(host, rights));
  all.push_back(watch_sight(rights));
  return all;
}

}  // namespace probe
