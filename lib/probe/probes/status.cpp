// The status of each server that has one, as its reader in readers/ finds it; asked at the end of a look, when it is known who listens where: only the
// server's own listener is asked, never whoever else has its port by now.
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "parse/settings/server.hpp"
#include "probe/gap.hpp"
#include "probe/look.hpp"
#include "probe/net_table.hpp"
#include "probe/probe.hpp"
#include "probe/request_head.hpp"
#include "probe/settings.hpp"
#include "probe/status.hpp"

namespace probe {

std::string Asked::setting(std::string_view name) const {
  std::string value;
  for (const auto& entry : settings)
    if (entry.key == name) value = base::trim(entry.value);
  if (value.size() > 1 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front()) value = value.substr(1, value.size() - 2);
  return value;
}

std::string Asked::option(std::initializer_list<std::string_view> names) const {
  const auto values = flavour::values_of(args, {names.begin(), names.size()});
  return values.empty() ? std::string() : values.back();
}

namespace {

constexpr double patience_s = 1.0, patience_of_all_s = 3.0;
constexpr std::size_t most_endpoints = 16;

bool among(std::string_view holders, const FoundServer& server) {
  for (const auto word : base::split(holders, ' ')) {
    const auto pid = base::read_number(word);
    const auto is = [&](const Process& process) { return pid == process.pid; };
    if (pid && (is(server.master) || std::any_of(server.workers.begin(), server.workers.end(), is) || std::any_of(server.children.begin(), server.children.end(), is))) return true;
  }
  return false;
}

std::string_view port_of(std::string_view address) { return address.substr(address.rfind(':') + 1); }

// Is one of its own processes listening there?
bool its_own(const evidence::Evidence& evidence, const FoundServer& server, const std::string& address) {
  const bool local = base::starts_with(address, "unix:");
  for (const evidence::FactId id : evidence.ids_of<evidence::ListenerSeen>()) {
    const auto* listener = evidence::as<evidence::ListenerSeen>(evidence.facts[id]);
    if (!listener || base::starts_with(listener->address, "unix:") != local) continue;
    const bool same = local ? listener->address == address : port_of(listener->address) == port_of(address);
    if (same && (server.flavour == "nginx" || among(listener->holders, server))) return true;
  }
  return false;
}

const Process* worker_of(const FoundServer& server, int pid) {
  const auto found = std::find_if(server.workers.begin(), server.workers.end(), [&](const Process& process) { return process.pid == pid || (process.ns_pid != 0 && process.ns_pid == pid); });
  return found == server.workers.end() ? nullptr : &*found;
}

void add(const source::Host& host, const FoundServer& server, const Endpoint& endpoint, const Reader& reader, Told told, evidence::Evidence& evidence) {
  const auto source = add_live_source(evidence, std::string(reader.name) + " " + endpoint.address, evidence::SourceKind::proc, host);
  const auto give = [&](evidence::What what, int pid, std::string text) {
    auto whole = seen(std::move(what), pid, source, host);
    whole.about.unit = server.cgroup.unit;
    whole.text = std::move(text);
    evidence.add(std::move(whole));
  };
  evidence::ServerStatus& status = told.server;
  status.kind = reader.name;
  status.where = endpoint.address;
  if (status.pool.empty()) status.pool = endpoint.pool;
  std::string text = status.kind + ": ";
  if (!status.pool.empty()) text += "pool " + base::printable(status.pool, 60) + ", ";
  text += std::to_string(status.busy) + (status.places ? " of " + base::counted(status.places, "place") : std::string(status.busy == 1 ? " request" : " requests")) + (status.places ? " taken" : " at work");
  if (status.queue || status.queue_limit) text += ", " + std::to_string(status.queue) + " in the queue";
  give(std::move(status), server.pid(), std::move(text));
  for (Told::Worker& worker : told.workers) {
    const Process* const process = worker_of(server, worker.pid);
    if (!process) continue;   // it ended since, or is seen under another number
    worker.status.kind = reader.name;
    std::string row = "worker " + std::to_string(worker.pid) + ": " + base::printable(worker.status.state, 20) + ", " + std::to_string(worker.status.busy) + " of " + base::counted(worker.status.places, "place") + " taken";
    give(std::move(worker.status), process->pid, std::move(row));
    if (worker.request.empty()) continue;
    evidence::RequestServed served;
    served.line = read_request_head(worker.request + " HTTP/1.1\r\n").line;   // without the values of its query
    if (served.line.empty()) continue;
    if (served.line.ends_with(" HTTP/1.1")) served.line.resize(served.line.size() - 9);
    served.seconds = worker.seconds;
    std::string line = base::printable(served.line, 200);
    give(std::move(served), process->pid, std::move(line));
  }
}

// What the configuration files say, raw.
std::vector<parse::settings::Entry> entries_of(const source::Host& host, const FoundServer& server, const Command& command) {
  std::vector<parse::settings::Entry> all;
  for (const auto& path : server_files(host, server, command)) {
    const auto text = host.read(path, 256 << 10);
    parse::settings::Document document;
    if (!text || !parse::settings::read_server(server.flavour, *text, document)) continue;
    all.insert(all.end(), std::make_move_iterator(document.entries.begin()), std::make_move_iterator(document.entries.end()));
  }
  return all;
}

void observe(const source::Host& host, const Target& target, const Found& found, evidence::Evidence& evidence) {
  if (host.kind() != "live") return;
  std::vector<FoundServer> all = found.servers;
  for (const Process& proxy : found.proxies) {
    FoundServer server;
    server.flavour = "nginx";
    server.master = proxy;
    server.root = "";
    all.push_back(std::move(server));
  }
  std::size_t asked_count = 0;
  double spent_s = 0;
  for (const FoundServer& server : all) {
    if (!server.master.pid) continue;
    for (const Reader* const reader : readers()) {
      if (reader->flavour != server.flavour) continue;
      const Command command = command_of(host, server);
      const Asked asked{host, server, command.args, entries_of(host, server, command)};
      for (const Endpoint& endpoint : reader->endpoints(asked)) {
        const std::string wanted = std::string(reader->name) + (endpoint.pool.empty() ? "" : " of pool " + base::printable(endpoint.pool, 60)) + " of " + name_of(server);
        if (!endpoint.taken.empty() && (endpoint.address.empty() || !target.send)) {
          evidence.gap({wanted, "not asked: " + endpoint.taken, endpoint.address.empty() ? "" : "--send allows it; or: " + endpoint.by_hand, 1, {}});
          continue;
        }
        if (endpoint.address.empty()) continue;
        if (++asked_count > most_endpoints || spent_s >= patience_of_all_s) {
          evidence.gap({wanted, "not asked: others took the time for it", endpoint.by_hand, 1, {}});
          continue;
        }
        const bool local = base::starts_with(endpoint.address, "unix:");
        if (!local && namespace_of(host, server.master.pid, "net") != namespace_of(host, static_cast<int>(::getpid()), "net")) {
          evidence.gap({wanted, "it listens in a network of its own (a container's)", "in there: " + endpoint.by_hand, 1, {}});
          continue;
        }
        if (!its_own(evidence, server, endpoint.address)) {
          evidence.gap({wanted, "none of its processes listens at " + endpoint.address + ", where its settings say", "see whether it was started with these settings, and who listens: ss -ltnxp", 1, {}});
          continue;
        }
        const auto began = host.now();
        const auto answer = ask(local ? "unix:" + server.path(endpoint.address.substr(5)) : endpoint.address, endpoint.request, patience_s);
        spent_s += static_cast<double>(host.now().at - began.at) / 1e9;
        if (!answer) {
          auto gap = gap_of(wanted, answer.error());
          gap.remedy = endpoint.by_hand;
          evidence.gap(std::move(gap));
          continue;
        }
        auto told = reader->understand(*answer, static_cast<double>(host.now().at) / 1e9);
        if (told) add(host, server, endpoint, *reader, std::move(*told), evidence);
        else evidence.gap({wanted, answer->empty() ? "it closed the connection without an answer" : "its answer is none of its kind", endpoint.by_hand, 1, {}});
      }
    }
  }
}

Sight sight(const source::Host&) { return {Sight::State::ok, "status of the servers", "asked where their settings name a place that takes nothing (stats socket, control app, pm.status_listen)", "", "", ""}; }

}  // namespace

namespace probes_of {
extern const Probe status = {"status", observe, sight};
}  // namespace probes_of
}  // namespace probe
