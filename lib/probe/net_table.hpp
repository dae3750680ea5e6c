// What a socket descriptor leads to: the tables of a network namespace by socket inode, from the text files of /proc/PID/net, which need no
// right but to read them. Unix sockets have their peers only where the kernel is asked (sock_diag.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "source/host.hpp"

namespace probe {

struct Socket {
  enum class Kind : std::uint8_t { tcp, udp, local } kind = Kind::tcp;
  std::string local, peer;        // "127.0.0.1:8000"; unix: the path, "@name", or ""
  bool listening = false, connected = false, connecting = false, stream = true;
  std::uint64_t unread = 0;       // TCP: bytes that the process has not read
};

using NetTable = std::map<std::uint64_t, Socket>;

constexpr std::size_t most_sockets = 200'000;

/// tcp, tcp6, udp, udp6 and unix of the namespace that `pid` is in. What cannot be read is left out; `cut` when there were more.
NetTable read_net_table(const source::Host& host, int pid, bool& cut);

/// The tables of several namespaces, each read when it is first asked for.
class NetTables {
 public:
  explicit NetTables(const source::Host& host) : host_(&host) {}
  const NetTable& of(int pid);
  const std::map<std::uint64_t, NetTable>& known() const { return tables_; }   // by namespace

 private:
  const source::Host* host_;
  std::map<std::uint64_t, NetTable> tables_;
};

void read_tcp(std::string_view text, bool six, bool udp, NetTable& table);
void read_unix(std::string_view text, NetTable& table);

/// "socket:[31337]" -> 31337; nullopt for another target.
std::optional<std::uint64_t> socket_inode(std::string_view target);
/// The inode of a namespace file: "net" of a pid; 0 when it may not be read.
std::uint64_t namespace_of(const source::Host& host, int pid, std::string_view name);

/// What most likely listens at such a port: "PostgreSQL" for 5432, "" unknown.
std::string_view service_at(std::string_view address);

}  // namespace probe
