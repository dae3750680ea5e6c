// What is said of descriptors that were refused or grow, and of a connection that is shared: whole sentences, and how sure.
#include "evidence/vocabulary.hpp"
#include "model/build.hpp"
#include "rule/judge.hpp"
#include "support/catch.hpp"

namespace {

using namespace rule;

evidence::Evidence server(const std::string& more) {
  std::string text = R"({"word":"source","name":"/proc","kind":12,"live":true})"
                     "\n"
                     R"({"word":"process.seen","pid":450,"space":"host","source":0,"f.ppid":1,"f.ns_pid":450,"f.state":"S","f.comm":"gunicorn","f.args":"gunicorn app:app"})"
                     "\n";
  for (const char* const pid : {"451", "452"}) {
    text += std::string(R"({"word":"process.seen","pid":)") + pid + R"(,"space":"host","source":0,"f.ppid":450,"f.ns_pid":)" + pid + R"(,"f.state":"S","f.comm":"gunicorn","f.args":"gunicorn app:app"})" + "\n";
    text += std::string(R"({"word":"process.waits","pid":)") + pid + R"(,"space":"host","source":0,"f.state":"S","f.call":"recvfrom"})" + "\n";
  }
  const auto read = evidence::read_ndjson(text + more);
  REQUIRE(read);
  return *read;
}

Finding only(const std::string& more) {
  const evidence::Evidence evidence = server(more);
  const model::Stack stack = model::build(evidence);
  const Findings findings = judge(stack, evidence, built_in_cards());
  REQUIRE(findings.size() == 1);
  return findings.front();
}

std::string seen(int used, int soft, const std::string& more = {}) {
  return R"({"word":"descriptors.seen","pid":451,"space":"host","source":0,"f.used":)" + std::to_string(used) + R"(,"f.soft":)" + std::to_string(soft) + R"(,"f.hard":4096)" + more + "}\n";
}

std::string refused(const std::string& call, const std::string& error, const std::string& limit, int used, int soft, int pid = 451) {
  return R"({"word":"descriptor.refused","pid":)" + std::to_string(pid) + R"(,"space":"host","source":0,"f.call":")" + call + R"(","f.error":")" + error + R"(","f.limit":")" + limit +
         R"(","f.count":120,"f.used":)" + std::to_string(used) + R"(,"f.soft":)" + std::to_string(soft) + R"(,"f.seconds":3.2})" + "\n";
}

bool advises(const Finding& finding, std::string_view part) {
  for (const Step& step : finding.fix)
    if (step.text.find(part) != std::string::npos) return true;
  return false;
}

std::string shared(const std::string& peer) { return R"({"word":"descriptor.shared","pid":450,"space":"host","source":0,"f.kind":"socket","f.peer":")" + peer + R"(","f.pids":"450 451 452","f.inode":77})" + "\n"; }

std::string used_by(const std::string& pids, int mixed, int stray) {
  return R"({"word":"socket.used","pid":450,"space":"host","source":0,"f.inode":77,"f.pids":")" + pids + R"(","f.reads":90,"f.writes":91,"f.turns":60,"f.mixed":)" + std::to_string(mixed) + R"(,"f.stray":)" +
         std::to_string(stray) + R"(,"f.seconds":5.0})" + "\n";
}

}  // namespace

TEST_CASE("a call that the kernel refused names its limit") {
  const Finding own = only(seen(41, 64) + refused("accept4", "EMFILE", "RLIMIT_NOFILE", 64, 64) + refused("openat", "EMFILE", "RLIMIT_NOFILE", 64, 64));
  CHECK(own.rule == "limit.descriptors");
  CHECK(own.sure == Confidence::certain);
  CHECK(own.level == Level::error);
  CHECK(own.message == "gunicorn worker 451 ran out of file descriptors (Too many open files): accept4 failed 120 times with EMFILE in 3.2 s, 1 other call did, too; its soft limit is 64");

  const Finding machine = only(seen(41, 64) + refused("openat", "ENFILE", "fs.file-max", 800, 800));
  CHECK(machine.message == "gunicorn worker 451 was refused a descriptor: the machine has no more (Too many open files in system): openat failed 120 times with ENFILE in 3.2 s; the limit is fs.file-max (800)");
  CHECK(advises(machine, "sysctl fs.file-max"));
  CHECK_FALSE(advises(machine, "LimitNOFILE"));

  const Finding counter = only(seen(41, 64) + refused("inotify_init1", "EMFILE", "fs.inotify.max_user_instances", 41, 64));
  CHECK(counter.message == "gunicorn worker 451 was refused a descriptor by a counter of its own (Too many open files): inotify_init1 failed 120 times with EMFILE in 3.2 s; the limit is fs.inotify.max_user_instances, of its user on the whole machine");
  CHECK(counter.sure_because == "the kernel refused these calls while we watched; of its own limit 41 of 64 were open");
  CHECK_FALSE(advises(counter, "LimitNOFILE"));
}

TEST_CASE("whoever died of a refusal is told, too") {
  const Finding gone = only(refused("accept4", "EMFILE", "RLIMIT_NOFILE", 0, 0, 999));
  CHECK(gone.subject.host_pid == 999);
  CHECK(gone.message == "the server's process 999 ran out of file descriptors (Too many open files): accept4 failed 120 times with EMFILE in 3.2 s; its soft limit");
}

TEST_CASE("a leak is likely, and its pace tells when the limit comes") {
  const std::string most = R"(,"f.most":"connections to 10.0.0.2:5432","f.most_count":590)";
  const Finding leak = only(seen(620, 1024, most) + R"({"word":"descriptors.grown","pid":451,"space":"host","source":0,"f.before":560,"f.used":620,"f.seconds":10.0,"f.most":"connections to 10.0.0.2:5432","f.most_before":531,"f.most_count":590})");
  CHECK(leak.sure == Confidence::likely);
  CHECK(leak.level == Level::warning);
  CHECK(leak.message == "gunicorn worker 451 opens file descriptors and does not close them: 620 of 1024 (10 s before: 560); at this pace the limit comes in 1 min 7 s; 590 of 620 are connections to 10.0.0.2:5432");
}

TEST_CASE("the limit is raised where it comes from") {
  const auto advice = [](const std::string& from) { return only(seen(63, 64, R"(,"f.from":")" + from + "\"")); };
  CHECK(advises(advice("the container's (runc gave it: --ulimit, or the runtime's default)"), "docker run --ulimit"));
  CHECK(advises(advice("its own (setrlimit or prlimit after the fork): its master has 1024"), "resource.setrlimit"));
  CHECK(advises(advice("that of bash, pid 400, which sshd, pid 390 started with it (a login: limits.conf, or ulimit -n there)"), "it applies at login, not to services"));
  CHECK(advises(advice(""), "a reload (HUP) keeps the old limit"));
}

TEST_CASE("a shared connection is certain where two processes used it") {
  const Finding unwatched = only(shared("10.0.0.2:6379"));
  CHECK(unwatched.sure == Confidence::likely);
  CHECK(unwatched.missing == std::vector<std::string>{"whether more than one of them reads and writes it: triage --syscalls --for 5s"});

  const Finding proven = only(shared("10.0.0.2:6379") + used_by("451 452", 25, 4));
  CHECK(proven.sure == Confidence::certain);
  CHECK(proven.missing.empty());
  CHECK(proven.message == "workers of gunicorn share a connection that was opened before the fork: the master and 2 workers have one and the same socket to 10.0.0.2:6379 open; 2 of them used it in 5 s, changing hands 60 times, "
                          "25 writes while another waited for its reply, 4 reads of what another had asked for");

  const Finding in_turn = only(shared("10.0.0.2:6379") + used_by("451 452", 0, 0));
  CHECK(in_turn.sure == Confidence::certain);
  CHECK(in_turn.sure_because == "their calls on that socket were seen; each exchange was over before the next, so far");

  const Finding one = only(shared("10.0.0.2:6379") + used_by("451", 0, 0));
  CHECK(one.sure == Confidence::likely);
  CHECK(one.sure_because == "that it is shared is certain; only pid 451 used it in the 5 s that were watched");

  const Finding unknown = only(shared("") + used_by("451 452", 25, 4));
  CHECK(unknown.truth == Truth::unknown);
  CHECK(unknown.sure != Confidence::certain);
}
