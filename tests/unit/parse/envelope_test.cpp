#include "parse/envelope.hpp"

#include "base/text.hpp"
#include "support/catch.hpp"

namespace {

constexpr std::int64_t november = 1795300000LL * base::second_ns;  // 2026-11-22

// What the envelope told, then "| text"; records of one line are joined by " // ".
std::string opened(parse::Opener& opener, std::string_view line) {
  std::string all;
  for (const parse::Record& record : opener.open(line)) {
    if (!all.empty()) all += " // ";
    if (record.when) all += base::iso(*record.when) + (record.when->clock == base::Clock::naive ? "? " : " ");
    if (record.boot) all += "boot" + base::iso(*record.boot) + " ";
    if (!record.ident.empty()) all += std::string(record.ident) + (record.pid ? "[" + std::to_string(record.pid) + "] " : " ");
    else if (record.pid) all += "[" + std::to_string(record.pid) + "] ";
    if (!record.unit.empty()) all += "unit=" + std::string(record.unit) + " ";
    if (!record.level.empty()) all += "level=" + std::string(record.level) + " ";
    if (record.priority >= 0 || record.facility >= 0) all += "pri=" + std::to_string(record.facility) + "." + std::to_string(record.priority) + " ";
    if (record.sequence) all += "#" + std::to_string(*record.sequence) + " ";
    if (record.from_kernel_form) all += "kernel ";
    all += "| " + std::string(record.text);
  }
  return all;
}

std::string opened(std::string_view line) {
  parse::Opener opener(1 << 16, november);
  return opened(opener, line);
}

}  // namespace

TEST_CASE("a bare line is its own message") {
  CHECK(opened("[2026-11-22 10:31:07 +0000] [741] [INFO] Starting gunicorn 23.0.0") == "| [2026-11-22 10:31:07 +0000] [741] [INFO] Starting gunicorn 23.0.0");
  CHECK(opened("2026/11/22 10:31:08 [error] 748#748: *1 upstream") == "| 2026/11/22 10:31:08 [error] 748#748: *1 upstream");
  CHECK(opened("127.0.0.1 - - [22/Nov/2026:10:31:08 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"") == "| 127.0.0.1 - - [22/Nov/2026:10:31:08 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"");
  CHECK(opened("<9587> GET /sleep?1 HTTP/1.1 status=200 time=1.0") == "| <9587> GET /sleep?1 HTTP/1.1 status=200 time=1.0");
  CHECK(opened("Worker: failed") == "| Worker: failed");
  CHECK(opened("2026-11-22 10:31:07,123 INFO Booting worker with pid: 7") == "| 2026-11-22 10:31:07,123 INFO Booting worker with pid: 7");
}

TEST_CASE("docker's json-file, with lines that were split") {
  parse::Opener opener(1 << 16, november);
  CHECK(opened(opener, R"({"log":"[x] \"y\"\t\u00e9\n","stream":"stderr","time":"2026-11-22T10:31:07.123456789Z"})") == "2026-11-22T10:31:07.123Z | [x] \"y\"\t\xc3\xa9");
  CHECK(opened(opener, R"({"log":"first ","stream":"stdout","time":"2026-11-22T10:31:07Z"})") == "");
  CHECK(opened(opener, R"({"log":"other\n","stream":"stderr","time":"2026-11-22T10:31:07Z"})") == "2026-11-22T10:31:07Z | other");
  CHECK(opened(opener, R"({"log":"second\n","stream":"stdout","time":"2026-11-22T10:31:08Z"})") == "2026-11-22T10:31:08Z | first second");
  CHECK(opened(opener, R"({"log":"torn","stream":"stdout","time":"2026-11-22T10:31:08Z"})") == "");
  REQUIRE(opener.rest().size() == 1);
  CHECK(opener.rest().empty() == false);
}

TEST_CASE("CRI, docker logs -t, compose, kubectl") {
  parse::Opener opener(1 << 16, november);
  CHECK(opened(opener, "2026-11-22T10:31:07.123456789Z stderr F Booting worker") == "2026-11-22T10:31:07.123Z | Booting worker");
  CHECK(opened(opener, "2026-11-22T10:31:07.123456789Z stderr P Booting ") == "");
  CHECK(opened(opener, "2026-11-22T10:31:07.123456789Z stderr F worker") == "2026-11-22T10:31:07.123Z | Booting worker");
  CHECK(opened(opener, "2026-11-22T10:31:07.123456789Z Listening at: http://x") == "2026-11-22T10:31:07.123Z | Listening at: http://x");
  CHECK(opened(opener, "web-6d8f7c9b5d-x2k4z app [2026-11-22 10:31:07 +0000] [1] [INFO] x") == "unit=web-6d8f7c9b5d-x2k4z app | [2026-11-22 10:31:07 +0000] [1] [INFO] x");
  CHECK(opened(opener, "web-0 app [2026-11-22 10:31:07 +0000] [1] [INFO] x") == "unit=web-0 app | [2026-11-22 10:31:07 +0000] [1] [INFO] x");
  CHECK(opened(opener, "web-worker app [2026-11-22 10:31:07 +0000] [1] [INFO] x") == "| web-worker app [2026-11-22 10:31:07 +0000] [1] [INFO] x");
  CHECK(opened(opener, "web-1  | [2026-11-22 10:31:07 +0000] [1] [INFO] x") == "unit=web-1 | [2026-11-22 10:31:07 +0000] [1] [INFO] x");
  CHECK(opened(opener, "[pod/web-7d/app] Booting") == "unit=pod/web-7d/app | Booting");
}

TEST_CASE("syslog in its forms") {
  CHECK(opened("Nov 22 10:31:07 web1 gunicorn[123]: [741] x") == "2026-11-22T10:31:07? gunicorn[123] | [741] x");
  CHECK(opened("Dec  2 10:31:07 web1 gunicorn: x") == "2025-12-02T10:31:07? gunicorn | x");
  CHECK(opened("<30>Nov 22 10:31:07 web1 systemd[1]: gunicorn.service: Main process exited") == "2026-11-22T10:31:07? systemd[1] pri=3.6 | gunicorn.service: Main process exited");
  CHECK(opened("2026-11-22T10:31:07.123456+01:00 web1 gunicorn.app.error: [741] x") == "2026-11-22T09:31:07.123Z gunicorn.app.error | [741] x");
  CHECK(opened("<165>1 2026-11-22T10:31:07.003Z web1 gunicorn 123 - [a b=\"]\"] x") == "2026-11-22T10:31:07.003Z gunicorn[123] pri=20.5 | x");
  CHECK(opened("Nov 22 10:31:07 web1 last message repeated 3 times") == "2026-11-22T10:31:07? | last message repeated 3 times");
  CHECK(opened("gunicorn.app.error: [741] x") == "gunicorn.app.error | [741] x");
  CHECK(opened("<11>gunicorn.app.error: [741] x") == "gunicorn.app.error pri=1.3 | [741] x");
  CHECK(opened("Nov 22 10:31:07 web1 app[9]: Traceback (most recent call last):#012  File \"x\"") ==
        "2026-11-22T10:31:07? app[9] | Traceback (most recent call last): // 2026-11-22T10:31:07? app[9] |   File \"x\"");
}

TEST_CASE("the journal as text and as JSON") {
  parse::Opener opener(1 << 16, november);
  CHECK(opened(opener, "-- Boot 0123456789abcdef --") == "");
  CHECK(opened(opener, "Nov 22 10:31:07.250000 web1 gunicorn[9]: one") == "2026-11-22T10:31:07.250? gunicorn[9] | one");
  CHECK(opened(opener, std::string(41, ' ') + "  two") == "2026-11-22T10:31:07.250? gunicorn[9] |   two");
  CHECK(opened(opener, "2026-11-22T10:31:07+0000 web1 kernel: Out of memory: Killed process 7 (x)") == "2026-11-22T10:31:07Z kernel kernel | Out of memory: Killed process 7 (x)");
  CHECK(opened(opener, R"({"__REALTIME_TIMESTAMP":"1795343467123456","MESSAGE":"hello\nworld","_PID":"123","SYSLOG_IDENTIFIER":"gunicorn","_SYSTEMD_UNIT":"web.service","PRIORITY":"6"})") ==
        "2026-11-22T10:31:07.123Z gunicorn[123] unit=web.service pri=-1.6 | hello // 2026-11-22T10:31:07.123Z gunicorn[123] unit=web.service pri=-1.6 | world");
  CHECK(opened(opener, R"({"__REALTIME_TIMESTAMP":"1795343467123456","MESSAGE":[104,105],"_TRANSPORT":"kernel","_SOURCE_MONOTONIC_TIMESTAMP":"1442742760","PRIORITY":"3","SYSLOG_FACILITY":"0"})") ==
        "2026-11-22T10:31:07.123Z boot+1442.742760 kernel pri=0.3 kernel | hi");
  const auto records = opener.open(R"({"__REALTIME_TIMESTAMP":"1","MESSAGE":"x","UNIT":"web.service","JOB_RESULT":"done","_PID":"1"})");
  REQUIRE(records.size() == 1);
  CHECK(records[0].field("JOB_RESULT") == "done");
  CHECK(records[0].unit == "web.service");
}

TEST_CASE("the kernel's forms") {
  parse::Opener opener(1 << 16, november);
  CHECK(opened(opener, "[ 1442.742760] gunicorn: worke invoked oom-killer") == "+1442.742760 kernel | gunicorn: worke invoked oom-killer");
  CHECK(opened(opener, "[    0.000000][    T0] Linux version 6") == "+0.000000 kernel | Linux version 6");
  CHECK(opened(opener, "[Sun Nov 22 10:31:08 2026] x[1]: segfault") == "2026-11-22T10:31:08? kernel | x[1]: segfault");
  CHECK(opened(opener, "<3>[ 1442.742760] x") == "+1442.742760 pri=-1.3 kernel | x");
  CHECK(opened(opener, "user  :err   : [ 1442.742760] x") == "+1442.742760 pri=1.3 kernel | x");
  CHECK(opened(opener, "kern  :info  : [Sun Nov 22 10:31:08 2026] x") == "2026-11-22T10:31:08? pri=0.6 kernel | x");
  CHECK(opened(opener, "user  :warn  : 2026-11-22T10:31:08,430144+00:00 x") == "2026-11-22T10:31:08.430Z pri=1.4 kernel | x");
  CHECK(opened(opener, "6,350,5188645,-;task=a\\x0ab\\x5cc") == "+5.188645 pri=0.6 #350 kernel | task=a\nb\\c");
  CHECK(opened(opener, " SUBSYSTEM=acpi") == "");
  CHECK(opened(opener, " DEVICE=+acpi:PNP0A08:00") == "");
  CHECK(opened(opener, "2026-11-22T10:31:08,123456+00:00 Killed process 7") == "2026-11-22T10:31:08.123Z kernel | Killed process 7");
  CHECK(opened(opener, "Apr 18 00:37:34   kernel: [14049899.298694] exe invoked") == "2026-04-18T00:37:34? boot+14049899.298694 kernel kernel | exe invoked");
  CHECK(opened(opener, "[ 1442.742760] web1 kernel: x") == "+1442.742760 kernel kernel | x");
}

TEST_CASE("an application's JSON formatter, bare and inside docker") {
  parse::Opener opener(1 << 16, november);
  CHECK(opened(opener, R"({"time": "2026-11-22 10:31:07,123", "level": "INFO", "logger": "gunicorn.error", "message": "Booting worker with pid: 7"})") ==
        "2026-11-22T10:31:07.123? gunicorn.error level=INFO | Booting worker with pid: 7");
  CHECK(opened(opener, R"({"asctime":"2026-11-22T10:31:07Z","levelname":"ERROR","process":9,"name":"x","message":"Exception in worker process","exc_info":"Traceback (most recent call last):\nKeyError: 1"})") ==
        "2026-11-22T10:31:07Z x[9] level=ERROR | Exception in worker process // 2026-11-22T10:31:07Z x[9] level=ERROR | Traceback (most recent call last): // 2026-11-22T10:31:07Z x[9] level=ERROR | KeyError: 1");
  CHECK(opened(opener, R"({"log":"{\"ts\": 1795343467.5, \"severity\": \"WARNING\", \"msg\": \"m\"}\n","stream":"stderr","time":"2026-11-22T10:31:08Z"})") == "2026-11-22T10:31:07.500Z level=WARNING | m");
  CHECK(opened(opener, R"({"kind":"Pod","metadata":{"name":"x"}})") == R"(| {"kind":"Pod","metadata":{"name":"x"}})");
  CHECK(opened(opener, R"({"log":"torn)") == R"(| {"log":"torn)");
}
