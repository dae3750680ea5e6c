#include "rule/path.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

std::string_view port_of(std::string_view address) {
  const auto colon = address.rfind(':');
  return colon == std::string_view::npos || address.back() == ']' ? std::string_view() : address.substr(colon);
}

bool on_loopback(std::string_view address) { return base::starts_with(address, "127.") || base::starts_with(address, "[::1]") || base::starts_with(address, "localhost"); }

// "INODE@DEVICE". A file system that answers stat with another device than its own (btrfs, overlay) leaves it open whether two are one.
bool differ(std::string_view a, std::string_view b) {
  const auto at = a.find('@'), bt = b.find('@');
  return at != std::string_view::npos && bt != std::string_view::npos && a.substr(at) == b.substr(bt) && a != b;
}

bool takes(std::string_view bound, std::string_view dialled) {
  if (bound == dialled) return true;
  if (base::starts_with(bound, "unix:") || base::starts_with(dialled, "unix:") || port_of(bound) != port_of(dialled)) return false;
  if (base::starts_with(bound, "[::]:")) return true;
  if (base::starts_with(bound, "0.0.0.0:")) return !base::starts_with(dialled, "[");
  return base::starts_with(dialled, "localhost") && (base::starts_with(bound, "127.0.0.1:") || base::starts_with(bound, "[::1]:"));
}

}  // namespace

std::vector<Peer> peers(const Look& look) {
  std::vector<FactId> routes, walks, listeners;
  std::map<std::pair<int, std::string>, std::vector<std::string>> upstreams;  // of each nginx
  for (FactId id = 0; id < look.evidence.facts.size(); ++id) {
    const Fact& fact = look.evidence.facts[id];
    if (const auto* route = as<ProxyRoute>(fact)) {
      routes.push_back(id);
      if (!route->upstream.empty()) upstreams[{fact.about.pid, route->upstream}].push_back(route->address);
    } else if (as<SocketWalk>(fact)) walks.push_back(id);
    else if (as<ListenerSeen>(fact)) listeners.push_back(id);
  }
  if (!sockets_listed(look) && walks.empty()) return {};
  std::map<std::string, Peer> by_address;
  const auto add = [&](const std::string& address, FactId route) {
    Peer& peer = by_address[address];
    peer.address = address;
    peer.routes.push_back(route);
  };
  for (const FactId id : routes) {
    const auto& route = std::get<ProxyRoute>(look.evidence.facts[id].what);
    // An upstream of another file is still a name here; its members are routes of their own.
    const auto named = route.upstream.empty() ? upstreams.find({look.evidence.facts[id].about.pid, route.address}) : upstreams.end();
    if (named != upstreams.end())
      for (const auto& address : named->second) add(address, id);
    else if (!route.address.empty() && !base::contains(route.address, "$")) add(route.address, id);
  }
  std::set<std::uint64_t> dialled_in;  // the network namespaces of the proxies, where they are known
  for (const Fact& fact : look.evidence.facts)
    if (const auto* drops = as<ListenDrops>(fact); drops && fact.about.pid) dialled_in.insert(drops->net_namespace);
  std::vector<Peer> all;
  for (auto& [address, peer] : by_address) {
    for (const FactId id : walks)
      if ("unix:" + as<SocketWalk>(look.evidence.facts[id])->path == address) peer.walks.push_back(id);
    for (const FactId id : listeners) {
      const auto& listener = std::get<ListenerSeen>(look.evidence.facts[id].what);
      // A container may have bound the same file under another path.
      const bool same_file = !listener.file.empty() && std::any_of(peer.walks.begin(), peer.walks.end(), [&](FactId walk) { return as<SocketWalk>(look.evidence.facts[walk])->file == listener.file; });
      if (!same_file && !takes(listener.address, address)) continue;
      const bool here = base::starts_with(address, "unix:") || dialled_in.empty() || dialled_in.contains(listener.net_namespace);
      (here ? peer.listeners : peer.elsewhere).push_back(id);
    }
    // Without a port it is 80 or 443 by a scheme that the route does not keep.
    if (base::starts_with(address, "unix:") || (on_loopback(address) && !port_of(address).empty()) || !peer.listeners.empty()) all.push_back(std::move(peer));
  }
  return all;
}

bool on_the_way(const Look& look, std::string_view address) {
  for (const Fact& fact : look.evidence.facts)
    if (const auto* routed = as<RequestRouted>(fact)) {
      const auto words = base::split(routed->peers, ' ');
      return std::find(words.begin(), words.end(), address) != words.end();
    }
  return true;
}

bool sockets_listed(const Look& look) {
  const auto& gaps = look.evidence.gaps;
  if (std::any_of(gaps.begin(), gaps.end(), [](const Gap& gap) { return gap.wanted == "listening sockets and their queues"; })) return false;
  const auto& sources = look.evidence.sources;
  return std::any_of(sources.begin(), sources.end(), [](const Source& source) { return source.name == "sockets" && source.live; });
}

bool another_file(const ListenerSeen& listener, std::string_view file) { return listener.named == "no" || differ(listener.file, file); }

bool reachable_now(const Look& look, const Peer& peer) {
  if (!sockets_listed(look)) return false;
  const bool open = std::all_of(peer.walks.begin(), peer.walks.end(), [&](FactId id) { return as<SocketWalk>(look.evidence.facts[id])->result == "open"; });
  if (!open || (base::starts_with(peer.address, "unix:") && peer.walks.empty())) return false;
  if (peer.walks.empty()) return !peer.listeners.empty();
  const auto& file = as<SocketWalk>(look.evidence.facts[peer.walks.front()])->file;
  return std::any_of(peer.listeners.begin(), peer.listeners.end(), [&](FactId id) { return !another_file(std::get<ListenerSeen>(look.evidence.facts[id].what), file); });
}

std::string holder_text(const Look& look, const ListenerSeen& listener) {
  if (listener.holders.empty()) return "a process that could not be seen";
  std::string_view rest = listener.holders;
  const auto first = base::take_number(rest).value_or(0);
  for (const Server& server : look.stack.servers)
    if (server.master == first || (server.master_life != model::no_life && look.stack.lives[server.master_life].host_pid == first)) return server_text(server) + " (pid " + std::to_string(first) + ")";
  return "process " + std::to_string(first);
}

}  // namespace rule
