#include "parse/format.hpp"
#include "support/catch.hpp"

#include "base/text.hpp"
#include "evidence/vocabulary.hpp"

namespace parse::formats_of { extern const Format celery, limits, packages; }

using namespace parse;  // NOLINT: a test of one room

namespace {

// "word pid field=value..." of every fact that the line makes; "-" when nobody claims it, "" when it is claimed and says nothing.
std::string told(const Format& format, std::string_view text) {
  evidence::Evidence evidence;
  Sink sink(evidence, evidence.add_source({}));
  const auto state = format.start();
  Record record;
  record.line = record.text = text;
  if (!format.step(*state, record, sink)) return "-";
  std::string all;
  for (const auto& fact : evidence.facts) {
    if (const auto* passed = evidence::as<evidence::LimitPassed>(fact))
      all += passed->flavour + " " + passed->kind + " " + std::to_string(fact.about.pid) + " '" + passed->detail + "' " + std::to_string(static_cast<long long>(passed->usage)) + " of " + std::to_string(static_cast<long long>(passed->limit)) + (passed->killed ? " killed" : "");
    if (const auto* changed = evidence::as<evidence::FileChanged>(fact)) all += changed->kind + ": " + changed->path + " at " + (fact.when ? base::iso(*fact.when) : "?");
  }
  return all;
}

}  // namespace

TEST_CASE("memory limits of other servers and of their watchdogs") {
  CHECK(told(formats_of::limits, "*** EVIL RELOAD ON WORKER 1 RSS: 75665408 (pid: 30554) ***") == "uwsgi memory 30554 'evil-reload-on-rss' 75665408 of 0 killed");
  CHECK(told(formats_of::limits, "*** EVIL RELOAD ON WORKER 2 ADDRESS SPACE: 134209536 (pid: 30555) ***") == "uwsgi memory 30555 'evil-reload-on-as' 134209536 of 0 killed");
  CHECK(told(formats_of::limits, "[30700] PumaWorkerKiller: Out of memory. 2 workers consuming total: 612.5 mb out of max: 512.0 mb. Sending TERM to pid 30712 consuming 310.2 mb.") ==
        "puma memory 30712 'puma_worker_killer' 325058560 of 536870912");
  CHECK(told(formats_of::limits, "[30700] PumaWorkerKiller: Rolling Restart. 2 workers consuming total: 612.5 mb. Sending TERM to pid 30712.") == "-");
  CHECK(told(formats_of::limits, "#<Unicorn::HttpServer:0x1>: worker (pid: 1234) exceeds memory limit (400000000 bytes > 300000000 bytes)") == "unicorn memory 1234 'unicorn-worker-killer' 400000000 of 300000000");
  CHECK(told(formats_of::limits, "*** EVIL RELOAD ON WORKER 1 RSS: 75665408 (pid: -4) ***") == "-");
  CHECK(told(formats_of::limits, "Mon Nov 23 09:05:38 2026 - *** EVIL RELOAD ON WORKER 1 RSS: 75665408 (pid: 3) ***") == "uwsgi memory 3 'evil-reload-on-rss' 75665408 of 0 killed");   // log-date
}

// The pids that the log gives up on, each followed by a blank.
static std::string timed_out(std::initializer_list<std::string_view> lines) {
  evidence::Evidence evidence;
  Sink sink(evidence, evidence.add_source({}));
  const auto state = formats_of::celery.start();
  for (const std::string_view text : lines) {
    Record record;
    record.line = record.text = text;
    formats_of::celery.step(*state, record, sink);
  }
  formats_of::celery.finish(*state, sink);
  std::string pids;
  for (const auto& fact : evidence.facts)
    if (evidence::as<evidence::WorkerTimedOut>(fact)) pids += std::to_string(fact.about.pid) + " ";
  return pids;
}

TEST_CASE("a hard limit of a task whose process is gone kills nobody") {
  constexpr std::string_view exited = "[2026-11-23 08:59:27,089: ERROR/MainProcess] Process 'ForkPoolWorker-2' pid:6 exited with 'exitcode 7'", limit = "[2026-11-23 08:59:30,304: ERROR/MainProcess] Hard time limit (3s) exceeded for request[905ad860]",
                             killed = "[2026-11-23 08:59:30,404: ERROR/MainProcess] Process 'ForkPoolWorker-1' pid:5 exited with 'signal 9 (SIGKILL)'", late = "[2026-11-23 08:59:40,304: ERROR/MainProcess] Hard time limit (3s) exceeded for request[905ad861]";
  CHECK(timed_out({exited, limit}) == "");
  CHECK(timed_out({exited, limit, killed}) == "5 ");
  CHECK(timed_out({limit, killed}) == "5 ");
  CHECK(timed_out({exited, late}) == "0 ");   // the log ends before it says whom
}

TEST_CASE("soft time limits") {
  CHECK(told(formats_of::limits, "[22-Nov-2026 10:33:09] WARNING: [pool www] child 712, script '/srv/slow.php' (request: \"GET /slow.php\") executing too slow (1.234567 sec), logging") == "php-fpm soft-time 712 'GET /slow.php' 1 of 0");
  CHECK(told(formats_of::limits, "[2026-11-22 11:03:59,480: WARNING/MainProcess] Soft time limit (3s) exceeded for tasks.report[b320b250]") == "celery soft-time 0 'tasks.report' 0 of 3");
  CHECK(told(formats_of::limits, "[2026-11-22 11:03:59,481: ERROR/ForkPoolWorker-2] Task tasks.report[b320b250] raised unexpected: SoftTimeLimitExceeded()") == "celery soft-time-raised 0 'tasks.report' 0 of 0");
  CHECK(told(formats_of::limits, "a line of some application that talks (a lot) about: its child, executing slowly") == "-");
}

TEST_CASE("what the package manager changed") {
  CHECK(told(formats_of::packages, "2026-11-22 10:41:02 upgrade libpq5:amd64 15.5-0 15.8-0") == "package: libpq5 15.5-0 to 15.8-0 at 2026-11-22T10:41:02");
  CHECK(told(formats_of::packages, "2026-11-22 10:41:02 install libssl3:amd64 <none> 3.0.15") == "package: libssl3 3.0.15 installed at 2026-11-22T10:41:02");
  CHECK(told(formats_of::packages, "2026-11-22 10:41:02 remove libssl1:amd64 1.1.1 <none>") == "package: libssl1 removed at 2026-11-22T10:41:02");
  CHECK(told(formats_of::packages, "2026-11-22 10:41:03 status installed libpq5:amd64 15.8-0") == "-");
  CHECK(told(formats_of::packages, "2026-11-22 10:41:03 upgrade of the application begins now") == "-");
  CHECK(told(formats_of::packages, "2026-11-22 10:41:03 install: all done, a:b") == "-");
}
