// Expectations against events, the record on its way through JSON, times and answers.
#include "reproduce/expect.hpp"

#include "reproduce/client.hpp"
#include "support/catch.hpp"

using namespace reproduce;

namespace {

Event answered(double at, const std::string& outcome) { return {at, "answered", "users", 0, 0, outcome, 1, at - 1}; }

}  // namespace

TEST_CASE("an expectation counts what it names and says what came instead") {
  Expect expect;
  expect.kind = Expect::Kind::clients;
  expect.who = "users";
  expect.any = {"502", "504"};
  expect.at_least = 2;
  const std::vector<Event> events{answered(1, "502"), answered(2, "200"), answered(3, "200"), answered(4, "504")};
  Checked good = check(expect, events, {});
  CHECK(good.passed);
  CHECK(good.wanted == "clients users get 502 or 504: at least 2");
  CHECK(good.seen == "2, at 1 to 4 s");
  expect.at_least = 3;
  CHECK(check(expect, events, {}).seen == "2, at 1 to 4 s; besides 200 x2");
  expect.at_least = 0;
  expect.at_most = 1;
  CHECK(!check(expect, events, {}).passed);
  expect.any = {"503"};
  expect.at_least = 1;
  expect.at_most = -1;
  CHECK(check(expect, events, {}).seen == "none; instead 200 x2, 502, 504");
}

TEST_CASE("within is scaled, and a busy machine is given some seconds") {
  Expect expect;
  expect.kind = Expect::Kind::deaths;
  expect.any = {"SIGKILL"};
  expect.within = 30;
  const std::vector<Event> events{{5, "worker-dead", "worker", 7, 7, "SIGKILL", 0, 0}};
  CHECK(check(expect, events, {10}).passed);
  const Checked late = check(expect, events, {20});
  CHECK(!late.passed);
  CHECK(late.seen == "1, at 5 s, too late for 1.5 s");
}

TEST_CASE("a death whose status nobody told is counted and said so") {
  Expect expect;
  expect.kind = Expect::Kind::deaths;
  expect.any = {"SIGSEGV"};
  const Checked got = check(expect, std::vector<Event>{{1, "worker-dead", "worker", 7, 7, "unknown", 0, 0}}, {});
  CHECK(got.passed);
  CHECK(got.level == "unseen");
}

TEST_CASE("words for outcomes") {
  CHECK(outcome_fits("5xx", "502"));
  CHECK(!outcome_fits("5xx", "closed"));
  CHECK(outcome_fits("not 200", "closed"));
  CHECK(!outcome_fits("not 200", "200"));
  CHECK(!outcome_fits("not 5xx", "504"));
}

TEST_CASE("a run is the same after its JSON") {
  Run run;
  run.scenario = "x";
  run.server = "gunicorn";
  run.version = "gunicorn 20.1.0";
  run.seed = 7;
  run.scale = 10;
  run.took = 1.5;
  run.events = {{-0.5, "started", "server", 1, 900, "a \"b\" \x01", 0, {}}, answered(2, "502")};
  run.checks = {{"a", "b", true, ""}, {"c", "d", false, "unseen"}};
  run.gaps = {"g"};
  run.report = R"({"schema":"triage.report/1"})";
  const auto again = run_of(json_of(run));
  REQUIRE(again);
  CHECK(json_of(*again) == json_of(run));
  CHECK(!again->passed());
  CHECK(again->events[0].at == -0.5);
  CHECK(again->events[0].host_pid == 900);
  CHECK(again->events[1].from == 1.0);
  CHECK(!run_of("{}"));
  CHECK(!run_of("[[["));
  CHECK(!event_of("nonsense"));
  const auto event = event_of(line_of(run.events[0]));
  REQUIRE(event);
  CHECK(event->text == run.events[0].text);
}

TEST_CASE("times and sizes") {
  CHECK(read_seconds("30s") == 30.0);
  CHECK(read_seconds("250ms") == 0.25);
  CHECK(read_seconds("2min") == 120.0);
  CHECK(!read_seconds("-1"));
  CHECK(!read_seconds("1e400"));
  CHECK(!read_seconds("s"));
  CHECK(read_bytes("64KiB") == 65536.0);
  CHECK(!read_bytes("1 MiB"));
  CHECK(Scale{10}.whole("timeout", 30) == 3);
  CHECK(Scale{100}.whole("timeout", 30) == 2);
  CHECK(Scale{100}.whole("graceful_timeout", 30) == 1);
  CHECK(Scale{10}.whole("timeout", 0) == 0);
  CHECK(Scale{1}.whole("timeout", 1) == 1);
}

TEST_CASE("places in texts are filled, and a program's braces stay") {
  const std::vector<Named> names{{"folder", "/tmp/x"}};
  CHECK(filled("/sleep?s={30s}", {10}, names) == "/sleep?s=3");
  CHECK(filled("{1s}|{250ms}|{30s!}", {10}, names) == "0.1|0.025|3");
  CHECK(filled("{folder}/a", {1}, names) == "/tmp/x/a");
  CHECK(filled("location / { return 204; } {x} {} {30} {", {10}, names) == "location / { return 204; } {x} {} {30} {");
}

TEST_CASE("the end of an answer by its framing") {
  const auto whole = [](std::string_view text, bool closed = false) { const auto answer = answer_of(text, closed); return answer && answer->whole; };
  CHECK(!answer_of("HTTP/1.1 200 OK\r\n", false));
  CHECK(whole("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  CHECK(!whole("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"));
  CHECK(!whole("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", true));
  CHECK(whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"));
  CHECK(!whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"));
  CHECK(!whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nok\r\n", true));
  CHECK(!whole("HTTP/1.0 200 OK\r\n\r\nok"));
  CHECK(whole("HTTP/1.0 200 OK\r\n\r\nok", true));
  CHECK(answer_of("HTTP/1.1 504 Gateway Time-out\r\nContent-Length: 0\r\n\r\n", false)->status == 504);
  CHECK(answer_of("HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", false)->keep == false);
}
