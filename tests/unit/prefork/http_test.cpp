#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "prefork/http/body.hpp"
#include "prefork/http/head.hpp"
#include "support/catch.hpp"

using namespace prefork;

namespace {

struct Read {
  std::string method, target, path, query, body;
  std::vector<std::pair<std::string, std::string>> fields;
  int major = 0, minor = 0;
  bool keep = false;
};

struct Walk {
  std::vector<Read> requests;
  Refusal refusal = Refusal::none;
  bool cut = false;   // the bytes ended inside a request
};

// A connection's bytes, come in pieces of `step`, the way a worker reads them.
Walk walk(const std::string& bytes, const HttpRules& rules, std::size_t step = std::string::npos) {
  Walk out;
  std::size_t at = 0, come = std::min(step, bytes.size()), before = 0;
  bool first = true;
  while (at < bytes.size()) {
    const std::string_view window = std::string_view(bytes).substr(at, come - at);
    Head head;
    HeadResult result;
    if (worth_reading(window, before, rules)) result = read_head(window, rules, {"127.0.0.1"}, first, head);
    if (result.progress == Progress::refused) { out.refusal = result.refusal; return out; }
    if (result.progress == Progress::more) {
      if (come == bytes.size()) { out.cut = true; return out; }
      before = come - at;
      come = std::min(come + step, bytes.size());
      continue;
    }
    Read read{std::string(head.method), std::string(head.target), std::string(head.path), std::string(head.query), "", {}, head.major, head.minor, head.keep_alive};
    for (const Field& field : head.fields) {
      read.fields.emplace_back(field.name, field.value);
      for (char& c : read.fields.back().first) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    at += result.used;
    before = 0;
    Body body(head, rules);
    while (!body.done()) {
      const BodyStep got = body.take(std::string_view(bytes).substr(at, come - at));
      if (got.progress == Progress::refused) { out.refusal = got.refusal; return out; }
      read.body += got.piece;
      at += got.used;
      if (body.done() || got.used > 0) continue;
      if (come == bytes.size()) { out.cut = true; return out; }
      come = std::min(come + step, bytes.size());
    }
    first = false;
    out.requests.push_back(std::move(read));
    if (!out.requests.back().keep) return out;
    come = std::max(come, std::min(at + step, bytes.size()));
  }
  return out;
}

Refusal refusal_of(const std::string& bytes, const HttpRules& rules = {}) {
  const Refusal whole = walk(bytes, rules).refusal;
  CHECK(walk(bytes, rules, 1).refusal == whole);
  return whole;
}

Walk taken(const std::string& bytes, const HttpRules& rules = {}) {
  Walk whole = walk(bytes, rules);
  const Walk single = walk(bytes, rules, 1);
  CHECK(whole.refusal == Refusal::none);
  CHECK(single.refusal == Refusal::none);
  CHECK(single.requests.size() == whole.requests.size());
  return whole;
}

std::string bytes_of(const std::string& utf8) {  // the corpus writes bytes as Latin-1
  std::string out;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c < 0x80) out += utf8[i];
    else if (i + 1 < utf8.size()) out += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(utf8[++i]) & 0x3f));
  }
  return out;
}

HttpRules rules_of(const nlohmann::json& given) {
  HttpRules rules;
  const auto flag = [&](const char* name, bool& to) { if (given.contains(name)) to = given[name].get<bool>(); };
  const auto size = [&](const char* name, std::size_t& to) { if (given.contains(name)) to = given[name].get<std::size_t>(); };
  size("limit_request_line", rules.limit_request_line);
  size("limit_request_fields", rules.limit_request_fields);
  size("limit_request_field_size", rules.limit_request_field_size);
  flag("permit_obsolete_folding", rules.permit_obsolete_folding);
  flag("permit_unconventional_http_method", rules.permit_unconventional_http_method);
  flag("casefold_http_method", rules.casefold_http_method);
  flag("strip_header_spaces", rules.strip_header_spaces);
  if (given.contains("header_map")) rules.header_map = given["header_map"] == "refuse" ? HeaderMap::refuse : HeaderMap::dangerous;
  if (given.contains("proxy_protocol")) rules.proxy_protocol = ProxyProtocol::any;
  if (given.contains("forwarded_allow_ips")) rules.forwarded_allow_ips = {"*"};
  return rules;
}

}  // namespace

TEST_CASE("gunicorn's corpus: nothing invalid is taken, and nothing valid but the case that is cut short is refused") {
  const std::filesystem::path path = std::filesystem::path(TRIAGE_SOURCE_DIR) / "../shared/corpus/http-requests.json";
  if (!std::filesystem::exists(path)) SKIP_CASE("no shared/corpus/http-requests.json beside the sources");
  std::ifstream in(path);
  const auto corpus = nlohmann::json::parse(in);
  CHECK(corpus.size() == 137);
  std::vector<std::string> wrong;
  for (const auto& one : corpus) {
    const std::string name = one["name"], bytes = bytes_of(one["data"]);
    const HttpRules rules = rules_of(one["cfg"]);
    for (const std::size_t step : {std::string::npos, std::size_t{1}, std::size_t{7}}) {
      const Walk got = walk(bytes, rules, step);
      if (one["kind"] == "invalid") {
        if (got.refusal == Refusal::none && !got.cut) wrong.push_back(name + " was taken");
        continue;
      }
      // What a server does after "Connection: close" or with what follows HTTP/1.0 is its own; the requests before that have to be right.
      if (got.refusal != Refusal::none || got.cut) { wrong.push_back(name + " was refused"); continue; }
      for (std::size_t i = 0; i < got.requests.size(); ++i) {
        const auto& wanted = one["expect"][i];
        const Read& read = got.requests[i];
        const auto text = [&](const char* key) { return bytes_of(wanted[key].get<std::string>()); };
        std::vector<std::pair<std::string, std::string>> fields;
        for (const auto& field : wanted["headers"]) fields.emplace_back(bytes_of(field[0].get<std::string>()), bytes_of(field[1].get<std::string>()));
        // Of CONNECT Python's urlsplit makes what path it likes ("443" of one authority, "[::1]:443" of another).
        if (read.method != text("method") || read.target != text("uri") || (read.path != text("path") && read.method != "CONNECT") || read.query != text("query") || read.body != text("body") ||
            read.major != wanted["version"][0] || read.minor != wanted["version"][1] || read.fields != fields) {
          wrong.push_back(name + " was read otherwise");
        }
      }
    }
  }
  std::sort(wrong.begin(), wrong.end());
  wrong.erase(std::unique(wrong.begin(), wrong.end()), wrong.end());
  CHECK(wrong == std::vector<std::string>{"valid/099 was refused"});
}

TEST_CASE("what ends a line is CRLF and nothing else") {
  CHECK(refusal_of("GET / HTTP/1.1\nHost: a\n\n") == Refusal::request_line);
  CHECK(refusal_of("GET / HTTP/1.1\rHost: a\r\r") == Refusal::request_line);
  CHECK(refusal_of("GET / HTTP/1.1\r\nHost: a\n\r\n") == Refusal::header);
  CHECK(refusal_of("GET / HTTP/1.1\r\nHost: a\r\n\n") == Refusal::header_name);
  CHECK(refusal_of("GET / HTTP/1.1\r\nX: a\rb\r\n\r\n") == Refusal::header);
  CHECK(refusal_of(std::string("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", 26)) == Refusal::header);
  CHECK(refusal_of("GET / HTTP/1.1\r\n\rHost: a\r\n\r\n") == Refusal::header_name);
  CHECK(refusal_of("\nGET / HTTP/1.1\r\n\r\n") == Refusal::request_line);
  CHECK(refusal_of("\r\n\r\nGET / HTTP/1.1\r\n\r\n") == Refusal::request_line);
  CHECK(taken("\r\nGET / HTTP/1.1\r\n\r\n").requests.size() == 1);
}

TEST_CASE("a request line has three words and two blanks") {
  for (const char* line : {"GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET\t/ HTTP/1.1", "GET /", "GET / a HTTP/1.1", "GET / http/1.1", "GET / HTTP/1,1", "GET / HTTP/1.10", "GET / HTTP/+1.1", "GET / HTTP/", "GET /\x01 HTTP/1.1"})
    CHECK(refusal_of(std::string(line) + "\r\n\r\n") != Refusal::none);
  CHECK(refusal_of("GET / HTTP/2.0\r\n\r\n") == Refusal::version_unsupported);
  CHECK(refusal_of("GET / HTTP/0.9\r\n\r\n") == Refusal::version_unsupported);
  CHECK(refusal_of("get / HTTP/1.1\r\n\r\n") == Refusal::method);
  CHECK(taken("GET / HTTP/1.2\r\n\r\n").requests[0].minor == 2);
  CHECK(answer_to(Refusal::version_unsupported, true).status == 505);
  CHECK(answer_to(Refusal::version_unsupported, false).status == 400);
}

TEST_CASE("what a proxy could read otherwise is refused") {
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  const auto with = [&](const std::string& fields) { return refusal_of(post + fields + "\r\n0\r\n\r\n"); };
  CHECK(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") == Refusal::header);
  CHECK(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") == Refusal::header);
  CHECK(with("Content-Length: 5\r\nContent-Length: 5\r\n") == Refusal::header);
  CHECK(with("Content-Length: 5\r\nContent-Length: 6\r\n") == Refusal::header);
  CHECK(with("Content-Length: +5\r\n") == Refusal::header);
  CHECK(with("Content-Length: 5,5\r\n") == Refusal::header);
  CHECK(with("Content-Length: 0x5\r\n") == Refusal::header);
  CHECK(with("Content-Length:\r\n") == Refusal::header);
  CHECK(with("Content-Length: 99999999999999999999\r\n") == Refusal::header);
  CHECK(with("Content-Length : 5\r\n") == Refusal::header_name);
  CHECK(with("Transfer-Encoding: xchunked\r\n") == Refusal::transfer_coding);
  CHECK(with("Transfer-Encoding: chunked;a=b\r\n") == Refusal::transfer_coding);
  CHECK(with("Transfer-Encoding: \"chunked\"\r\n") == Refusal::transfer_coding);
  CHECK(with("Transfer-Encoding:\r\n") == Refusal::transfer_coding);
  CHECK(with("Transfer-Encoding: chunked, chunked\r\n") == Refusal::header);
  CHECK(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") == Refusal::header);
  CHECK(with("Transfer-Encoding: gzip\r\n") == Refusal::header);
  CHECK(with("Transfer-Encoding : chunked\r\n") == Refusal::header_name);
  CHECK(with("Transfer-Encoding\r\n: chunked\r\n") == Refusal::header);
  CHECK(with(" Transfer-Encoding: chunked\r\n") == Refusal::obsolete_folding);
  CHECK(with("X: a\r\n b\r\n") == Refusal::obsolete_folding);
  CHECK(with("Host: b\r\n") == Refusal::header);
  for (const char* host : {"a b", "a,b", "a/b", "u@a", "a?b", "a\\b"}) CHECK(refusal_of("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n") == Refusal::header);
  CHECK(with(": nameless\r\n") == Refusal::header_name);
  CHECK(with("no colon\r\n") == Refusal::header);
  CHECK(with("Expect: 200-ok\r\n") == Refusal::expectation);
  CHECK(refusal_of("GET / HTTP/1.1\r\n Host: a\r\n\r\n") == Refusal::header_name);
  CHECK(answer_to(Refusal::transfer_coding, false).status == 501);
}

TEST_CASE("chunks are counted in hexadecimal digits and nothing else") {
  const auto chunks = [](const std::string& body) { return refusal_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body); };
  CHECK(chunks("5\r\nhello\r\n0\r\n\r\n") == Refusal::none);
  CHECK(chunks("5;a=\"b c\"\r\nhello\r\n0\r\n\r\n") == Refusal::none);
  CHECK(chunks("5\t;a\r\nhello\r\n0\r\n\r\n") == Refusal::none);
  CHECK(chunks("0x5\r\nhello\r\n0\r\n\r\n") == Refusal::chunk_size);
  CHECK(chunks("5\nhello\r\n0\r\n\r\n") == Refusal::chunk_size);
  CHECK(chunks("5\rhello\r\n0\r\n\r\n") == Refusal::chunk_size);
  CHECK(chunks("5 \r\nhello\r\n0\r\n\r\n") == Refusal::chunk_size);
  CHECK(chunks("5;a\nb\r\nhello\r\n0\r\n\r\n") == Refusal::chunk_extension);
  CHECK(chunks("FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n") == Refusal::chunk_size);
  CHECK(chunks("5\r\nhelloX\r\n0\r\n\r\n") == Refusal::chunk_terminator);
  CHECK(chunks("5\r\nhello\n0\r\n\r\n") == Refusal::chunk_terminator);
  CHECK(chunks("5\r\nhello\r\n0\r\nX: a\nb\r\n\r\n") == Refusal::header);
  CHECK(chunks("5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n") == Refusal::header_name);
  CHECK(chunks("5;" + std::string(5000, 'a') + "\r\nhello\r\n0\r\n\r\n") == Refusal::chunk_extension);
  CHECK(chunks("0\r\n" + std::string(9000, 'a')) == Refusal::limit_fields);
  HttpRules small;
  small.limit_request_body = 8;
  const std::string head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(refusal_of(head + "5\r\nhello\r\n4\r\nwide\r\n0\r\n\r\n", small) == Refusal::body_too_large);
  CHECK(refusal_of("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n123456789", small) == Refusal::body_too_large);
}

TEST_CASE("what stands on a line decides when the line is too long, not when it ends") {
  CHECK(refusal_of("GET /" + std::string(5000, 'a')) == Refusal::limit_line);
  CHECK(refusal_of("GET / HTTP/1.1\r\nX: " + std::string(9000, 'a')) == Refusal::limit_fields);
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i <= 100; ++i) many += "X" + std::to_string(i) + ": 1\r\n";
  CHECK(refusal_of(many) == Refusal::limit_fields);
  CHECK(answer_to(Refusal::limit_line, true).status == 414);
  CHECK(answer_to(Refusal::limit_fields, true).status == 431);
}

TEST_CASE("what is kept of a connection") {
  const auto kept = [](const std::string& text) { return taken(text).requests[0].keep; };
  CHECK(kept("GET / HTTP/1.1\r\n\r\n"));
  CHECK_FALSE(kept("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n"));
  CHECK_FALSE(kept("GET / HTTP/1.1\r\nConnection: keep-alive, close\r\n\r\n"));
  CHECK_FALSE(kept("GET / HTTP/1.0\r\n\r\n"));
  CHECK(kept("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  CHECK_FALSE(kept("CONNECT a:1 HTTP/1.1\r\n\r\n"));
  CHECK(taken("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n").requests.size() == 2);
}

TEST_CASE("the forms of a target") {
  const auto path = [](const std::string& line) { return taken(line + " HTTP/1.1\r\n\r\n").requests[0].path; };
  CHECK(path("GET http://a/b?c#d") == "/b");
  CHECK(path("GET http://a") == "/");
  CHECK(path("GET http://a?q") == "/");
  CHECK(path("GET //a/b") == "//a/b");
  CHECK(path("OPTIONS *") == "*");
  for (const char* line : {"GET a", "GET *", "GET http:///b", "GET http://a:b/", "GET http://[::1/", "CONNECT /", "CONNECT a", "GET ://a/", "GET 1x://a/", "GET http://a b/"})
    CHECK(refusal_of(std::string(line) + " HTTP/1.1\r\n\r\n") != Refusal::none);
}

TEST_CASE("who may say more") {
  HttpRules rules;
  rules.require_host = true;
  CHECK(refusal_of("GET / HTTP/1.1\r\n\r\n", rules) == Refusal::no_host);
  CHECK(refusal_of("GET / HTTP/1.0\r\n\r\n", rules) == Refusal::none);
  HttpRules proxied;
  proxied.proxy_protocol = ProxyProtocol::v1;
  proxied.proxy_allow_ips = {"10.0.0.1"};
  CHECK(refusal_of("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n", proxied) == Refusal::forbidden_proxy);
  Head head;
  const std::string text = "GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nSCRIPT_NAME: /a\r\nA_B: c\r\n\r\n";
  CHECK(read_head(text, {}, {"127.0.0.1"}, true, head).progress == Progress::done);
  CHECK(head.secure);
  CHECK(head.fields.size() == 2);
  CHECK(read_head(text, {}, {"10.0.0.1"}, true, head).progress == Progress::done);
  CHECK_FALSE(head.secure);
  CHECK(head.fields.size() == 1);
}
