// What every worker does this moment: its state, the system call it is in and where the descriptor of that call leads; and the connections
// that it has accepted and not answered. Read from /proc: no process is stopped, so two lines of one process may be an instant apart.
#include <unistd.h>

#include <map>
#include <set>

#include "base/text.hpp"
#include "probe/look.hpp"
#include "probe/members.hpp"
#include "probe/net_table.hpp"
#include "probe/probe.hpp"
#include "probe/sock_diag.hpp"
#include "probe/thread_call.hpp"

namespace probe {

namespace {

constexpr std::size_t most_workers = 256, most_connections = 2000;

// utime and stime, fields 14 and 15 of stat, in ticks of 10 ms.
double cpu_seconds(std::string_view stat) {
  const auto close = stat.rfind(')');
  if (close == std::string_view::npos) return 0;
  const auto words = base::split(stat.substr(close + 1), ' ');
  if (words.size() < 15) return 0;
  return static_cast<double>(base::read_number(words[12]).value_or(0) + base::read_number(words[13]).value_or(0)) / 100;
}

std::vector<std::uint16_t> ports_of(const std::set<std::string>& listeners) {
  std::vector<std::uint16_t> ports;
  for (const auto& address : listeners)
    if (const auto colon = address.rfind(':'); colon != std::string::npos)
      if (const auto port = base::read_number(std::string_view(address).substr(colon + 1)); port && *port > 0 && *port < 65536) ports.push_back(static_cast<std::uint16_t>(*port));
  return ports;
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  if (found.servers.empty()) return;
  const auto source = add_live_source(evidence, "/proc/PID/syscall", evidence::SourceKind::proc, host);
  std::map<std::uint64_t, NetTable> tables;
  std::size_t workers = 0, left_out = 0, connections = 0;
  bool cut = false;
  for (const auto& server : found.servers) {
    std::set<std::string> listeners;
    std::map<std::uint64_t, Flow> known_flows;
    for (const auto& worker : server.workers) {
      if (worker.state == 'Z') continue;
      if (++workers > most_workers) { ++left_out; continue; }
      const std::string at = "/proc/" + std::to_string(worker.pid) + "/";
      const auto space = namespace_of(host, worker.pid, "net");
      if (!tables.contains(space)) tables.emplace(space, read_net_table(host, worker.pid, cut));
      const NetTable& table = tables.at(space);

      evidence::ProcessWaits waits;
      const auto stat = host.read(at + "stat", 4096);
      Process now;
      if (!stat || !read_stat(*stat, now)) continue;
      waits.state = std::string(1, now.state);
      waits.cpu_s = cpu_seconds(*stat);
      if (const auto text = host.read(at + "syscall", 512)) {
        const LiveMemory memory(worker.pid);
        if (const auto line = read_call_line(*text)) {
          ThreadCall call = call_of(host, worker.pid, *line, [&]() -> const NetTable& { return table; }, host.kind() == "live" ? &memory : nullptr);
          waits.call = std::move(call.name);
          waits.fd = call.fd;
          waits.on = std::move(call.on);
        }
      }
      if (const auto symbol = host.read(at + "wchan", 128); symbol && *symbol != "0") waits.wchan = *symbol;
      std::string text = "pid " + std::to_string(worker.pid) + " state " + waits.state;
      text += waits.call.empty() ? ", in no system call that could be read" : ", in " + waits.call + "()";
      if (waits.fd) text += " on fd " + std::to_string(*waits.fd) + (waits.on.empty() ? "" : ": " + waits.on);
      auto fact = seen(std::move(waits), worker.pid, source, host);
      fact.about.unit = server.cgroup.unit;
      fact.text = std::move(text);
      evidence.add(std::move(fact));

      // Accepted connections are those whose own end is a listener's address.
      const auto descriptors = read_descriptors(host, worker.pid);
      if (!descriptors) continue;
      const bool first = listeners.empty();
      if (first)
        for (const auto& open : *descriptors)
          if (const auto inode = socket_inode(open.target))
            if (const auto known = table.find(*inode); known != table.end() && known->second.listening) listeners.insert(known->second.local);
      if (first && !listeners.empty() && host.kind() == "live")
        if (auto answer = flows(worker.pid, ports_of(listeners))) known_flows = std::move(*answer);
      for (const auto& open : *descriptors) {
        const auto inode = socket_inode(open.target);
        const auto known = inode ? table.find(*inode) : table.end();
        if (known == table.end() || known->second.listening || !known->second.connected) continue;
        const Socket& socket = known->second;
        const auto colon = socket.local.rfind(':');
        const bool accepted = listeners.contains(socket.local) || (socket.kind == Socket::Kind::tcp && colon != std::string::npos &&
                              (listeners.contains("0.0.0.0" + socket.local.substr(colon)) || listeners.contains("[::]" + socket.local.substr(colon))));
        if (!accepted || ++connections > most_connections) continue;
        evidence::ConnectionSeen what{socket.local, socket.peer, *inode, socket.unread, std::nullopt, std::nullopt};
        std::string more;
        if (const auto flow = known_flows.find(*inode); flow != known_flows.end()) {
          what.received = flow->second.received;
          what.silent_s = flow->second.silent_s;
          more = ", " + std::to_string(flow->second.received) + " B received, silent for " + base::duration_text(static_cast<std::int64_t>(flow->second.silent_s * 1e9));
        }
        auto connection = seen(std::move(what), worker.pid, source, host);
        connection.about.unit = server.cgroup.unit;
        connection.text = "pid " + std::to_string(worker.pid) + " fd " + std::to_string(open.fd) + ": a connection from " + (socket.peer.empty() ? "a unix peer" : socket.peer) + ", " + std::to_string(socket.unread) + " B unread" + more;
        evidence.add(std::move(connection));
      }
    }
  }
  if (left_out) evidence.gap({"what some workers wait for", "there are more than " + std::to_string(most_workers), "name one server: triage PID", left_out, {}});
  if (connections > most_connections) evidence.gap({"accepted connections", "there are more than " + std::to_string(most_connections), "ss -tnp", connections - most_connections, {}});
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "what workers wait for", "", "", "", ""};
  const auto own = host.read("/proc/self/syscall", 256);
  if (own) sight.detail = "system calls by /proc/PID/syscall";
  else {
    sight.state = Sight::State::partial;
    sight.why = own.error().answer + " (a kernel without CONFIG_HAVE_ARCH_TRACEHOOK, or no right)";
    sight.remedy = "run as root";
    sight.instead = "state and wchan alone";
  }
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe waits = {"waits", observe, sight};
}  // namespace probes_of
}  // namespace probe
