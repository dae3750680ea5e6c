// Drivers in C that a worker has mapped: they wait inside of their library, where gevent and eventlet cannot switch to another request
// (gunicorn#2975). Told from /proc/PID/maps of one worker a server; nothing of the application is run.
#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "probe/look.hpp"
#include "probe/net_table.hpp"
#include "probe/probe.hpp"
#include "probe/servers.hpp"

namespace probe {

namespace {

constexpr std::size_t most_servers = 64;

struct Known { std::string_view part, name, service, cure; };  // cure: a package that makes it yield, where it lies beside
constexpr std::array known{Known{"/psycopg2/_psycopg", "psycopg2", "PostgreSQL", "psycogreen"},
                           Known{"/MySQLdb/_mysql", "mysqlclient", "MySQL", ""},
                           Known{"_mysql_connector.", "mysql-connector (C)", "MySQL", ""},
                           Known{"/cx_Oracle", "cx_Oracle", "Oracle", ""},
                           Known{"/oracledb/thick_impl", "oracledb (thick)", "Oracle", ""},
                           Known{"/pyodbc", "pyodbc", "", ""},
                           Known{"/pymssql/", "pymssql", "SQL Server", ""},
                           Known{"/confluent_kafka/", "confluent_kafka", "Kafka", ""},
                           Known{"/grpc/_cython/cygrpc", "grpc", "", ""},
                           Known{"/_pylibmc", "pylibmc", "memcached", ""}};

// The address that the worker is connected to where such a service listens; "" for none.
std::string peer_of(const source::Host& host, int pid, std::string_view service) {
  if (service.empty()) return {};
  bool cut = false;
  const NetTable table = read_net_table(host, pid, cut);
  const auto descriptors = read_descriptors(host, pid);
  if (!descriptors) return {};
  for (const auto& open : *descriptors)
    if (const auto inode = socket_inode(open.target))
      if (const auto socket = table.find(*inode); socket != table.end() && socket->second.connected && service_at(socket->second.peer) == service) return socket->second.peer;
  return {};
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  std::optional<evidence::SourceId> source;
  std::size_t servers = 0;
  for (const auto& server : found.servers) {
    const auto worker = std::find_if(server.workers.begin(), server.workers.end(), [](const Process& process) { return process.state != 'Z'; });
    if (worker == server.workers.end() || ++servers > most_servers) continue;
    const auto maps = host.read("/proc/" + std::to_string(worker->pid) + "/maps", 2 << 20);
    if (!maps) continue;
    std::set<std::string_view> told;
    for (const auto line : base::split(*maps, '\n')) {
      const std::size_t slash = line.find('/');
      if (slash == std::string_view::npos || line.find(".so", slash) == std::string_view::npos) continue;
      const std::string_view path = line.substr(slash);
      for (const auto& one : known) {
        if (!base::contains(path, one.part) || !told.insert(one.name).second) continue;
        const auto packages = path.find("-packages/");
        if (!one.cure.empty() && packages != std::string_view::npos && host.stat(server.root + std::string(path.substr(0, packages + 10)) + std::string(one.cure))) continue;
        if (!source) source = add_live_source(evidence, "/proc/PID/maps", evidence::SourceKind::proc, host);
        evidence::DriverMapped fact{std::string(one.name), std::string(path), peer_of(host, worker->pid, one.service)};
        std::string text = "pid " + std::to_string(worker->pid) + " has " + fact.path + " mapped" + (fact.peer.empty() ? "" : ", connected to " + fact.peer);
        auto whole = seen(std::move(fact), worker->pid, *source, host);
        whole.about.unit = server.cgroup.unit;
        whole.text = std::move(text);
        evidence.add(std::move(whole));
      }
    }
  }
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "drivers of workers", "by /proc/PID/maps", "", "", ""};
  if (!host.read("/proc/self/maps", 4096)) sight.state = Sight::State::no;
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe drivers = {"drivers", observe, sight};
}  // namespace probes_of
}  // namespace probe
