// The far ends, on other machines: servers that an nginx here connects to, and proxies that connect to a server here. What this side knows of
// them, and the command that tells the rest there.
#include <arpa/inet.h>

#include <map>
#include <set>

#include "base/text.hpp"
#include "probe/look.hpp"
#include "probe/net_table.hpp"
#include "probe/probe.hpp"
#include "probe/servers.hpp"

namespace probe {

namespace {

constexpr std::size_t most_peers = 50;

// "10.0.0.2:8000" -> "10.0.0.2", "[fd00::1]:8000" -> "fd00::1"; "" for names and unix sockets.
std::string number_of(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  std::string_view name = colon == std::string_view::npos || address.back() == ']' ? address : address.substr(0, colon);
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  const std::string text(name);
  in_addr four{};
  in6_addr six{};
  return ::inet_pton(AF_INET, text.c_str(), &four) == 1 || ::inet_pton(AF_INET6, text.c_str(), &six) == 1 ? text : std::string();
}

// The addresses of the namespace that a process lives in: those that its routing table calls its own (/32 host LOCAL), and if_inet6.
std::set<std::string> own_addresses(const source::Host& host, int pid) {
  std::set<std::string> own;
  const std::string at = "/proc/" + std::to_string(pid) + "/net/";
  if (const auto trie = host.read(at + "fib_trie", 4 << 20)) {
    std::string last;
    for (const auto line : base::split(*trie, '\n')) {
      if (const auto leaf = line.find("|-- "); leaf != std::string_view::npos) last = std::string(base::trim(line.substr(leaf + 4)));
      else if (base::contains(line, "/32 host LOCAL")) own.insert(last);
    }
  }
  if (const auto table = host.read(at + "if_inet6", 1 << 18))
    for (const auto line : base::split(*table, '\n')) {
      if (line.size() < 32) continue;
      std::string groups;
      for (std::size_t i = 0; i < 32; i += 4) groups += (i ? ":" : "") + std::string(line.substr(i, 4));
      in6_addr six{};
      char text[INET6_ADDRSTRLEN] = "";
      if (::inet_pton(AF_INET6, groups.c_str(), &six) == 1 && ::inet_ntop(AF_INET6, &six, text, sizeof text)) own.insert(text);
    }
  return own;
}

bool far(const std::string& number, const std::set<std::string>& own) {
  return !number.empty() && !own.empty() && !own.contains(number) && !base::starts_with(number, "127.") && number != "::1" && number != "0.0.0.0" && number != "::" && !base::starts_with(number, "::ffff:127.");
}

void servers_elsewhere(const source::Host& host, const Found& found, evidence::Evidence& evidence) {
  std::optional<evidence::SourceId> source;
  for (const auto& proxy : found.proxies) {
    std::set<std::string> dialled;
    for (const auto& fact : evidence.facts)
      if (const auto* route = evidence::as<evidence::ProxyRoute>(fact); route && fact.about.pid == proxy.pid) dialled.insert(route->address);
    const auto own = own_addresses(host, proxy.pid);
    std::erase_if(dialled, [&](const std::string& address) { return !far(number_of(address), own); });
    if (dialled.empty()) continue;
    bool cut = false;
    const NetTable table = read_net_table(host, proxy.pid, cut);
    std::size_t told = 0;
    for (const auto& address : dialled) {
      if (++told > most_peers) break;
      evidence::RemotePeer fact{address, 0, 0};
      for (const auto& [inode, socket] : table) {
        if (socket.kind != Socket::Kind::tcp || socket.peer != address) continue;
        fact.connected += socket.connected;
        fact.connecting += socket.connecting;
      }
      const std::string known = base::counted(fact.connected, "connection") + " to it stood" + (fact.connecting ? ", and " + std::to_string(fact.connecting) + " waited for its first answer (SYN_SENT: down, or a firewall)" : "");
      const std::size_t colon = address.rfind(':');
      const std::string port = colon == std::string::npos || address.back() == ']' ? ":80" : address.substr(colon);
      evidence.gap({"the server at " + address, "it is on another machine; from here, " + known, "there: triage, and ss -ltnp sport = " + port, 1, {}});
      if (!source) source = add_live_source(evidence, "connections to other machines", evidence::SourceKind::proc, host);
      auto whole = seen(std::move(fact), proxy.pid, *source, host);
      whole.text = address + ": " + known;
      evidence.add(std::move(whole));
    }
  }
}

// Only where no proxy runs here: clients of a server are then one.
void proxies_elsewhere(const source::Host& host, const Found& found, evidence::Evidence& evidence) {
  if (!found.proxies.empty()) return;
  for (const auto& server : found.servers) {
    const auto own = own_addresses(host, server.pid());
    std::map<std::string, std::size_t> clients;
    std::set<int> workers;
    for (const auto& worker : server.workers) workers.insert(worker.pid);
    for (const auto& fact : evidence.facts)
      if (const auto* connection = evidence::as<evidence::ConnectionSeen>(fact); connection && workers.contains(fact.about.pid))
        if (const auto number = number_of(connection->peer); far(number, own)) ++clients[number];
    if (clients.empty() || clients.size() > 8) continue;  // many: no proxy, but clients themselves
    std::string all;
    for (const auto& [client, count] : clients) all += (all.empty() ? "" : ", ") + client;
    evidence.gap({"the proxy before " + name_of(server), "its connections come from another machine: " + all, "there: triage http://HOST/PATH names the way to this server, and nginx -T the timeouts", 1, {}});
  }
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  servers_elsewhere(host, found, evidence);
  proxies_elsewhere(host, found, evidence);
}

Sight sight(const source::Host&) { return {Sight::State::ok, "peers on other machines", "from this side alone", "", "", "run triage there as well"}; }

}  // namespace

namespace probes_of {
extern const Probe wire = {"wire", observe, sight};
}  // namespace probes_of
}  // namespace probe
