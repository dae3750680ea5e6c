#include "machine.hpp"
#include "probe/probe.hpp"
#include "probe/settings.hpp"
#include "support/catch.hpp"

namespace {

evidence::Evidence seen_by(const Machine& machine) {
  evidence::Evidence evidence;
  for (const auto* probe : probe::probes())
    if (probe->name == "supervisor") probe->observe(*machine.host(), {}, probe::find(*machine.host()), evidence);
  return evidence;
}

template <class T> const T* first(const evidence::Evidence& evidence) {
  for (const auto& fact : evidence.facts)
    if (const T* one = evidence::as<T>(fact)) return one;
  return nullptr;
}

std::string settings(const evidence::Evidence& evidence) {
  std::string all;
  for (const auto& fact : evidence.facts)
    if (const auto* read = evidence::as<evidence::SettingRead>(fact)) all += read->name.substr(read->name.find('.') + 1) + "=" + read->value + " " + evidence.source_of(fact).name + ":" + std::to_string(fact.origin.line) + "\n";
  return all;
}

Machine with_server(const std::string& cgroup) {
  Machine machine;
  machine.process(10, 1, script, Machine::master, 1);
  machine.process(11, 10, script, Machine::worker, 7);
  machine.files["proc/10/cgroup"] = machine.files["proc/11/cgroup"] = cgroup;
  return machine;
}

}  // namespace

TEST_CASE("the unit of a master is found by its cgroup, with its drop-ins, its socket and the manager's defaults") {
  Machine machine = with_server("0::/system.slice/system-web.slice/web@blue.service\n");
  machine.files["etc/systemd/system/web@.service"] = "[Service]\nKillMode=mixed\nTimeoutStopSec=90\n";
  machine.files["etc/systemd/system/web@blue.service.d/10-time.conf"] = "[Service]\nTimeoutStopSec=7\n";
  machine.files["usr/lib/systemd/system/web@.service.d/10-time.conf"] = "[Service]\nTimeoutStopSec=8\n";
  machine.files["etc/systemd/system/front.socket"] = "[Socket]\nListenStream=/run/web.sock\nService=web@blue.service\n";
  machine.files["etc/systemd/system/other.socket"] = "[Socket]\nListenStream=/run/other.sock\n";
  machine.files["etc/systemd/system.conf"] = "[Manager]\n#DefaultLimitNOFILE=\nDefaultTimeoutStopSec=45s\n";
  const auto evidence = seen_by(machine);
  const auto* unit = first<evidence::UnitSeen>(evidence);
  REQUIRE(unit);
  CHECK(unit->files == "/etc/systemd/system/web@.service /etc/systemd/system/web@blue.service.d/10-time.conf /etc/systemd/system/front.socket");
  CHECK(evidence.facts[0].about.unit == "web@blue.service");
  CHECK(evidence.facts[0].about.pid == 10);
  CHECK(settings(evidence) ==
        "KillMode=mixed /etc/systemd/system/web@.service:2\nTimeoutStopSec=90 /etc/systemd/system/web@.service:3\nTimeoutStopSec=7 /etc/systemd/system/web@blue.service.d/10-time.conf:2\n"
        "ListenStream=/run/web.sock /etc/systemd/system/front.socket:2\nService=web@blue.service /etc/systemd/system/front.socket:3\nDefaultTimeoutStopSec=45s /etc/systemd/system.conf:3\n");
}

TEST_CASE("a unit of systemd-run, on a machine with cgroup v1") {
  Machine machine = with_server("12:pids:/system.slice/run-r12.service\n1:name=systemd:/system.slice/run-r12.service\n0::/system.slice/run-r12.service\n");
  machine.files["run/systemd/transient/run-r12.service"] = "# This is a transient unit file, created programmatically via the systemd API. Do not edit.\n[Service]\nMemoryMax=104857600\n";
  const auto evidence = seen_by(machine);
  CHECK(settings(evidence) == "MemoryMax=104857600 /run/systemd/transient/run-r12.service:3\n");
}

TEST_CASE("what no unit file tells is a gap or nothing") {
  SECTION("the unit's file is elsewhere") {
    const auto evidence = seen_by(with_server("0::/system.slice/web.service\n"));
    REQUIRE(evidence.gaps.size() == 1);
    CHECK(evidence.gaps[0].wanted == "unit file of web.service");
    CHECK(evidence.gaps[0].remedy == "run where systemd runs: systemctl cat web.service");
  }
  SECTION("a user's own systemd") {
    const auto evidence = seen_by(with_server("0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n"));
    REQUIRE(evidence.gaps.size() == 1);
    CHECK(evidence.gaps[0].remedy == "systemctl --user cat web.service");
  }
  SECTION("a session") {
    const auto evidence = seen_by(with_server("0::/user.slice/user-1000.slice/session-3.scope\n"));
    CHECK(evidence.gaps.empty());
    CHECK_FALSE(first<evidence::UnitSeen>(evidence));
  }
}

TEST_CASE("a container is told by its cgroup and its marks; the unit of its runtime is not the server's") {
  const std::string id(64, 'a');
  Machine machine = with_server("0::/system.slice/containerd.service/kubepods-burstable-pod1f0e1c2a_1111_2222_3333_444455556666.slice:cri-containerd:" + id + "\n");
  machine.files["etc/systemd/system/containerd.service"] = "[Service]\nKillMode=process\n";
  machine.files["proc/10/environ"] = std::string("KUBERNETES_SERVICE_HOST=10.0.0.1") + '\0' + "DB_PASSWORD=x" + '\0';
  machine.files["etc/podinfo/labels"] = "app=\"web\"\n";
  const auto evidence = seen_by(machine);
  CHECK_FALSE(first<evidence::UnitSeen>(evidence));
  const auto* container = first<evidence::ContainerSeen>(evidence);
  REQUIRE(container);
  CHECK(container->runtime == "containerd");
  CHECK(container->id == id);
  CHECK(container->marks == "/etc/podinfo KUBERNETES_SERVICE_HOST");
}

TEST_CASE("pods by the cgroupfs driver, limits of the process, CPU quotas of both cgroup versions") {
  const std::string id(64, 'b');
  Machine machine = with_server("4:cpu,cpuacct:/kubepods/burstable/pod1f0e1c2a-1111-2222-3333-444455556666/" + id + "\n");
  machine.files["proc/10/limits"] = "Limit                     Soft Limit           Hard Limit           Units     \nMax processes             unlimited            unlimited            processes \n"
                                    "Max open files            1024                 524288               files     \nMax address space         2147483648           unlimited            bytes     \n";
  machine.files["proc/self/mountinfo"] = "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
  const std::string at = "sys/fs/cgroup/cpu,cpuacct/kubepods/burstable/pod1f0e1c2a-1111-2222-3333-444455556666";
  machine.files[at + "/cpu.cfs_quota_us"] = "50000\n";
  machine.files[at + "/cpu.cfs_period_us"] = "100000\n";
  machine.files[at + "/cpu.stat"] = "nr_periods 200\nnr_throttled 40\nthrottled_time 9\n";
  auto evidence = seen_by(machine);
  REQUIRE(first<evidence::ContainerSeen>(evidence));
  CHECK(first<evidence::ContainerSeen>(evidence)->pod == "1f0e1c2a-1111-2222-3333-444455556666");
  const auto* limits = first<evidence::ProcessLimits>(evidence);
  REQUIRE(limits);
  CHECK(limits->files == 1024u);
  CHECK(limits->files_hard == 524288u);
  CHECK_FALSE(limits->processes);
  CHECK(limits->memory == 2147483648u);
  const auto* cpu = first<evidence::CgroupCpu>(evidence);
  REQUIRE(cpu);
  CHECK(cpu->quota == 0.5);
  CHECK(cpu->throttled == 40);

  Machine two = with_server("0::/system.slice/web.service\n");
  two.files["etc/systemd/system/web.service"] = "[Service]\nCPUQuota=150%\n";
  two.files["proc/self/mountinfo"] = "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  two.files["sys/fs/cgroup/system.slice/web.service/cpu.max"] = "150000 100000\n";
  two.files["sys/fs/cgroup/system.slice/cpu.max"] = "max 100000\n";
  evidence = seen_by(two);
  REQUIRE(first<evidence::CgroupCpu>(evidence));
  CHECK(first<evidence::CgroupCpu>(evidence)->quota == 1.5);
}
