#include "parse/kernel/lines.hpp"
#include "parse/format.hpp"
#include "support/catch.hpp"

#include <random>

namespace parse::formats_of { extern const Format kernel; }

using namespace parse;  // NOLINT: a test of one room

namespace {

struct Reader {
  evidence::Evidence evidence;
  evidence::SourceId source = evidence.add_source({});
  Sink sink{evidence, source};
  std::unique_ptr<State> state = formats_of::kernel.start();
  std::int64_t at = 0;

  // One record in the form of /dev/kmsg, a millisecond after the one before.
  bool say(std::string_view text, int facility = 0) {
    Record record;
    record.line = record.text = text;
    record.from_kernel_form = true;
    record.ident = "kernel";
    record.facility = facility;
    at += 1'000'000;
    record.when = base::Instant{base::Clock::boot, at, 500};
    return formats_of::kernel.step(*state, record, sink);
  }
  bool say_bare(std::string_view text, std::string_view ident = "") {
    Record record;
    record.line = record.text = text;
    record.ident = ident;
    return formats_of::kernel.step(*state, record, sink);
  }
  void end() { formats_of::kernel.finish(*state, sink); }
  template <class T> std::vector<T> all() const {
    std::vector<T> found;
    for (const auto& fact : evidence.facts)
      if (const auto* what = evidence::as<T>(fact)) found.push_back(*what);
    return found;
  }
};

}  // namespace

TEST_CASE("a cgroup's OOM kill of 6.18 is one fact with everything that its lines say") {
  Reader reader;
  reader.say("gunicorn: worke invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0");
  reader.say("CPU: 1 UID: 0 PID: 31129 Comm: gunicorn: worke Not tainted 6.18.44-fc-v657 #1 PREEMPT(none) ");
  reader.say("Call Trace:");
  reader.say("memory: usage 122880kB, limit 122880kB, failcnt 92");
  reader.say("memory+swap: usage 122880kB, limit 9007199254740988kB, failcnt 0");
  reader.say("Memory cgroup stats for /app.slice:");
  reader.say("[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name");
  reader.say("[  31129]     0 31129    34370     8536     8230      306         0   114688        0             0 gunicorn: worke");
  reader.say("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/app.slice,task_memcg=/app.slice/a,task=gunicorn: worke,pid=31129,uid=33");
  reader.say("Memory cgroup out of memory: Killed process 31129 (gunicorn: worke) total-vm:137480kB, anon-rss:32920kB, file-rss:1224kB, shmem-rss:0kB, UID:33 pgtables:112kB oom_score_adj:0");
  reader.end();
  const auto kills = reader.all<evidence::OomKill>();
  REQUIRE(kills.size() == 1);
  const auto& kill = kills[0];
  CHECK(kill.tgid == 31129);
  CHECK(kill.pid == 31129);
  CHECK(kill.comm == "gunicorn: worke");
  CHECK(kill.constraint == "memcg");
  CHECK(kill.oom_memcg == "/app.slice");
  CHECK(kill.task_memcg == "/app.slice/a");
  CHECK(kill.usage == 122880ull * 1024);
  CHECK(kill.limit == 122880ull * 1024);
  CHECK(kill.total_vm == 137480ull * 1024);
  CHECK(kill.anon_rss == 32920ull * 1024);
  CHECK(kill.uid == 33);
  CHECK_FALSE(kill.forged);
  CHECK_FALSE(kill.group);
  const auto& fact = reader.evidence.facts.back();
  CHECK(fact.about.pid == 31129);
  CHECK(fact.about.space == evidence::PidSpace::host);
  CHECK(reader.all<evidence::OomInvoked>().at(0).pid == 31129);
  const auto tasks = reader.all<evidence::OomTask>();
  REQUIRE(tasks.size() == 1);
  CHECK(tasks[0].rss == 8536ull * 4096);
  CHECK(tasks[0].comm == "gunicorn: worke");
}

TEST_CASE("the victim line may name a thread; its oom-kill: line names the process") {
  Reader reader;
  reader.say("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name");
  reader.say("[    118]     0   117    36417     8535   114688        0             0 hogthread");
  reader.say("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/lab,task_memcg=/lab,task=lab,pid=117,uid=0");
  reader.say("Memory cgroup out of memory: Killed process 118 (hogthread) total-vm:145668kB, anon-rss:32744kB, file-rss:528kB, shmem-rss:868kB, UID:0 pgtables:112kB oom_score_adj:0");
  reader.end();
  const auto kills = reader.all<evidence::OomKill>();
  REQUIRE(kills.size() == 1);
  CHECK(kills[0].tgid == 117);
  CHECK(kills[0].pid == 118);
  CHECK(reader.evidence.facts.back().about.pid == 117);
}

TEST_CASE("a rate-limited kill is not joined with another kill's oom-kill: line") {
  Reader reader;
  reader.say("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name");
  reader.say("[    129]     0   129    36417     8535   114688        0             0 lab");
  reader.say("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=lab,pid=129,uid=0");
  reader.say("Memory cgroup out of memory: Killed process 130 (lab) total-vm:71936kB, anon-rss:32956kB, file-rss:528kB, shmem-rss:592kB, UID:0 pgtables:112kB oom_score_adj:0");
  reader.say("Out of memory: Killed process 131 (lab) total-vm:71936kB, anon-rss:32956kB, file-rss:528kB, shmem-rss:592kB, UID:0 pgtables:112kB oom_score_adj:0");
  reader.say("oom_kill_process: 4 callbacks suppressed");
  reader.end();
  const auto kills = reader.all<evidence::OomKill>();
  REQUIRE(kills.size() == 3);
  CHECK(kills[0].pid == 129);  // its own "Killed process" line is missing here
  CHECK(kills[0].oom_memcg == "/a");
  CHECK(kills[1].pid == 130);
  CHECK_FALSE(kills[1].tgid);
  CHECK(kills[1].constraint == "memcg");
  CHECK(kills[1].oom_memcg.empty());
  CHECK(kills[2].constraint == "none");
  CHECK(reader.evidence.sources[0].suppressed);
  CHECK(reader.all<evidence::KernelSuppressed>().at(0).count == 4);
}

TEST_CASE("memory.oom.group: every member once, the first victim too") {
  Reader reader;
  reader.say("memory: usage 32768kB, limit 32768kB, failcnt 182");
  reader.say("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/lab,task_memcg=/lab,task=lab,pid=122,uid=0");
  reader.say("Memory cgroup out of memory: Killed process 122 (lab) total-vm:137472kB, anon-rss:32956kB, file-rss:528kB, shmem-rss:592kB, UID:0 pgtables:112kB oom_score_adj:0");
  reader.say("Tasks in /lab are going to be killed due to memory.oom.group set");
  reader.say("Memory cgroup out of memory: Killed process 121 (lab) total-vm:6400kB, anon-rss:280kB, file-rss:528kB, shmem-rss:16kB, UID:0 pgtables:44kB oom_score_adj:0");
  reader.say("Memory cgroup out of memory: Killed process 122 (lab) total-vm:137472kB, anon-rss:32956kB, file-rss:528kB, shmem-rss:592kB, UID:0 pgtables:112kB oom_score_adj:0");
  reader.at += 300'000'000;
  reader.say("Memory cgroup out of memory: Killed process 124 (lab) total-vm:137472kB, anon-rss:32956kB, file-rss:528kB, shmem-rss:592kB, UID:0 pgtables:112kB oom_score_adj:0");
  reader.end();
  const auto kills = reader.all<evidence::OomKill>();
  REQUIRE(kills.size() == 3);
  CHECK(kills[0].pid == 122);
  CHECK(kills[0].group);
  CHECK(kills[1].pid == 121);
  CHECK(kills[1].group);
  CHECK(kills[1].oom_memcg == "/lab");
  CHECK(kills[1].limit == 32768ull * 1024);
  CHECK(kills[2].pid == 124);
  CHECK_FALSE(kills[2].group);
  CHECK(kills[2].oom_memcg.empty());
  CHECK(reader.all<evidence::OomGroup>().at(0).cgroup == "/lab");
}

TEST_CASE("a record that user space wrote is marked forged and joined with nothing") {
  Reader reader;
  reader.say("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=lab,pid=129,uid=0", 1);
  reader.say("Memory cgroup out of memory: Killed process 129 (lab) total-vm:71936kB, anon-rss:32956kB, file-rss:528kB, shmem-rss:592kB, UID:0 pgtables:112kB oom_score_adj:0", 1);
  reader.say("lab[99]: segfault at 10 ip 0000000000402aec sp 00007ffe8bb8bfb0 error 6 in lab[401000+ea000]", 1);
  reader.end();
  REQUIRE(reader.evidence.facts.size() == 1);
  CHECK(reader.all<evidence::OomKill>().at(0).forged);
  CHECK(reader.all<evidence::OomKill>().at(0).oom_memcg.empty());
  CHECK(reader.evidence.sources[0].kernel_facility_known);
}

TEST_CASE("a program's own words are not the kernel's") {
  Reader reader;
  CHECK_FALSE(reader.say_bare("Out of memory: Killed process 12 (gunicorn) total-vm:1kB, anon-rss:1kB", "gunicorn"));
  CHECK_FALSE(reader.say_bare("ERROR handler: Out of memory: Killed process 12 (gunicorn) total-vm:1kB, anon-rss:1kB"));
  CHECK(reader.evidence.facts.empty());
  CHECK(reader.say_bare("Out of memory: Killed process 12 (gunicorn) total-vm:1kB, anon-rss:1kB, file-rss:0kB"));
  CHECK(reader.all<evidence::OomKill>().size() == 1);
}

TEST_CASE("kills as 2.4, el6, 3.x and 4.x write them") {
  SECTION("2.4") {
    const auto kill = kernel::read_kill("Out of Memory: Killed process 475 (identd).");
    REQUIRE(kill);
    CHECK(kill->pid == 475);
    CHECK(kill->comm == "identd");
    CHECK(kill->prefix == "none");
  }
  SECTION("el6: the candidate is the master, the victim its child") {
    Reader reader;
    reader.say("[65173]     0 65173   133283     1996   2       0             0 httpd");
    reader.say("Out of memory: Kill process 21107 (httpd) score 5 or sacrifice child");
    reader.say("Killed process 21109, UID 48, (httpd) total-vm:732728kB, anon-rss:198916kB, file-rss:2288kB");
    reader.end();
    const auto kills = reader.all<evidence::OomKill>();
    REQUIRE(kills.size() == 1);
    CHECK(kills[0].pid == 21109);
    CHECK(kills[0].uid == 48);
    CHECK(kills[0].constraint == "none");
    CHECK(reader.all<evidence::OomCandidate>().at(0).pid == 21107);
    CHECK(reader.all<evidence::OomTask>().at(0).comm == "httpd");
  }
  SECTION("el6 with the vserver patch") {
    const auto kill = kernel::read_kill("Killed process 21109:#42, UID 48, (httpd) total-vm:1kB, anon-rss:1kB, file-rss:1kB");
    REQUIRE(kill);
    CHECK(kill->pid == 21109);
    CHECK(kill->uid == 48);
  }
  SECTION("3.13 in a container: cgroup and limit stand in the header") {
    Reader reader;
    reader.say("exe invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0");
    reader.say("CPU: 3 PID: 12983 Comm: exe Not tainted 3.13.0-135-generic #184-Ubuntu");
    reader.say("Task in /docker/de9 killed as a result of limit of /docker");
    reader.say("memory: usage 3145728kB, limit 3145728kB, failcnt 22832");
    reader.say("memory+swap: usage 0kB, limit 18014398509481983kB, failcnt 0");
    reader.say("[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name");
    reader.say("[12417]     0 12417   616805   448697    1011        0           666 python");
    reader.say("Memory cgroup out of memory: Kill process 12417 (python) score 1237 or sacrifice child");
    reader.say("Killed process 12417 (python) total-vm:2467220kB, anon-rss:1794532kB, file-rss:256kB");
    reader.say("Kill process 12418 (python) sharing same memory");
    reader.end();
    const auto kills = reader.all<evidence::OomKill>();
    REQUIRE(kills.size() == 2);
    CHECK(kills[0].tgid == 12417);
    CHECK(kills[0].constraint == "memcg");
    CHECK(kills[0].oom_memcg == "/docker");
    CHECK(kills[0].task_memcg == "/docker/de9");
    CHECK(kills[0].limit == 3145728ull * 1024);
    CHECK(kills[1].pid == 12418);
    CHECK(kills[1].constraint == "memcg");
    CHECK(reader.all<evidence::OomInvoked>().at(0).pid == 12983);
  }
  SECTION("4.x") {
    const auto kill = kernel::read_kill("Killed process 1012 (heapster) total-vm:327128kB, anon-rss:306328kB, file-rss:11132kB, shmem-rss:12345kB");
    REQUIRE(kill);
    CHECK(kill->prefix.empty());
    CHECK(kill->anon_rss == 306328ull * 1024);
  }
}

TEST_CASE("a comm may hold commas, brackets, equals signs and newlines") {
  Reader reader;
  reader.say("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/kl/web,task=a,b=c) x,pid=169,uid=0");
  reader.say("Out of memory: Killed process 169 (a,b=c) x) total-vm:410692kB, anon-rss:396288kB, file-rss:0kB, shmem-rss:444kB, UID:0 pgtables:820kB oom_score_adj:0");
  reader.say("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/kl,task_memcg=/kl/web,task=uwsgi");
  reader.say("9,pid=166,uid=0");
  reader.say("Memory cgroup out of memory: Killed process 166 (uwsgi");
  reader.say("9) total-vm:42052kB, anon-rss:40832kB, file-rss:0kB, shmem-rss:444kB, UID:0 pgtables:120kB oom_score_adj:0");
  reader.end();
  const auto kills = reader.all<evidence::OomKill>();
  REQUIRE(kills.size() == 2);
  CHECK(kills[0].comm == "a,b=c) x");
  CHECK(kills[0].constraint == "none");
  CHECK(kills[0].task_memcg == "/kl/web");
  CHECK(kills[1].pid == 166);
  CHECK(kills[1].tgid == 166);
  CHECK(kills[1].comm == "uwsgi\n9");
  CHECK(kills[1].oom_memcg == "/kl");
}

TEST_CASE("an oom-kill: line whose task was already exiting is no kill") {
  Reader reader;
  reader.say("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=x,pid=77,uid=0");
  reader.say("Memory cgroup out of memory: OOM victim 77 (x) is already exiting. Skip killing the task");
  reader.end();
  CHECK(reader.all<evidence::OomKill>().empty());
}

TEST_CASE("faults by their wording") {
  struct Case { std::string_view line, comm, kind, library; int tid; };
  const Case cases[] = {
      {"lab[99]: segfault at 10 ip 0000000000402aec sp 00007ffe8bb8bfb0 error 6 in lab[401000+ea000]", "lab", "segfault", "lab", 99},
      {"gunicorn: worke[31317]: segfault at 0 ip 00007f764448cad8 sp 00007fff4e29c668 error 4 in libc.so.6[167ad8,7f764434b000+156000] likely on CPU 0 (core 0, socket 0)", "gunicorn: worke", "segfault", "libc.so.6", 31317},
      {"python[7]: segfault at 0 ip (null) sp 00007fff error 14", "python", "segfault", "", 7},
      {"python[7]: segfault at 0 ip 0 sp 0 error 14 in python3.11[400000+1000]", "python", "segfault", "python3.11", 7},
      {"traps: lab[100] general protection fault ip:402b3c sp:7ffd8a6c0310 error:0 in lab[2b3c,401000+ea000]", "lab", "general-protection", "lab", 100},
      {"traps: python[100] general protection ip:402b3c sp:7ffd8a6c0310 error:0 in libc-2.17.so[401000+ea000]", "python", "general-protection", "libc-2.17.so", 100},
      {"traps: lab[102] trap divide error ip:402c81 sp:7ffe8bb8bfb0 error:0 in lab[401000+ea000]", "lab", "divide", "lab", 102},
      {"traps: lab[5302] trap invalid opcode ip:402c8e sp:7ffe168bf280 error:0 in lab[2c8e,401000+ea000]", "lab", "invalid-opcode", "lab", 5302},
      {"lab[99]: unhandled level 2 translation fault (11) at 0x00000010, esr 0x92000006, in lab[400000+1000]", "lab", "segfault", "lab", 99},
  };
  for (const Case& each : cases) {
    const auto crash = kernel::read_crash(each.line);
    INFO(each.line);
    REQUIRE(crash);
    CHECK(crash->comm == each.comm);
    CHECK(crash->kind == each.kind);
    CHECK(crash->library == each.library);
    CHECK(crash->tid == each.tid);
  }
  CHECK_FALSE(kernel::read_crash("usb 1-1: new high-speed USB device"));
}

TEST_CASE("what hangs and what is refused") {
  const auto hung = kernel::read_hung("INFO: task gunicorn: reade:155 blocked for more than 122 seconds.");
  REQUIRE(hung);
  CHECK(hung->pid == 155);
  CHECK(hung->comm == "gunicorn: reade");
  CHECK(hung->seconds == 122);
  CHECK(kernel::read_hung("INFO: task kworker/0:2:7095 blocked for more than 120 seconds.")->comm == "kworker/0:2");
  CHECK_FALSE(kernel::read_hung("INFO: task kworker/0:2:7095 is blocked on a mutex likely owned by task kworker/u16:3:52."));
  struct Case { std::string_view line, kind, who, detail; int pid; };
  const Case cases[] = {
      {"cgroup: fork rejected by pids controller in /kl/p", "pids", "/kl/p", "", 0},
      {"VFS: file-max limit 40 reached", "file-max", "", "40", 0},
      {"TCP: request_sock_TCP: Possible SYN flooding on port 127.0.0.1:8000. Sending cookies.", "syn-flood", "127.0.0.1:8000", "cookies", 0},
      {"TCP: request_sock_TCP: Possible SYN flooding on port 8000. Sending cookies.  Check SNMP counters.", "syn-flood", "8000", "cookies", 0},
      {"TCP: out of memory -- consider tuning tcp_mem", "tcp-memory", "", "out of memory", 0},
      {"TCP: too many orphaned sockets", "tcp-memory", "", "too many orphaned sockets", 0},
      {"audit: type=1326 audit(1795344189.440:2): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=108 comm=\"lab\" exe=\"/bin/lab\" sig=31 arch=c000003e syscall=110 compat=0 ip=0x491349 code=0x80000000", "seccomp", "lab", "sig=31 syscall=110", 108},
      {"audit: type=1400 audit(1462040777.770:40): apparmor=\"DENIED\" operation=\"connect\" profile=\"nginx\" name=\"/run/g.sock\" pid=2741 comm=6E67696E78206120 requested_mask=\"wr\" denied_mask=\"wr\" fsuid=0 ouid=0", "apparmor", "nginx a ", "connect /run/g.sock denied wr", 2741},
  };
  for (const Case& each : cases) {
    int pid = 0;
    const auto refused = kernel::read_refusal(each.line, pid);
    INFO(each.line);
    REQUIRE(refused);
    CHECK(refused->kind == each.kind);
    CHECK(refused->who == each.who);
    CHECK(refused->detail == each.detail);
    CHECK(pid == each.pid);
  }
  int pid = 0;
  CHECK_FALSE(kernel::read_refusal("audit: type=1400 audit(1:2): apparmor=\"STATUS\" operation=\"profile_load\" pid=175 comm=\"apparmor_parser\"", pid));
}

TEST_CASE("records that carry wall time tie the log's clock") {
  Reader reader;
  reader.say("audit: type=2000 audit(1795347030.744:1): state=initialized audit_enabled=0 res=1");
  reader.say("rtc_cmos 00:03: setting system clock to 2026-11-22T11:30:32 UTC (1795347032)");
  reader.say("audit: type=1400 audit(1795347058.862:2): apparmor=\"STATUS\" operation=\"profile_load\"");
  reader.say("audit: type=1400 audit(1795347058.862:3): apparmor=\"STATUS\" operation=\"profile_load\"");
  reader.say("audit: type=1400 audit(99999999999999999999.862:3): x");
  const auto pairs = reader.all<evidence::ClockPair>();
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[0].wall_ns == 1'795'347'032'500'000'000);
  CHECK(pairs[0].give_ns == 1'000'000'000);
  CHECK(pairs[1].wall_ns == 1'795'347'058'862'000'000);
  CHECK(pairs[1].give_ns == 50'000'000);
}

TEST_CASE("the page size of another machine is told by the victim's row") {
  Reader reader;
  reader.say("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name");
  reader.say("[    118]     0   118     1000      500   114688        0             0 x");
  reader.say("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=x,pid=118,uid=0");
  reader.say("Out of memory: Killed process 118 (x) total-vm:64000kB, anon-rss:32000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:112kB oom_score_adj:0");
  reader.end();
  CHECK(reader.all<evidence::OomTask>().at(0).rss == 500ull * 65536);
}

TEST_CASE("any bytes are read without harm") {
  std::mt19937 random(20261122);
  const std::string_view seeds[] = {
      "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=lab,pid=129,uid=0",
      "Memory cgroup out of memory: Killed process 129 (lab) total-vm:71936kB, anon-rss:32956kB, file-rss:528kB, shmem-rss:592kB, UID:0 pgtables:112kB oom_score_adj:0",
      "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name", "[    118]     0   118     1000      500   114688        0             0 x",
      "lab[99]: segfault at 10 ip 0000000000402aec sp 00007ffe8bb8bfb0 error 6 in lab[401000+ea000]", "traps: lab[100] general protection fault ip:402b3c sp:7 error:0 in lab[2b3c,401000+ea000]",
      "Tasks in /lab are going to be killed due to memory.oom.group set", "Killed process 21109:#42, UID 48, (httpd) total-vm:1kB", "INFO: task a:1 blocked for more than 2 seconds.",
      "audit: type=1326 audit(1:2): pid=108 comm=\"lab\" sig=31 syscall=110", "x invoked oom-killer: gfp_mask=0xcc0, order=0, oom_score_adj=0", "memory: usage 9223372036854775807kB, limit 99999999999999999999kB"};
  Reader reader;
  for (int round = 0; round < 20'000; ++round) {
    std::string text(seeds[random() % std::size(seeds)]);
    for (auto i = random() % 6; i > 0 && !text.empty(); --i) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = static_cast<char>(random()); break;
        case 1: text.erase(at, random() % 40); break;
        default: text.insert(at, text.substr(random() % text.size(), random() % 40)); break;
      }
    }
    reader.say(text, random() % 8 == 0 ? 1 : 0);
  }
  reader.end();
  CHECK(reader.all<evidence::OomKill>().size() > 100);
}
