#include "probe/sock_diag.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <thread>

#include "base/owner.hpp"
#include "base/text.hpp"

namespace probe {

namespace {

constexpr int listen_state = 10;  // TCP_LISTEN; unix listeners have it too

using Each = std::function<void(const nlmsghdr&)>;

// Sends one dump request and calls `each` for every answer; the kernel ends it with NLMSG_DONE or an error. `one`: asks for a single socket instead.
base::Result<> dump(int netlink, const void* request, std::size_t size, const Each& each, bool one = false) {
  const std::string doing = "asking the kernel for its sockets (NETLINK_SOCK_DIAG)", remedy = "ss -lxtnp shows what is known";
  std::vector<char> message(NLMSG_SPACE(size));
  auto* const head = reinterpret_cast<nlmsghdr*>(message.data());
  head->nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(size));
  head->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  head->nlmsg_flags = static_cast<std::uint16_t>(one ? NLM_F_REQUEST : NLM_F_REQUEST | NLM_F_DUMP);
  std::memcpy(NLMSG_DATA(head), request, size);
  if (::send(netlink, message.data(), message.size(), 0) < 0) return base::fail(base::from_errno(errno, doing, remedy));
  alignas(nlmsghdr) char buffer[1 << 16];
  while (true) {
    const ssize_t got = ::recv(netlink, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return base::fail(base::from_errno(got < 0 ? errno : EIO, doing, remedy));
    std::size_t left = static_cast<std::size_t>(got);
    for (auto* at = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
      if (at->nlmsg_type == NLMSG_DONE) return {};
      if (at->nlmsg_type == NLMSG_ERROR) {
        nlmsgerr error{};
        if (at->nlmsg_len >= NLMSG_LENGTH(sizeof error)) std::memcpy(&error, NLMSG_DATA(at), sizeof error);
        return base::fail(base::from_errno(error.error ? -error.error : EIO, doing, remedy));
      }
      each(*at);
      if (one) return {};
    }
  }
}

// The attributes behind a fixed part of `fixed` bytes.
void each_attribute(const nlmsghdr& message, std::size_t fixed, const std::function<void(int, std::string_view)>& each) {
  const char* const begin = static_cast<const char*>(NLMSG_DATA(&message));
  const std::size_t size = message.nlmsg_len - NLMSG_LENGTH(0);
  for (std::size_t at = NLMSG_ALIGN(fixed); at + sizeof(nlattr) <= size;) {
    nlattr attribute;
    std::memcpy(&attribute, begin + at, sizeof attribute);
    if (attribute.nla_len < sizeof attribute || at + attribute.nla_len > size) return;
    each(attribute.nla_type & NLA_TYPE_MASK, {begin + at + sizeof attribute, attribute.nla_len - sizeof attribute});
    at += NLA_ALIGN(attribute.nla_len);
  }
}

template <class T>
bool take(std::string_view bytes, T& into) {
  if (bytes.size() < sizeof into) return false;
  std::memcpy(&into, bytes.data(), sizeof into);
  return true;
}

std::string address_text(int family, const void* address, std::uint16_t port) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(family, address, text, sizeof text);
  return (family == AF_INET6 ? "[" + std::string(text) + "]" : std::string(text)) + ":" + std::to_string(port);
}

base::Result<> tcp(int netlink, int family, std::vector<Listening>& all) {
  inet_diag_req_v2 request{};
  request.sdiag_family = static_cast<std::uint8_t>(family);
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_states = 1u << listen_state;
  return dump(netlink, &request, sizeof request, [&](const nlmsghdr& message) {
    inet_diag_msg about;
    if (message.nlmsg_len < NLMSG_LENGTH(sizeof about) || all.size() >= most_listening) return;
    std::memcpy(&about, NLMSG_DATA(&message), sizeof about);
    Listening one;
    one.address = address_text(family, about.id.idiag_src, ntohs(about.id.idiag_sport));
    one.inode = about.idiag_inode;
    one.queue = about.idiag_rqueue;
    one.limit = about.idiag_wqueue;
    each_attribute(message, sizeof about, [&](int kind, std::string_view value) {
      if (kind == INET_DIAG_SKV6ONLY && !value.empty()) one.only_v6 = value[0] != 0;
    });
    all.push_back(std::move(one));
  });
}

base::Result<> local(int netlink, std::vector<Listening>& all) {
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = 1u << listen_state;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_RQLEN;
  return dump(netlink, &request, sizeof request, [&](const nlmsghdr& message) {
    unix_diag_msg about;
    if (message.nlmsg_len < NLMSG_LENGTH(sizeof about) || all.size() >= most_listening) return;
    std::memcpy(&about, NLMSG_DATA(&message), sizeof about);
    Listening one;
    one.inode = about.udiag_ino;
    each_attribute(message, sizeof about, [&](int kind, std::string_view value) {
      if (kind == UNIX_DIAG_NAME) {
        if (!value.empty() && value[0] == '\0') one.address = "unix:@" + std::string(value.substr(1));
        else one.address = "unix:" + std::string(value.substr(0, value.find('\0')));
      } else if (unix_diag_vfs file{}; kind == UNIX_DIAG_VFS && take(value, file)) {
        one.file_inode = file.udiag_vfs_ino;
        // The kernel's own encoding, 12 bits major over 20 bits minor (include/linux/kdev_t.h); stat(2) speaks another.
        one.file_device = makedev(file.udiag_vfs_dev >> 20, file.udiag_vfs_dev & 0xfffff);
      } else if (unix_diag_rqlen lengths{}; kind == UNIX_DIAG_RQLEN && take(value, lengths)) {
        one.queue = lengths.udiag_rqueue;
        one.limit = lengths.udiag_wqueue;
      }
    });
    if (!one.address.empty()) all.push_back(std::move(one));
  });
}

base::Result<base::Fd> open_netlink() {
  base::Fd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return base::fail(base::from_errno(errno, "opening a socket to list sockets (NETLINK_SOCK_DIAG)", "ss -lxtnp as root"));
  const timeval patience{1, 0};
  (void)::setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return netlink;
}

base::Result<std::vector<Listening>> list_here() {
  TRY(netlink, open_netlink());
  std::vector<Listening> all;
  if (auto four = tcp(netlink.get(), AF_INET, all); !four) return std::unexpected(std::move(four).error());
  (void)tcp(netlink.get(), AF_INET6, all);  // a kernel without IPv6 has none
  if (auto files = local(netlink.get(), all); !files) return std::unexpected(std::move(files).error());
  return all;
}

using Peers = std::map<std::uint64_t, std::uint64_t>;

base::Result<Peers> peers_here() {
  TRY(netlink, open_netlink());
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = 1u << 1;  // connected
  request.udiag_show = UDIAG_SHOW_PEER;
  Peers peers;
  const auto answer = dump(netlink.get(), &request, sizeof request, [&](const nlmsghdr& message) {
    unix_diag_msg about;
    if (message.nlmsg_len < NLMSG_LENGTH(sizeof about) || peers.size() >= 200'000) return;
    std::memcpy(&about, NLMSG_DATA(&message), sizeof about);
    each_attribute(message, sizeof about, [&](int kind, std::string_view value) {
      if (std::uint32_t peer = 0; kind == UNIX_DIAG_PEER && take(value, peer)) peers[about.udiag_ino] = peer;
    });
  });
  if (!answer) return std::unexpected(answer.error());
  return peers;
}

// One attribute of one unix socket: a machine may have very many of them.
base::Result<std::string> attribute_of(int netlink, std::uint64_t inode, std::uint32_t show, int wanted) {
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = ~0u;
  request.udiag_ino = static_cast<std::uint32_t>(inode);
  request.udiag_show = show;
  request.udiag_cookie[0] = request.udiag_cookie[1] = ~0u;      // INET_DIAG_NOCOOKIE: whichever has that number
  std::string found;
  const auto answer = dump(netlink, &request, sizeof request, [&](const nlmsghdr& message) {
    if (message.nlmsg_len < NLMSG_LENGTH(sizeof(unix_diag_msg))) return;
    each_attribute(message, sizeof(unix_diag_msg), [&](int kind, std::string_view value) {
      if (kind == wanted) found = value;
    });
  }, true);
  if (!answer) return std::unexpected(answer.error());
  return found;
}

base::Result<std::string> peer_name_here(std::uint64_t inode) {
  TRY(netlink, open_netlink());
  TRY(end, attribute_of(netlink.get(), inode, UDIAG_SHOW_PEER, UNIX_DIAG_PEER));
  std::uint32_t peer = 0;
  if (!take(end, peer) || peer == 0) return std::string();
  TRY(name, attribute_of(netlink.get(), peer, UDIAG_SHOW_NAME, UNIX_DIAG_NAME));
  if (!name.empty() && name[0] == '\0') return "@" + name.substr(1);
  return name.substr(0, name.find('\0'));
}

using Flows = std::map<std::uint64_t, Flow>;

base::Result<Flows> flows_here(const std::vector<std::uint16_t>& ports) {
  TRY(netlink, open_netlink());
  Flows all;
  for (const int family : {AF_INET, AF_INET6}) {
    inet_diag_req_v2 request{};
    request.sdiag_family = static_cast<std::uint8_t>(family);
    request.sdiag_protocol = IPPROTO_TCP;
    request.idiag_states = 1u << 1;  // established
    request.idiag_ext = 1u << (INET_DIAG_INFO - 1);
    const auto answer = dump(netlink.get(), &request, sizeof request, [&](const nlmsghdr& message) {
      inet_diag_msg about;
      if (message.nlmsg_len < NLMSG_LENGTH(sizeof about) || all.size() >= 50'000) return;
      std::memcpy(&about, NLMSG_DATA(&message), sizeof about);
      if (std::find(ports.begin(), ports.end(), ntohs(about.id.idiag_sport)) == ports.end() || about.idiag_inode == 0) return;
      each_attribute(message, sizeof about, [&](int kind, std::string_view value) {
        if (kind != INET_DIAG_INFO) return;
        tcp_info info{};  // an older kernel gives less of it
        std::memcpy(&info, value.data(), std::min(value.size(), sizeof info));
        all[about.idiag_inode] = {info.tcpi_bytes_received, static_cast<double>(info.tcpi_last_data_recv) / 1000};
      });
    });
    if (!answer && family == AF_INET) return std::unexpected(answer.error());
  }
  return all;
}

base::Result<bool> same_namespace(int pid) {
  char theirs[64], ours[64];
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/net";
  const ssize_t a = ::readlink(path.c_str(), theirs, sizeof theirs), b = ::readlink("/proc/self/ns/net", ours, sizeof ours);
  if (a < 0 || b < 0) return base::fail(base::from_errno(errno, "reading the link " + path, "run as root"));
  return std::string_view(theirs, static_cast<std::size_t>(a)) == std::string_view(ours, static_cast<std::size_t>(b));
}

// Asks inside of a process's network namespace. setns changes the calling thread alone, so another one is sent and ends there.
template <class T>
base::Result<T> inside(int pid, const std::function<base::Result<T>()>& ask) {
  if (pid == 0) return ask();
  TRY(same, same_namespace(pid));
  if (same) return ask();
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/net";
  base::Result<T> answer = T{};
  std::thread([&] {
    const base::Fd space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!space || ::setns(space.get(), CLONE_NEWNET) != 0) answer = base::fail(base::from_errno(errno, "entering the network namespace of process " + std::to_string(pid), "run as root (CAP_SYS_ADMIN)"));
    else answer = ask();
  }).join();
  return answer;
}

}  // namespace

base::Result<std::vector<Listening>> listening_sockets(int pid) { return inside<std::vector<Listening>>(pid, list_here); }
base::Result<Peers> unix_peers(int pid) { return inside<Peers>(pid, peers_here); }
base::Result<std::string> unix_peer_name(int pid, std::uint64_t inode) { return inside<std::string>(pid, [&] { return peer_name_here(inode); }); }
base::Result<Flows> flows(int pid, const std::vector<std::uint16_t>& ports) { return inside<Flows>(pid, [&] { return flows_here(ports); }); }

bool takes(const Listening& bound, std::string_view dialled) {
  if (bound.address == dialled) return true;
  const auto port_of = [](std::string_view address) { return address.substr(address.rfind(':') == std::string_view::npos ? 0 : address.rfind(':')); };
  if (base::starts_with(bound.address, "unix:") || base::starts_with(dialled, "unix:") || port_of(bound.address) != port_of(dialled)) return false;
  const bool six = base::starts_with(dialled, "[");
  if (base::starts_with(bound.address, "0.0.0.0:")) return !six;
  if (base::starts_with(bound.address, "[::]:")) return six || !bound.only_v6;
  return false;
}

}  // namespace probe
