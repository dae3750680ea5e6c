// Open descriptors of every master, worker and nginx process, by kind, against the limits they run with; and what several processes of one
// server share that should be one's own: a connection or an epoll set that was made before the fork.
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "probe/gap.hpp"
#include "probe/limits.hpp"
#include "probe/look.hpp"
#include "probe/members.hpp"
#include "probe/net_table.hpp"
#include "probe/probe.hpp"
#include "probe/sock_diag.hpp"

namespace probe {

namespace {

constexpr std::size_t most_descriptors = 100'000;

// The tables of each network namespace, read once.
class Tables {
 public:
  explicit Tables(const source::Host& host) : host_(host) {}

  const NetTable& of(int pid) {
    const auto space = namespace_of(host_, pid, "net");
    const auto known = tables_.find(space);
    if (known != tables_.end()) return known->second;
    return tables_.emplace(space, read_net_table(host_, pid, cut)).first->second;
  }
  bool cut = false;

 private:
  const source::Host& host_;
  std::map<std::uint64_t, NetTable> tables_;
};

std::string without_numbers(std::string_view target) {
  return std::string(target.substr(0, target.find(':')));
}

evidence::DescriptorsSeen count(const std::vector<Descriptor>& descriptors, const NetTable& table) {
  evidence::DescriptorsSeen seen;
  seen.used = descriptors.size();
  std::map<std::string, std::uint64_t> targets;
  for (const auto& open : descriptors) {
    if (const auto inode = socket_inode(open.target)) {
      const auto known = table.find(*inode);
      if (known == table.end()) { ++seen.others; ++targets["sockets that are not connected"]; continue; }
      const Socket& socket = known->second;
      if (socket.listening) ++seen.listeners;
      else if (socket.kind == Socket::Kind::local) ++seen.local;
      else {
        ++seen.inet;
        ++targets["connections to " + socket.peer];
      }
    } else if (base::starts_with(open.target, "/")) {
      ++seen.files;
      ++targets[open.target];
    } else if (base::starts_with(open.target, "pipe:")) {
      ++seen.pipes;
      ++targets["pipes"];
    } else if (base::contains(open.target, "eventpoll")) {
      ++seen.epolls;
      ++targets["epoll sets"];
    } else {
      ++seen.others;
      ++targets[without_numbers(open.target)];
    }
  }
  for (const auto& [target, number] : targets)
    if (number > seen.most_count) { seen.most = target; seen.most_count = number; }
  return seen;
}

std::string text_of(const evidence::DescriptorsSeen& seen) {
  std::string text = std::to_string(seen.used) + " open";
  if (seen.soft) text += " of " + std::to_string(seen.soft) + " (hard " + (seen.hard ? std::to_string(seen.hard) : std::string("unlimited")) + ")";
  const auto add = [&](std::uint64_t number, const char* what) { if (number) text += ", " + std::to_string(number) + " " + what; };
  add(seen.listeners, "listening");
  add(seen.inet, "TCP or UDP");
  add(seen.local, "unix");
  add(seen.files, "files");
  add(seen.pipes, "pipes");
  add(seen.epolls, "epoll");
  add(seen.others, "others");
  if (!seen.from.empty()) text += "; the limit is " + seen.from;
  if (seen.most_count > 9) text += "; most: " + std::to_string(seen.most_count) + " x " + seen.most;
  return text;
}

// Who gave each server its limit; asked once a server.
class Origins {
 public:
  explicit Origins(const source::Host& host) : host_(host) {}

  std::string of(const FoundServer& server, const Process& process, const FileLimits& limits) {
    const int master = server.master.pid;
    if (!master) return {};
    if (!known_.contains(master)) known_.emplace(master, Known{file_limits(host_, master), limit_from(host_, server)});
    const Known& known = known_.at(master);
    if (process.pid != master && limits != FileLimits{} && limits != known.limits) return "its own (setrlimit or prlimit after the fork): its master has " + std::to_string(known.limits.soft);
    return known.from;
  }

 private:
  struct Known { FileLimits limits; std::string from; };
  const source::Host& host_;
  std::map<int, Known> known_;
};

struct Open { int pid; int fd; };

// Two descriptors, one open file? kcmp(2) compares without touching either process; nullopt where it is refused.
std::optional<bool> same_file(const Open& a, const Open& b) {
  const long answer = ::syscall(SYS_kcmp, a.pid, b.pid, KCMP_FILE, a.fd, b.fd);
  return answer < 0 ? std::nullopt : std::optional(answer == 0);
}

struct Shared { std::string kind, peer; std::vector<Open> by; };

class Sharing {
 public:
  Sharing(const source::Host& host, Tables& tables) : host_(host), tables_(tables) {}

  void add(const Member& member, const std::vector<Descriptor>& descriptors) {
    const NetTable& table = tables_.of(member.process->pid);
    for (const auto& open : descriptors) {
      if (open.fd <= 2) continue;  // what it was started with: a terminal, the journal, a log collector
      if (const auto inode = socket_inode(open.target)) {
        const auto known = table.find(*inode);
        // Datagrams keep their borders, so that a logger may share them; a listener is shared on purpose.
        if (known == table.end() || known->second.listening || !known->second.connected || !known->second.stream) continue;
        Shared& shared = sockets_[{member.server, *inode}];
        shared.kind = "socket";
        shared.peer = known->second.peer;
        shared.by.push_back({member.process->pid, open.fd});
      } else if (base::contains(open.target, "[eventpoll]")) {
        epolls_[{member.server, open.fd}].by.push_back({member.process->pid, open.fd});
      }
    }
  }

  void report(evidence::SourceId source, evidence::Evidence& evidence) {
    for (auto& [key, shared] : sockets_)
      if (shared.by.size() > 1) {
        if (shared.peer.empty()) shared.peer = peer_path(shared.by.front().pid, key.second);
        if (both_ends(key.first, shared, key.second)) continue;
        put(*key.first, shared, key.second, source, evidence);
      }
    // Anonymous inodes have no number of their own: the kernel is asked whether it is one set. Forked processes keep the descriptor's number.
    for (auto& [key, shared] : epolls_) {
      if (shared.by.size() < 2 || host_.kind() != "live") continue;
      Shared one{"epoll", "", {shared.by.front()}};
      for (std::size_t i = 1; i < shared.by.size(); ++i)
        if (same_file(shared.by.front(), shared.by[i]).value_or(false)) one.by.push_back(shared.by[i]);
      if (one.by.size() > 1) put(*key.first, one, 0, source, evidence);
    }
  }

 private:
  using Key = std::pair<const FoundServer*, std::uint64_t>;

  const std::map<std::uint64_t, std::uint64_t>& unix_peers_of(int pid) {
    if (!peers_) {
      peers_.emplace();
      if (host_.kind() == "live")
        if (auto answer = unix_peers(pid)) peers_ = std::move(*answer);
    }
    return *peers_;
  }

  std::string peer_path(int pid, std::uint64_t inode) {
    const auto& peers = unix_peers_of(pid);
    const auto peer = peers.find(inode);
    if (peer == peers.end()) return {};
    const auto& table = tables_.of(pid);
    const auto socket = table.find(peer->second);
    return socket == table.end() ? std::string() : socket->second.local;
  }

  // A pair whose two ends the same processes hold is their own way to each other (a wake-up pair, a manager's pipe), no connection to anybody.
  bool both_ends(const FoundServer* server, const Shared& shared, std::uint64_t inode) {
    if (!shared.peer.empty()) return false;
    const auto& peers = unix_peers_of(shared.by.front().pid);
    const auto peer = peers.find(inode);
    return peer != peers.end() && sockets_.contains({server, peer->second});
  }

  void put(const FoundServer& server, const Shared& shared, std::uint64_t inode, evidence::SourceId source, evidence::Evidence& evidence) {
    evidence::DescriptorShared fact;
    fact.kind = shared.kind;
    fact.peer = shared.peer;
    fact.guess = service_at(shared.peer);
    fact.inode = inode;
    std::string text = shared.kind == "socket" ? "one socket (inode " + std::to_string(inode) + ")" : "one epoll set";
    if (!shared.peer.empty()) text += " to " + shared.peer;
    text += " is open in";
    std::set<int> pids;
    for (const auto& open : shared.by) {
      if (pids.insert(open.pid).second && pids.size() <= 12) text += " " + std::to_string(open.pid) + " (fd " + std::to_string(open.fd) + ")";
    }
    for (const int pid : pids) fact.pids += (fact.pids.empty() ? "" : " ") + std::to_string(pid);
    if (pids.size() < 2) return;
    auto whole = seen(std::move(fact), server.pid(), source, host_);
    whole.about.unit = server.cgroup.unit;
    whole.text = std::move(text);
    evidence.add(std::move(whole));
  }

  const source::Host& host_;
  Tables& tables_;
  std::map<Key, Shared> sockets_;
  std::map<std::pair<const FoundServer*, int>, Shared> epolls_;
  std::optional<std::map<std::uint64_t, std::uint64_t>> peers_;
};

void devices(const source::Host& host, const Member& member, const std::vector<Descriptor>& descriptors, evidence::SourceId source, evidence::Evidence& evidence) {
  std::set<std::string> paths;
  for (const auto& open : descriptors)
    if (base::starts_with(open.target, "/dev/nvidia") || base::starts_with(open.target, "/dev/kfd") || base::starts_with(open.target, "/dev/dri/render")) paths.insert(open.target);
  for (const auto& path : paths) {
    auto fact = seen(evidence::DeviceHeld{path}, member.process->pid, source, host);
    fact.text = (member.master ? "the master has " : "worker has ") + path + " open";
    evidence.add(std::move(fact));
  }
}

void machine_limits(const source::Host& host, evidence::SourceId source, evidence::Evidence& evidence) {
  const MachineFiles files = machine_files(host);
  if (!files.most) return;
  auto fact = seen(evidence::LimitSeen{"files", "/proc/sys/fs/file-nr", files.used, files.most}, 0, source, host);
  fact.text = "fs.file-nr: " + std::to_string(files.used) + " open files of " + std::to_string(files.most);
  evidence.add(std::move(fact));
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  std::size_t left_out = 0, read = 0, refused = 0;
  auto all = members(found, left_out);
  if (all.empty()) return;
  const auto source = add_live_source(evidence, "/proc/PID/fd", evidence::SourceKind::proc, host);
  Tables tables(host);
  Sharing sharing(host, tables);
  Origins origins(host);
  base::Error refusal;
  for (const auto& member : all) {
    if (read >= most_descriptors) { ++left_out; continue; }
    auto descriptors = read_descriptors(host, member.process->pid, most_descriptors);
    if (!descriptors) {
      if (descriptors.error().kind != base::Kind::missing) { ++refused; refusal = descriptors.error(); }
      continue;
    }
    read += descriptors->size();
    auto fact = count(*descriptors, tables.of(member.process->pid));
    const FileLimits limits = file_limits(host, member.process->pid);
    fact.soft = limits.soft;
    fact.hard = limits.hard;
    if (member.server) fact.from = origins.of(*member.server, *member.process, limits);
    const std::string text = text_of(fact);
    auto whole = seen(std::move(fact), member.process->pid, source, host);
    whole.text = "pid " + std::to_string(member.process->pid) + ": " + text;
    if (member.server) whole.about.unit = member.server->cgroup.unit;
    evidence.add(std::move(whole));
    if (!member.server) continue;
    sharing.add(member, *descriptors);
    devices(host, member, *descriptors, source, evidence);
  }
  sharing.report(source, evidence);
  machine_limits(host, source, evidence);
  if (refused) evidence.gap({"descriptors of " + std::to_string(refused) + " processes", refusal.answer, "run as root, or grant CAP_SYS_PTRACE", refused, {}});
  if (left_out) evidence.gap({"descriptors of some processes", "there are too many; " + std::to_string(left_out) + " were left out", "name one server: triage PID", left_out, {}});
  if (tables.cut) evidence.gap({"sockets of this network namespace", "there are more than " + std::to_string(most_sockets), "ss -s", 1, {}});
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "descriptors", "", "", "", ""};
  if (const auto text = host.read("/proc/sys/fs/file-nr", 256)) sight.detail = std::string(base::split(base::trim(*text), '\t')[0]) + " files open on this machine";
  else {
    sight.state = Sight::State::partial;
    sight.why = text.error().answer;
  }
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe descriptors = {"descriptors", observe, sight};
}  // namespace probes_of
}  // namespace probe
