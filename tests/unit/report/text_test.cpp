#include "base/text.hpp"
#include "scene.hpp"
#include "support/catch.hpp"

namespace {

std::string screen(const scene::Scene& scene, report::Style style = {}) { return report::writer("text")->write(scene.report(), style); }

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  for (const auto line : base::split(text, '\n')) most = std::max(most, line.size());
  return most;
}

rule::Finding finding(std::string id, std::string rule, std::string message, std::string caused_by = {}) {
  rule::Finding f;
  f.id = std::move(id); f.rule = std::move(rule); f.message = std::move(message); f.caused_by = std::move(caused_by);
  f.level = rule::Level::error; f.sure = rule::Confidence::certain; f.sure_because = "the master's own line";
  return f;
}

}  // namespace

TEST_CASE("an OOM kill is told as in the drafted screen") {
  CHECK(screen(scene::oom()) == R"~(FAULT  gunicorn worker 14 was killed by the kernel: its cgroup reached the
       memory limit (200 MiB). It was NOT a worker timeout.   [death.oom-cgroup]

WHY  confidence: certain - kernel record and cgroup counter agree
  E1  11:01:26  kernel log  Killed process 31989 (gunicorn) anon-rss 191 MiB
                            constraint=MEMCG oom_memcg=/ux_oom      dmesg.txt:88
  E2  11:01:26  cgroup v1   /ux_oom limit 200 MiB, peak 200 MiB, oom_kill 1
                                                    /sys/fs/cgroup/memory/ux_oom
  E3  11:01:26  server log  Worker with pid 14 was terminated due to signal 9
                            (gunicorn 20.1.0 names no cause)         error.log:7

RULED OUT
  - death.timeout   no "WORKER TIMEOUT (pid:14)"; lived 1 s, the limit is 30 s
  - death.oom-host  the constraint was this cgroup, not the machine

WAS DOING  GET /eat

FIX
  now    give it room or start fewer workers: 2 workers x 191 MiB > 200 MiB
  then   max_requests = 1000 and max_requests_jitter = 100
         loses: requests in flight when it is recycled late
  check  triage watch --for 10m --fail-on death.oom-cgroup        expect: exit 0

NOT SEEN
  - what worker 14 ran: it was dead before I looked
    to see it: triage watch (needs CAP_BPF, CAP_PERFMON)

1 fault, certain; 1 blind spot.  This rule: triage explain death.oom-cgroup
)~");
}

TEST_CASE("quiet is the first and the last line") {
  report::Style style;
  style.quiet = true;
  CHECK(screen(scene::oom(), style) == R"~(FAULT  gunicorn worker 14 was killed by the kernel: its cgroup reached the
       memory limit (200 MiB). It was NOT a worker timeout.   [death.oom-cgroup]
1 fault, certain; 1 blind spot.  This rule: triage explain death.oom-cgroup
)~");
}

TEST_CASE("a clean look names what was looked at and what could not be seen") {
  scene::Scene s = scene::oom();
  s.findings.clear();
  CHECK(screen(s) == R"~(OK     no worker died unasked: gunicorn 20.1.0 master 12; 3 sources, 132 lines
       read

LOOKED AT
  kernel log  dmesg.txt 120 lines
  cgroup      /sys/fs/cgroup/memory/ux_oom
  server log  error.log 12 lines

NOT SEEN
  - what worker 14 ran: it was dead before I looked
    to see it: triage watch (needs CAP_BPF, CAP_PERFMON)

0 faults; 1 blind spot.
)~");
}

TEST_CASE("what cannot be told is unknown, with what would have told it") {
  scene::Scene s = scene::oom();
  s.evidence.gaps.clear();
  rule::Finding& f = s.findings[0];
  f.rule = "death.unknown"; f.level = rule::Level::warning; f.truth = rule::Truth::unknown; f.sure = rule::Confidence::unknown;
  f.message = "gunicorn worker 14 was killed by SIGKILL; nothing here says by whom";
  f.sure_because = "no kernel log covers the moment";
  f.because.resize(1); f.because[0] = 2; f.ruled_out.clear(); f.fix.clear(); f.was_doing = {};
  f.missing = {"a kernel log that covers 11:01:26: journalctl -k --since 11:00"};
  CHECK(screen(s) == R"~(UNKNOWN  gunicorn worker 14 was killed by SIGKILL; nothing here says by whom
                                                                 [death.unknown]

WHY  confidence: unknown - no kernel log covers the moment
  E1  11:01:26  server log  Worker with pid 14 was terminated due to signal 9
                            (gunicorn 20.1.0 names no cause)         error.log:7

NOT SEEN
  - a kernel log that covers 11:01:26: journalctl -k --since 11:00

1 unknown.  This rule: triage explain death.unknown
)~");
}

TEST_CASE("repeats are grouped, consequences stand under their root") {
  scene::Scene s;
  scene::source(s, "error.log", evidence::SourceKind::server_log, 40);
  auto root = finding("f1", "death.timeout", "6 gunicorn workers were killed by their master: no heartbeat for 30 s");
  root.when = scene::at("2026-11-22T10:31:07Z"); root.last = scene::at("2026-11-22T10:31:09Z"); root.count = 6;
  for (int pid = 14; pid < 20; ++pid) root.members.push_back({pid, 0, scene::at("2026-11-22T10:31:07Z"), ""});
  auto after = finding("f2", "worker.none", "no worker was left to answer for 4 s", "f1");
  after.when = scene::at("2026-11-22T10:31:09Z");
  auto last = finding("f3", "proxy.server-down", "nginx answered 502 to 17 requests", "f2");
  last.when = scene::at("2026-11-22T10:31:09Z"); last.count = 17;
  auto note = finding("f4", "app.exception", "the application raised ZeroDivisionError");
  note.level = rule::Level::note;
  s.findings = {root, after, last, note};
  CHECK(screen(s) == R"~(FAULT  6 gunicorn workers were killed by their master: no heartbeat for 30 s
                                                                 [death.timeout]
       6 times, 10:31:07 to 10:31:09: pid 14, 15, 16, 17, 18, 19

WHY  confidence: certain - the master's own line

FOLLOWED FROM IT
  10:31:09  no worker was left to answer for 4 s                   [worker.none]
  10:31:09  nginx answered 502 to 17 requests (17 times at 10:31:09)
                                                             [proxy.server-down]

NOTE   the application raised ZeroDivisionError                  [app.exception]
       confidence: certain - the master's own line

This rule: triage explain death.timeout
1 fault, certain; 2 that followed; 1 note.
)~");
  report::Style verbose;
  verbose.verbose = true;
  CHECK(base::contains(screen(s, verbose), "MEMBERS\n  10:31:07  pid 14\n  10:31:07  pid 15\n"));
}

TEST_CASE("a chain of causes that is a circle still tells every finding once") {
  scene::Scene s;
  s.findings = {finding("f1", "worker.none", "one", "f2"), finding("f2", "worker.saturated", "two", "f1"), finding("f3", "log.deleted", "three", "f9")};
  const std::string text = screen(s);
  CHECK(base::contains(text, "one"));
  CHECK(base::contains(text, "two"));
  CHECK(base::contains(text, "three"));
}

TEST_CASE("events are shown when asked for") {
  report::Style style;
  style.show_events = true;
  CHECK(base::contains(screen(scene::oom(), style), R"~(
EVENTS
  gunicorn 20.1.0 master 12
    11:01:20  started
    11:01:25  worker 14 booted

NOT SEEN
)~"));
}

TEST_CASE("a folder that all evidence shares is named once, and no line ends before a unit") {
  scene::Scene s = scene::oom();
  for (auto& source : s.evidence.sources) source.name = "/srv/incidents/monday/" + source.name.substr(source.name.rfind('/') + 1);
  rule::Finding& f = s.findings[0];
  f.message = "gunicorn worker 1499 was killed by its master: it gave no heartbeat for 2 s";
  f.fix.clear(); f.ruled_out.clear();
  f.fix.push_back({"now", "collect a bundle first", "", "nothing", ""});
  CHECK(screen(s) == R"~(FAULT  gunicorn worker 1499 was killed by its master: it gave no heartbeat for
       2 s                                                    [death.oom-cgroup]

WHY  confidence: certain - kernel record and cgroup counter agree
  E1  11:01:26  kernel log  Killed process 31989 (gunicorn) anon-rss 191 MiB
                            constraint=MEMCG oom_memcg=/ux_oom      dmesg.txt:88
  E2  11:01:26  cgroup v1   /ux_oom limit 200 MiB, peak 200 MiB, oom_kill 1
                                                                          ux_oom
  E3  11:01:26  server log  Worker with pid 14 was terminated due to signal 9
                            (gunicorn 20.1.0 names no cause)         error.log:7
  files in /srv/incidents/monday/

WAS DOING  GET /eat

FIX
  now    collect a bundle first

NOT SEEN
  - what worker 14 ran: it was dead before I looked
    to see it: triage watch (needs CAP_BPF, CAP_PERFMON)

1 fault, certain; 1 blind spot.  This rule: triage explain death.oom-cgroup
)~");
}

TEST_CASE("colour marks words and changes none") {
  report::Style style;
  style.colour = true;
  std::string text = screen(scene::oom(), style);
  CHECK(base::starts_with(text, "\x1b[1;31mFAULT\x1b[0m  gunicorn worker 14 was killed"));
  CHECK(base::contains(text, "\n\x1b[1mWHY\x1b[0m  confidence: certain - "));
  for (const std::string code : {"\x1b[1;31m", "\x1b[1m", "\x1b[0m"})
    for (std::size_t at = text.find(code); at != std::string::npos; at = text.find(code)) text.erase(at, code.size());
  CHECK(text == screen(scene::oom()));
}

TEST_CASE("no screen is wider than asked, whatever is in it") {
  for (const std::size_t width : {40u, 80u, 132u}) {
    report::Style style;
    style.width = width;
    style.verbose = true;
    CHECK(widest(screen(scene::oom(), style)) <= width);
    CHECK(widest(screen(scene::attacked(), style)) <= width);
  }
}

TEST_CASE("a root cause takes about one and a half kilobytes") { CHECK(screen(scene::oom()).size() < 1600); }
