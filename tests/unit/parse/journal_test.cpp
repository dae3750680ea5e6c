// journalctl's forms, as systemd 252 prints them; each is to give the same facts: who, when, which unit.
#include "evidence/vocabulary.hpp"
#include "parse/read.hpp"
#include "support/catch.hpp"

namespace {

evidence::Evidence read(const std::string& text, const std::string& name = "journal.txt") {
  evidence::Evidence evidence;
  parse::Window window;
  window.about_ns = 1'795'400'000'000'000'000;  // 2026-11-23
  const auto stream = source::memory_stream(text);
  parse::read_stream(*stream, name, window, evidence);
  return evidence;
}

// A line a fact: time, word, pid, unit.
std::string told(const evidence::Evidence& evidence) {
  std::string all;
  for (const auto& fact : evidence.facts)
    all += (fact.when ? base::iso(*fact.when) : std::string("-")) + " " + std::string(evidence::word_of(fact.what)) + " " + std::to_string(fact.about.pid) + " " + fact.about.unit + "\n";
  return all;
}

const std::string message = "[2026-11-22 10:31:07 +0000] [700] [CRITICAL] WORKER TIMEOUT (pid:744)";

}  // namespace

TEST_CASE("journalctl -o export") {
  const std::string text =
      "__CURSOR=s=1;i=1\n__REALTIME_TIMESTAMP=1795343467500000\n_PID=700\nSYSLOG_IDENTIFIER=gunicorn\n_SYSTEMD_UNIT=web.service\nMESSAGE=" + message +
      "\n\n__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795343468500000\nMESSAGE\n" + std::string("\x25\0\0\0\0\0\0\0", 8) +
      "Worker (pid:744) was sent SIGKILL!\nok\n_PID=700\nSYSLOG_IDENTIFIER=gunicorn\n_SYSTEMD_UNIT=web.service\n\n"
      "__CURSOR=s=1;i=3\n__REALTIME_TIMESTAMP=1795343469500000\n_TRANSPORT=kernel\nSYSLOG_IDENTIFIER=kernel\nSYSLOG_FACILITY=0\nMESSAGE=Out of memory: Killed process 745 (gunicorn) total-vm:100kB, anon-rss:50kB, file-rss:0kB, "
      "shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0\n";
  const auto evidence = read(text);
  CHECK(told(evidence) ==
        "2026-11-22T10:31:07Z worker.timed_out 744 web.service\n"
        "2026-11-22T10:31:08.500Z worker.reaped 744 web.service\n"
        "2026-11-22T10:31:09.500Z oom.kill 745 \n");
  CHECK(evidence.sources[0].kernel_first);
}

TEST_CASE("journalctl -o verbose") {
  const std::string text = "Sun 2026-11-22 10:31:07.500000 UTC [s=1;i=1;b=2;m=3;t=4;x=5]\n    _TRANSPORT=stdout\n    SYSLOG_IDENTIFIER=gunicorn\n    _PID=700\n    _SYSTEMD_UNIT=web.service\n    MESSAGE=" + message +
                           "\nSun 2026-11-22 10:31:08.500000 UTC [s=1;i=2;b=2;m=3;t=4;x=6]\n    MESSAGE=web.service: Failed with result 'oom-kill'.\n    SYSLOG_IDENTIFIER=systemd\n    _PID=1\n    UNIT=web.service\n";
  CHECK(told(read(text)) ==
        "2026-11-22T10:31:07Z worker.timed_out 744 web.service\n"
        "2026-11-22T10:31:08.500Z unit.event 0 web.service\n");
}

TEST_CASE("journalctl -o json-pretty") {
  const std::string text = "{\n\t\"__CURSOR\" : \"s=1;i=1\",\n\t\"__REALTIME_TIMESTAMP\" : \"1795343467500000\",\n\t\"_PID\" : \"700\",\n\t\"SYSLOG_IDENTIFIER\" : \"gunicorn\",\n\t\"_SYSTEMD_UNIT\" : \"web.service\",\n\t\"MESSAGE\" : \"" +
                           message + "\"\n}\n{\n\t\"MESSAGE\" : \"Worker exiting (pid: 744)\",\n\t\"__REALTIME_TIMESTAMP\" : \"1795343468500000\",\n\t\"_PID\" : \"744\",\n\t\"SYSLOG_IDENTIFIER\" : \"gunicorn\",\n\t\"_SYSTEMD_UNIT\" : \"web.service\"\n}\n";
  CHECK(told(read(text)) ==
        "2026-11-22T10:31:07Z worker.timed_out 744 web.service\n"
        "2026-11-22T10:31:08.500Z worker.exiting 744 web.service\n");
}

TEST_CASE("journalctl -o short-full, with-unit, short-iso-precise") {
  const std::string timeout = "WORKER TIMEOUT (pid:744)", failed = "web.service: Failed with result 'oom-kill'.";
  CHECK(told(read("Sun 2026-11-22 10:31:07 UTC web1 gunicorn[700]: " + timeout + "\nSun 2026-11-22 10:31:08 UTC web1 systemd[1]: " + failed + "\n")) ==
        "2026-11-22T10:31:07Z worker.timed_out 744 \n2026-11-22T10:31:08Z unit.event 0 web.service\n");
  CHECK(told(read("Sun 2026-11-22 11:31:07 CET web1 gunicorn[700]: " + timeout + "\n")) == "2026-11-22T11:31:07 worker.timed_out 744 \n");
  CHECK(told(read("Sun 2026-11-22 10:31:07 UTC web1 web.service[700]: " + timeout + "\nSun 2026-11-22 10:31:08 UTC web1 init.scope[1]: " + failed + "\n")) ==
        "2026-11-22T10:31:07Z worker.timed_out 744 web.service\n2026-11-22T10:31:08Z unit.event 0 web.service\n");
  CHECK(told(read("2026-11-22T10:31:07.250000+0000 web1 gunicorn[700]: " + timeout + "\n")) == "2026-11-22T10:31:07.250Z worker.timed_out 744 \n");
}

TEST_CASE("journalctl -o short-monotonic and cat") {
  CHECK(told(read("[ 1442.742760] web1 gunicorn[700]: WORKER TIMEOUT (pid:744)\n[ 1443.000000] web1 kernel: python3[745]: segfault at 0 ip 1 sp 2 error 4\n[ 1443.100000] my gunicorn[746]: segfault at 0 ip 1 sp 2 error 4\n")) ==
        "+1442.742760 worker.timed_out 744 \n+1443.000000 kernel.crash 745 \n+1443.100000 kernel.crash 746 \n");
  // Of what cat leaves, systemd's own lines could be anybody's: they are not believed.
  CHECK(told(read(message + "\nweb.service: Main process exited, code=killed, status=9/KILL\n")) == "2026-11-22T10:31:07Z worker.timed_out 744 \n");
}

TEST_CASE("the kubelet's folders name pod and container") {
  const std::string line = "2026-11-22T10:31:07.250000000Z stderr F WORKER TIMEOUT (pid:744)\n";
  CHECK(told(read(line, "/var/log/pods/shop_web-0_8f0c1d2e-1111-2222-3333-444455556666/app/0.log")) == "2026-11-22T10:31:07.250Z worker.timed_out 744 shop/web-0/app\n");
  CHECK(told(read(line, "b/var/log/containers/web-0_shop_app-0123456789abcdef.log")) == "2026-11-22T10:31:07.250Z worker.timed_out 744 shop/web-0/app\n");
  CHECK(told(read(line, "/var/log/pods/error.log")) == "2026-11-22T10:31:07.250Z worker.timed_out 744 \n");
}

TEST_CASE("rotated files put together in the wrong order are read in the order of their times") {
  const std::string early = "[2026-11-22 10:00:00 +0000] [7] [INFO] Booting worker with pid: 9\n[2026-11-22 10:00:05 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:9)\n";
  const std::string late = "[2026-11-22 11:00:00 +0000] [7] [INFO] Booting worker with pid: 10\n[2026-11-22 10:59:59 +0000] [10] [INFO] Worker exiting (pid: 10)\n";
  CHECK(told(read(late + early)) == told(read(early + late)));
  CHECK(told(read(early + late)) == "2026-11-22T10:00:00Z worker.booted 9 \n2026-11-22T10:00:05Z worker.timed_out 9 \n2026-11-22T11:00:00Z worker.booted 10 \n2026-11-22T10:59:59Z worker.exiting 10 \n");
}

TEST_CASE("a message of RFC 5424 keeps its own indentation") {
  const auto evidence = read(
      "<30>1 2026-11-22T10:31:07.25Z web1 gunicorn 744 - - [2026-11-22 10:31:07 +0000] [744] [ERROR] Exception in worker process\n"
      "<30>1 2026-11-22T10:31:07.25Z web1 gunicorn 744 - - Traceback (most recent call last):\n"
      "<30>1 2026-11-22T10:31:07.25Z web1 gunicorn 744 - -   File \"/srv/app.py\", line 1, in <module>\n"
      "<30>1 2026-11-22T10:31:07.25Z web1 gunicorn 744 - -     import nothing\n"
      "<30>1 2026-11-22T10:31:07.25Z web1 gunicorn 744 - - ModuleNotFoundError: No module named 'nothing'\n");
  REQUIRE(evidence.facts.size() == 1);
  const auto* const failed = evidence::as<evidence::AppFailed>(evidence.facts[0]);
  REQUIRE(failed);
  CHECK(failed->where + " " + failed->type == "/srv/app.py:1 ModuleNotFoundError");
}
