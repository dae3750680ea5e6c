// The listening sockets of a network namespace with their queues, as the kernel itself lists them (NETLINK_SOCK_DIAG: what `ss -lxt` asks).
// Nothing is changed and no socket is touched; unix sockets also tell which file they are bound to, which /proc/net/unix does not.
// linux/inet_diag.h, linux/unix_diag.h; for a listener rqueue is the accept queue and wqueue its limit (net/ipv4/tcp_diag.c:tcp_diag_get_info,
// net/unix/diag.c:sk_diag_show_rqlen@6.12).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace probe {

struct Listening {
  std::string address;                          // "127.0.0.1:8000", "[::]:8000", "unix:/run/app.sock", "unix:@name"
  std::uint64_t inode = 0;                      // of the socket: what /proc/PID/fd links to
  std::uint64_t file_inode = 0, file_device = 0;  // unix: of the file that it is bound to (inode: its low 32 bits); 0 for none
  std::uint64_t queue = 0, limit = 0;           // connections that wait to be accepted, and how many may (backlog capped by somaxconn)
  bool only_v6 = false;                         // [::]: does not take IPv4
};

constexpr std::size_t most_listening = 20'000;

/// Every listening TCP and unix socket in the network namespace of `pid` (0: ours). Error where a kernel without the diag modules, or the
/// namespace, refuses. Works on a thread of its own when the namespace is another one, so that ours stays as it is.
base::Result<std::vector<Listening>> listening_sockets(int pid = 0);

/// What the kernel remembers of an established TCP connection (tcp_info).
struct Flow { std::uint64_t received = 0; double silent_s = 0; };  // bytes that came in ever; seconds since some did (since it was made, when none)
/// Of the connections in the namespace of `pid` whose own port is one of `ports`, by inode. At most 50,000.
base::Result<std::map<std::uint64_t, Flow>> flows(int pid, const std::vector<std::uint16_t>& ports);

/// The peer of every connected unix socket in the namespace of `pid`, by inode; the /proc files do not tell it. At most 200,000.
base::Result<std::map<std::uint64_t, std::uint64_t>> unix_peers(int pid = 0);
/// What the socket at the other end of this unix socket is bound to, "/run/x.sock" or "@name": for a client the address that it connected to. "" where
/// that end has no name (a pair) or is gone.
base::Result<std::string> unix_peer_name(int pid, std::uint64_t inode);

/// Does a listener at `bound` take a connection to `dialled` (numeric IP:PORT each)? Wildcards take every address of theirs.
bool takes(const Listening& bound, std::string_view dialled);

}  // namespace probe
