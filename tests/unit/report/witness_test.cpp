#include "report/witness.hpp"

#include "scene.hpp"
#include "support/catch.hpp"

TEST_CASE("a log line is shown without its frame") {
  using report::bare_line;
  CHECK(bare_line("[2026-11-22 10:31:07 +0000] [12] [CRITICAL] WORKER TIMEOUT (pid:14)") == "WORKER TIMEOUT (pid:14)");
  CHECK(bare_line("[  123.456789] Out of memory: Killed process 14 (gunicorn)") == "Out of memory: Killed process 14 (gunicorn)");
  CHECK(bare_line("[   12.345678] [  T451] python3[451]: segfault at 0") == "python3[451]: segfault at 0");
  CHECK(bare_line("[Sun Nov 22 12:41:18 2026] Killed process 14") == "Killed process 14");
  CHECK(bare_line("kern  :err   : [  123.456789] Killed process 14") == "Killed process 14");
  CHECK(bare_line("<3>[  123.456789] Killed process 14") == "Killed process 14");
  CHECK(bare_line("3,1234,5678901,-;Killed process 14") == "Killed process 14");
  CHECK(bare_line("Nov 22 10:31:07 web1 kernel: [  123.456789] Killed process 14") == "Killed process 14");
  CHECK(bare_line("Nov  2 10:31:07 web1 gunicorn[12]: [2026-11-02 10:31:07 +0000] [12] [INFO] Booting worker with pid: 14") == "Booting worker with pid: 14");
  CHECK(bare_line("2026-11-22T10:31:07.123456+00:00 web1 systemd[1]: app.service: Failed with result 'oom-kill'.") == "app.service: Failed with result 'oom-kill'.");
  CHECK(bare_line("2026-11-22T10:31:07.5Z stderr F [2026-11-22 10:31:07 +0000] [12] [ERROR] Exception in worker process") == "Exception in worker process");
  CHECK(bare_line("2026/11/22 10:31:07 [error] 7#7: *42 connect() failed (111: Connection refused)") == "connect() failed (111: Connection refused)");
  CHECK(bare_line(R"({"log":"[2026-11-22 10:31:07 +0000] [12] [CRITICAL] WORKER TIMEOUT (pid:14)\n","stream":"stderr"})") == "WORKER TIMEOUT (pid:14)");
  CHECK(bare_line(R"({"level":"ERROR","message":"Worker (pid:14) was sent SIGKILL!"})") == "Worker (pid:14) was sent SIGKILL!");
}

TEST_CASE("what is no frame stays") {
  using report::bare_line;
  CHECK(bare_line("ModuleNotFoundError: No module named 'x'") == "ModuleNotFoundError: No module named 'x'");
  CHECK(bare_line("[app] started") == "[app] started");
  CHECK(bare_line("[2026-11-22 10:31:07 +0000] [12] [INFO]") == "[2026-11-22 10:31:07 +0000] [12] [INFO]");
  CHECK(bare_line("") == "");
  CHECK(bare_line("{\"log\":\"torn") == "{\"log\":\"torn");
  CHECK(bare_line("42 workers were lost") == "42 workers were lost");
}

TEST_CASE("places are read from their end") {
  const auto place = [](std::string_view text) { return report::place_text(report::read_place(text)); };
  CHECK(place("gunicorn.conf.py:4:1") == "gunicorn.conf.py:4:1");
  CHECK(report::read_place("a:b:4:1").path == "a:b");
  CHECK(report::read_place("app.py:4").line == 4);
  CHECK(report::read_place("app.py:4").column == 0);
  CHECK(report::read_place("/run/app.sock").line == 0);
  CHECK(report::read_place(":4").path == ":4");
  CHECK(report::read_place("x:99999999999").path == "x:99999999999");
  CHECK(report::read_place("").path.empty());
}

TEST_CASE("facts that were no line are told by their values") {
  const auto text = [](evidence::What what, int pid = 0) {
    evidence::Fact fact;
    fact.what = std::move(what);
    fact.about.pid = pid;
    return report::fact_text(fact);
  };
  evidence::SignalSent sent;
  sent.signal = 9; sent.how = "user"; sent.sender = 4711; sent.sender_comm = "bash"; sent.sender_exe = "/usr/bin/bash";
  CHECK(text(sent) == "SIGKILL sent by 4711 (bash) /usr/bin/bash");
  sent.how = "kernel";
  CHECK(text(sent) == "SIGKILL by the kernel");
  evidence::ProcessExited exited;
  exited.status = 7 << 8;
  CHECK(text(exited) == "exited with status 7");
  exited.status = 0x8B;
  CHECK(text(exited) == "ended by SIGSEGV, core dumped");
  evidence::SettingRead setting;
  setting.name = "timeout"; setting.value = "120"; setting.condition = "ENV == 'prod'";
  CHECK(text(setting) == "timeout = 120  if ENV == 'prod'");
  evidence::Heartbeat heartbeat;
  heartbeat.age_s = 31.4; heartbeat.family = "utime";
  CHECK(text(heartbeat) == "last heartbeat 31.4 s ago");
  CHECK(text(evidence::WorkerBooted{}) == "worker.booted");
}

TEST_CASE("a proxy's line is shown without what the report says anyway") {
  evidence::Fact fact;
  evidence::ProxyError error;
  error.method = "GET"; error.uri = "/slow"; error.upstream = "http://127.0.0.1:8000/slow";
  fact.what = error;
  fact.text = "2026/11/22 10:31:07 [error] 7#7: *4 upstream prematurely closed connection while reading response header from upstream, client: 127.0.0.1, server: , request: \"GET /slow HTTP/1.1\", upstream: \"http://127.0.0.1:8000/slow\"";
  CHECK(report::fact_text(fact) == "upstream prematurely closed connection while reading response header from upstream, request GET /slow, upstream 127.0.0.1:8000");
  std::get<evidence::ProxyError>(fact.what).upstream = "http://unix:/run/app.sock:/slow";
  CHECK(report::fact_text(fact) == "upstream prematurely closed connection while reading response header from upstream, request GET /slow, upstream http://unix:/run/app.sock:/slow");
}

TEST_CASE("a kernel's fault line is shown without its registers") {
  evidence::Fact fact;
  fact.what = evidence::KernelCrash{};
  fact.text = "[ 4008.073] gunicorn: worke[1890]: segfault at 0 ip 00007fc1aa039ad8 sp 00007ffe3c216588 error 4 in libc.so.6[167ad8,7fc1a9ef8000+156000] likely on CPU 1 (core 1, socket 0)";
  CHECK(report::fact_text(fact) == "gunicorn: worke[1890]: segfault at 0 in libc.so.6");
  fact.text = "[ 4008.073] traps: python3[7] general protection fault ip:7f00 sp:7ffe error:0 in libc.so.6[167ad8]";
  CHECK(report::fact_text(fact) == "traps: python3[7] general protection fault ip:7f00 sp:7ffe error:0 in libc.so.6[167ad8]");
}
