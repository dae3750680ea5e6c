// What is on another machine is a Gap with the command that looks there, never silence; what is on this one is none.
#include "machine.hpp"
#include "probe/probe.hpp"
#include "probe/servers.hpp"
#include "support/catch.hpp"

namespace {

// 10.0.0.2 is this machine; the remote end 10.0.0.9:8000 has one connection that stands (01) and two that wait (02).
const std::string trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.2\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.0.0.0\n        /24 link UNICAST\n";
const std::string tcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0200000A:A000 0900000A:1F40 01 00000000:00000000 00:00000000 00000000    33        0 501 1\n"
    "   1: 0200000A:A001 0900000A:1F40 02 00000000:00000000 00:00000000 00000000    33        0 502 1\n"
    "   2: 0200000A:A002 0900000A:1F40 02 00000000:00000000 00:00000000 00000000    33        0 503 1\n";

struct Seen { std::vector<std::string> gaps; std::vector<evidence::RemotePeer> peers; };

Seen seen(const Machine& machine, const probe::Found& found, evidence::Evidence evidence) {
  for (const auto* probe : probe::probes())
    if (probe->name == "wire") probe->observe(*machine.host(), {}, found, evidence);
  Seen all;
  for (const auto& gap : evidence.gaps) all.gaps.push_back(gap.wanted + " | " + gap.reason + " | " + gap.remedy);
  for (const auto& fact : evidence.facts)
    if (const auto* peer = evidence::as<evidence::RemotePeer>(fact)) all.peers.push_back(*peer);
  return all;
}

void add(evidence::Evidence& evidence, int pid, evidence::What what) {
  if (evidence.sources.empty()) evidence.add_source({});
  evidence::Fact fact;
  fact.what = std::move(what);
  fact.about.pid = pid;
  evidence.add(std::move(fact));
}

Machine on_the_net(int pid) {
  Machine machine;
  machine.files["proc/" + std::to_string(pid) + "/net/fib_trie"] = trie;
  machine.files["proc/" + std::to_string(pid) + "/net/tcp"] = tcp;
  return machine;
}

probe::Found with_proxy() {
  probe::Found found;
  found.proxies.emplace_back();
  found.proxies.back().pid = 70;
  return found;
}

evidence::Evidence dials(const std::string& address) {
  evidence::Evidence evidence;
  evidence::ProxyRoute route;
  route.address = address;
  add(evidence, 70, route);
  return evidence;
}

}  // namespace

TEST_CASE("a server on another machine is said with what this side knows") {
  const Seen all = seen(on_the_net(70), with_proxy(), dials("10.0.0.9:8000"));
  REQUIRE(all.peers.size() == 1);
  CHECK(all.peers[0].address == "10.0.0.9:8000");
  CHECK(all.peers[0].connected == 1);
  CHECK(all.peers[0].connecting == 2);
  REQUIRE(all.gaps.size() == 1);
  CHECK(all.gaps[0] ==
        "the server at 10.0.0.9:8000 | it is on another machine; from here, 1 connection to it stood, and 2 waited for its first answer (SYN_SENT: down, or a firewall) | there: triage, and ss -ltnp sport = :8000");
}

TEST_CASE("an address of this machine, loopback, a name or a unix socket is not another machine") {
  for (const char* const address : {"10.0.0.2:8000", "127.0.0.1:8000", "[::1]:8000", "backend:8000", "unix:/run/app.sock"}) {
    INFO(address);
    CHECK(seen(on_the_net(70), with_proxy(), dials(address)).gaps.empty());
  }
  Machine blind;  // which addresses are its own cannot be read: nothing is claimed
  CHECK(seen(blind, with_proxy(), dials("10.0.0.9:8000")).gaps.empty());
}

TEST_CASE("a proxy on another machine is guessed from few clients alone") {
  probe::Found found;
  found.servers.emplace_back();
  found.servers.back().flavour = "gunicorn";
  found.servers.back().master.pid = 10;
  found.servers.back().workers.emplace_back();
  found.servers.back().workers.back().pid = 11;
  evidence::Evidence evidence;
  evidence::ConnectionSeen connection;
  connection.peer = "10.0.0.7:41000";
  add(evidence, 11, connection);
  const Seen few = seen(on_the_net(10), found, evidence);
  REQUIRE(few.gaps.size() == 1);
  CHECK(few.gaps[0].find("its connections come from another machine: 10.0.0.7 | there: triage http://HOST/PATH") != std::string::npos);
  for (int i = 0; i < 9; ++i) {
    connection.peer = "10.0.1." + std::to_string(i) + ":41000";
    add(evidence, 11, connection);
  }
  CHECK(seen(on_the_net(10), found, evidence).gaps.empty());  // clients themselves
}
