// Who listens where, and how long the queues are: the listeners of every server, and whatever stands at the addresses that a proxy connects to.
#include <cerrno>
#include <map>
#include <set>

#include "base/text.hpp"
#include "probe/gap.hpp"
#include "probe/look.hpp"
#include "probe/net_table.hpp"
#include "probe/probe.hpp"
#include "probe/sock_diag.hpp"

namespace probe {

namespace {

constexpr std::size_t most_holders = 400, most_searched = 5000;

using Holders = std::map<std::uint64_t, std::set<int>>;

// Which of `pids` has which of these sockets open.
void find_holders(const source::Host& host, const std::vector<int>& pids, Holders& holders) {
  for (const int pid : pids) {
    const auto descriptors = read_descriptors(host, pid);
    if (!descriptors) continue;
    for (const auto& open : *descriptors)
      if (const auto inode = socket_inode(open.target)) holders[*inode].insert(pid);
  }
}

std::vector<int> everybody(const source::Host& host) {
  std::vector<int> pids;
  if (const auto entries = host.list("/proc"))
    for (const auto& entry : *entries)
      if (const auto pid = base::read_number(entry.name); pid && pids.size() < most_searched) pids.push_back(static_cast<int>(*pid));
  return pids;
}

// TcpExt of /proc/net/netstat: a line of names, then a line of numbers.
std::optional<evidence::ListenDrops> drops_of(std::string_view text) {
  std::vector<std::string_view> names, values;
  for (const auto line : base::split(text, '\n'))
    if (base::starts_with(line, "TcpExt: ")) (names.empty() ? names : values) = base::split(line, ' ');
  if (names.empty() || values.size() != names.size()) return std::nullopt;
  evidence::ListenDrops drops;
  for (std::size_t i = 1; i < names.size(); ++i) {
    const auto value = static_cast<std::uint64_t>(base::read_number(values[i]).value_or(0));
    if (names[i] == "ListenOverflows") drops.overflows = value;
    if (names[i] == "ListenDrops") drops.drops = value;
  }
  return drops;
}

std::string text_of(const std::set<int>& pids) {
  std::string text;
  for (const int pid : pids) text += (text.empty() ? "" : " ") + std::to_string(pid);
  return text;
}

base::Result<std::vector<Listening>> sockets_of(const source::Host& host, int pid) {
  if (host.kind() != "live") return base::fail({base::Kind::unsupported, "listing sockets", "a recording has none", "", 0});
  return listening_sockets(pid);
}

// Where netlink is refused: TCP from the text files, which have no limits.
std::vector<Listening> from_files(const source::Host& host, int pid) {
  std::vector<Listening> all;
  bool cut = false;
  for (auto& [inode, socket] : read_net_table(host, pid, cut))
    if (socket.listening && socket.kind == Socket::Kind::tcp) all.push_back({socket.local, inode, 0, 0, 0, 0, false});
  return all;
}

// What the proxies dial, numeric: "127.0.0.1:8000", "unix:/run/x". localhost is both of its addresses.
std::set<std::string> dialled(const evidence::Evidence& evidence) {
  std::set<std::string> all;
  for (const auto& fact : evidence.facts) {
    const auto* route = evidence::as<evidence::ProxyRoute>(fact);
    if (!route) continue;
    all.insert(route->address);
    if (base::starts_with(route->address, "localhost")) {
      const std::string port = route->address.size() > 9 ? route->address.substr(9) : ":80";
      all.insert("127.0.0.1" + port);
      all.insert("[::1]" + port);
    }
  }
  return all;
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  if (found.servers.empty() && found.proxies.empty()) return;
  const auto wanted = dialled(evidence);

  // One listing a network namespace.
  std::map<std::uint64_t, int> spaces;
  std::vector<int> ours;
  for (const auto& server : found.servers) {
    if (server.pid()) spaces.emplace(namespace_of(host, server.pid(), "net"), server.pid());
    if (server.master.pid) ours.push_back(server.master.pid);
    for (const auto& worker : server.workers)
      if (worker.state != 'Z' && ours.size() < most_holders) ours.push_back(worker.pid);
  }
  for (const auto& proxy : found.proxies) spaces.emplace(namespace_of(host, proxy.pid, "net"), proxy.pid);
  Holders holders;
  find_holders(host, ours, holders);

  std::optional<evidence::SourceId> source;
  bool searched = false;
  for (const auto& [space, pid] : spaces) {
    auto listening = sockets_of(host, pid);
    if (!listening) {
      auto some = from_files(host, pid);
      if (host.kind() == "live") evidence.gap(gap_of("listening sockets and their queues", listening.error()));
      if (some.empty()) continue;
      listening = std::move(some);
    }
    if (!source) source = add_live_source(evidence, "sockets", evidence::SourceKind::proc, host);
    if (const auto netstat = host.read("/proc/" + std::to_string(pid) + "/net/netstat", 1 << 16))
      if (auto drops = drops_of(*netstat)) {
        drops->net_namespace = space;
        const std::string text = "ListenOverflows " + std::to_string(drops->overflows) + " ListenDrops " + std::to_string(drops->drops);
        // About the proxy where it lives in this namespace: 127.0.0.1 there is what it dials.
        int dialling = 0;
        for (const auto& proxy : found.proxies)
          if (namespace_of(host, proxy.pid, "net") == space) dialling = proxy.pid;
        auto whole = seen(std::move(*drops), dialling, *source, host);
        whole.text = text;
        evidence.add(std::move(whole));
      }
    for (const auto& one : *listening) {
      const bool held = holders.contains(one.inode);
      bool asked_for = wanted.contains(one.address);
      if (!asked_for && !base::starts_with(one.address, "unix:"))
        for (const auto& address : wanted) asked_for = asked_for || takes(one, address);
      if (!held && !asked_for) continue;
      if (!held && !searched) {  // somebody else listens where the proxy connects: who is worth a walk over all descriptors
        searched = true;
        find_holders(host, everybody(host), holders);
      }
      evidence::ListenerSeen fact;
      fact.address = one.address;
      if (const auto known = holders.find(one.inode); known != holders.end()) fact.holders = text_of(known->second);
      if (one.file_inode) fact.file = std::to_string(one.file_inode) + "@" + std::to_string(one.file_device);
      if (one.file_inode && !fact.holders.empty()) {
        const auto at = host.stat("/proc/" + fact.holders.substr(0, fact.holders.find(' ')) + "/root" + one.address.substr(5));
        const bool gone = !at && at.error().code == ENOENT, replaced = at && at->device == one.file_device && (at->inode & 0xffffffffu) != one.file_inode;
        fact.named = gone || replaced ? "no" : at && (at->inode & 0xffffffffu) == one.file_inode ? "yes" : "";
      }
      fact.inode = one.inode;
      fact.queue = one.queue;
      fact.limit = one.limit;
      fact.net_namespace = space;
      auto whole = seen(std::move(fact), 0, *source, host);
      whole.text = one.address + " queue " + std::to_string(one.queue) + (one.limit ? " of " + std::to_string(one.limit) : std::string()) + ", held by " + (holders.contains(one.inode) ? text_of(holders.at(one.inode)) : "nobody seen");
      evidence.add(std::move(whole));
    }
  }
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "listening sockets", "", "", "", ""};
  const auto all = sockets_of(host, 0);
  if (all) sight.detail = base::counted(all->size(), "listener");
  else {
    sight.state = Sight::State::partial;
    sight.why = all.error().answer;
    sight.remedy = all.error().remedy;
    sight.instead = "TCP without limits, from /proc/net/tcp";
  }
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe sockets = {"sockets", observe, sight};
}  // namespace probes_of
}  // namespace probe
