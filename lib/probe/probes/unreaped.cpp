// PID 1 of a server's pid namespace, and the ended processes that it has not waited for. The kernel gives it every orphan of the container; a
// shell or an application in that place often never asks for them.
#include <set>

#include "base/text.hpp"
#include "probe/look.hpp"
#include "probe/members.hpp"
#include "probe/net_table.hpp"
#include "probe/probe.hpp"
#include "probe/servers.hpp"

namespace probe {

namespace {

constexpr std::uint64_t first_pid_space = 4026531836;  // PROC_PID_INIT_INO, include/linux/proc_ns.h: there PID 1 is the service manager
constexpr std::size_t most_children = 2000, most_named = 16;

// Up the tree, as long as it stays in this namespace; the topmost is its PID 1.
std::optional<Process> first_of(const source::Host& host, const FoundServer& server) {
  const Process& from = server.master.pid ? server.master : server.workers.front();
  Process at = from;
  for (int depth = 0; depth < 64; ++depth) {
    if (at.ns_pid == 1) return at;
    if (at.ppid <= 0 || namespace_of(host, at.ppid, "pid") != from.pid_namespace) return std::nullopt;
    const auto stat = host.read("/proc/" + std::to_string(at.ppid) + "/stat", 4096);
    Process parent;
    if (!stat || !read_stat(*stat, parent)) return std::nullopt;
    if (const auto status = host.read("/proc/" + std::to_string(parent.pid) + "/status", 1 << 16)) read_status(*status, parent);
    at = std::move(parent);
  }
  return std::nullopt;
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  std::set<int> done;
  for (const auto& server : found.servers) {
    const Process& one = server.master.pid ? server.master : server.workers.front();
    if (one.pid_namespace == 0 || one.pid_namespace == first_pid_space) continue;
    const auto first = first_of(host, server);
    if (!first || !done.insert(first->pid).second) continue;
    evidence::Unreaped fact;
    std::set<std::string> comms;
    std::size_t looked = 0;
    for (const int pid : children_of(host, first->pid)) {
      if (++looked > most_children) break;
      const auto stat = host.read("/proc/" + std::to_string(pid) + "/stat", 4096);
      Process child;
      if (!stat || !read_stat(*stat, child) || child.state != 'Z') continue;
      // A dead worker or master of its own is gunicorn's to wait for, and it does at its next turn.
      if (first->pid == server.master.pid && child.comm == server.master.comm) continue;
      if (++fact.count <= most_named) fact.pids += (fact.pids.empty() ? "" : " ") + std::to_string(pid);
      if (comms.size() < most_named) comms.insert(child.comm);
    }
    if (fact.count == 0) continue;
    for (const auto& comm : comms) fact.children += (fact.children.empty() ? "" : ", ") + comm;
    fact.comm = first->comm;
    fact.ns_pid = 1;
    fact.ignores = first->caught && !(*first->caught & (1ull << 16));  // SIGCHLD is 17
    std::string text = "PID 1 (" + fact.comm + ") has " + base::counted(fact.count, "child") + " in state Z: " + fact.children + (fact.ignores ? "; it has no handler for SIGCHLD" : "");
    auto whole = seen(std::move(fact), first->pid, add_live_source(evidence, "/proc/" + std::to_string(first->pid) + "/task", evidence::SourceKind::proc, host), host);
    whole.about.unit = server.cgroup.container;
    whole.text = std::move(text);
    evidence.add(std::move(whole));
  }
}

Sight sight(const source::Host&) { return {Sight::State::ok, "zombies of PID 1", "of the pid namespaces of servers", "", "", ""}; }

}  // namespace

namespace probes_of {
extern const Probe unreaped = {"unreaped", observe, sight};
}  // namespace probes_of
}  // namespace probe
