// Which read timeout a request ran into, and what that says of the server: its work went on, or it never began in time.
#include "evidence/vocabulary.hpp"
#include "model/build.hpp"
#include "rule/judge.hpp"
#include "rule/patience.hpp"
#include "support/catch.hpp"

namespace {

using namespace rule;

std::string route(const std::string& location, int pid = 0) {
  return R"({"word":"proxy.route","source":0,"pid":)" + std::to_string(pid) + R"(,"f.upstream":"app","f.address":"127.0.0.1:8000","f.location":")" + location + "\"}\n";
}

std::string set(const std::string& value, const std::string& condition) {
  return R"({"word":"setting.read","source":0,"f.name":"nginx.proxy_read_timeout","f.value":")" + value + R"(","f.from":"file","f.literal":true,"f.condition":")" + condition + "\"}\n";
}

std::string waited(const std::string& facts, const std::string& uri) {
  const auto evidence = evidence::read_ndjson(R"({"word":"source","name":"nginx.conf","kind":10})"
                                              "\n" +
                                              facts);
  REQUIRE(evidence);
  const model::Stack stack = model::build(*evidence);
  const auto patience = patience_of(look_at(stack, *evidence), "127.0.0.1:8000", uri);
  return patience ? patience->text + (patience->at == evidence::no_fact ? " by default" : "") : "not known";
}

}  // namespace

TEST_CASE("the longest prefix's own value counts, then the top's, then nginx's default") {
  CHECK(waited(route("/"), "/x") == "60s by default");
  CHECK(waited(route("/") + set("20s", "location /, server"), "/x") == "20s");
  CHECK(waited(route("/") + route("/api") + set("20s", "location /, server") + set("90s", "location /api, server"), "/api/1?a=b") == "90s");
  CHECK(waited(route("/") + route("/api") + set("90s", "location /api, server") + set("30s", ""), "/x") == "30s");
  CHECK(waited(route("/") + route("= /up") + set("5s", "location = /up, server") + set("30s", ""), "/up") == "5s");
  CHECK(waited(route("/") + route("= /up") + set("5s", "location = /up, server") + set("30s", ""), "/upper") == "30s");
  CHECK(waited(route("^~ /a") + set("1m", "location ^~ /a, server"), "/abc") == "1m");
}

TEST_CASE("what may be several values is not known") {
  CHECK(waited("", "/x") == "not known");                                                        // no configuration
  CHECK(waited(route("/api"), "/x") == "not known");                                             // another location took it
  CHECK(waited(route("/") + route("~ \\\\.php$"), "/x") == "not known");                         // a regular expression may have
  CHECK(waited(route("/") + set("20s", "server"), "/x") == "not known");                         // of which server
  CHECK(waited(route("/") + set("20s", "location /, server") + set("40s", "location /, server"), "/x") == "not known");
  CHECK(waited(route("/") + set("$seconds", "location /, server"), "/x") == "not known");
  CHECK(waited(route("/", 70) + route("/", 80), "/x") == "not known");                           // two proxies
}
