// What may be told of a request from its first bytes, and what must not; a connection's rows as facts.
#include "probe/request_head.hpp"

#include <sys/syscall.h>

#include <cstring>

#include "base/text.hpp"
#include "probe/requests_bpf.hpp"
#include "support/catch.hpp"

using namespace probe;

namespace {

std::string line_of(std::string_view bytes) { return read_request_head(bytes).line; }

ServedConnection connection(unsigned fd, unsigned state, std::uint64_t since, std::string_view bytes) {
  ServedConnection one;
  one.fd = fd;
  one.row.state = state;
  one.row.since = since;
  one.row.tid = 451;
  one.row.size = static_cast<unsigned>(bytes.size());
  std::memcpy(one.row.bytes, bytes.data(), bytes.size());
  return one;
}

constexpr std::uint64_t second = 1'000'000'000;

}  // namespace

TEST_CASE("a request's line is told without the values of its query") {
  CHECK(line_of("GET /report HTTP/1.1\r\n\r\n") == "GET /report HTTP/1.1");
  CHECK(line_of("GET /report?user=7&token=s3cret&flag HTTP/1.1\r\n") == "GET /report?user=...&token=...&... HTTP/1.1");
  CHECK(line_of("GET /x?eyJhbGciOi HTTP/1.1\r\n") == "GET /x?... HTTP/1.1");
  CHECK(line_of("GET http://ann:pw@proxy.example/x?y=1 HTTP/1.1\r\n") == "GET http://proxy.example/x?y=... HTTP/1.1");
  CHECK(line_of("GET /go/http://ann:pw@x HTTP/1.1\r\n") == "GET /go/http://ann:pw@x HTTP/1.1");   // a path is told
  CHECK(line_of("OPTIONS * HTTP/1.1\r\n") == "OPTIONS * HTTP/1.1");
  CHECK(line_of("CONNECT db:5432 HTTP/1.1\r\n") == "CONNECT db:5432 HTTP/1.1");
  CHECK(line_of("GET /cut?a=1") == "GET /cut?a=...");
  CHECK(line_of("GET /" + std::string(600, 'a')) == "GET /" + std::string(399, 'a') + "...");
}

TEST_CASE("what is no request has no line") {
  for (const std::string_view bytes : {std::string_view(""), std::string_view("\0\0\0\0", 4), std::string_view("get / HTTP/1.1"), std::string_view("GET"), std::string_view("GET  "), std::string_view("HELLO world")})
    CHECK(line_of(bytes).empty());
}

TEST_CASE("what nginx hands on for uwsgi_pass and fastcgi_pass is told as the request that it was") {
  const std::vector<std::pair<std::string, std::string>> variables{{"QUERY_STRING", "token=s3cret"}, {"REQUEST_METHOD", "POST"}, {"CONTENT_LENGTH", "12"}, {"REQUEST_URI", "/pay?token=s3cret"}, {"SERVER_PROTOCOL", "HTTP/1.1"}, {"HTTP_HOST", "shop.example"}, {"HTTP_COOKIE", std::string(300, 'c')}};
  const auto little = [](std::size_t size) { return std::string{static_cast<char>(size & 255), static_cast<char>(size >> 8)}; };
  std::string uwsgi, fastcgi;
  for (const auto& [name, value] : variables) {
    uwsgi += little(name.size()) + name + little(value.size()) + value;
    fastcgi += static_cast<char>(name.size());
    if (value.size() < 128) fastcgi += static_cast<char>(value.size());
    else fastcgi += std::string("\x80\0", 2) + static_cast<char>(value.size() >> 8) + static_cast<char>(value.size() & 255);
    fastcgi += name + value;
  }
  const auto record = [](char type, const std::string& body) { return std::string{1, type, 0, 1, static_cast<char>(body.size() >> 8), static_cast<char>(body.size() & 255), 0, 0} + body; };
  const std::string packet = std::string(1, '\0') + little(uwsgi.size()) + std::string(1, '\0') + uwsgi;
  const std::string records = record(1, std::string("\0\1\0\0\0\0\0\0", 8)) + record(4, fastcgi) + record(4, "") + record(5, "card=4111");
  for (const std::string& bytes : {packet, records}) {
    CHECK(read_request_head(bytes).line == "POST /pay?token=... HTTP/1.1");
    CHECK(read_request_head(bytes).headers == "Host: shop.example; Content-Length: 12");
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(base::contains(read_request_head(bytes.substr(0, cut)).line, "s3cret"));
  }
  CHECK(line_of(records.substr(0, records.size() - 350)) == "POST /pay?token=... HTTP/1.1");
  CHECK(line_of(std::string("\x16\x03\x01\x02\x00\x01", 6)) == "a TLS connection (what is asked is encrypted)");
  CHECK(line_of("PROXY TCP4 10.0.0.1 10.0.0.2 5 80\r\nGET /x HTTP/1.1\r\n") == "GET /x HTTP/1.1");
  CHECK(line_of(std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16) + "abcdefghijklGET /y HTTP/1.0\r\n") == "GET /y HTTP/1.0");
}

TEST_CASE("of the headers those that name a request are told, whole ones only") {
  const auto head = read_request_head("POST /x HTTP/1.1\r\nhost: shop.example\r\nCookie: sid=secret\r\nAuthorization: Basic YTpi\r\nX-Request-ID:  7f3a \r\nContent-Length: 12\r\n\r\nHost: body");
  CHECK(head.headers == "Host: shop.example; X-Request-Id: 7f3a; Content-Length: 12");
  CHECK(read_request_head("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: 7f").headers == "Host: a");
}

TEST_CASE("a dead worker's connections become the requests that it had not answered") {
  auto slow = connection(9, request_came, 10 * second, "GET /slow?a=1 HTTP/1.1\r\nHost: h\r\n\r\n");
  slow.thread.since = 10 * second;
  slow.thread.waits[0] = {2 * second, SYS_connect, REQUEST_NONE, 2, 0, {}};
  slow.thread.now = {18 * second, SYS_clock_nanosleep, REQUEST_NONE, 1, 0, {}};
  const auto quick = connection(10, request_came, 29 * second, "GET /quick HTTP/1.1\r\n\r\n");
  const auto answered = connection(11, request_answered, 5 * second, "GET /done HTTP/1.1\r\n\r\n");
  const auto kept = connection(12, request_none, 5 * second, "");
  const auto facts = facts_of(451, {slow, answered, quick, kept}, 30 * second, 0);
  REQUIRE(facts.size() == 4);
  CHECK(facts[0].text == "GET /quick HTTP/1.1, for 1 s");
  CHECK(facts[1].text == "GET /slow?a=... HTTP/1.1, Host: h, for 20 s");
  CHECK(facts[2].text == "waited 2 s in connect, 2 times");
  CHECK(facts[3].text == "waiting for 18 s in clock_nanosleep");
  CHECK(evidence::as<evidence::RequestServed>(facts[1])->fd == 9);
  CHECK(evidence::as<evidence::TimeBlocked>(facts[2])->ended);
  CHECK_FALSE(evidence::as<evidence::TimeBlocked>(facts[3])->ended);
}

TEST_CASE("an idle connection, a response that stalls, and a connection closed in dying") {
  auto idle = connection(9, request_none, 10 * second, "");
  idle.thread.now = {20 * second, SYS_recvfrom, 9, 1, 0, {}};
  CHECK(facts_of(451, {idle}, 30 * second, 0)[0].text == "no request yet (an idle connection), for 20 s");
  auto stalls = connection(9, request_answered, 10 * second, "GET /big HTTP/1.1\r\n\r\n");
  stalls.thread.since = 10 * second;
  stalls.thread.now = {5 * second, SYS_sendto, 9, 1, 0, {}};
  CHECK(facts_of(451, {stalls}, 30 * second, 0)[0].text == "GET /big HTTP/1.1, for 20 s");
  auto closed = connection(9, request_came, 10 * second, "\x16\x03");
  closed.row.until = 12 * second;
  CHECK(facts_of(451, {closed}, 30 * second, 0)[0].text == "a TLS connection (what is asked is encrypted), for 2 s");
}
