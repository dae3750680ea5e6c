#include "probe/watch_connector.hpp"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace probe {

namespace {

// linux/cn_proc.h: from 6.6 on the enumeration stands outside of struct proc_event, before inside; the values have never changed.
constexpr std::uint32_t event_none = 0, event_fork = 1, event_exec = 2, event_exit = 0x80000000;

constexpr int receive_buffer = 4 << 20;   // about 20,000 events

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

base::Result<> listen_to(int socket) {
  const auto wish = static_cast<__u32>(PROC_CN_MCAST_LISTEN);
  alignas(nlmsghdr) char request[NLMSG_SPACE(sizeof(cn_msg) + sizeof(wish))] = {};
  nlmsghdr header{};
  header.nlmsg_len = NLMSG_LENGTH(sizeof(cn_msg) + sizeof(wish));
  header.nlmsg_pid = static_cast<__u32>(getpid());
  header.nlmsg_type = NLMSG_DONE;
  cn_msg message{};
  message.id.idx = CN_IDX_PROC;
  message.id.val = CN_VAL_PROC;
  message.len = sizeof(wish);
  std::memcpy(request, &header, sizeof(header));
  std::memcpy(request + NLMSG_HDRLEN, &message, sizeof(message));
  std::memcpy(request + NLMSG_HDRLEN + sizeof(message), &wish, sizeof(wish));
  if (send(socket, request, header.nlmsg_len, 0) < 0) return base::fail(base::from_errno(errno, "asking the process connector to speak", "run as root, or grant CAP_NET_ADMIN"));
  return {};
}

}  // namespace

base::Result<ConnectorWatch> ConnectorWatch::open() {
  ConnectorWatch watch;
  watch.socket_ = base::Fd(socket(PF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR));
  if (!watch.socket_) return base::fail(base::from_errno(errno, "opening the process connector", "a kernel with CONFIG_PROC_EVENTS"));
  const int wanted = receive_buffer;
  if (setsockopt(watch.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) != 0) setsockopt(watch.fd(), SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = CN_IDX_PROC;
  if (bind(watch.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    return base::fail(base::from_errno(errno, "listening to the process connector", "run as root, or grant CAP_NET_ADMIN"));
  if (auto asked = listen_to(watch.fd()); !asked) return base::fail(asked.error());

  // Outside the initial namespaces everything above succeeds and nothing ever comes: the acknowledgement is what tells.
  timespec pause{0, 1'000'000};
  for (int tries = 0; tries < 200; ++tries) {
    char bytes[4096];
    const ssize_t got = recv(watch.fd(), bytes, sizeof(bytes), 0);
    if (got >= static_cast<ssize_t>(NLMSG_LENGTH(sizeof(cn_msg)))) return watch;
    nanosleep(&pause, nullptr);
  }
  return base::fail({base::Kind::unsupported, "listening to the process connector", "it does not answer", "run in the initial pid and network namespace", 0});
}

void ConnectorWatch::drain(std::vector<Event>& into) {
  const std::int64_t suspended = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);   // its stamps are monotonic
  alignas(nlmsghdr) char bytes[16384];
  for (;;) {
    const ssize_t got = recv(fd(), bytes, sizeof(bytes), 0);
    if (got < 0 && errno == ENOBUFS) continue;   // the sequence numbers count what was dropped
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    auto rest = static_cast<unsigned>(got);
    for (const nlmsghdr* header = reinterpret_cast<nlmsghdr*>(bytes); NLMSG_OK(header, rest); header = NLMSG_NEXT(header, rest)) {
      if (header->nlmsg_len < NLMSG_LENGTH(sizeof(cn_msg) + sizeof(proc_event))) continue;
      cn_msg message{};
      proc_event raw{};
      std::memcpy(&message, NLMSG_DATA(header), sizeof(message));
      std::memcpy(&raw, static_cast<const char*>(NLMSG_DATA(header)) + sizeof(message), sizeof(raw));
      const auto what = static_cast<std::uint32_t>(raw.what);
      if (what == event_none) continue;
      // One counter per CPU (drivers/connector/cn_proc.c: proc_event_counts).
      if (raw.cpu < 4096) {
        if (raw.cpu >= next_.size()) next_.resize(raw.cpu + 1, 0);
        if (next_[raw.cpu] != 0 && message.seq != next_[raw.cpu]) lost_ += message.seq - next_[raw.cpu];
        next_[raw.cpu] = message.seq + 1;
      }
      Event event;
      event.by = "connector";
      event.at_ns = static_cast<std::int64_t>(raw.timestamp_ns) + suspended;
      if (what == event_fork && raw.event_data.fork.child_pid == raw.event_data.fork.child_tgid) {
        event.what = Event::What::fork;
        event.pid = event.tid = raw.event_data.fork.child_tgid;
        event.parent = raw.event_data.fork.parent_tgid;
      } else if (what == event_exec) {
        event.what = Event::What::exec;
        event.pid = raw.event_data.exec.process_tgid;
        event.tid = raw.event_data.exec.process_pid;
      } else if (what == event_exit && raw.event_data.exit.process_pid == raw.event_data.exit.process_tgid) {
        event.what = Event::What::exit;
        event.pid = event.tid = raw.event_data.exit.process_tgid;
        event.parent = raw.event_data.exit.parent_tgid;
        event.status = static_cast<int>(raw.event_data.exit.exit_code);
      } else {
        continue;
      }
      into.push_back(std::move(event));
    }
  }
}

}  // namespace probe
