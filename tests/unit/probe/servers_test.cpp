#include "probe/servers.hpp"

#include "machine.hpp"
#include "support/catch.hpp"

namespace {

std::vector<int> pids(const std::vector<probe::Process>& processes) {
  std::vector<int> all;
  for (const auto& process : processes) all.push_back(process.pid);
  return all;
}

using Pids = std::vector<int>;

}  // namespace

TEST_CASE("stat, status, cmdline and cgroup are read, odd names too") {
  probe::Process process;
  REQUIRE(probe::read_stat("12 (a) b (c) Z 1 12 12 0 -1 4 0 0 0 0 0 0 0 0 20 0 3 0 250 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 9\n", process));
  CHECK(process.comm == "a) b (c");
  CHECK(process.state == 'Z');
  CHECK(process.started_ns == 2'500'000'000);
  CHECK(process.exit_code == 9);
  CHECK_FALSE(probe::read_stat("12 (x", process));
  CHECK_FALSE(probe::read_stat("", process));
  probe::read_status("NSpid:\t99\t7\nUid:\t33\t0\t0\t0\nSigCgt:\t0000000108304226\nVmRSS:\t 20 kB\n", process);
  CHECK(process.ns_pid == 7);
  CHECK(process.uid == 33);
  CHECK(process.caught == 0x108304226u);
  CHECK(process.rss == 20480);
  CHECK(probe::read_cmdline(std::string_view("a\0b c\0\0\0", 8)) == std::vector<std::string>{"a", "b c"});
  CHECK(probe::read_cmdline("").empty());
  CHECK(probe::command_text({"gunicorn", "-b", "a b", ""}) == "gunicorn -b 'a b' ''");
}

TEST_CASE("a cgroup says its memory path, unit and container") {
  const auto v2 = probe::read_cgroup("0::/system.slice/web.service\n");
  CHECK(v2.version == 2);
  CHECK(v2.memory == "/system.slice/web.service");
  CHECK(v2.unit == "web.service");
  const std::string id(64, 'a');
  const auto docker = probe::read_cgroup("0::/system.slice/docker-" + id + ".scope\n");
  CHECK(docker.container == id);
  CHECK(docker.unit == "docker-" + id + ".scope");
  const auto hybrid = probe::read_cgroup("4:memory:/kubepods/pod1/" + id + "\n1:name=systemd:/kubepods/pod1/" + id + "\n0::/x\n");
  CHECK(hybrid.version == 1);
  CHECK(hybrid.memory == "/kubepods/pod1/" + id);
  CHECK(hybrid.container == id);
  CHECK(probe::read_cgroup("garbage").version == 0);
}

TEST_CASE("master and workers of a plain gunicorn are told apart by the signals they catch") {
  Machine machine;
  machine.process(10, 1, script, Machine::master);
  machine.process(11, 10, script, Machine::worker);
  machine.process(12, 10, script, Machine::master);  // just forked: init_signals() not reached
  machine.process(13, 11, {"/usr/bin/convert", "x.png"}, Machine::starting);
  machine.process(20, 1, {"/usr/bin/vim", "gunicorn.conf.py"}, Machine::starting);
  machine.process(21, 1, {"tail", "-f", "/var/log/gunicorn.log"}, Machine::starting);
  const auto servers = probe::find_servers(*machine.host());
  REQUIRE(servers.size() == 1);
  CHECK(servers[0].master.pid == 10);
  CHECK(pids(servers[0].workers) == Pids{11, 12});
  CHECK(pids(servers[0].children) == Pids{13});
  CHECK(servers[0].args == "/usr/bin/python3 /usr/bin/gunicorn -w 2 --timeout=20 app:app");
  CHECK(servers[0].cgroup.unit == "web.service");
  CHECK(servers[0].path("logs/error.log") == "/srv/app/logs/error.log");
}

TEST_CASE("titles, several instances, pid namespaces") {
  Machine machine;
  machine.process(10, 1, {"gunicorn: master [a]"}, Machine::master);
  machine.process(11, 10, {"gunicorn: worker [a]"}, Machine::uvicorn);
  machine.process(30, 5, {"/opt/venv/bin/python", "-m", "gunicorn", "b:app"}, Machine::master, 1);
  machine.process(31, 30, {"/opt/venv/bin/python", "-m", "gunicorn", "b:app"}, Machine::worker, 7);
  const auto servers = probe::find_servers(*machine.host());
  REQUIRE(servers.size() == 2);
  CHECK(servers[0].title);
  CHECK(pids(servers[0].workers) == Pids{11});
  CHECK(servers[1].master.ns_pid == 1);
  CHECK(servers[1].workers[0].ns_pid == 7);
  probe::Target one;
  one.pids = {31};
  REQUIRE(probe::find_servers(*machine.host(), one).size() == 1);
  CHECK(probe::find_servers(*machine.host(), one)[0].master.pid == 30);
  probe::Target none;
  none.words = {"other.service"};
  CHECK(probe::find_servers(*machine.host(), none).empty());
}

TEST_CASE("an upgrade by USR2 is two masters, the new one below the old") {
  Machine machine;
  machine.process(10, 1, script, Machine::master);
  machine.process(11, 10, script, Machine::worker);
  machine.process(20, 10, script, Machine::starting);
  machine.files["proc/20/environ"] = std::string("GUNICORN_PID=10") + '\0' + "SECRET=x" + '\0';
  auto servers = probe::find_servers(*machine.host());
  REQUIRE(servers.size() == 2);
  CHECK(servers[1].master.pid == 20);
  CHECK(servers[1].replaces == 10);
  CHECK(pids(servers[0].workers) == Pids{11});
  CHECK(servers[1].environment.empty());
  // Without leave to read its environment: by its own workers.
  machine.files.erase("proc/20/environ");
  machine.process(20, 10, script, Machine::master);
  machine.process(21, 20, script, Machine::worker);
  servers = probe::find_servers(*machine.host());
  REQUIRE(servers.size() == 2);
  CHECK(servers[1].replaces == 10);
  CHECK(pids(servers[1].workers) == Pids{21});
}

TEST_CASE("workers whose master is gone are one server without a master") {
  Machine machine;
  machine.process(11, 1, script, Machine::worker);
  machine.process(12, 1, script, Machine::worker);
  machine.process(40, 1, script, Machine::master);
  machine.process(41, 40, script, Machine::worker);
  const auto servers = probe::find_servers(*machine.host());
  REQUIRE(servers.size() == 2);
  CHECK(servers[0].master.pid == 0);
  CHECK(servers[0].orphans == Pids{11, 12});
  CHECK(servers[0].pid() == 11);
  CHECK(servers[1].master.pid == 40);
}

TEST_CASE("a program that runs gunicorn inside itself is known by its heartbeat files; a zombie worker stays a worker") {
  Machine machine;
  const std::vector<std::string> program{"/usr/bin/python3", "serve.py"};
  machine.process(10, 1, program, Machine::master);
  machine.open_file(10, 5, "/tmp/wgunicorn-abc (deleted)");
  machine.process(11, 10, program, Machine::worker);
  machine.process(12, 10, {}, Machine::starting, 0, 'Z', 9);
  machine.files["proc/12/stat"].replace(0, std::string("12 (gunicorn)").size(), "12 (python3)");
  machine.process(50, 1, {"/usr/bin/python3", "other.py"}, Machine::master);
  const auto servers = probe::find_servers(*machine.host());
  REQUIRE(servers.size() == 1);
  CHECK(pids(servers[0].workers) == Pids{11, 12});
  CHECK(servers[0].workers[1].exit_code == 9);
}

TEST_CASE("a recorded upgrade replays: both masters, their workers, heartbeats and log") {
  const auto host = source::open_bundle(TRIAGE_SOURCE_DIR "/fixtures/hosts/gunicorn-upgrade");
  REQUIRE(host);
  const auto servers = probe::find_servers(**host);
  REQUIRE(servers.size() == 2);
  CHECK(servers[0].master.pid == 4244);
  CHECK(pids(servers[0].workers) == Pids{4358, 4360});
  CHECK(servers[1].master.pid == 4375);
  CHECK(servers[1].replaces == 4244);
  CHECK(pids(servers[1].workers) == Pids{4419, 4420});
  CHECK(servers[1].path("error.log") == "/tmp/shop/error.log");
  CHECK(probe::server_started_by(servers[1].master.argv) == "gunicorn");

  evidence::Evidence evidence;
  probe::observe(**host, {}, evidence);
  std::size_t beats = 0, started = 0, masters = 0;
  for (const auto& fact : evidence.facts) {
    if (const auto* beat = evidence::as<evidence::Heartbeat>(fact)) { ++beats; CHECK(beat->family == "chmod"); }
    started += evidence::as<evidence::ServerStarted>(fact) != nullptr;
    masters += evidence::as<evidence::ServerCommand>(fact) != nullptr;
  }
  CHECK(beats == 4);
  CHECK(started == 2);
  CHECK(masters == 2);
}

TEST_CASE("no /proc is a gap, not a crash") {
  const auto host = source::bundle_host({{"stats.ndjson", ""}});
  const auto found = probe::find(*host);
  CHECK(found.servers.empty());
  REQUIRE(found.gaps.size() == 1);
  CHECK(found.gaps[0].reason == "opening /proc: No such file or directory");
}

TEST_CASE("in a pid namespace process 2 is one like others, elsewhere it is the parent of kernel threads") {
  Machine machine;
  machine.process(2, 1, script, Machine::master);
  machine.process(3, 2, script, Machine::worker);
  const auto servers = probe::find_servers(*machine.host());
  REQUIRE(servers.size() == 1);
  CHECK(servers[0].master.pid == 2);
  CHECK(pids(servers[0].workers) == Pids{3});

  machine.process(2, 0, {"kthreadd"}, Machine::starting);
  machine.process(3, 2, {"kworker/0:0"}, Machine::starting);
  const auto table = probe::read_processes(*machine.host());
  REQUIRE(table);
  CHECK(table->all.empty());
}

TEST_CASE("with one server named, a proxy is left out that cannot reach it, and only then") {
  const std::string alone = "Inter-|   Receive\n face |bytes\n    lo: 0 0\n", network = alone + "  eth0: 10 1\n";
  const auto kept = [&](const std::string& config, const std::string& servers_devices, const std::string& proxys_net, bool named) {
    Machine machine;
    machine.process(100, 1, script, Machine::master);
    machine.process(101, 100, script, Machine::worker);
    machine.process(200, 1, {"nginx: master process nginx"}, Machine::starting);
    machine.files["proc/100/ns/net.link"] = "net:[1]\n";
    machine.files["proc/200/ns/net.link"] = proxys_net + "\n";
    machine.files["proc/100/net/dev"] = servers_devices;
    machine.files["proc/200/net/dev"] = network;
    machine.files["proc/100/net/unix"] = "Num RefCount Protocol Flags Type St Inode Path\n0000: 00000002 00000000 00010000 0001 01 900 /run/inside/app.sock\n";
    if (!config.empty()) machine.files["etc/nginx/nginx.conf"] = config;
    const auto host = machine.host();
    probe::Target target;
    if (named) target.pids = {100};
    return !probe::find(*host, target).proxies.empty();
  };
  const std::string by_port = "http { server { location / { proxy_pass http://10.0.0.2:8000; } } }\n";
  const std::string by_socket = "http { upstream app { server unix:/srv/other/app.sock; } server { location / { proxy_pass http://app; } } }\n";
  const std::string other_socket = "http { upstream app { server unix:/run/b.sock; } server { location / { proxy_pass http://app; } } }\n";
  const std::string variable = "http { server { location / { proxy_pass http://$backend; } } }\n";
  CHECK_FALSE(kept(by_port, alone, "net:[2]", true));
  CHECK_FALSE(kept(other_socket, alone, "net:[2]", true));
  CHECK(kept(by_port, alone, "net:[2]", false));       // nobody was named
  CHECK(kept(by_port, alone, "net:[1]", true));        // one namespace
  CHECK(kept(by_port, network, "net:[2]", true));      // a port may be forwarded
  CHECK(kept(by_socket, alone, "net:[2]", true));      // a file may be shared
  CHECK(kept(variable, alone, "net:[2]", true));
  CHECK(kept("", alone, "net:[2]", true));             // its configuration cannot be read
}
