#include <initializer_list>
#include <utility>

#include "model/build.hpp"
#include "support/catch.hpp"

using namespace evidence;

namespace {

constexpr std::int64_t second = base::second_ns;
constexpr int master = 10, worker = 11;

/// A server's log on the wall clock and a kernel log on the boot clock whose zero is known.
struct Scene {
  Evidence evidence;
  SourceId log, kernel;

  Scene() {
    Source own;
    own.name = "error.log";
    own.kind = SourceKind::server_log;
    log = evidence.add_source(own);
    Source source;
    source.name = "/dev/kmsg";
    source.kind = SourceKind::kernel_log;
    source.zero = base::Instant{base::Clock::wall, 1000 * second, 0};
    source.live = true;
    kernel = evidence.add_source(source);
    say(1100, master, master, ServerStarted{"gunicorn", "20.1.0"});
    say(1100, worker, worker, WorkerBooted{});
  }
  void say(std::int64_t at, int pid, int by, What what) {
    Fact fact;
    fact.what = std::move(what);
    fact.when = base::Instant{base::Clock::wall, at * second + second / 2, second / 2};
    fact.about.pid = pid;
    fact.by = by;
    fact.origin.source = log;
    evidence.add(std::move(fact));
  }
  FactId kill(std::int64_t at, int pid) {
    OomKill what;
    what.pid = pid;
    what.comm = "gunicorn";
    Fact fact;
    fact.what = what;
    fact.when = base::Instant{base::Clock::boot, (at - 1000) * second, 0};
    fact.about = {pid, PidSpace::host, {}};
    fact.origin.source = kernel;
    return evidence.add(std::move(fact));
  }
  FactId joined() const {
    for (const auto& life : model::build(evidence).lives)
      if (life.pid == worker) return life.oom;
    return no_fact;
  }
};

}  // namespace

TEST_CASE("a kill is joined to its worker however long that had lived") {
  for (const int lived : {1, 10, 3600}) {
    Scene scene;
    const FactId kill = scene.kill(1100 + lived, worker);
    WorkerReaped reaped;
    reaped.signal = 9;
    scene.say(1100 + lived, worker, master, reaped);
    CHECK(scene.joined() == kill);
  }
}

TEST_CASE("a kill from before the worker was born was another process of that pid") {
  Scene scene;
  scene.kill(1050, worker);
  WorkerReaped reaped;
  reaped.signal = 9;
  scene.say(1110, worker, master, reaped);
  CHECK(scene.joined() == no_fact);
}
