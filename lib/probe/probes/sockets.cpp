// Who listens where, and how long the queues are: the listeners of every server, and whatever stands at the addresses that a proxy connects to.
#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "base/text.hpp"
#include "probe/gap.hpp"
#include "probe/look.hpp"
#include "probe/namespaces.hpp"
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

// The unix sockets that a proxy may open, by their files.
std::map<std::string, const evidence::Fact*> opened(const evidence::Evidence& evidence) {
  std::map<std::string, const evidence::Fact*> files;
  for (const auto& fact : evidence.facts)
    if (const auto* walk = evidence::as<evidence::SocketWalk>(fact); walk && walk->result == "open" && !walk->file.empty()) files.emplace(walk->file, &fact);
  return files;
}

std::string file_of(const Listening& one) { return one.file_inode ? std::to_string(one.file_inode) + "@" + std::to_string(one.file_device) : std::string(); }

class Sockets {
 public:
  Sockets(const source::Host& host, const Found& found, evidence::Evidence& evidence) : host_(host), found_(found), evidence_(evidence), wanted_(dialled(evidence)), opened_(opened(evidence)) {}

  void look() {
    // One listing a network namespace.
    std::map<std::uint64_t, std::vector<int>> spaces;
    std::vector<int> ours;
    for (const auto& server : found_.servers) {
      if (server.pid()) spaces[namespace_of(host_, server.pid(), "net")].push_back(server.pid());
      if (server.master.pid) ours.push_back(server.master.pid);
      for (const auto& worker : server.workers)
        if (worker.state != 'Z' && ours.size() < most_holders) ours.push_back(worker.pid);
    }
    for (const auto& proxy : found_.proxies) spaces[namespace_of(host_, proxy.pid, "net")].push_back(proxy.pid);
    find_holders(host_, ours, holders_);
    for (const auto& [space, pids] : spaces) list(space, pids);
    if (host_.kind() == "live") seek(spaces);
  }

 private:
  void list(std::uint64_t space, const std::vector<int>& pids) {
    int pid = pids.front();
    auto listening = sockets_of(host_, pid);
    for (std::size_t next = 1; !listening && next < pids.size(); ++next) listening = sockets_of(host_, pid = pids[next]);
    if (!listening) {
      if (vanished(listening.error())) return;  // it ended since it was found
      auto some = from_files(host_, pid);
      if (host_.kind() == "live") evidence_.gap(gap_of("listening sockets and their queues", listening.error()));
      if (some.empty()) return;
      listening = std::move(some);
    }
    add_drops(space, pid);
    for (const auto& one : *listening)
      if (holders_.contains(one.inode) || asked_for(one)) add(one, space);
  }

  static bool vanished(const base::Error& error) { return error.code == ENOENT || error.code == ESRCH; }

  bool asked_for(const Listening& one) const {
    if (wanted_.contains(one.address) || (one.file_inode && opened_.contains(file_of(one)))) return true;
    return !base::starts_with(one.address, "unix:") && std::any_of(wanted_.begin(), wanted_.end(), [&](const std::string& address) { return takes(one, address); });
  }

  evidence::SourceId source() {
    if (!source_) source_ = add_live_source(evidence_, "sockets", evidence::SourceKind::proc, host_);
    return *source_;
  }

  void add_drops(std::uint64_t space, int pid) {
    const auto at = source();
    const auto netstat = host_.read("/proc/" + std::to_string(pid) + "/net/netstat", 1 << 16);
    auto drops = netstat ? drops_of(*netstat) : std::nullopt;
    if (!drops) return;
    drops->net_namespace = space;
    const std::string text = "ListenOverflows " + std::to_string(drops->overflows) + " ListenDrops " + std::to_string(drops->drops);
    // About the proxy where it lives in this namespace: 127.0.0.1 there is what it dials.
    int dialling = 0;
    for (const auto& proxy : found_.proxies)
      if (namespace_of(host_, proxy.pid, "net") == space) dialling = proxy.pid;
    auto whole = seen(std::move(*drops), dialling, at, host_);
    whole.text = text;
    evidence_.add(std::move(whole));
  }

  void add(const Listening& one, std::uint64_t space) {
    if (!holders_.contains(one.inode) && !searched_) {  // somebody else listens where the proxy connects: who is worth a walk over all descriptors
      searched_ = true;
      std::size_t left_out = 0;
      find_holders(host_, everybody(host_, most_searched, left_out), holders_);
      if (left_out) evidence_.gap({"who has a listening socket open", "only the first " + std::to_string(most_searched) + " processes were asked", "ss -lxtnp", left_out, {}});
    }
    evidence::ListenerSeen fact;
    fact.address = one.address;
    if (const auto known = holders_.find(one.inode); known != holders_.end()) fact.holders = text_of(known->second);
    fact.file = file_of(one);
    if (one.file_inode && !fact.holders.empty()) {
      const auto at = host_.stat("/proc/" + fact.holders.substr(0, fact.holders.find(' ')) + "/root" + one.address.substr(5));
      const bool gone = !at && at.error().code == ENOENT, replaced = at && at->device == one.file_device && (at->inode & 0xffffffffu) != one.file_inode;
      fact.named = gone || replaced ? "no" : at && (at->inode & 0xffffffffu) == one.file_inode ? "yes" : "";
    }
    if (one.file_inode) bound_.insert(fact.file);
    fact.inode = one.inode;
    fact.queue = one.queue;
    fact.limit = one.limit;
    fact.net_namespace = space;
    std::string text = one.address + " queue " + std::to_string(one.queue) + (one.limit ? " of " + std::to_string(one.limit) : std::string()) + ", held by " + (fact.holders.empty() ? "nobody seen" : fact.holders);
    auto whole = seen(std::move(fact), 0, source(), host_);
    whole.text = std::move(text);
    evidence_.add(std::move(whole));
  }

  // A socket's file that nobody listened on so far: a container that shares the folder may, from a network namespace of its own.
  void seek(const std::map<std::uint64_t, std::vector<int>>& listed) {
    std::map<std::string, const evidence::Fact*> lost = opened_;
    std::erase_if(lost, [&](const auto& one) { return bound_.contains(one.first); });
    if (lost.empty()) return;
    std::size_t left_out = 0;
    auto spaces = net_spaces(host_, everybody(host_, most_searched, left_out));
    const auto missed = [&](std::uint64_t count, std::string why) {
      spaces.unseen += count;
      if (spaces.why.empty()) spaces.why = std::move(why);
    };
    if (left_out) missed(left_out, "only the first " + std::to_string(most_searched) + " processes were looked at");
    std::uint64_t looked = 0;
    for (const auto& [space, pids] : spaces.pids) {
      base::Result<std::vector<Listening>> all = std::vector<Listening>();
      for (std::size_t next = 0; next == 0 || (!all && next < pids.size()); ++next) all = sockets_of(host_, pids[next]);
      if (!all) {
        if (!vanished(all.error())) missed(1, all.error().doing + ": " + all.error().answer);
        continue;
      }
      ++looked;
      for (const auto& one : *all) {
        if (!one.file_inode) continue;
        if (lost.contains(file_of(one)) && !listed.contains(space)) add(one, space);
        for (const auto& [file, walk] : lost)
          if (file != file_of(one) && file.substr(0, file.find('@')) == std::to_string(one.file_inode)) missed(1, "the listener " + one.address + " has a file of that number on another device, which may be the same one");
      }
    }
    for (const auto& [file, walk] : lost)
      if (!plain_files(host_, walk->about.pid, evidence::as<evidence::SocketWalk>(*walk)->wall)) missed(1, "the file system of " + evidence::as<evidence::SocketWalk>(*walk)->wall + " may number files in its own way");
    if (spaces.unseen) evidence_.gap({"whether anybody listens on " + evidence::as<evidence::SocketWalk>(*lost.begin()->second)->path, spaces.why, "run as root on the host", spaces.unseen, {}});
    auto whole = seen(evidence::NamespacesListed{looked, spaces.unseen}, 0, source(), host_);
    whole.text = "unix listeners of " + base::counted(looked, "network namespace") + (spaces.unseen ? ", not of all" : "");
    evidence_.add(std::move(whole));
  }

  const source::Host& host_;
  const Found& found_;
  evidence::Evidence& evidence_;
  const std::set<std::string> wanted_;
  const std::map<std::string, const evidence::Fact*> opened_;
  Holders holders_;
  std::set<std::string> bound_;  // files with a listener
  std::optional<evidence::SourceId> source_;
  bool searched_ = false;
};

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  if (found.servers.empty() && found.proxies.empty()) return;
  Sockets(host, found, evidence).look();
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
