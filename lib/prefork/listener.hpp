// Listening sockets: by address, inherited from a master before us or from systemd.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/owner.hpp"
#include "base/result.hpp"

struct sockaddr;

namespace prefork {

struct Address {
  enum class Kind : std::uint8_t { tcp4, tcp6, unix_path, descriptor } kind = Kind::tcp4;
  std::string host;        // a numeric address
  int port = 0;
  std::string path;        // of a unix socket; a leading '@' is the abstract namespace
  int fd = -1;
  friend bool operator==(const Address&, const Address&) = default;
};

/// "127.0.0.1:80", "[::1]:80", ":80", "80", "localhost:80", "unix:/path", "fd://3". Names other than localhost are not resolved: a static program has no resolver.
base::Result<Address> read_address(std::string_view text);
/// "http://127.0.0.1:80", "unix:/path", as gunicorn prints its listeners.
std::string address_text(const Address& address);
/// As Python prints it in "Connection in use: ('127.0.0.1', 80)".
std::string address_tuple(const Address& address);

struct Listener {
  Address address;
  base::Fd fd;
  bool inherited = false;
};

struct ListenOptions {
  int backlog = 2048;
  int umask = 0;
  int uid = -1, gid = -1;    // of a unix socket
  bool reuse_port = false;
  int defer = 0;             // seconds for which TCP keeps silent connections from accept (TCP_DEFER_ACCEPT); 0: none
  bool slices = false;       // accepted sockets wake up once a second while they wait for a client: SO_RCVTIMEO and SO_SNDTIMEO, which they take over
};

/// TCP_DEFER_ACCEPT of a TCP listener; nothing for others.
void defer_accept(const Listener& listener, int seconds);

/// How many connections wait to be accepted: TCP tells; of a unix socket it cannot be asked, and 64 is said.
std::uint32_t waiting_at(const Listener& listener);

/// Binds and listens, without trying again. The error's code is errno.
base::Result<Listener> listen_at(const Address& address, const ListenOptions& options);
/// As listen_at without listen and, for TCP, undone at once: whether it would work. Nothing is left behind; of a unix socket only directory and owner are looked at.
base::Result<> could_listen_at(const Address& address, const ListenOptions& options);
/// One that is handed over as a descriptor: its address is asked of the kernel.
base::Result<Listener> adopt(int fd, const ListenOptions& options);

/// How many descriptors from 3 on systemd gave to this process (LISTEN_PID, LISTEN_FDS); 0: none.
int given_by_systemd();
/// Sends `state` to NOTIFY_SOCKET; without one nothing is done.
base::Result<> notify_systemd(std::string_view state);

/// An address as client: for statsd and tests. Connected; datagram or stream.
base::Result<base::Fd> connect_to(const Address& address, bool datagram);

/// The peer of an accepted socket: address and port; empty for unix sockets.
void peer_text(const sockaddr& peer, std::string& address, int& port);

}  // namespace prefork
