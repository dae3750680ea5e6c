#include <cmath>

#include "base/text.hpp"
#include "parse/read.hpp"
#include "support/catch.hpp"

namespace {

evidence::Evidence read_text(const std::string& text, const std::string& name = "access.log", const parse::Window& window = {}) {
  evidence::Evidence evidence;
  const auto stream = source::memory_stream(text);
  parse::read_stream(*stream, name, window, evidence);
  return evidence;
}

const evidence::AccessRows& rows(const evidence::Evidence& evidence) {
  REQUIRE(!evidence.facts.empty());
  const auto* const found = evidence::as<evidence::AccessRows>(evidence.facts.front());
  REQUIRE(found);
  return *found;
}

std::string kept(const evidence::Evidence& evidence) {
  std::string all;
  for (const auto& fact : evidence.facts)
    if (const auto* row = evidence::as<evidence::ProxyError>(fact)) all += row->kind + " " + row->method + " " + row->uri + " " + std::to_string(row->code) + " " + (fact.when ? base::iso(*fact.when) : "") + "\n";
  return all;
}

const std::string good = "10.0.0.1 - - [22/Nov/2026:10:31:08 +0000] \"GET /ok HTTP/1.1\" 200 5 \"-\" \"curl/7.88.1\"\n";
const std::string bad = "10.0.0.1 - - [22/Nov/2026:11:31:09 +0100] \"POST /report?x=1 HTTP/1.1\" 502 157 \"-\" \"curl\" rt=2.500 uct=\"0.001\"\n";

}  // namespace

TEST_CASE("rows are added up into one fact, a proxy's bad ones are kept") {
  const auto evidence = read_text(good + bad + good + "10.0.0.1 - - [22/Nov/2026:10:31:10 +0000] \"GET /s HTTP/1.1\" 504 157 \"-\" \"-\"\n", "/var/log/nginx/access.log");
  CHECK(rows(evidence).rows == 4);
  CHECK(rows(evidence).server_errors == 2);
  CHECK(rows(evidence).rows_502 == 1);
  CHECK(rows(evidence).rows_504 == 1);
  CHECK(rows(evidence).slowest_s == 2.5);
  CHECK(kept(evidence) == "row POST /report?x=1 502 2026-11-22T10:31:09Z\nrow GET /s 504 2026-11-22T10:31:10Z\n");
  CHECK(evidence.sources[0].kind == evidence::SourceKind::proxy_access_log);
  CHECK(base::iso(*evidence.sources[0].first) == "2026-11-22T10:31:08Z");
  CHECK(base::iso(*evidence.sources[0].last) == "2026-11-22T10:31:10Z");
}

TEST_CASE("a server's own access log is no proxy's") {
  const auto evidence = read_text(good + "10.0.0.1 - - [22/Nov/2026:10:31:08 +0000] \"GET /x HTTP/1.1\" 500 5 \"-\" \"-\"\n");
  CHECK(rows(evidence).server_errors == 1);
  CHECK(kept(evidence) == "");
  CHECK(evidence.sources[0].kind == evidence::SourceKind::access_log);
}

TEST_CASE("rows of other shapes") {
  CHECK(rows(read_text("<9587> GET /sleep?30 HTTP/1.1 status=500 time=0.001440\n")).slowest_s == 0.00144);
  CHECK(rows(read_text("INFO:     127.0.0.1:40000 - \"GET /ok HTTP/1.1\" 200 OK\n")).rows == 1);
  CHECK(rows(read_text("example.com:80 10.0.0.1 - bob [22/Nov/2026:10:31:08 +0000] \"\\x16\\x03\\x01\" 400 150 \"-\" \"-\"\n")).rows == 1);
  CHECK(rows(read_text("10.0.0.1 - - [22/Nov/2026:10:31:08 +0000] \"GET /a\\\"b HTTP/1.1\" 200 5 \"-\" \"-\" 0.250\n")).slowest_s == 0.25);
  CHECK(kept(read_text("{\"time_iso8601\":\"2026-11-22T10:31:08+00:00\",\"request\":\"GET /x HTTP/1.1\",\"status\":502,\"request_time\":1.5,\"upstream_addr\":\"unix:/x\"}\n")) == "row GET /x 502 2026-11-22T10:31:08Z\n");
  CHECK(rows(read_text("{\"time\": \"2026-11-22 10:31:07,123\", \"level\": \"INFO\", \"logger\": \"gunicorn.access\", \"message\": \"127.0.0.1 - - [22/Nov/2026:10:31:08 +0000] \\\"GET / HTTP/1.1\\\" 200 5 \\\"-\\\" \\\"-\\\"\"}\n")).rows == 1);
}

TEST_CASE("what is no row") {
  CHECK(read_text("10.0.0.1 - - [22/Nov/2026:10:31:08 +0000] \"GET /ok HTTP/1.1\" x\n").facts.empty());
  CHECK(read_text("the client sent GET /x HTTP/1.1 and left\n").facts.empty());
  CHECK(read_text("10.0.0.1 - - [99/Foo/2026:10:31:08 +0000] \"GET /ok\" 200 5\n").facts.empty());
}

TEST_CASE("a quarter of rows slower than the rest shows in the percentiles") {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "10.0.0.1 - - [22/Nov/2026:10:31:08 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\" " + std::string(i % 50 == 0 ? "9.000" : "0.100") + "\n";
  const auto evidence = read_text(text);
  CHECK(std::abs(rows(evidence).p50_s - 0.1) < 0.01);
  CHECK(std::abs(rows(evidence).p99_s - 9) < 0.9);
}

TEST_CASE("of many bad rows two thousand are kept, all are counted") {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += bad;
  const auto evidence = read_text(text);
  CHECK(rows(evidence).rows_502 == 3000);
  CHECK(evidence.facts.size() == 2001);
}

TEST_CASE("rows outside the window do not count") {
  parse::Window window;
  window.since = base::Instant{base::Clock::wall, 1795343469'200000000, 0};
  CHECK(rows(read_text(good + bad, "a", window)).rows == 1);
}
