// Who got in whose way on a shared connection, which limit a refusal speaks of, what grew between two looks, who gave a limit.
#include "probe/calls.hpp"
#include "probe/growth.hpp"

#include <cerrno>

#include "machine.hpp"
#include "probe/limits.hpp"
#include "support/catch.hpp"

using namespace probe;

namespace {

struct Step { char who; char what; };  // r reads, w writes

SocketUse after(const std::vector<Step>& steps) {
  SocketUse use;
  std::int64_t at = 1000;
  for (const Step& step : steps) use.step({step.what == 'r' ? CallEvent::What::read : CallEvent::What::wrote, at += 1000, 77, step.who, 0, 0});
  return use;
}

evidence::Fact counted(int pid, std::uint64_t used, const std::string& most, std::uint64_t most_count, std::int64_t at_s) {
  evidence::DescriptorsSeen seen;
  seen.used = used;
  seen.most = most;
  seen.most_count = most_count;
  evidence::Fact fact;
  fact.about = {pid, evidence::PidSpace::host, {}};
  fact.when = base::Instant{base::Clock::wall, at_s * base::second_ns, 0};
  fact.what = std::move(seen);
  return fact;
}

evidence::Fact process(int pid, std::int64_t started_ns) {
  evidence::ProcessSeen seen;
  seen.started_ns = started_ns;
  evidence::Fact fact;
  fact.about = {pid, evidence::PidSpace::host, {}};
  fact.what = std::move(seen);
  return fact;
}

}  // namespace

TEST_CASE("one after the other is nobody's way") {
  const SocketUse use = after({{1, 'w'}, {1, 'r'}, {1, 'r'}, {2, 'w'}, {2, 'r'}, {1, 'w'}, {1, 'r'}});
  CHECK(use.writes == 3);
  CHECK(use.reads == 4);
  CHECK(use.turns == 2);
  CHECK(use.mixed == 0);
  CHECK(use.stray == 0);
  CHECK(use.users == std::set<int>{1, 2});
}

TEST_CASE("a write while another waits is mixed, its own second one is not") {
  const SocketUse use = after({{1, 'w'}, {1, 'w'}, {2, 'w'}, {1, 'r'}, {2, 'r'}});
  CHECK(use.mixed == 1);
  CHECK(use.stray == 0);
}

TEST_CASE("a read of what another asked for is stray") {
  const SocketUse use = after({{1, 'w'}, {2, 'r'}, {2, 'r'}});
  CHECK(use.stray == 1);  // the second one reads on
  CHECK(use.mixed == 0);
}

TEST_CASE("whoever has ended waits no more") {
  SocketUse use = after({{1, 'w'}});
  use.ended(1);
  use.step({CallEvent::What::wrote, 9000, 77, 2, 0, 0});
  CHECK(use.mixed == 0);
}

TEST_CASE("a connection is followed for so many calls and then said to be full") {
  SocketUse use;
  for (std::uint64_t i = 0; i < SocketUse::most; ++i) CHECK(use.step({i % 2 ? CallEvent::What::read : CallEvent::What::wrote, static_cast<std::int64_t>(i + 1), 77, 5, 0, 0}));
  CHECK_FALSE(use.full);
  CHECK_FALSE(use.step({CallEvent::What::wrote, 1 << 20, 77, 6, 0, 0}));
  CHECK(use.full);
  CHECK(use.users == std::set<int>{5});
}

TEST_CASE("the words of a use") {
  evidence::SocketUsed used;
  used.pids = "451 452";
  used.reads = 4;
  used.writes = 5;
  used.turns = 3;
  used.seconds = 5;
  CHECK(use_text(used) == "pids 451 452 used it in 5 s: 5 writes and 4 reads, changing hands 3 times; each exchange was over before the next");
  used.mixed = 2;
  used.stray = 1;
  used.full = true;
  CHECK(use_text(used) == "pids 451 452 used it in 5 s: 5 writes and 4 reads (the first ones; there were more), changing hands 3 times; 2 writes while another waited for its reply; 1 read of what another had asked for");
  CHECK(use_text({77, "451", 1, 1, 0, 0, 0, 5, false}) == "only 451 used it in 5 s: 1 write and 1 read");
  CHECK(use_text({77, "", 0, 0, 0, 0, 0, 5, false}) == "nobody used it in 5 s");
}

TEST_CASE("which limit a refusal speaks of") {
  CHECK(limit_behind("accept4", EMFILE, 64, 64) == "RLIMIT_NOFILE");
  CHECK(limit_behind("accept4", EMFILE, 10, 64) == "RLIMIT_NOFILE");  // it has closed some since
  CHECK(limit_behind("inotify_init1", EMFILE, 10, 64) == "fs.inotify.max_user_instances");
  CHECK(limit_behind("inotify_init1", EMFILE, 64, 64) == "RLIMIT_NOFILE");
  CHECK(limit_behind("openat", ENFILE, 800, 800) == "fs.file-max");
  CHECK(limit_behind("pipe2", ENFILE, 10, 800) == "fs.file-max or fs.pipe-user-pages-hard");
  CHECK(refusal_text({"accept4", "EMFILE", "RLIMIT_NOFILE", 120, 64, 64, 3.2}) == "accept4 failed 120 times with EMFILE in 3.2 s: RLIMIT_NOFILE is 64");
  CHECK(refusal_text({"openat", "ENFILE", "fs.file-max", 1, 800, 790, 0}) == "openat failed 1 time with ENFILE: fs.file-max, 800 of 790 on the machine");
  CHECK(name_of_call(-1) == "a 32-bit system call");
  CHECK(name_of_call(100000) == "system call 100000");
}

TEST_CASE("what grew is told of the same life of a process only") {
  evidence::Evidence before, now;
  for (const int pid : {451, 452, 453}) before.add(process(pid, 1'000'000'000));
  before.add(counted(451, 300, "connections to 10.0.0.2:5432", 280, 100));
  before.add(counted(452, 20, "pipes", 5, 100));
  before.add(counted(453, 20, "pipes", 5, 100));
  now.add(process(451, 1'000'000'000));
  now.add(process(452, 1'010'000'000));
  now.add(process(453, 90'000'000'000));   // another one with its pid
  now.add(counted(451, 400, "connections to 10.0.0.2:5432", 379, 160));
  now.add(counted(452, 90, "/srv/app/x.txt", 70, 160));
  now.add(counted(453, 90, "/srv/app/x.txt", 70, 160));
  now.add(counted(454, 90, "/srv/app/x.txt", 70, 160));
  const auto facts = grown_since(before, now);
  REQUIRE(facts.size() == 2);
  CHECK(facts[0].text == "pid 451: 400 open (1 min before: 300); 379 x connections to 10.0.0.2:5432, 280 then");
  const auto& first = std::get<evidence::DescriptorsGrown>(facts[0].what);
  CHECK(first.most_before == 280);
  CHECK(first.seconds == 60);
  CHECK(facts[1].about.pid == 452);
  CHECK(facts[1].text == "pid 452: 90 open (1 min before: 20); 70 x /srv/app/x.txt, fewer then");
  CHECK(std::get<evidence::DescriptorsGrown>(facts[1].what).most_before == 5);  // at most
}

TEST_CASE("who gave a server its limit") {
  const auto limits = [](int soft) { return "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            " + std::to_string(soft) + "                 4096                 files     \n"; };
  Machine machine;
  machine.process(1, 0, {"/sbin/init"}, Machine::starting);
  machine.process(300, 1, {"/usr/bin/containerd-shim-runc-v2"}, Machine::starting);
  machine.process(400, 1, {"/usr/bin/bash"}, Machine::starting);
  machine.process(450, 400, script, Machine::master);
  const auto said = [&](int pid1, int shim, int shell, int master, int parent, const std::string& unit) {
    machine.process(450, parent, script, Machine::master);
    machine.files["proc/1/limits"] = limits(pid1);
    machine.files["proc/300/limits"] = limits(shim);
    machine.files["proc/400/limits"] = limits(shell);
    machine.files["proc/450/limits"] = limits(master);
    FoundServer server;
    server.master.pid = 450;
    server.cgroup.unit = unit;
    return limit_from(*machine.host(), server);
  };
  CHECK(said(1024, 1024, 1024, 4000, 1, "web.service") == "systemd's for web.service (LimitNOFILE=, or DefaultLimitNOFILE=)");
  CHECK(said(1024, 1024, 1024, 1024, 1, "web.service") == "pid 1's own (web.service sets no other)");
  CHECK(said(1024, 1024, 1024, 4000, 300, "") == "the container's (containerd-shim gave it: --ulimit, or the runtime's default)");
  CHECK(said(1024, 1024, 1024, 64, 400, "") == "set when it was started by bash, pid 400, which has another one");
  CHECK(said(1024, 1024, 64, 64, 400, "") == "that of bash, pid 400, which init, pid 1 started with it (a login: limits.conf, or ulimit -n there)");
  CHECK(said(64, 64, 64, 64, 400, "") == "inherited from init, pid 1, and from above it");
  FoundServer gone;
  CHECK(limit_from(*machine.host(), gone).empty());
  CHECK(file_limits(*machine.host(), 450) == FileLimits{64, 4096});
  CHECK(file_limits(*machine.host(), 999) == FileLimits{});
}
