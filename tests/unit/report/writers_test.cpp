#include "base/text.hpp"
#include "scene.hpp"
#include "support/catch.hpp"

namespace {

std::string write(std::string_view writer, const scene::Scene& scene, report::Style style = {}) { return report::writer(writer)->write(scene.report(), style); }

}  // namespace

TEST_CASE("plain is one fact a line") {
  CHECK(write("plain", scene::oom()) == R"~(verdict: fault
rule: death.oom-cgroup
level: error
summary: gunicorn worker 14 was killed by the kernel: its cgroup reached the memory limit (200 MiB). It was NOT a worker timeout.
subject: gunicorn worker 14 (host 31989)
confidence: certain
confidence because: kernel record and cgroup counter agree
evidence 1: kernel log 11:01:26 Killed process 31989 (gunicorn) anon-rss 191 MiB constraint=MEMCG oom_memcg=/ux_oom at dmesg.txt:88
evidence 2: cgroup v1 11:01:26 /ux_oom limit 200 MiB, peak 200 MiB, oom_kill 1 at /sys/fs/cgroup/memory/ux_oom
evidence 3: server log 11:01:26 Worker with pid 14 was terminated due to signal 9 (gunicorn 20.1.0 names no cause) at error.log:7
ruled out: death.timeout, because no "WORKER TIMEOUT (pid:14)"; lived 1 s, the limit is 30 s
ruled out: death.oom-host, because the constraint was this cgroup, not the machine
was doing request: GET /eat
fix now: give it room or start fewer workers: 2 workers x 191 MiB > 200 MiB
fix then: max_requests = 1000 and max_requests_jitter = 100; loses: requests in flight when it is recycled late
fix check: triage watch --for 10m --fail-on death.oom-cgroup; expect: exit 0
not seen: what worker 14 ran, because it was dead before I looked; let me: triage watch (needs CAP_BPF, CAP_PERFMON)
in all: 1 fault, certain; 1 blind spot
)~");
}

TEST_CASE("plain names what is clean and what is quiet") {
  scene::Scene s = scene::oom();
  report::Style quiet;
  quiet.quiet = true;
  CHECK(write("plain", s, quiet) == R"~(verdict: fault
rule: death.oom-cgroup
summary: gunicorn worker 14 was killed by the kernel: its cgroup reached the memory limit (200 MiB). It was NOT a worker timeout.
in all: 1 fault, certain; 1 blind spot
)~");
  s.findings.clear();
  CHECK(write("plain", s) == R"~(verdict: clean
summary: no worker died unasked: gunicorn 20.1.0 master 12; 3 sources, 132 lines read
not seen: what worker 14 ran, because it was dead before I looked; let me: triage watch (needs CAP_BPF, CAP_PERFMON)
in all: 0 faults; 1 blind spot
)~");
}

TEST_CASE("gcc points at the evidence") {
  CHECK(write("gcc", scene::oom()) == R"~(dmesg.txt:88: error: gunicorn worker 14 was killed by the kernel: its cgroup reached the memory limit (200 MiB). It was NOT a worker timeout. [death.oom-cgroup]
dmesg.txt:88: note: kernel log: Killed process 31989 (gunicorn) anon-rss 191 MiB constraint=MEMCG oom_memcg=/ux_oom
error.log:7: note: server log: Worker with pid 14 was terminated due to signal 9
)~");
}

TEST_CASE("gcc says triage where there is no place") {
  scene::Scene s = scene::oom();
  s.findings[0].because.clear();
  CHECK(write("gcc", s) == R"~(triage: error: gunicorn worker 14 was killed by the kernel: its cgroup reached the memory limit (200 MiB). It was NOT a worker timeout. [death.oom-cgroup]
)~");
}

TEST_CASE("a GitHub annotation is one line") {
  CHECK(write("github", scene::oom()) == R"~(::error file=dmesg.txt,line=88,title=death.oom-cgroup::gunicorn worker 14 was killed by the kernel: its cgroup reached the memory limit (200 MiB). It was NOT a worker timeout.%0Aconfidence: certain - kernel record and cgroup counter agree%0AE1 kernel log dmesg.txt:88: Killed process 31989 (gunicorn) anon-rss 191 MiB constraint=MEMCG oom_memcg=/ux_oom%0AE2 cgroup v1 /sys/fs/cgroup/memory/ux_oom: /ux_oom limit 200 MiB, peak 200 MiB, oom_kill 1%0AE3 server log error.log:7: Worker with pid 14 was terminated due to signal 9
)~");
}

TEST_CASE("a JUnit case a finding") {
  CHECK(write("junit", scene::oom()) == R"~(<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="1" failures="1">
  <testsuite name="triage" tests="1" failures="1" errors="0" skipped="0" timestamp="2026-11-22T10:31:00.000Z">
    <testcase classname="death.oom-cgroup" name="f1 gunicorn worker 14" file="dmesg.txt" line="88">
      <failure type="error" message="gunicorn worker 14 was killed by the kernel: its cgroup reached the memory limit (200 MiB). It was NOT a worker timeout.">confidence: certain - kernel record and cgroup counter agree
E1 kernel log dmesg.txt:88: Killed process 31989 (gunicorn) anon-rss 191 MiB constraint=MEMCG oom_memcg=/ux_oom
E2 cgroup v1 /sys/fs/cgroup/memory/ux_oom: /ux_oom limit 200 MiB, peak 200 MiB, oom_kill 1
E3 server log error.log:7: Worker with pid 14 was terminated due to signal 9
ruled out: death.timeout: no &quot;WORKER TIMEOUT (pid:14)&quot;; lived 1 s, the limit is 30 s
ruled out: death.oom-host: the constraint was this cgroup, not the machine
fix now: give it room or start fewer workers: 2 workers x 191 MiB &gt; 200 MiB
fix then: max_requests = 1000 and max_requests_jitter = 100
fix check: triage watch --for 10m --fail-on death.oom-cgroup
</failure>
    </testcase>
    <system-out>not seen: what worker 14 ran: it was dead before I looked; triage watch (needs CAP_BPF, CAP_PERFMON)
</system-out>
  </testsuite>
</testsuites>
)~");
}

TEST_CASE("a clean look is a passed JUnit case, a note passes with its words") {
  scene::Scene s = scene::oom();
  s.evidence.gaps.clear();
  s.findings[0].level = rule::Level::note;
  CHECK(base::contains(write("junit", s), "<testsuites tests=\"1\" failures=\"0\">"));
  CHECK(base::contains(write("junit", s), "<system-out>gunicorn worker 14 was killed by the kernel"));
  s.findings.clear();
  CHECK(write("junit", s) == R"~(<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="1" failures="0">
  <testsuite name="triage" tests="1" failures="0" errors="0" skipped="0" timestamp="2026-11-22T10:31:00.000Z">
    <testcase classname="triage" name="no worker died unasked: gunicorn 20.1.0 master 12; 3 sources, 132 lines read"/>
  </testsuite>
</testsuites>
)~");
}

TEST_CASE("Markdown for a postmortem") {
  CHECK(write("md", scene::oom()) == R"~(# FAULT: gunicorn worker 14 was killed by the kernel: its cgroup reached the memory limit (200 MiB). It was NOT a worker timeout.

Written by triage 0.1.0 at 2026-11-22T10:31:00.000Z from files.

Rule `death.oom-cgroup`, error, about gunicorn worker 14 (host 31989), at 2026-11-22T11:01:26Z.

**Why**, confidence certain - kernel record and cgroup counter agree

| | when | source | what | where |
|---|---|---|---|---|
| E1 | 2026-11-22T11:01:26Z | kernel log | Killed process 31989 (gunicorn) anon-rss 191 MiB constraint=MEMCG oom_memcg=/ux_oom | dmesg.txt:88 |
| E2 | 2026-11-22T11:01:26Z | cgroup v1 | /ux_oom limit 200 MiB, peak 200 MiB, oom_kill 1 | /sys/fs/cgroup/memory/ux_oom |
| E3 | 2026-11-22T11:01:26Z | server log | Worker with pid 14 was terminated due to signal 9 (gunicorn 20.1.0 names no cause) | error.log:7 |

**Ruled out:**

- death.timeout: no "WORKER TIMEOUT (pid:14)"; lived 1 s, the limit is 30 s
- death.oom-host: the constraint was this cgroup, not the machine

**Was doing:**

- request: GET /eat

**Fix:**

- now: give it room or start fewer workers: 2 workers x 191 MiB &gt; 200 MiB
- then: max_requests = 1000 and max_requests_jitter = 100; loses: requests in flight when it is recycled late
- check: triage watch --for 10m --fail-on death.oom-cgroup; expect: exit 0

## Not seen

- what worker 14 ran: it was dead before I looked; to see it: triage watch (needs CAP_BPF, CAP_PERFMON)

In all: 1 fault, certain; 1 blind spot.
)~");
}

TEST_CASE("HTML stands alone: no script, nothing fetched, everything named") {
  const std::string page = write("html", scene::oom());
  CHECK(base::starts_with(page, "<!doctype html>\n"));
  CHECK(base::contains(page, "default-src 'none'"));
  CHECK(base::contains(page, "<title>FAULT: gunicorn worker 14 was killed by the kernel: its cgroup reached the memory limit (200 MiB). It was NOT a worker timeout.</title>"));
  CHECK(base::contains(page, "<tr><td>E1</td><td>2026-11-22T11:01:26Z</td><td>kernel log</td><td class=\"what\">Killed process 31989 (gunicorn) anon-rss 191 MiB constraint=MEMCG oom_memcg=/ux_oom</td><td class=\"what\">dmesg.txt:88</td></tr>\n"));
  CHECK(base::contains(page, "<li><code>death.timeout</code>: no &quot;WORKER TIMEOUT (pid:14)&quot;; lived 1 s, the limit is 30 s</li>\n"));
  CHECK(base::contains(page, "<h3>Not seen</h3>\n<ul>\n<li>what worker 14 ran: it was dead before I looked; to see it: triage watch (needs CAP_BPF, CAP_PERFMON)</li>\n</ul>\n"));
  CHECK(base::contains(page, "<p>1 fault, certain; 1 blind spot.</p>\n</body>\n</html>\n"));
  CHECK_FALSE(base::contains(page, "<script"));
  CHECK_FALSE(base::contains(page, "http://"));
}
