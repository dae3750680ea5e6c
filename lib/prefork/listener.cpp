#include "prefork/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"

namespace prefork {
namespace {

struct Raw {
  sockaddr_storage room{};
  socklen_t size = 0;
  int family = AF_INET;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&room); }
};

base::Result<Raw> raw_of(const Address& address) {
  Raw raw;
  if (address.kind == Address::Kind::unix_path) {
    auto& to = reinterpret_cast<sockaddr_un&>(raw.room);
    to.sun_family = AF_UNIX;
    raw.family = AF_UNIX;
    if (address.path.size() >= sizeof to.sun_path) return base::fail({base::Kind::usage, "using " + address_text(address), "the path is longer than the 107 bytes that a unix socket may have", "choose a shorter one", ENAMETOOLONG});
    std::memcpy(to.sun_path, address.path.data(), address.path.size());
    if (address.path.starts_with('@')) to.sun_path[0] = '\0';
    raw.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path.size() + (address.path.starts_with('@') ? 0 : 1));
  } else if (address.kind == Address::Kind::tcp6) {
    auto& to = reinterpret_cast<sockaddr_in6&>(raw.room);
    to.sin6_family = AF_INET6;
    raw.family = AF_INET6;
    to.sin6_port = htons(static_cast<std::uint16_t>(address.port));
    ::inet_pton(AF_INET6, address.host.c_str(), &to.sin6_addr);
    raw.size = sizeof to;
  } else {
    auto& to = reinterpret_cast<sockaddr_in&>(raw.room);
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(address.port));
    ::inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
    raw.size = sizeof to;
  }
  return raw;
}

void set_on(int fd, int level, int name) {
  const int one = 1;
  ::setsockopt(fd, level, name, &one, sizeof one);
}

// Linux copies both timeouts from the listener to what it accepts over TCP (sk_clone), so that a blocking worker can look up once a second without a system
// call for each connection.
void set_slices(int fd) {
  const timeval second{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
}

void prepare(int fd, const Address& address, const ListenOptions& options) {
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  if (address.kind != Address::Kind::unix_path) set_on(fd, IPPROTO_TCP, TCP_NODELAY);
  if (options.slices) set_slices(fd);
  if (address.kind != Address::Kind::unix_path && options.defer > 0) ::setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &options.defer, sizeof options.defer);
}

base::Error refused(const Address& address, int code) {
  const bool privileged = code == EACCES && address.port > 0 && address.port < 1024;
  return base::from_errno(code, "listening at " + address_text(address),
                          privileged               ? "ports below 1024 need root or CAP_NET_BIND_SERVICE"
                          : code == EADDRINUSE     ? "end the server that listens there, or choose another address"
                          : code == EADDRNOTAVAIL  ? "this machine has no such address"
                                                   : "");
}

base::Result<> remove_old_socket(const Address& address) {
  struct stat seen{};
  if (address.path.starts_with('@') || ::stat(address.path.c_str(), &seen) != 0) return {};
  if (!S_ISSOCK(seen.st_mode)) return base::fail({base::Kind::usage, "listening at " + address_text(address), "'" + address.path + "' is not a socket", "name another path, or remove the file", EEXIST});
  ::unlink(address.path.c_str());
  return {};
}

}  // namespace

base::Result<Address> read_address(std::string_view text) {
  const auto wrong = [&](std::string answer) { return base::fail({base::Kind::usage, "reading the address '" + base::printable(text, 120) + "'", std::move(answer), "write host:port, unix:/path or fd://N", 0}); };
  Address out;
  if (text.starts_with("unix:")) {
    out.kind = Address::Kind::unix_path;
    out.path = text.substr(text.starts_with("unix://") ? 7 : 5);
    if (out.path.empty()) return wrong("it names no path");
    return out;
  }
  if (text.starts_with("fd://")) {
    const auto number = base::read_number(text.substr(5));
    if (!number || *number < 0 || *number > 1 << 20) return wrong("it names no descriptor");
    out.kind = Address::Kind::descriptor;
    out.fd = static_cast<int>(*number);
    return out;
  }
  if (text.starts_with("tcp://")) text.remove_prefix(6);
  if (text.starts_with("http://")) text.remove_prefix(7);
  std::string_view host, port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return wrong("the bracket is not closed");
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return wrong("after the bracket comes a colon");
    if (!port.empty()) port.remove_prefix(1);
    out.kind = Address::Kind::tcp6;
  } else {
    const auto colon = text.rfind(':');
    host = text.substr(0, colon == std::string_view::npos ? text.size() : colon);
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    if (colon == std::string_view::npos && base::read_number(text)) host = "0.0.0.0", port = text;
  }
  if (host.empty()) host = "0.0.0.0";
  if (host == "localhost") host = "127.0.0.1";
  const auto number = port.empty() ? std::optional<std::int64_t>(8000) : base::read_number(port);
  if (!number || *number < 0 || *number > 65'535) return wrong("'" + base::printable(port, 40) + "' is not a valid port number.");
  out.host = host;
  out.port = static_cast<int>(*number);
  std::array<unsigned char, 16> room{};
  if (::inet_pton(out.kind == Address::Kind::tcp6 ? AF_INET6 : AF_INET, out.host.c_str(), room.data()) != 1) return wrong("'" + base::printable(host, 80) + "' is no numeric address, and names are not resolved");
  return out;
}

std::string address_text(const Address& address) {
  switch (address.kind) {
    case Address::Kind::unix_path: return "unix:" + address.path;
    case Address::Kind::descriptor: return fmt::format("fd://{}", address.fd);
    case Address::Kind::tcp6: return fmt::format("http://[{}]:{}", address.host, address.port);
    case Address::Kind::tcp4: break;
  }
  return fmt::format("http://{}:{}", address.host, address.port);
}

std::string address_tuple(const Address& address) {
  switch (address.kind) {
    case Address::Kind::unix_path: return address.path;
    case Address::Kind::descriptor: return fmt::format("fd://{}", address.fd);
    default: return fmt::format("('{}', {})", address.host, address.port);
  }
}

void defer_accept(const Listener& listener, int seconds) {
  if (listener.address.kind != Address::Kind::unix_path) ::setsockopt(listener.fd.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}

std::uint32_t waiting_at(const Listener& listener) {
  tcp_info seen{};
  socklen_t size = sizeof seen;
  const bool tcp = listener.address.kind != Address::Kind::unix_path && ::getsockopt(listener.fd.get(), IPPROTO_TCP, TCP_INFO, &seen, &size) == 0;
  return tcp ? seen.tcpi_unacked : 64;  // of a listener "unacked" is the length of its queue
}

base::Result<Listener> listen_at(const Address& address, const ListenOptions& options) {
  TRY(raw, raw_of(address));
  const bool is_unix = address.kind == Address::Kind::unix_path;
  if (is_unix)
    if (auto removed = remove_old_socket(address); !removed) return std::unexpected(std::move(removed).error());
  Listener out{address, base::Fd(::socket(raw.family, SOCK_STREAM | SOCK_CLOEXEC, 0)), false};
  if (!out.fd) return base::fail(refused(address, errno));
  set_on(out.fd.get(), SOL_SOCKET, SO_REUSEADDR);
  if (options.reuse_port && !is_unix) set_on(out.fd.get(), SOL_SOCKET, SO_REUSEPORT);
  const mode_t before = is_unix ? ::umask(static_cast<mode_t>(options.umask)) : 0;
  const int bound = ::bind(out.fd.get(), raw.get(), raw.size), code = errno;
  if (is_unix) ::umask(before);
  if (bound != 0) return base::fail(refused(address, code));
  if (is_unix && !address.path.starts_with('@') && (options.uid >= 0 || options.gid >= 0) && ::chown(address.path.c_str(), static_cast<uid_t>(options.uid), static_cast<gid_t>(options.gid)) != 0)
    return base::fail(base::from_errno(errno, "giving " + address.path + " to the workers' user", "start as root, or leave user and group out"));
  prepare(out.fd.get(), address, options);
  if (::listen(out.fd.get(), options.backlog) != 0) return base::fail(refused(address, errno));
  if (!is_unix && address.port == 0) {
    // The kernel has chosen one: that is what the log says.
    raw.size = sizeof raw.room;
    std::string host;
    if (::getsockname(out.fd.get(), raw.get(), &raw.size) == 0) peer_text(*raw.get(), host, out.address.port);
  }
  return out;
}

base::Result<> could_listen_at(const Address& address, const ListenOptions& options) {
  if (address.kind == Address::Kind::descriptor) {
    if (::fcntl(address.fd, F_GETFD) < 0) return base::fail(base::from_errno(errno, fmt::format("using the descriptor {}", address.fd), ""));
    return {};
  }
  TRY(raw, raw_of(address));
  if (address.kind == Address::Kind::unix_path) {
    if (address.path.starts_with('@')) return {};
    const auto slash = address.path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : address.path.substr(0, slash);
    struct stat seen{};
    if (::stat(folder.c_str(), &seen) != 0) return base::fail(base::from_errno(errno, "looking at the directory of " + address.path, "make it first, with the server's user as owner"));
    if (!S_ISDIR(seen.st_mode)) return base::fail({base::Kind::missing, "looking at the directory of " + address.path, folder + " is no directory", "", ENOTDIR});
    if (::access(folder.c_str(), W_OK | X_OK) != 0) return base::fail(base::from_errno(errno, "making a socket in " + folder, "let the server's user write there"));
    if (::stat(address.path.c_str(), &seen) == 0 && !S_ISSOCK(seen.st_mode)) return base::fail({base::Kind::usage, "listening at " + address_text(address), "'" + address.path + "' is not a socket", "name another path, or remove the file", EEXIST});
    return {};
  }
  const base::Fd fd(::socket(raw.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return base::fail(refused(address, errno));
  set_on(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  if (options.reuse_port) set_on(fd.get(), SOL_SOCKET, SO_REUSEPORT);
  if (::bind(fd.get(), raw.get(), raw.size) != 0) return base::fail(refused(address, errno));
  return {};
}

base::Result<Listener> adopt(int fd, const ListenOptions& options) {
  Raw raw;
  raw.size = sizeof raw.room;
  if (::getsockname(fd, raw.get(), &raw.size) != 0) return base::fail(base::from_errno(errno, fmt::format("using the inherited descriptor {}", fd), "it has to be a listening socket"));
  Listener out{{}, base::Fd(fd), true};
  if (raw.room.ss_family == AF_UNIX) {
    const auto& from = reinterpret_cast<const sockaddr_un&>(raw.room);
    out.address.kind = Address::Kind::unix_path;
    const std::size_t size = raw.size > offsetof(sockaddr_un, sun_path) ? raw.size - offsetof(sockaddr_un, sun_path) : 0;
    out.address.path.assign(from.sun_path, size);
    if (out.address.path.starts_with('\0')) out.address.path[0] = '@';
    else out.address.path = out.address.path.c_str();
  } else {
    out.address.kind = raw.room.ss_family == AF_INET6 ? Address::Kind::tcp6 : Address::Kind::tcp4;
    peer_text(*raw.get(), out.address.host, out.address.port);
  }
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  prepare(fd, out.address, options);
  return out;
}

int given_by_systemd() {
  const char* pid = ::getenv("LISTEN_PID");
  const char* count = ::getenv("LISTEN_FDS");
  if (!pid || !count) return 0;
  const auto whose = base::read_number(pid), many = base::read_number(count);
  return whose && many && *whose == ::getpid() && *many > 0 && *many < 1024 ? static_cast<int>(*many) : 0;
}

base::Result<> notify_systemd(std::string_view state) {
  const char* path = ::getenv("NOTIFY_SOCKET");
  if (!path || !*path) return {};
  Address to;
  to.kind = Address::Kind::unix_path;
  to.path = path;
  TRY(socket, connect_to(to, true));
  if (::send(socket.get(), state.data(), state.size(), MSG_NOSIGNAL) < 0) return base::fail(base::from_errno(errno, "notifying systemd", ""));
  return {};
}

base::Result<base::Fd> connect_to(const Address& address, bool datagram) {
  TRY(raw, raw_of(address));
  base::Fd fd(::socket(raw.family, (datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), raw.get(), raw.size) != 0) return base::fail(base::from_errno(errno, "connecting to " + address_text(address), ""));
  return fd;
}

void peer_text(const sockaddr& peer, std::string& address, int& port) {
  char room[INET6_ADDRSTRLEN] = "";
  address.clear();
  port = 0;
  if (peer.sa_family == AF_INET) {
    const auto& from = reinterpret_cast<const sockaddr_in&>(peer);
    ::inet_ntop(AF_INET, &from.sin_addr, room, sizeof room);
    port = ntohs(from.sin_port);
  } else if (peer.sa_family == AF_INET6) {
    const auto& from = reinterpret_cast<const sockaddr_in6&>(peer);
    ::inet_ntop(AF_INET6, &from.sin6_addr, room, sizeof room);
    port = ntohs(from.sin6_port);
  }
  address = room;
}

}  // namespace prefork
