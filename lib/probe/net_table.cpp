#include "probe/net_table.hpp"

#include <arpa/inet.h>

#include <array>
#include <optional>
#include <vector>

#include "base/text.hpp"

namespace probe {

namespace {

constexpr std::size_t most_bytes = 64 << 20;

std::optional<std::uint64_t> hex(std::string_view digits) {
  if (digits.empty() || digits.size() > 16) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + static_cast<std::uint64_t>(digit);
  }
  return value;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (const auto word : base::split(line, ' '))
    if (!word.empty()) words.push_back(word);
  return words;
}

// "0100007F:1F40": the address as numbers of this machine's byte order, the port as a number.
std::string address_of(std::string_view text, bool six) {
  const std::size_t digits = six ? 32 : 8;
  if (text.size() != digits + 5 || text[digits] != ':') return {};
  std::array<std::uint32_t, 4> parts{};
  for (std::size_t i = 0; i < digits / 8; ++i) {
    const auto part = hex(text.substr(i * 8, 8));
    if (!part) return {};
    parts[i] = static_cast<std::uint32_t>(*part);
  }
  const auto port = hex(text.substr(digits + 1));
  char name[INET6_ADDRSTRLEN] = "";
  if (!port || !::inet_ntop(six ? AF_INET6 : AF_INET, parts.data(), name, sizeof name)) return {};
  return (six ? "[" + std::string(name) + "]" : std::string(name)) + ":" + std::to_string(*port);
}

}  // namespace

void read_tcp(std::string_view text, bool six, bool udp, NetTable& table) {
  for (const auto line : base::split(text, '\n')) {
    if (table.size() >= most_sockets) return;
    const auto words = words_of(line);
    if (words.size() < 10 || words[0].back() != ':') continue;
    const auto inode = base::read_number(words[9]);
    if (!inode || *inode <= 0) continue;  // not accepted yet, or on its way out
    Socket socket;
    socket.kind = udp ? Socket::Kind::udp : Socket::Kind::tcp;
    socket.local = address_of(words[1], six);
    socket.peer = address_of(words[2], six);
    if (socket.local.empty()) continue;
    socket.listening = !udp && words[3] == "0A";
    socket.connected = words[3] == "01";  // TCP_ESTABLISHED
    socket.connecting = words[3] == "02";  // TCP_SYN_SENT
    socket.stream = !udp;
    if (const auto colon = words[4].find(':'); colon != std::string_view::npos && !socket.listening) socket.unread = hex(words[4].substr(colon + 1)).value_or(0);
    table[static_cast<std::uint64_t>(*inode)] = std::move(socket);
  }
}

void read_unix(std::string_view text, NetTable& table) {
  // Num       RefCount Protocol Flags    Type St Inode Path
  for (const auto line : base::split(text, '\n')) {
    if (table.size() >= most_sockets) return;
    const auto words = words_of(line);
    if (words.size() < 7 || words[0].back() != ':') continue;
    const auto inode = base::read_number(words[6]);
    const auto flags = hex(words[3]);
    if (!inode || !flags) continue;
    Socket socket;
    socket.kind = Socket::Kind::local;
    socket.listening = *flags & 0x10000;  // __SO_ACCEPTCON
    socket.connected = words[5] == "03";  // SS_CONNECTED
    socket.stream = words[4] != "0002";   // SOCK_DGRAM
    // The path is the rest of the line: it may hold blanks.
    if (words.size() > 7) socket.local = std::string(line.substr(static_cast<std::size_t>(words[7].data() - line.data())));
    table[static_cast<std::uint64_t>(*inode)] = std::move(socket);
  }
}

NetTable read_net_table(const source::Host& host, int pid, bool& cut) {
  NetTable table;
  const std::string at = "/proc/" + std::to_string(pid) + "/net/";
  const auto text = [&](const char* name) {
    auto content = host.read(at + name, most_bytes);
    if (content && content->size() >= most_bytes) cut = true;
    return content ? std::move(*content) : std::string();
  };
  read_tcp(text("tcp"), false, false, table);
  read_tcp(text("tcp6"), true, false, table);
  read_tcp(text("udp"), false, true, table);
  read_tcp(text("udp6"), true, true, table);
  read_unix(text("unix"), table);
  cut = cut || table.size() >= most_sockets;
  return table;
}

std::optional<std::uint64_t> socket_inode(std::string_view target) {
  const auto inode = base::between(target, "socket:[", "]");
  if (!inode) return std::nullopt;
  const auto number = base::read_number(*inode);
  return number && *number > 0 ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
}

std::uint64_t namespace_of(const source::Host& host, int pid, std::string_view name) {
  const auto link = host.link("/proc/" + std::to_string(pid) + "/ns/" + std::string(name));
  if (!link) return 0;
  const auto inode = base::between(*link, "[", "]");
  return inode ? static_cast<std::uint64_t>(base::read_number(*inode).value_or(0)) : 0;
}

std::string_view service_at(std::string_view address) {
  struct Known { std::string_view port, name; };
  static constexpr std::array known{Known{"5432", "PostgreSQL"}, Known{"6432", "PgBouncer"},     Known{"3306", "MySQL"},     Known{"6379", "Redis"},         Known{"26379", "Redis Sentinel"},
                                    Known{"5672", "AMQP"},       Known{"5671", "AMQP"},          Known{"27017", "MongoDB"},  Known{"11211", "memcached"},    Known{"9200", "Elasticsearch"},
                                    Known{"9092", "Kafka"},      Known{"1433", "SQL Server"},    Known{"1521", "Oracle"},    Known{"9042", "Cassandra"},     Known{"2181", "ZooKeeper"},
                                    Known{"80", "HTTP"},         Known{"443", "HTTPS"},          Known{"24224", "fluentd"},  Known{"12201", "Graylog"},      Known{"8125", "statsd"},
                                    Known{"514", "syslog"},      Known{"389", "LDAP"},           Known{"636", "LDAP"},       Known{"25", "SMTP"},            Known{"587", "SMTP"}};
  if (base::contains(address, ".s.PGSQL.")) return "PostgreSQL";
  if (base::contains(address, "mysql")) return "MySQL";
  if (base::contains(address, "redis")) return "Redis";
  if (base::contains(address, "pgbouncer")) return "PgBouncer";
  if (base::contains(address, "memcached")) return "memcached";
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos) return {};
  for (const auto& one : known)
    if (one.port == address.substr(colon + 1)) return one.name;
  return {};
}

const NetTable& NetTables::of(int pid) {
  const auto space = namespace_of(*host_, pid, "net");
  const auto found = tables_.find(space);
  if (found != tables_.end()) return found->second;
  bool cut = false;
  return tables_.emplace(space, read_net_table(*host_, pid, cut)).first->second;
}

}  // namespace probe
