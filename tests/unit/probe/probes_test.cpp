#include "machine.hpp"
#include "probe/outputs.hpp"
#include "probe/probe.hpp"
#include "probe/settings.hpp"
#include "support/catch.hpp"

namespace {

constexpr std::int64_t now = 1'795'341'600LL * 1'000'000'000;  // 2026-11-22T10:00:00Z
constexpr std::int64_t second = 1'000'000'000;

evidence::Evidence seen_by(const Machine& machine, std::string_view name) {
  evidence::Evidence evidence;
  for (const auto* probe : probe::probes())
    if (probe->name == name) probe->observe(*machine.host(), {}, probe::find(*machine.host()), evidence);
  return evidence;
}

template <class T> std::vector<T> all(const evidence::Evidence& evidence) {
  std::vector<T> found;
  for (const auto& fact : evidence.facts)
    if (const T* one = evidence::as<T>(fact)) found.push_back(*one);
  return found;
}

Machine with_server() {
  Machine machine;
  machine.process(10, 1, script, Machine::master, 1);
  machine.process(11, 10, script, Machine::worker, 7);
  return machine;
}

}  // namespace

TEST_CASE("the processes probe says who runs and how the master was started") {
  Machine machine = with_server();
  machine.files["proc/10/environ"] = std::string("GUNICORN_CMD_ARGS=--workers 3") + '\0' + "DB_PASSWORD=x" + '\0';
  const auto evidence = seen_by(machine, "processes");
  const auto processes = all<evidence::ProcessSeen>(evidence);
  REQUIRE(processes.size() == 2);
  CHECK(processes[1].ppid == 10);
  CHECK(processes[1].ns_pid == 7);
  CHECK(processes[1].signals_caught == "0000000008304226");
  CHECK(processes[1].cgroup == "/system.slice/web.service");
  CHECK(evidence.facts[1].about.pid == 11);
  CHECK(evidence.facts[1].about.space == evidence::PidSpace::host);
  CHECK(evidence.facts[1].about.unit == "web.service");
  const auto commands = all<evidence::ServerCommand>(evidence);
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].args == "/usr/bin/python3 /usr/bin/gunicorn -w 2 --timeout=20 app:app");
  CHECK(commands[0].environment == "GUNICORN_CMD_ARGS='--workers 3'");
}

TEST_CASE("behind a title the unit's ExecStart is the command; else a gap") {
  Machine machine;
  machine.process(10, 1, {"gunicorn: master [app]"}, Machine::master);
  auto evidence = seen_by(machine, "processes");
  CHECK(all<evidence::ServerCommand>(evidence).empty());
  REQUIRE(evidence.gaps.size() == 1);
  CHECK(evidence.gaps[0].wanted == "command line of gunicorn (pid 10)");
  machine.files["etc/systemd/system/web.service"] = "[Service]\nEnvironment=\"GUNICORN_CMD_ARGS=--timeout 9\" X=1\nExecStart=-/srv/venv/bin/gunicorn \\\n  -w 4 app:app\n";
  evidence = seen_by(machine, "processes");
  const auto commands = all<evidence::ServerCommand>(evidence);
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].args == "/srv/venv/bin/gunicorn  -w 4 app:app");
  CHECK(commands[0].environment == "GUNICORN_CMD_ARGS='--timeout 9'");
  CHECK(evidence.source_of(evidence.facts.back()).name == "/etc/systemd/system/web.service");
  CHECK(evidence.facts.back().origin.line == 3);
}

TEST_CASE("heartbeats: the age is ctime's, the family is mode's and mtime's") {
  Machine machine = with_server();
  machine.process(12, 10, script, Machine::worker);
  machine.process(13, 10, script, Machine::worker);
  for (const int pid : {11, 12, 13}) machine.open_file(pid, 6, "/tmp/wgunicorn-" + std::to_string(pid) + " (deleted)");
  machine.open_file(13, 5, "/tmp/wgunicorn-12 (deleted)");  // just forked: still holds its sibling's
  machine.stat("/proc/11/fd/6", 111, 01, now - 9 * second, now - 2 * second);
  machine.stat("/proc/12/fd/6", 112, 0600, 900 * second, now - 7 * second);
  machine.stat("/proc/13/fd/5", 112, 0600, 900 * second, now - 7 * second);
  machine.stat("/proc/13/fd/6", 113, 0600, now - second, now - second);
  const auto evidence = seen_by(machine, "heartbeat");
  const auto beats = all<evidence::Heartbeat>(evidence);
  REQUIRE(beats.size() == 3);
  CHECK(beats[0].family == "chmod");
  CHECK(beats[0].age_s == 2.0);
  CHECK(beats[1].family == "utime");
  CHECK(beats[1].age_s == 7.0);
  CHECK(beats[2].family == "unbooted");
  CHECK(evidence.facts[2].about.pid == 13);
}

TEST_CASE("memory counters, v2 with an ancestor's limit and v1") {
  Machine machine = with_server();
  machine.files["proc/self/mountinfo"] = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  const std::string at = "sys/fs/cgroup/system.slice/";
  machine.files[at + "web.service/memory.events"] = "low 0\nhigh 0\nmax 9\noom 2\noom_kill 3\noom_group_kill 0\n";
  machine.files[at + "web.service/memory.max"] = "max\n";
  machine.files[at + "web.service/memory.current"] = "1048576\n";
  machine.files[at + "web.service/memory.oom.group"] = "1\n";
  machine.files[at + "memory.events"] = "oom 0\noom_kill 3\n";
  machine.files[at + "memory.max"] = "209715200\n";
  auto memory = all<evidence::CgroupMemory>(seen_by(machine, "cgroups"));
  REQUIRE(memory.size() == 2);
  CHECK(memory[0].path == "/system.slice/web.service");
  CHECK(memory[0].limit == 0);
  CHECK(memory[0].usage == 1048576);
  CHECK(memory[0].oom_kills == 3u);
  CHECK(memory[0].oom_events == 2u);
  CHECK(memory[0].group);
  CHECK(memory[1].path == "/system.slice");
  CHECK(memory[1].limit == 209715200);

  for (const int pid : {10, 11}) machine.files["proc/" + std::to_string(pid) + "/cgroup"] = "4:memory:/docker/abc\n";
  machine.files["proc/self/mountinfo"] = "35 31 0:32 /docker /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
  machine.files["sys/fs/cgroup/memory/abc/memory.usage_in_bytes"] = "5\n";
  machine.files["sys/fs/cgroup/memory/abc/memory.limit_in_bytes"] = "9223372036854771712\n";
  machine.files["sys/fs/cgroup/memory/abc/memory.oom_control"] = "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n";
  memory = all<evidence::CgroupMemory>(seen_by(machine, "cgroups"));
  REQUIRE(memory.size() == 1);
  CHECK(memory[0].version == 1);
  CHECK(memory[0].limit == 0);
  CHECK(memory[0].oom_kills == 4u);

  for (const int pid : {10, 11}) machine.files["proc/" + std::to_string(pid) + "/cgroup"] = "4:memory:/../other\n";
  const auto outside = seen_by(machine, "cgroups");
  REQUIRE(outside.gaps.size() == 1);
  CHECK(outside.gaps[0].reason == "its cgroup /../other is outside of what is mounted here");
}

TEST_CASE("logs are what the master appends to; what goes nowhere is a gap") {
  Machine machine = with_server();
  machine.open_file(10, 1, "/dev/null", "0100001");
  machine.open_file(10, 2, "socket:[77]", "02");
  machine.open_file(10, 4, "/srv/app/error.log");
  machine.open_file(10, 5, "/srv/app/gone.log (deleted)");
  machine.open_file(10, 6, "/srv/app/db.sqlite", "0100002");
  machine.open_file(10, 7, "/tmp/wgunicorn-a (deleted)");
  machine.files["srv/app/error.log"] = "[2026-11-22 09:59:00 +0000] [1] [INFO] Starting gunicorn 20.1.0\n";
  machine.files["proc/10/fd/5"] = "[2026-11-22 09:59:30 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:7)\n";
  const auto outputs = probe::outputs_of(*machine.host(), probe::find_servers(*machine.host()).front());
  REQUIRE(outputs);
  REQUIRE(outputs->size() == 4);
  CHECK((*outputs)[0].kind == probe::Output::Kind::null);
  CHECK((*outputs)[1].kind == probe::Output::Kind::socket);
  CHECK((*outputs)[2].readable == "/srv/app/error.log");
  CHECK((*outputs)[3].kind == probe::Output::Kind::deleted);
  CHECK((*outputs)[3].target == "/srv/app/gone.log");

  const auto evidence = seen_by(machine, "logs");
  CHECK(all<evidence::ServerStarted>(evidence).size() == 1);
  CHECK(all<evidence::WorkerTimedOut>(evidence).size() == 1);
  const auto deleted = all<evidence::LogDeleted>(evidence);
  REQUIRE(deleted.size() == 1);
  CHECK(deleted[0].path == "/srv/app/gone.log");
  REQUIRE(evidence.gaps.size() == 2);
  CHECK(evidence.gaps[0].reason == "its stdout goes to /dev/null");
  CHECK(evidence.gaps[1].remedy == "journalctl -u web.service -o json | triage --from -");
}

TEST_CASE("what was changed: configuration, unit and drop-in, the application's newest file, packages") {
  Machine machine = with_server();
  for (const char* path : {"srv/app/gunicorn.conf.py", "srv/app/app.py", "srv/app/old.py", "srv/app/venv/lib/x.py", "lib/systemd/system/web.service", "etc/systemd/system/web.service.d/limits.conf"}) machine.files[path] = "#";
  machine.stat("/srv/app/gunicorn.conf.py", 1, 0644, now - 60 * second, 0);
  machine.stat("/srv/app/app.py", 2, 0644, now - 30 * second, 0);
  machine.stat("/srv/app/old.py", 3, 0644, now - 90 * second, 0);
  machine.files["var/log/dpkg.log"] = "2026-11-22 09:00:00 status installed x:amd64 1\n2026-11-22 09:00:01 upgrade libpq5:amd64 15.1 15.2\n";
  const auto evidence = seen_by(machine, "changes");
  const auto changes = all<evidence::FileChanged>(evidence);
  REQUIRE(changes.size() == 5);
  CHECK(changes[0].kind + " " + changes[0].path == "config /srv/app/gunicorn.conf.py");
  CHECK(evidence.facts[0].when->at == now - 60 * second);
  CHECK(changes[1].kind + " " + changes[1].path == "unit /lib/systemd/system/web.service");
  CHECK(changes[2].path == "/etc/systemd/system/web.service.d/limits.conf");
  CHECK(changes[3].kind + " " + changes[3].path == "app /srv/app/app.py");
  CHECK(changes[4].kind + " " + changes[4].path == "package libpq5");
}

TEST_CASE("the package manager's zone is what lies between its last line and its file's own time") {
  const auto when_of = [](std::string_view written) {
    Machine machine = with_server();
    machine.files["var/log/dpkg.log"] = "2026-11-22 09:00:01 upgrade libpq5:amd64 15.1 15.2\n2026-11-22 09:00:04 status installed libpq5:amd64 15.2\n";
    machine.stat("/var/log/dpkg.log", 9, 0644, base::read_iso(written)->at, 0);
    const auto evidence = seen_by(machine, "changes");
    for (const auto& fact : evidence.facts)
      if (const auto* changed = evidence::as<evidence::FileChanged>(fact); changed && changed->kind == "package") return base::iso(*fact.when);
    return std::string("none");
  };
  CHECK(when_of("2026-11-22T09:00:05") == "2026-11-22T09:00:01Z");
  CHECK(when_of("2026-11-22T07:00:05") == "2026-11-22T07:00:01Z");  // two hours east of UTC
  CHECK(when_of("2026-11-22T14:30:05") == "2026-11-22T14:30:01Z");  // five and a half west
  CHECK(when_of("2026-11-22T09:06:00") == "2026-11-22T09:00:01");   // touched later: not known
}
