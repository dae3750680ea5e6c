// The way of a failed request through what runs: which location it fell into, what is in force there, and what the model then says of it.
#include "model/running.hpp"

#include "evidence/vocabulary.hpp"
#include "model/build.hpp"
#include "model/outlook.hpp"
#include "support/catch.hpp"

namespace {

std::string route(const std::string& location, int pid = 0, int offset = 0) {
  return R"({"word":"proxy.route","source":0,"pid":)" + std::to_string(pid) + R"(,"offset":)" + std::to_string(offset) + R"(,"f.upstream":"app","f.address":"127.0.0.1:8000","f.location":")" + location + "\"}\n";
}

std::string named(const std::string& name, const std::string& value, const std::string& condition, int offset = 0) {
  return R"({"word":"setting.read","source":0,"line":7,"column":3,"offset":)" + std::to_string(offset) + R"(,"f.name":")" + name + R"(","f.value":")" + value + R"(","f.from":"file","f.literal":true,"f.condition":")" + condition + "\"}\n";
}
std::string set(const std::string& value, const std::string& condition, int offset = 0) { return named("nginx.proxy_read_timeout", value, condition, offset); }

evidence::Evidence facts_of(const std::string& facts) {
  auto evidence = evidence::read_ndjson(R"({"word":"source","name":"nginx.conf","kind":10})"
                                        "\n"
                                        R"({"word":"source","name":"error.log","kind":1})"
                                        "\n" +
                                        facts);
  REQUIRE(evidence);
  return std::move(*evidence);
}

std::string waited(const std::string& facts, const std::string& uri) {
  const auto evidence = facts_of(facts);
  const auto pass = model::running_pass(evidence, "127.0.0.1:8000", uri);
  if (!pass) return "not known";
  const auto found = model::in_force(evidence, *pass, "proxy_read_timeout");
  return !found.known ? "not known" : found.at == evidence::no_fact ? "60s by default" : evidence::as<evidence::SettingRead>(evidence.facts[found.at])->value;
}

// A server that is set as the command says, and what becomes of the requests of nginx's line.
std::string told(const std::string& command, const std::string& worker_class, const std::string& facts, const std::string& method = "GET", const std::string& phase = "wait") {
  const std::string server = R"({"word":"server.command","source":1,"f.args":")" + command + R"(","f.environment":""})"
                             "\n"
                             R"({"word":"server.started","pid":450,"source":1,"f.flavour":"gunicorn","f.version":"20.1.0"})"
                             "\n"
                             R"({"word":"server.listening","pid":450,"source":1,"f.addresses":"http://127.0.0.1:8000"})"
                             "\n"
                             R"({"word":"server.uses","pid":450,"source":1,"f.worker_class":")" + worker_class + "\"}\n";
  const std::string row = R"({"word":"proxy.error","source":0,"f.kind":"timed-out-reading","f.method":"GET","f.uri":"/x","f.upstream":"http://127.0.0.1:8000"})"
                          "\n";
  const auto evidence = facts_of(server + facts + row);
  const model::Stack stack = model::build(evidence);
  const auto made = model::running_route(stack, evidence, static_cast<evidence::FactId>(evidence.facts.size() - 1), "127.0.0.1:8000", "/x");
  if (!made) return "not known";
  if (!made->whole) return "not whole";
  std::string text;
  for (const model::Group& group : model::outlook({made->route}, method))
    for (const model::Row& one : group.rows)
      if (one.phase == phase) text += model::span_text(one.from, one.to) + ": " + one.told + (model::besides(one).empty() ? "" : " (" + model::besides(one) + ")") + (one.because.empty() ? "" : " by " + one.because.front()) + "\n";
  return text;
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
  CHECK(waited(route("/", 0, 5) + set("20s", "server", 5), "/x") == "not known");               // of which server
  CHECK(waited(route("/") + set("20s", "location /, server") + set("40s", "location /, server"), "/x") == "not known");
  CHECK(waited(route("/", 70) + route("/", 80), "/x") == "not known");                           // two proxies
}

TEST_CASE("a server block's own value counts for its locations alone") {
  const auto listen = [](int offset, const std::string& block) { return named("nginx.listen", "80", block, offset); };
  CHECK(waited(set("20s", "server", 50) + route("/", 0, 90), "/x") == "20s");
  CHECK(waited(route("/", 0, 40) + set("20s", "server", 50), "/x") == "20s");
  CHECK(waited(set("20s", "server a", 50) + listen(70, "server b") + route("/", 0, 90), "/x") == "60s by default");
  CHECK(waited(set("20s", "server", 50) + listen(70, "server") + route("/", 0, 90), "/x") == "not known");  // its own listen, or the next server's
  CHECK(waited(set("20s", "server", 50) + set("30s", "server", 60) + route("/", 0, 90), "/x") == "not known");
}

TEST_CASE("what runs is told as triage-timeouts tells files") {
  const std::string sync = "/usr/bin/gunicorn -w 2 -t 30 app:app";
  CHECK(told(sync, "sync", route("/") + set("10s", "location /, server")) ==
        "0 - 10 s: 200\n"
        "10 - 30 s: 504 at 10 s (goes on for nobody, up to 20 s) by proxy_read_timeout 10s (nginx.conf:7:3)\n"
        "30 - 31.1 s: 504 at 10 s (goes on for nobody, up to 21.1 s; a worker may be killed) by proxy_read_timeout 10s (nginx.conf:7:3)\n"
        "from 31.1 s: 504 at 10 s (goes on for nobody, up to 21.1 s; a worker is killed) by proxy_read_timeout 10s (nginx.conf:7:3)\n");
  CHECK(told(sync, "sync", route("/")) ==
        "0 - 30 s: 200\n"
        "30 - 31.1 s: 200, or 502 at 30-31.1 s (a worker may be killed) by timeout 30 (command line)\n"
        "from 31.1 s: 502 at 30-31.1 s (a worker is killed) by timeout 30 (command line)\n");
  CHECK(told("/usr/bin/gunicorn -k gthread -t 5 app:app", "gthread", route("/")) == "0 - 60 s: 200\nfrom 60 s: 504 at 60 s (goes on for nobody) by proxy_read_timeout 60s (default of nginx)\n");
  CHECK(told("/usr/bin/gunicorn -k gthread -t 5 app:app", "gthread", route("/"), "GET", "blocked") == "0 - 4 s: 200\n4 - 6.1 s: 200, or 502 at 4-6.1 s (a worker may be killed) by timeout 5 (command line)\nfrom 6.1 s: 502 at 4-6.1 s (a worker is killed) by timeout 5 (command line)\n");
  const std::string variable = R"({"word":"setting.read","source":0,"f.name":"nginx.proxy_read_timeout","f.value":"$seconds","f.from":"file","f.literal":false,"f.condition":"location /, server"})"
                               "\n";
  CHECK(told(sync, "sync", route("/") + variable) == "not whole");
  CHECK(told("/usr/bin/gunicorn app:app -c missing.py", "sync", route("/")) == "not whole");
}

TEST_CASE("two peers are asked in turn, and how they count failures is said") {
  const std::string other = R"({"word":"proxy.route","source":0,"f.upstream":"app","f.address":"127.0.0.1:8001","f.location":"/"})"
                            "\n";
  const std::string wait = route("/") + other + set("10s", "location /, server"), sync = "/usr/bin/gunicorn -t 300 app:app";
  CHECK(told(sync, "sync", wait).starts_with("0 - 10 s: 200\n10 - 300 s: 504 at 20 s (done up to 2 times; goes on for nobody, up to 580 s) by"));
  CHECK(told(sync, "sync", wait, "POST").starts_with("0 - 10 s: 200\n10 - 300 s: 504 at 10 s (goes on for nobody, up to 290 s) by"));
  const auto members = [](const std::string& words) { return named("nginx.upstream.server", "127.0.0.1:8000 " + words, "upstream app") + named("nginx.upstream.server", "127.0.0.1:8001 " + words, "upstream app"); };
  CHECK(told(sync, "sync", wait + members("fail_timeout=60s")).starts_with("0 - 10 s: 200\n10 - 300 s: 504 at 20 s (done up to 2 times; goes on for nobody, up to 580 s; then 502 for everybody, 50 s) by"));
  CHECK(told(sync, "sync", wait + members("max_fails=0 fail_timeout=60s")).starts_with("0 - 10 s: 200\n10 - 300 s: 504 at 20 s (done up to 2 times; goes on for nobody, up to 580 s) by"));
}
