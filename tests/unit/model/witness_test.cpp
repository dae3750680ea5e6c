#include "model/timeline.hpp"
#include "scene.hpp"
#include "support/catch.hpp"

using namespace scene;
using model::Join;

TEST_CASE("a kernel kill joins the life that the same pid names") {
  Scene s;
  s.started(0, 450, {451, 452});
  s.line(60, 450, Scene::killed(9), 451);
  const FactId kill = s.record(1000.2, Scene::oom(451));
  const auto stack = model::build(s.evidence);
  REQUIRE(life(stack, 451));
  CHECK(life(stack, 451)->oom == kill);
  CHECK(life(stack, 451)->oom_join == Join::by_pid);
  CHECK(life(stack, 452)->oom == no_fact);
  CHECK(stack.unjoined.empty());
}

TEST_CASE("a decoy of the same name in the same second joins nobody") {
  Scene s;
  s.started(0, 450, {451, 452});
  s.line(60, 450, WorkerTimedOut{}, 451);
  s.line(61, 450, Scene::killed(9), 451);
  s.record(1000, Scene::oom(9001));
  const auto stack = model::build(s.evidence);
  CHECK(life(stack, 451)->oom == no_fact);
  REQUIRE(stack.unjoined.size() == 1);
  CHECK(stack.unjoined.front().why == "pid 9001 is none of the server's processes");
}

TEST_CASE("a thread's id in the Killed line is read with the group's in the oom-kill line") {
  Scene s;
  s.started(0, 450, {451});
  s.line(60, 450, Scene::killed(9), 451);
  OomKill kill = Scene::oom(467, "hogthread");
  kill.tgid = 451;
  s.record(1000, kill);
  CHECK(life(model::build(s.evidence), 451)->oom != no_fact);
}

TEST_CASE("a forged record and a death by another signal join nothing") {
  Scene s;
  s.started(0, 450, {451, 452});
  s.line(60, 450, Scene::killed(9), 451);
  s.line(61, 450, Scene::killed(11), 452);
  OomKill forged = Scene::oom(451);
  forged.forged = true;
  s.record(1000, forged);
  s.record(1001, Scene::oom(452));
  const auto stack = model::build(s.evidence);
  CHECK(life(stack, 451)->oom == no_fact);
  CHECK(life(stack, 452)->oom == no_fact);
}

TEST_CASE("a reused pid: the life that ended by SIGKILL without a timeout is the victim") {
  Scene s;
  s.started(0, 450, {451});
  s.line(60, 450, WorkerTimedOut{}, 451);
  s.line(60, 452, WorkerBooted{}, 452);
  s.line(90, 450, Scene::killed(15, false), 452);
  s.line(100, 451, WorkerBooted{}, 451);
  s.line(160, 450, Scene::killed(9), 451);
  s.record(1000, Scene::oom(451));
  const auto stack = model::build(s.evidence);
  REQUIRE(life(stack, 451, 1));
  CHECK(life(stack, 451, 0)->oom == no_fact);
  CHECK(life(stack, 451, 1)->oom != no_fact);
}

TEST_CASE("several kills in one second go each to its own pid") {
  Scene s;
  s.started(0, 450, {451, 452, 453});
  for (const int pid : {451, 453}) s.line(60, 450, Scene::killed(9), pid);
  s.record(1000.1, Scene::oom(453));
  s.record(1000.2, Scene::oom(451));
  const auto stack = model::build(s.evidence);
  CHECK(life(stack, 451)->oom != no_fact);
  CHECK(life(stack, 452)->oom == no_fact);
  CHECK(life(stack, 453)->oom != no_fact);
}

TEST_CASE("in a container as many kills as deaths of one cgroup are each other's; one more is nobody's") {
  Scene s;
  s.started(0, 1, {7, 8});
  s.line(60, 1, Scene::killed(9), 7);
  s.record(1000, Scene::oom(31989, "gunicorn", "/docker/a"));
  {
    const auto stack = model::build(s.evidence);
    CHECK(life(stack, 7)->oom_join == Join::by_elimination);
    CHECK(life(stack, 7)->host_pid == 31989);
  }
  s.record(1003, Scene::oom(32001, "gunicorn", "/docker/b"));
  const auto stack = model::build(s.evidence);
  CHECK(life(stack, 7)->oom == no_fact);
  CHECK(stack.unjoined.size() == 2);
}

TEST_CASE("host and inner pid that were seen together are a map") {
  Scene s;
  s.started(0, 12, {14, 15});
  s.line(60, 12, Scene::killed(9), 14);
  ProcessSeen seen;
  seen.ns_pid = 14;
  seen.comm = "gunicorn";
  s.record(900, seen, 31989);
  s.record(1000, Scene::oom(31989));
  const auto stack = model::build(s.evidence);
  CHECK(life(stack, 14)->oom_join == Join::by_map);
  CHECK(life(stack, 14)->host_pid == 31989);
}

TEST_CASE("kills in other cgroups are none of a container's that was seen running") {
  Scene s;
  s.started(0, 12, {14, 15});
  s.line(60, 12, Scene::killed(9), 14);
  ProcessSeen seen;   // a worker that lives
  seen.ns_pid = 15;
  seen.comm = "gunicorn";
  seen.cgroup = "/docker/a";
  s.record(900, seen, 31990);
  s.record(1000, Scene::oom(31989, "gunicorn", "/docker/b"));
  s.record(1000, Scene::oom(31988, "gunicorn", "/docker/a"));
  const auto stack = model::build(s.evidence);
  CHECK(life(stack, 14)->oom_join == Join::by_elimination);
  CHECK(life(stack, 14)->host_pid == 31988);
  REQUIRE(stack.unjoined.size() == 1);
  CHECK(model::cgroup_of(stack, s.evidence, stack.servers.front()) == "/docker/a");
}

TEST_CASE("threads above one make a gthread worker, whatever the log calls it") {
  Scene s;
  s.started(0, 450, {451});
  s.line(0, 450, ServerUses{"threads"});
  CHECK(model::build(s.evidence).servers.front().worker_class == "gthread");
}

TEST_CASE("the same pid long before the worker lived is another process, where the clocks are tied") {
  Scene s;
  s.started(1000, 450, {451});
  s.line(1060, 450, Scene::killed(9), 451);
  s.evidence.sources[s.kernel].zero = Scene::wall(0);
  s.record(500, Scene::oom(451));
  CHECK(life(model::build(s.evidence), 451)->oom == no_fact);
  s.record(1060, Scene::oom(451));
  CHECK(life(model::build(s.evidence), 451)->oom != no_fact);
}

TEST_CASE("a crash in a thread is the only fault left for it, and a crash of an older process is not") {
  Scene s;
  s.started(0, 450, {451, 452});
  s.line(60, 450, Scene::killed(11), 452);
  s.record(1000, KernelCrash{449, "gunicorn: worke", "segfault", "libc.so.6", "0"});
  CHECK(life(model::build(s.evidence), 452)->crash == no_fact);
  s.record(1000, KernelCrash{470, "gunicorn: worke", "segfault", "libc.so.6", "0"});
  CHECK(life(model::build(s.evidence), 452)->crash_join == Join::by_elimination);
}

TEST_CASE("clocks: zones cancel in whole quarter hours, boot time compares only when tied") {
  Scene s;
  s.started(0, 450, {451});
  const auto stack = model::build(s.evidence);
  Fact fact;
  fact.origin.source = s.kernel;
  fact.when = Scene::boot(5);
  CHECK_FALSE(model::distance_between(stack, s.evidence, fact, Scene::wall(5)));
  fact.when = Scene::wall(2 * 3600 + 3);
  fact.when->clock = base::Clock::naive;
  const auto distance = model::distance_between(stack, s.evidence, fact, Scene::wall(0));
  REQUIRE(distance);
  CHECK(distance->ns == 3 * base::second_ns);
}

TEST_CASE("a kernel log covers a moment only from record to record, without a hole") {
  Scene s;
  s.started(0, 450, {451});
  auto& source = s.evidence.sources[s.kernel];
  source.zero = Scene::wall(0);
  source.first = Scene::boot(10);
  source.last = Scene::boot(100);
  const auto covers = [&](double second) { return model::covering_kernel_log(model::build(s.evidence), s.evidence, Scene::wall(second)).has_value(); };
  CHECK(covers(50));
  CHECK_FALSE(covers(5));
  CHECK_FALSE(covers(150));
  source.lost = true;
  CHECK_FALSE(covers(50));
}

TEST_CASE("a number that may be an exit code is a crash only where the kernel's line is about that signal") {
  for (const auto& [number, crashed] : {std::pair{7, false}, {11, true}}) {
    scene::Scene of;
    of.started(0, 2, {3});
    evidence::WorkerReaped reaped;
    reaped.signal = number;
    reaped.either = true;
    of.line(10, 2, reaped, 3);
    evidence::KernelCrash crash;
    crash.tid = 5194;   // another container's, of the same program
    crash.comm = "gunicorn: worke";
    crash.kind = "segfault";
    of.record(100, crash, 5194);
    const model::Stack stack = model::build(of.evidence);
    const model::Life* const one = scene::life(stack, 3);
    REQUIRE(one);
    CAPTURE(number);
    CHECK((one->crash != evidence::no_fact) == crashed);
  }
}
