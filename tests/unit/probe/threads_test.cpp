#include "probe/stacks.hpp"

#include <unistd.h>

#include <atomic>
#include <thread>

#include "source/live_host.hpp"
#include "support/catch.hpp"

using evidence::StackFrame;

TEST_CASE("the line of a thread's call, and what is none") {
  const auto line = probe::read_call_line("45 0xb 0x7f00 0x2000 0x0 0x0 0x0 0x7ffd1000 0x7f2000\n");
  REQUIRE(line);
  CHECK(line->number == 45);
  CHECK(line->arguments[0] == 11);
  CHECK(line->sp == 0x7ffd1000);
  CHECK(line->pc == 0x7f2000);
  CHECK(probe::read_call_line("running\n")->running);
  const auto kernel = probe::read_call_line("0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n");
  REQUIRE(kernel);
  CHECK(kernel->number == -1);
  const auto fault = probe::read_call_line("-1 0x7ffd1000 0x7f2000");
  REQUIRE(fault);
  CHECK(fault->number == -1);
  CHECK(fault->pc == 0x7f2000);
  CHECK_FALSE(probe::read_call_line(""));
  CHECK_FALSE(probe::read_call_line("Permission denied"));
}

TEST_CASE("where a descriptor leads") {
  probe::NetTable table;
  table[1].listening = true;
  table[1].local = "127.0.0.1:8000";
  table[2].connected = true;
  table[2].peer = "10.0.0.2:5432";
  CHECK(probe::where_to("socket:[1]", table) == "the listener 127.0.0.1:8000");
  CHECK(probe::where_to("socket:[2]", table) == "10.0.0.2:5432 (PostgreSQL)");
  CHECK(probe::where_to("socket:[3]", table) == "a socket that is not connected");
  CHECK(probe::where_to("pipe:[9]", table) == "a pipe");
  CHECK(probe::where_to("/var/lib/x", table) == "/var/lib/x");
}

TEST_CASE("of a thread that runs, the frames that stay are told") {
  const StackFrame app{"app", "a.py", 7}, loop{"loop", "a.py", 9}, one{"one", "a.py", 1}, two{"two", "a.py", 2};
  StackFrame later = loop;
  later.line = 11;
  const auto same = probe::agreed({{one, loop, app}, {two, later, app}, {later, app}});
  REQUIRE(same.size() == 2);
  CHECK(same[0].function == "loop");
  CHECK(same[0].line == 11);
  CHECK(same[1].function == "app");
  CHECK(probe::agreed({{app}, {}}).empty());
  CHECK(probe::agreed({}).empty());
}

TEST_CASE("a look whose time is over tells the main thread and what it left out") {
  std::atomic<bool> enough = false;
  std::vector<std::thread> others;
  for (int i = 0; i < 3; ++i) others.emplace_back([&] { enough.wait(false); });
  std::vector<evidence::Gap> gaps;
  probe::HowToRead how;
  how.native = probe::Native::all;
  how.until = probe::HowToRead::Steady::now();
  const auto doing = probe::what_it_does(source::LiveHost(), ::getpid(), probe::NetTable(), how, gaps);
  enough = true;
  enough.notify_all();
  for (std::thread& one : others) one.join();
  REQUIRE(doing.threads.size() == 1);
  CHECK(doing.threads[0].tid == ::getpid());
  CHECK(doing.left_out == 3);
  REQUIRE_FALSE(gaps.empty());
  CHECK(gaps[0].wanted == "some threads of pid " + std::to_string(::getpid()));
  CHECK(gaps[0].reason == "the time for reading it was over");
  CHECK(gaps[0].count == 3);
}
