#include "model/timeline.hpp"

#include "model/build.hpp"
#include "support/catch.hpp"

using namespace evidence;

namespace {

constexpr std::int64_t second = base::second_ns;
base::Instant wall(std::int64_t seconds) { return {base::Clock::wall, seconds * second, 0}; }

/// A kernel log from 0 s to 200 s, with the facts given.
struct KernelLogOf {
  Evidence evidence;
  model::Stack stack;

  explicit KernelLogOf(std::initializer_list<std::pair<std::int64_t, What>> facts) {
    Source source;
    source.name = "dmesg.txt";
    source.kind = SourceKind::kernel_log;
    source.first = wall(0);
    source.last = wall(200);
    const SourceId id = evidence.add_source(source);
    for (const auto& [at, what] : facts) {
      if (std::holds_alternative<KernelSuppressed>(what)) evidence.sources[id].suppressed = true;
      Fact fact;
      fact.what = what;
      fact.when = wall(at);
      fact.origin.source = id;
      evidence.add(std::move(fact));
    }
    stack.kernel_logs = model::kernel_logs(evidence);
  }
  bool covers(std::int64_t at) const { return model::covering_kernel_log(stack, evidence, wall(at)).has_value(); }
};

}  // namespace

TEST_CASE("a kernel log covers what lies between its records") {
  const KernelLogOf log({});
  CHECK(log.covers(50));
  CHECK_FALSE(log.covers(-1));
  CHECK_FALSE(log.covers(201));
  CHECK_FALSE(model::covering_kernel_log(log.stack, log.evidence, std::nullopt));
}

TEST_CASE("suppressed lines leave a hole from the last printed kill to the line that counts them, and no larger one") {
  const KernelLogOf log({{100, OomKill{}}, {110, KernelSuppressed{"oom_kill_process", 3}}, {150, OomKill{}}});
  CHECK(log.covers(99));
  CHECK_FALSE(log.covers(100));
  CHECK_FALSE(log.covers(105));
  CHECK_FALSE(log.covers(110));
  CHECK(log.covers(111));
}

TEST_CASE("suppressed lines with no kill printed before them may be of any time before") {
  const KernelLogOf log({{110, KernelSuppressed{"oom_kill_process", 3}}});
  CHECK_FALSE(log.covers(1));
  CHECK(log.covers(111));
}

TEST_CASE("a log that lost records covers nothing") {
  KernelLogOf log({});
  log.evidence.sources[0].lost = true;
  CHECK_FALSE(log.covers(50));
}

TEST_CASE("a syslog covers as far as kernel lines stand in it, and not at all without any") {
  Evidence evidence;
  Source syslog;
  syslog.name = "syslog";
  syslog.kind = SourceKind::journal;
  syslog.first = wall(0);
  syslog.last = wall(1000);
  evidence.add_source(syslog);
  model::Stack stack;
  stack.kernel_logs = model::kernel_logs(evidence);
  CHECK_FALSE(model::covering_kernel_log(stack, evidence, wall(50)));
  evidence.sources[0].kernel_first = wall(100);
  evidence.sources[0].kernel_last = wall(200);
  stack.kernel_logs = model::kernel_logs(evidence);
  CHECK(model::covering_kernel_log(stack, evidence, wall(150)));
  CHECK_FALSE(model::covering_kernel_log(stack, evidence, wall(50)));
  CHECK_FALSE(model::covering_kernel_log(stack, evidence, wall(250)));
  evidence.sources[0].lost = true;
  CHECK_FALSE(model::covering_kernel_log(stack, evidence, wall(150)));
}
