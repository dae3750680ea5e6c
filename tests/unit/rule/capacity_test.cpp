// Whether more workers would help, and what a fork still shares: sentences from what one look saw.
#include "evidence/vocabulary.hpp"
#include "model/build.hpp"
#include "rule/capacity.hpp"
#include "rule/check.hpp"
#include "rule/judge.hpp"
#include "support/catch.hpp"

namespace {

using namespace rule;

std::string line(const std::string& word, int pid, const std::string& fields) {
  return R"({"word":")" + word + R"(","pid":)" + std::to_string(pid) + R"(,"space":"host","clock":"wall","at_ns":1795344021000000000,"source":0,)" + fields + "}\n";
}

std::string process(int pid, int parent) {
  return line("process.seen", pid, R"("f.ppid":)" + std::to_string(parent) + R"(,"f.ns_pid":)" + std::to_string(pid) + R"(,"f.state":"S","f.cgroup":"/web","f.comm":"gunicorn","f.args":"gunicorn app:app")");
}

std::string waits(int pid, const std::string& state, const std::string& call, const std::string& on) {
  return line("process.waits", pid, R"("f.state":")" + state + R"(","f.call":")" + call + R"(","f.on":")" + on + "\"");
}

evidence::Evidence two_workers(const std::string& more) {
  const auto read = evidence::read_ndjson(R"({"word":"source","name":"/proc","kind":12,"live":true})"
                                          "\n" +
                                          process(450, 1) + process(451, 450) + process(452, 450) + more);
  REQUIRE(read);
  return *read;
}

std::string verdict(const std::string& more) {
  const evidence::Evidence evidence = two_workers(more);
  const model::Stack stack = model::build(evidence);
  const Look look = look_at(stack, evidence);
  const auto live = live_servers(look);
  REQUIRE(live.size() == 1);
  const auto capacity = more_workers(look, live.front());
  return capacity ? capacity->text : "nothing is said";
}

const std::string both_compute = waits(451, "R", "", "") + waits(452, "R", "", "");
const std::string both_ask_the_database = waits(451, "S", "recvfrom", "10.0.0.9:5432") + waits(452, "S", "recvfrom", "10.0.0.9:5432");

}  // namespace

TEST_CASE("workers that compute need processors") {
  CHECK(verdict(both_compute + line("cpu.seen", 450, R"("f.cpus":2)")) == "more workers would not help: all 2 compute, and there are 2 processors for them");
  CHECK(verdict(both_compute + line("cpu.seen", 450, R"("f.cpus":16,"f.quota":1.5)")) == "more workers would not help: all 2 compute, and there are 1.5 processors for them");
  CHECK(verdict(both_compute + line("cpu.seen", 450, R"("f.cpus":8)")) == "up to 8 workers would help: all 2 compute, and there are 8 processors");
  CHECK(verdict(both_compute) == "nothing is said");  // how many processors there are is not known
}

TEST_CASE("workers that wait for one upstream help as far as that goes") {
  CHECK(verdict(both_ask_the_database) ==
        "more workers help only as far as 10.0.0.9:5432 answers more at once: all 2 wait for it; threads (gthread) give the same at less memory");
  CHECK(verdict(both_ask_the_database + line("driver.mapped", 451, R"("f.name":"psycopg2")")) ==
        "more workers help only as far as 10.0.0.9:5432 answers more at once: all 2 wait for it; threads (gthread) give the same at less memory, gevent does not while psycopg2 waits in C");
  CHECK(verdict(waits(451, "S", "recvfrom", "10.0.0.9:5432") + waits(452, "S", "recvfrom", "10.0.0.8:6379")) == "nothing is said");
  CHECK(verdict(waits(451, "S", "recvfrom", "10.0.0.9:5432") + waits(452, "R", "", "")) == "nothing is said");
}

TEST_CASE("a worker's own client is nobody else's") {
  const std::string connection = R"("f.local":"127.0.0.1:8000","f.peer":"127.0.0.1:4000","f.inode":7)";
  CHECK(verdict(waits(451, "S", "recvfrom", "127.0.0.1:4000") + waits(452, "S", "recvfrom", "127.0.0.1:4000") + line("connection.seen", 451, connection) + line("connection.seen", 452, connection)) ==
        "more workers would be held as well: all 2 wait for their own clients; a proxy that buffers (nginx) lets them go");
}

TEST_CASE("what waits in the kernel, for a lock or asleep") {
  CHECK(verdict(waits(451, "D", "", "") + waits(452, "D", "", "")) == "more workers would wait as well: all 2 wait inside the kernel (state D), for a disk or a network file system");
  CHECK(verdict(waits(451, "S", "futex", "") + waits(452, "S", "futex", "")) ==
        "all 2 wait for a lock (futex): one of their own process frees with more workers, one that they share does not");
  CHECK(verdict(waits(451, "S", "clock_nanosleep", "") + waits(452, "S", "clock_nanosleep", "")) == "more workers would help, or less sleep: all 2 sleep in the application");
  CHECK(verdict(waits(451, "S", "accept4", "the listener 127.0.0.1:8000") + waits(452, "S", "accept4", "the listener 127.0.0.1:8000")) == "nothing is said");
}

TEST_CASE("how many more fit is the tighter of machine and cgroup") {
  const std::string asleep = waits(451, "S", "nanosleep", "") + waits(452, "S", "nanosleep", "");
  const std::string memory = line("memory.seen", 451, R"("f.rss":104857600,"f.own":52428800)") + line("memory.seen", 452, R"("f.rss":104857600,"f.own":104857600)");
  CHECK(verdict(asleep + memory + line("memory.host", 0, R"("f.total":8589934592,"f.available":1073741824)")) ==
        "more workers would help, or less sleep: all 2 sleep in the application; 10 more of 100 MiB fit into the memory of the machine");
  CHECK(verdict(asleep + memory + line("memory.host", 0, R"("f.total":8589934592,"f.available":1073741824)") + line("limit.seen", 450, R"("f.what":"memory","f.where":"/web","f.used":524288000,"f.limit":576716800)")) ==
        "more workers would help, or less sleep: all 2 sleep in the application; not one more fits into the memory of its cgroup");
}

TEST_CASE("memory that the fork no longer shares is said where much was lost") {
  const auto remark = [](const std::string& shared) {
    const evidence::Evidence evidence = two_workers(waits(451, "S", "accept4", "the listener x") + waits(452, "S", "accept4", "the listener x") + line("limit.seen", 450, R"("f.what":"memory","f.where":"/web","f.used":570425344,"f.limit":576716800)") +
                                                    line("memory.seen", 450, R"("f.rss":209715200,"f.own":1048576,"f.anonymous":209715200,"f.shared":104857600)") +
                                                    line("memory.seen", 451, R"("f.rss":209715200,"f.own":188743680,"f.anonymous":209715200,"f.shared":)" + shared) + line("memory.seen", 452, R"("f.rss":209715200,"f.own":188743680,"f.anonymous":209715200,"f.shared":)" + shared));
    for (const Finding& finding : judge(model::build(evidence), evidence, Cards()))
      if (finding.rule == "memory.headroom")
        for (const Step& step : finding.fix)
          if (step.text.find("gc.freeze()") != std::string::npos) return step.text.substr(0, step.text.find(':'));
    return std::string("no remark");
  };
  CHECK(remark("20971520") == "of the 200 MiB that the master has, a worker still shares 20 MiB (10 %)");
  CHECK(remark("157286400") == "no remark");
}
