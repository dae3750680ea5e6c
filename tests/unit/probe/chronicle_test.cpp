#include "probe/watch_facts.hpp"

#include "evidence/evidence.hpp"
#include "source/recorded_host.hpp"
#include "support/catch.hpp"

using evidence::as;
using probe::Event;

namespace {

constexpr std::int64_t ms = 1'000'000;

Event signal_event(int pid, int signal, Event::SentBy sent_by, int code, int sender) {
  Event event;
  event.what = Event::What::signal;
  event.at_ns = 5'000 * ms;
  event.pid = event.tid = pid;
  event.mm = static_cast<std::uint64_t>(pid) * 0x1000;
  event.signal = signal;
  event.sent_by = sent_by;
  event.code = code;
  event.sender = event.sender_tid = sender;
  event.sender_comm = "x";
  event.by = "bpf";
  return event;
}

Event mark_event(int tid, std::uint64_t mm, int killer, std::int64_t at_ns) {
  Event event;
  event.what = Event::What::oom;
  event.at_ns = at_ns;
  event.tid = tid;
  event.mm = mm;
  event.sender = event.sender_tid = killer;
  event.sender_comm = "hog";
  event.by = "bpf";
  return event;
}

const evidence::SignalSent& sent_in(const std::vector<evidence::Fact>& facts) {
  REQUIRE(!facts.empty());
  REQUIRE(as<evidence::SignalSent>(facts.front()) != nullptr);
  return *as<evidence::SignalSent>(facts.front());
}

}  // namespace

TEST_CASE("how a signal came is told as the kernel was told it") {
  const source::TextHost host(std::map<std::string, std::string>{});
  struct Row { int signal; Event::SentBy by; int code, sender; const char* how; };
  const Row rows[] = {
      {9, Event::SentBy::real, 0, 88, "user"},   {6, Event::SentBy::real, -6, 451, "self"}, {11, Event::SentBy::real, 1, 451, "fault"},
      {11, Event::SentBy::real, 0x80, 451, "fault"}, {9, Event::SentBy::noinfo, 0, 88, "noinfo"}, {9, Event::SentBy::kernel, 0, 88, "kernel"},
      {10, Event::SentBy::real, -1, 88, "user"},
  };
  for (const Row& row : rows) {
    probe::Chronicle chronicle(host);
    const auto facts = chronicle.step(signal_event(451, row.signal, row.by, row.code, row.sender), 0);
    CHECK(sent_in(facts).how == row.how);
    CHECK(facts.front().about.pid == 451);
    CHECK(facts.front().about.space == evidence::PidSpace::host);
  }
}

TEST_CASE("a process that kills is named with its path, its cgroup and who started it") {
  const source::TextHost host(std::map<std::string, std::string>{{"/proc/88/cgroup", "0::/user.slice/user-0.slice/session-3.scope\n"}});
  probe::Chronicle chronicle(host);
  Event event = signal_event(451, 9, Event::SentBy::real, 0, 88);
  event.sender_comm = "bash";
  event.sender_exe = "bash";
  event.sender_parent = 80;
  event.sender_parent_comm = "sshd";
  const auto facts = chronicle.step(event, 0);
  CHECK(sent_in(facts).sender == 88);
  CHECK(sent_in(facts).sender_cgroup == "/user.slice/user-0.slice/session-3.scope");
  CHECK(facts.front().text == "SIGKILL by pid 88 (bash), bash, uid 0, started by pid 80 (sshd)");
}

TEST_CASE("whoever ran when the kernel killed is not called its sender") {
  const source::TextHost host(std::map<std::string, std::string>{});
  probe::Chronicle chronicle(host);
  const auto facts = chronicle.step(signal_event(451, 9, Event::SentBy::kernel, 0, 88), 0);
  CHECK(sent_in(facts).sender == 0);
  CHECK(sent_in(facts).sender_comm.empty());
  CHECK(facts.front().text == "SIGKILL by the kernel");
}

TEST_CASE("cgroup.kill, a parent's death, RLIMIT_CPU and a namespace's end are told apart") {
  const source::TextHost host(std::map<std::string, std::string>{});
  {
    probe::Chronicle chronicle(host);
    CHECK(sent_in(chronicle.step(signal_event(451, 9, Event::SentBy::noinfo, 0, 88), 0)).cgroup_kill);
  }
  {
    probe::Chronicle chronicle(host);
    Event event = signal_event(451, 9, Event::SentBy::noinfo, 0, 450);
    event.sender_exiting = true;
    const auto facts = chronicle.step(event, 0);
    CHECK(sent_in(facts).parent_death);
    CHECK_FALSE(sent_in(facts).cgroup_kill);
    CHECK(facts.front().text == "SIGKILL by the kernel because its parent, pid 450 (x), ended");
  }
  {
    probe::Chronicle chronicle(host);
    chronicle.step(signal_event(451, 24, Event::SentBy::kernel, 0, 451), 0);
    CHECK(sent_in(chronicle.step(signal_event(451, 9, Event::SentBy::kernel, 0, 451), 0)).cpu_limit);
  }
  {
    probe::Chronicle chronicle(host);
    Event event = signal_event(451, 9, Event::SentBy::kernel, 0, 30);
    event.sender_exiting = true;
    event.sender_ns_pid = 1;
    CHECK(sent_in(chronicle.step(event, 0)).namespace_ended);
  }
}

TEST_CASE("only the first SIGKILL counts, and one that was ignored says nothing") {
  const source::TextHost host(std::map<std::string, std::string>{});
  probe::Chronicle chronicle(host);
  Event ignored = signal_event(451, 15, Event::SentBy::real, 0, 88);
  ignored.outcome = 1;
  CHECK(chronicle.step(ignored, 0).empty());
  CHECK(chronicle.step(signal_event(451, 9, Event::SentBy::kernel, 0, 88), 0).size() == 1);
  CHECK(chronicle.step(signal_event(451, 9, Event::SentBy::real, 0, 450), 0).empty());
}

TEST_CASE("an OOM mark joins its victim by thread, and every process that shares the memory") {
  const source::TextHost host(std::map<std::string, std::string>{});
  probe::Chronicle chronicle(host);
  chronicle.remember(451, "/web");
  Event victim = signal_event(451, 9, Event::SentBy::kernel, 0, 70);
  victim.tid = 460;                                    // the leader has exited: the kernel names a thread
  chronicle.step(victim, 0);
  const auto marked = chronicle.step(mark_event(460, victim.mm, 70, victim.at_ns + ms), 0);
  REQUIRE(marked.size() == 1);
  REQUIRE(as<evidence::OomMarked>(marked[0]) != nullptr);
  CHECK(marked[0].about.pid == 451);
  CHECK(as<evidence::OomMarked>(marked[0])->cgroup == "/web");
  CHECK(marked[0].text == "marked as OOM victim by its thread 460; it ran out in pid 70 (hog)");

  Event sharer = signal_event(452, 9, Event::SentBy::kernel, 0, 70);
  sharer.mm = victim.mm;
  sharer.at_ns = victim.at_ns + 2 * ms;
  const auto shared = chronicle.step(sharer, 0);
  REQUIRE(shared.size() == 2);
  REQUIRE(as<evidence::OomMarked>(shared[1]) != nullptr);
  CHECK(shared[1].about.pid == 452);

  // Another kernel kill of the same moment, with memory of its own, is not explained by that mark.
  Event stranger = signal_event(453, 9, Event::SentBy::kernel, 0, 70);
  stranger.at_ns = victim.at_ns + 3 * ms;
  CHECK(chronicle.step(stranger, 0).size() == 1);
}

TEST_CASE("a mark on a process that nobody watches is no fact") {
  const source::TextHost host(std::map<std::string, std::string>{});
  probe::Chronicle chronicle(host);
  CHECK(chronicle.step(mark_event(999, 0x999, 70, 5'000 * ms), 0).empty());
}

TEST_CASE("an end says its status, or that nobody could tell it") {
  const source::TextHost host(std::map<std::string, std::string>{});
  probe::Chronicle chronicle(host);
  Event end;
  end.what = Event::What::exit;
  end.at_ns = 7'000 * ms;
  end.pid = 451;
  end.ns_pid = 14;
  end.status = 0x8b;
  end.comm = "gunicorn";
  end.by = "bpf";
  auto facts = chronicle.step(end, 1'000'000 * ms);
  REQUIRE(facts.size() == 1);
  CHECK(facts[0].text == "pid 451 (gunicorn): ended by SIGSEGV, core dumped");
  CHECK(facts[0].when->at == 1'007'000 * ms);
  CHECK(as<evidence::ProcessExited>(facts[0])->ns_pid == 14);
  end.status_known = false;
  end.status = 0;
  end.by = "pidfd";
  facts = chronicle.step(end, 0);
  CHECK(as<evidence::ProcessExited>(facts[0])->unknown);
  CHECK(facts[0].text == "pid 451 (gunicorn): ended, its status was gone before we could ask");
}

TEST_CASE("the clock of a fact is the wall's") {
  const source::TextHost host(std::map<std::string, std::string>{});
  probe::Chronicle chronicle(host);
  Event event = signal_event(451, 9, Event::SentBy::real, 0, 88);
  const auto facts = chronicle.step(event, 1'000 * base::second_ns);
  REQUIRE(facts.front().when);
  CHECK(facts.front().when->clock == base::Clock::wall);
  CHECK(facts.front().when->at == 1'005 * base::second_ns);
}
