#include "scene.hpp"
#include "support/catch.hpp"

using namespace scene;
using model::Asked;

TEST_CASE("a worker that is replaced without a word is found when the stop shows all others alive") {
  Scene s;
  s.started(0, 450, {451, 452}, "20.1.0");
  s.line(60, 453, WorkerBooted{}, 453);
  s.line(120, 450, MasterSignalled{"term", false});
  s.line(120, 451, WorkerExiting{}, 451);
  s.line(120, 453, WorkerExiting{}, 453);
  s.line(121, 450, MasterStopped{"Master", ""});
  const auto stack = model::build(s.evidence);
  CHECK(life(stack, 452)->replaced);
  CHECK_FALSE(life(stack, 451)->replaced);
  CHECK(life(stack, 451)->asked == Asked::stop);
}

TEST_CASE("a boot above the wanted number is told although nobody knows whom it replaced") {
  Scene s;
  s.started(0, 450, {451, 452}, "20.0.4");
  s.line(60, 453, WorkerBooted{}, 453);
  const auto stack = model::build(s.evidence);
  REQUIRE(stack.servers.size() == 1);
  REQUIRE(stack.servers[0].heirs.size() == 1);
  CHECK(stack.lives[stack.servers[0].heirs[0]].pid == 453);
  CHECK_FALSE(life(stack, 451)->replaced);

  // A slow start, a reload, one worker more, an end that is told: no such boot.
  Scene slow;
  slow.started(0, 450, {451});
  for (int i = 1; i < 8; ++i) slow.line(i * 0.9, 451 + i, WorkerBooted{}, 451 + i);
  CHECK(model::build(slow.evidence).servers[0].heirs.empty());
  Scene reloaded;
  reloaded.started(0, 450, {451, 452});
  reloaded.line(60, 450, MasterReloaded{});
  reloaded.line(60, 453, WorkerBooted{}, 453);
  reloaded.line(200, 454, WorkerBooted{}, 454);
  CHECK(model::build(reloaded.evidence).servers[0].heirs.empty());
  Scene scaled;
  scaled.started(0, 450, {451, 452});
  scaled.line(60, 450, MasterSignalled{"ttin", false});
  scaled.line(60, 453, WorkerBooted{}, 453);
  CHECK(model::build(scaled.evidence).servers[0].heirs.empty());
  Scene told;
  told.started(0, 450, {451, 452});
  told.line(60, 450, Scene::killed(9), 451);
  told.line(60, 453, WorkerBooted{}, 453);
  CHECK(model::build(told.evidence).servers[0].heirs.empty());
}

TEST_CASE("a reload asks the old workers to go, and a new pid with an old number is a new life") {
  Scene s;
  s.started(0, 450, {451, 452});
  s.line(60, 450, MasterReloaded{});
  s.line(60, 453, WorkerBooted{}, 453);
  s.line(61, 451, WorkerExiting{}, 451);
  s.line(70, 451, WorkerBooted{}, 451);
  const auto stack = model::build(s.evidence);
  CHECK(life(stack, 451, 0)->asked == Asked::reload);
  REQUIRE(life(stack, 451, 1));
  CHECK(life(stack, 451, 1)->asked == Asked::nobody);
}

TEST_CASE("every start in a container is a run of its own although the pids repeat") {
  Scene s;
  s.started(0, 1, {7, 8});
  s.started(100, 1, {7, 8});
  s.line(160, 1, Scene::killed(9), 7);
  const auto stack = model::build(s.evidence);
  REQUIRE(stack.servers.size() == 2);
  CHECK_FALSE(life(stack, 7, 0)->signal);
  CHECK_FALSE(life(stack, 7, 0)->replaced);
  CHECK_FALSE(life(stack, 8, 0)->replaced);
  CHECK(life(stack, 7, 1)->signal == 9);
}

TEST_CASE("the same log read twice tells one birth") {
  Scene s;
  s.started(0, 450, {451});
  s.log = s.source("journal", SourceKind::journal);
  s.started(0, 450, {451});
  const auto stack = model::build(s.evidence);
  CHECK(stack.servers.size() == 1);
  CHECK(life(stack, 451));
  CHECK_FALSE(life(stack, 451, 1));
}

TEST_CASE("two pods whose processes have the same pids are two servers, however close together they started") {
  for (const double apart : {0.0, 1.0, 30.0}) {
    Scene s;
    s.started(0, 1, {7, 8});
    s.line(300, 1, Scene::killed(9), 7);
    s.line(300, 9, WorkerBooted{}, 9);
    s.log = s.source("pod-b.log", SourceKind::server_log);
    s.started(apart, 1, {7, 8});
    s.line(420, 1, Scene::killed(11), 7);
    s.line(420, 9, WorkerBooted{}, 9);
    const auto stack = model::build(s.evidence);
    INFO(apart);
    REQUIRE(stack.servers.size() == 2);
    CHECK(life(stack, 7, 0)->signal == 9);
    CHECK(life(stack, 7, 1)->signal == 11);
    CHECK(stack.servers[0].lives.size() == 3);
    CHECK(stack.servers[1].lives.size() == 3);
    CHECK_FALSE(model::same_log(stack.servers[0], stack.servers[1]));
  }
}

TEST_CASE("two containers' lines in one journal are told apart by the unit that they name") {
  Scene s;
  const auto as_unit = [&](std::string unit, std::size_t from) {
    for (std::size_t i = from; i < s.evidence.facts.size(); ++i) s.evidence.facts[i].about.unit = unit;
  };
  s.started(0, 1, {7});
  as_unit("web-1", 0);
  const std::size_t second = s.evidence.facts.size();
  s.started(0, 1, {7});
  as_unit("web-2", second);
  const std::size_t third = s.evidence.facts.size();
  s.line(60, 1, Scene::killed(9), 7);
  as_unit("web-1", third);
  const auto stack = model::build(s.evidence);
  REQUIRE(stack.servers.size() == 2);
  CHECK(life(stack, 7, 0)->signal == 9);
  CHECK_FALSE(life(stack, 7, 1)->signal);
}

TEST_CASE("a copy that keeps fewer levels is a copy all the same, in every run of the container") {
  Scene s;
  for (const double run : {0.0, 1000.0}) {
    s.started(run, 1, {7, 8});
    s.line(run + 300, 1, Scene::killed(9), 7);
    s.line(run + 300, 9, WorkerBooted{}, 9);
  }
  s.log = s.source("errors-only.log", SourceKind::server_log);
  for (const double run : {0.0, 1000.0}) s.line(run + 301, 1, Scene::killed(9), 7);
  const auto stack = model::build(s.evidence);
  CHECK(stack.servers.size() == 2);
  CHECK(life(stack, 7, 0)->signal == 9);
  CHECK(life(stack, 7, 1)->signal == 9);
  CHECK_FALSE(life(stack, 7, 2));
}

TEST_CASE("two masters in one log: the master that reaps a worker knows it for its own") {
  Scene s;
  s.started(0, 450, {451});
  s.line(60, 450, MasterSignalled{"usr2", false});
  s.line(60, 460, ServerStarted{"gunicorn", "23.0.0"});
  s.line(61, 461, WorkerBooted{}, 461);
  s.line(62, 452, WorkerBooted{}, 452);
  s.line(90, 450, WorkerTimedOut{}, 452);
  const auto stack = model::build(s.evidence);
  CHECK(stack.servers[life(stack, 452)->server].master == 450);
  CHECK(stack.servers[life(stack, 461)->server].master == 460);
}

TEST_CASE("a log without pids and times is one server, and never crashes the fold") {
  Scene s;
  s.line(0, 0, ServerStarted{"gunicorn", "23.0.0"});
  s.line(1, 0, WorkerBooted{}, 12);
  s.line(31, 0, WorkerTimedOut{}, 12);
  const auto stack = model::build(s.evidence);
  REQUIRE(stack.servers.size() == 1);
  CHECK(life(stack, 12)->timed_out != no_fact);
}
