#include "base/instant.hpp"
#include "parse/format.hpp"
#include "support/catch.hpp"

#include <random>

namespace parse::formats_of { extern const Format nginx_error; }

using namespace parse;  // NOLINT: a test of one room

namespace {

struct Reader {
  evidence::Evidence evidence;
  Sink sink{evidence, evidence.add_source({})};
  std::unique_ptr<State> state = formats_of::nginx_error.start();
  bool say(std::string_view text) {
    Record record;
    record.line = record.text = text;
    return formats_of::nginx_error.step(*state, record, sink);
  }
};

evidence::ProxyError only(std::string_view line) {
  Reader reader;
  REQUIRE(reader.say(line));
  REQUIRE(reader.evidence.facts.size() == 1);
  const auto* error = evidence::as<evidence::ProxyError>(reader.evidence.facts[0]);
  REQUIRE(error);
  return *error;
}

const std::string head = "2026/11/22 10:31:08 [error] 749#749: *2 ";
const std::string tail = ", client: 127.0.0.1, server: , request: \"GET /oom?token=secret HTTP/1.1\", upstream: \"http://127.0.0.1:21774/oom?token=secret\", host: \"127.0.0.1:8080\"";

}  // namespace

TEST_CASE("an nginx error with its request, peer, phase and time") {
  Reader reader;
  REQUIRE(reader.say(head + "upstream prematurely closed connection while reading response header from upstream" + tail));
  REQUIRE(reader.evidence.facts.size() == 1);
  const auto& fact = reader.evidence.facts[0];
  const auto& error = std::get<evidence::ProxyError>(fact.what);
  CHECK(error.kind == "closed-early");
  CHECK(error.phase == "reading response header from upstream");
  CHECK(error.method == "GET");
  CHECK(error.uri == "/oom");
  CHECK(error.upstream == "http://127.0.0.1:21774");
  CHECK(error.connection == 2);
  CHECK(error.code == 0);
  CHECK(fact.about.pid == 749);
  REQUIRE(fact.when);
  CHECK(fact.when->clock == base::Clock::naive);
  CHECK(base::iso(*fact.when) == "2026-11-22T10:31:08");
}

TEST_CASE("nginx's errors by their wording") {
  struct Case { std::string message, kind, phase; int code; };
  const Case cases[] = {
      {"upstream timed out (110: Connection timed out) while reading response header from upstream", "timed-out-reading", "reading response header from upstream", 110},
      {"upstream timed out (110: Connection timed out) while reading upstream", "timed-out-reading", "reading upstream", 110},
      {"upstream timed out (110: Connection timed out) while connecting to upstream", "timed-out-connecting", "connecting to upstream", 110},
      {"upstream timed out (110: Connection timed out) while sending request to upstream", "timed-out-sending", "sending request to upstream", 110},
      {"connect() failed (111: Connection refused) while connecting to upstream", "refused", "connecting to upstream", 111},
      {"connect() to unix:/run/g.sock failed (2: No such file or directory) while connecting to upstream", "missing", "connecting to upstream", 2},
      {"connect() to unix:/run/g.sock failed (13: Permission denied) while connecting to upstream", "denied", "connecting to upstream", 13},
      {"connect() to unix:/run/g.sock failed (11: Resource temporarily unavailable) while connecting to upstream", "queue-full", "connecting to upstream", 11},
      {"connect() failed (113: No route to host) while connecting to upstream", "other", "connecting to upstream", 113},
      {"recv() failed (104: Connection reset by peer) while reading response header from upstream", "reset", "reading response header from upstream", 104},
      {"writev() failed (32: Broken pipe) while sending request to upstream", "reset", "sending request to upstream", 32},
      {"no live upstreams while connecting to upstream", "no-live", "connecting to upstream", 0},
      {"socket() failed (24: Too many open files) while connecting to upstream", "too-many-files", "connecting to upstream", 24},
      {"upstream sent too big header while reading response header from upstream", "other", "reading response header from upstream", 0},
      {"client prematurely closed connection, so upstream connection is closed too while sending request to upstream", "client-gone", "sending request to upstream", 0},
  };
  for (const Case& each : cases) {
    INFO(each.message);
    const auto error = only(head + each.message + tail);
    CHECK(error.kind == each.kind);
    CHECK(error.phase == each.phase);
    CHECK(error.code == each.code);
  }
  CHECK(only("2026/11/22 10:31:08 [crit] 749#749: accept4() failed (24: Too many open files)").kind == "too-many-files");
  CHECK(only("2026/11/22 10:31:08 [crit] 749#749: accept4() failed (24: Too many open files)").alert);
  CHECK(only("2026/11/22 10:31:08 [alert] 749#749: 512 worker_connections are not enough").kind == "too-many-connections");
  CHECK(only(head + "connect() to unix:/run/g.sock failed (2: No such file or directory) while connecting to upstream, client: 1.2.3.4, server: a, request: \"POST / HTTP/1.1\", upstream: \"http://unix:/run/g.sock:/x\"").upstream == "http://unix:/run/g.sock");
}

TEST_CASE("what a client writes cannot change what an nginx line means") {
  const auto error = only(head + "connect() failed (111: Connection refused) while connecting to upstream, client: 1.2.3.4, server: , request: \"GET /while_upstream_timed_out_(110:_x) HTTP/1.1\", upstream: \"http://127.0.0.1:1/\", host: \"upstream prematurely closed connection\"");
  CHECK(error.kind == "refused");
  CHECK(error.code == 111);
}

TEST_CASE("nginx's own life, and lines that say nothing about an upstream") {
  Reader reader;
  CHECK(reader.say("2026/11/22 10:31:08 [notice] 748#748: start worker processes"));
  CHECK(reader.say("2026/11/22 10:31:08 [notice] 748#748: signal 1 (SIGHUP) received from 700, reconfiguring"));
  CHECK(reader.say("2026/11/22 10:31:08 [alert] 748#748: worker process 749 exited on signal 9"));
  CHECK(reader.say("2026/11/22 10:31:08 [notice] 748#748: worker process 750 exited with code 0"));
  CHECK(reader.say("2026/11/22 10:31:08 [notice] 748#748: signal 15 (SIGTERM) received from 26952, exiting"));
  CHECK(reader.say("2026/11/22 10:31:08 [error] 749#749: *3 open() \"/usr/share/nginx/html/favicon.ico\" failed (2: No such file or directory), client: 1.2.3.4, server: _, request: \"GET /favicon.ico HTTP/1.1\", host: \"x\""));
  REQUIRE(reader.evidence.facts.size() == 5);
  std::string events;
  for (const auto& fact : reader.evidence.facts) events += std::get<evidence::ProxyEvent>(fact.what).event + " ";
  CHECK(events == "started reloading worker-killed worker-exited stopping ");
  CHECK(std::get<evidence::ProxyEvent>(reader.evidence.facts[2].what).signal == 9);
  CHECK(std::get<evidence::ProxyEvent>(reader.evidence.facts[2].what).child == 749);
  CHECK_FALSE(reader.say("127.0.0.1 - - [22/Nov/2026:10:31:08 +0000] \"GET / HTTP/1.1\" 200 5"));
  CHECK_FALSE(reader.say("2026/11/22 10:31:08 [oops] 749#749: x y z"));
}

TEST_CASE("any bytes of an nginx line are read without harm") {
  std::mt19937 random(7);
  Reader reader;
  const std::string whole = head + "connect() failed (111: Connection refused) while connecting to upstream" + tail;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = whole;
    for (auto i = random() % 5; i > 0 && !text.empty(); --i) {
      const std::size_t at = random() % text.size();
      if (random() % 2) text[at] = static_cast<char>(random());
      else text.erase(at, random() % 60);
    }
    reader.say(text);
  }
  CHECK(reader.evidence.facts.size() > 100);
}
