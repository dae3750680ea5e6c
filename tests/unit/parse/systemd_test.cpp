#include "parse/format.hpp"
#include "support/catch.hpp"

#include <random>

namespace parse::formats_of { extern const Format systemd, oomd, earlyoom, kubelet; }

using namespace parse;  // NOLINT: a test of one room

namespace {

struct Reader {
  explicit Reader(const Format& which) : format(which) {}
  const Format& format;
  evidence::Evidence evidence;
  Sink sink{evidence, evidence.add_source({})};
  std::unique_ptr<State> state = format.start();
  bool say(std::string_view text, std::string_view ident) {
    Record record;
    record.line = record.text = text;
    record.ident = ident;
    return format.step(*state, record, sink);
  }
};

// "unit|event|result|signal|status|pid|comm" of the one fact, "" when there is none.
std::string told(std::string_view text) {
  Reader reader(formats_of::systemd);
  REQUIRE(reader.say(text, "systemd"));
  if (reader.evidence.facts.empty()) return "";
  const auto& fact = reader.evidence.facts[0];
  const auto& event = std::get<evidence::UnitEvent>(fact.what);
  const auto number = [](const std::optional<int>& value) { return value ? std::to_string(*value) : std::string(); };
  return fact.about.unit + "|" + event.event + "|" + event.result + "|" + number(event.signal) + "|" + number(event.status) + "|" + number(event.pid) + "|" + event.comm;
}

const evidence::UserspaceKill& kill_of(const Reader& reader) {
  REQUIRE(reader.evidence.facts.size() == 1);
  return std::get<evidence::UserspaceKill>(reader.evidence.facts[0].what);
}

}  // namespace

TEST_CASE("systemd's wordings about a unit") {
  CHECK(told("gunicorn.service: Main process exited, code=killed, status=9/KILL") == "gunicorn.service|main-exited|signal|9|||");
  CHECK(told("gunicorn.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED") == "gunicorn.service|main-exited|exit-code||3||");
  CHECK(told("gunicorn.service: Main process exited, code=dumped, status=11/SEGV") == "gunicorn.service|main-exited|core-dump|11|||");
  CHECK(told("gunicorn.service: main process exited, code=killed, status=9/KILL") == "gunicorn.service|main-exited|signal|9|||");
  CHECK(told("gunicorn.service: Control process exited, code=exited, status=1/FAILURE") == "gunicorn.service|control-exited|exit-code||1||");
  CHECK(told("gunicorn.service: Failed with result 'oom-kill'.") == "gunicorn.service|failed|oom-kill||||");
  CHECK(told("Unit gunicorn.service entered failed state.") == "gunicorn.service|failed|||||");
  CHECK(told("gunicorn.service failed.") == "gunicorn.service|failed|||||");
  CHECK(told("gunicorn.service: A process of this unit has been killed by the OOM killer.") == "gunicorn.service|oom-kill|||||");
  CHECK(told("gunicorn.service: The kernel OOM killer killed some processes in this unit.") == "gunicorn.service|oom-kill|||||");
  CHECK(told("gunicorn.service: systemd-oomd killed 4 process(es) in this unit.") == "gunicorn.service|oom-kill|systemd-oomd||||");
  CHECK(told("gunicorn.service: State 'stop-sigterm' timed out. Killing.") == "gunicorn.service|stop-timeout|timeout|9|||");
  CHECK(told("gunicorn.service stop-sigterm timed out. Killing.") == "gunicorn.service|stop-timeout|timeout|9|||");
  CHECK(told("gunicorn.service: start operation timed out. Terminating.") == "gunicorn.service|start-timeout|timeout|15|||");
  CHECK(told("gunicorn.service: Killing process 123 (gunicorn: work) with signal SIGKILL.") == "gunicorn.service|killing||9||123|gunicorn: work");
  CHECK(told("gunicorn.service: Sent signal SIGKILL to main process 77 (gunicorn) on client request.") == "gunicorn.service|killing|client-request|9||77|gunicorn");
  CHECK(told("gunicorn.service: Scheduled restart job, restart counter is at 5.") == "gunicorn.service|restart|5||||");
  CHECK(told("gunicorn.service holdoff time over, scheduling restart.") == "gunicorn.service|restart|||||");
  CHECK(told("gunicorn.service: Start request repeated too quickly.") == "gunicorn.service|failed|start-limit-hit||||");
  CHECK(told("gunicorn.service: Watchdog timeout (limit 30s)!") == "gunicorn.service|watchdog|watchdog||||");
  CHECK(told("gunicorn.service: Deactivated successfully.") == "gunicorn.service|stopped|success||||");
  CHECK(told("Started gunicorn.service - Web application.") == "gunicorn.service|started|||||");
  CHECK(told("Stopping gunicorn daemon...") == "gunicorn daemon|stopping|||||");
  CHECK(told("Failed to start gunicorn daemon.") == "gunicorn daemon|failed|||||");
  CHECK(told("gunicorn.service: Consumed 1min 2.345s CPU time.") == "");
  CHECK(told("Started apt-daily.timer - Daily apt download activities.") == "");
  CHECK(told("Reached target multi-user.target - Multi-User System.") == "");
}

TEST_CASE("systemd in the kernel's ring names itself; others do not speak for it") {
  Reader reader(formats_of::systemd);
  CHECK(reader.say("systemd[1]: gunicorn.service: Failed with result 'signal'.", ""));
  CHECK(reader.evidence.facts.size() == 1);
  CHECK_FALSE(reader.say("gunicorn.service: Failed with result 'signal'.", ""));
  CHECK_FALSE(reader.say("gunicorn.service: Failed with result 'signal'.", "gunicorn"));
}

TEST_CASE("the journal's unit field is the unit") {
  Reader reader(formats_of::systemd);
  const Field fields[] = {{"UNIT", "gunicorn.service"}};
  Record record;
  record.ident = "systemd";
  record.text = record.line = "Stopped Web.";
  record.unit = "init.scope";
  record.fields = fields;
  CHECK(formats_of::systemd.step(*reader.state, record, reader.sink));
  REQUIRE(reader.evidence.facts.size() == 1);
  CHECK(reader.evidence.facts[0].about.unit == "gunicorn.service");
}

TEST_CASE("killers in user space") {
  SECTION("systemd-oomd") {
    Reader reader(formats_of::oomd);
    CHECK(reader.say("Killed /system.slice/gunicorn.service due to memory pressure for /system.slice being 65.43% > 60.00% for > 20s with reclaim activity", "systemd-oomd"));
    const auto& kill = kill_of(reader);
    CHECK(kill.killer == "systemd-oomd");
    CHECK(kill.cgroup == "/system.slice/gunicorn.service");
    CHECK(kill.why == "memory pressure for /system.slice being 65.43% > 60.00% for > 20s with reclaim activity");
    CHECK(reader.evidence.facts[0].about.unit == "gunicorn.service");
    CHECK_FALSE(reader.say("Killed /system.slice/gunicorn.service due to memory pressure", "gunicorn"));
  }
  SECTION("oomd") {
    Reader reader(formats_of::oomd);
    CHECK(reader.say("oomd kill: 78.13 12.01 3.20 workload.slice/web.service 123456 ruleset:[a] detectorgroup:[b] killer:kill_by_pressure v2", "oomd"));
    CHECK(kill_of(reader).cgroup == "workload.slice/web.service");
    CHECK(kill_of(reader).why == "kill_by_pressure v2");
    CHECK(reader.say("oomd kill: 78.13 12.01 3.20 workload.slice/web.service 123456 ruleset:[a] detectorgroup:[b] killer:(dry)kill_by_pressure v2", "oomd"));
    CHECK(reader.evidence.facts.size() == 1);
  }
  SECTION("earlyoom") {
    Reader reader(formats_of::earlyoom);
    CHECK(reader.say("sending SIGTERM to process 123 uid 1000 \"gunicorn: work\": oom_score 800, VmRSS 200 MiB, cmdline \"x --password y\"", "earlyoom"));
    const auto& kill = kill_of(reader);
    CHECK(kill.pid == 123);
    CHECK(kill.signal == 15);
    CHECK(kill.comm == "gunicorn: work");
    CHECK(kill.why == "oom_score 800, VmRSS 200 MiB");
    CHECK(reader.evidence.facts[0].about.space == evidence::PidSpace::host);
  }
  SECTION("earlyoom's old words") {
    Reader reader(formats_of::earlyoom);
    CHECK(reader.say("Killing process 55 (chromium)", "earlyoom"));
    CHECK(kill_of(reader).pid == 55);
    CHECK(kill_of(reader).comm == "chromium");
    CHECK(kill_of(reader).signal == 9);
  }
  SECTION("kubelet") {
    Reader reader(formats_of::kubelet);
    CHECK(reader.say("I1122 10:31:08.123456    1234 kuberuntime_container.go:709] \"Killing container with a grace period\" pod=\"prod/web-7d9\" podUID=x containerName=\"web\" containerID=\"containerd://abc\" gracePeriod=30", ""));
    CHECK(kill_of(reader).killer == "kubelet");
    CHECK(kill_of(reader).why == "grace period 30 s");
    CHECK(reader.evidence.facts[0].about.unit == "prod/web-7d9/web");
  }
  SECTION("kubelet's probes") {
    Reader reader(formats_of::kubelet);
    CHECK(reader.say("I1122 10:31:08.123456    1234 prober.go:107] \"Probe failed\" probeType=\"Liveness\" pod=\"prod/web-7d9\" podUID=x containerName=\"web\" probeResult=failure output=\"HTTP probe failed with statuscode: 503\"", "kubelet"));
    REQUIRE(reader.evidence.facts.size() == 1);
    CHECK(std::get<evidence::UnitEvent>(reader.evidence.facts[0].what).event == "probe-failed");
    CHECK(std::get<evidence::UnitEvent>(reader.evidence.facts[0].what).result == "Liveness");
  }
  SECTION("dockerd") {
    Reader reader(formats_of::kubelet);
    CHECK(reader.say("time=\"2026-11-22T10:31:08Z\" level=info msg=\"Container failed to exit within 10s of signal 15 - using the force\" container=abc123", "dockerd"));
    CHECK(kill_of(reader).signal == 9);
    CHECK(reader.evidence.facts[0].about.unit == "abc123");
  }
}

TEST_CASE("any bytes are read without harm by the formats of killers") {
  std::mt19937 random(11);
  const std::string_view seeds[] = {"gunicorn.service: Killing process 123 (gunicorn: work) with signal SIGKILL.", "Unit a.service entered failed state.", "Started a.service - x.",
                                    "sending SIGTERM to process 123 uid 1000 \"gunicorn\": oom_score 800, VmRSS 200 MiB", "Killing process 55 (chromium)", "oomd kill: 7 1 3 w 1 killer:x v2",
                                    "Killed /a due to memory used", "time=\"x\" level=info msg=\"Stop container \\\"a\\\" with signal terminated\"", "I1122 10:31:08.123456    1 p.go:107] \"Probe failed\" probeType=\"L\" pod=\"a\""};
  const std::string_view idents[] = {"", "systemd", "systemd-oomd", "earlyoom", "kubelet", "containerd"};
  Reader readers[] = {Reader(formats_of::systemd), Reader(formats_of::oomd), Reader(formats_of::earlyoom), Reader(formats_of::kubelet)};
  for (int round = 0; round < 20'000; ++round) {
    std::string text(seeds[random() % std::size(seeds)]);
    for (auto i = random() % 4; i > 0 && !text.empty(); --i) {
      const std::size_t at = random() % text.size();
      if (random() % 2) text[at] = static_cast<char>(random());
      else text.erase(at, random() % 20);
    }
    readers[random() % 4].say(text, idents[random() % std::size(idents)]);
  }
  CHECK(readers[0].evidence.facts.size() > 10);
}
