// A scenario's reader: what it takes, and every complaint with its place.
#include "reproduce/scenario.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "reproduce/library.hpp"
#include "support/catch.hpp"

namespace {

std::string refused(const std::string& text) {
  const auto read = reproduce::read_scenario(text, "x.json");
  return read ? "taken" : base::sentence(read.error());
}

// A whole scenario in which one member is what is tried.
std::string with(const std::string& member) { return refused("{\"name\": \"x\", \"proves\": \"y\", \"server\": {},\n" + member + ",\n\"expect\": [ {\"deaths\": \"any\"} ] }"); }

}  // namespace

TEST_CASE("the least scenario is taken, with its defaults") {
  const auto read = reproduce::read_scenario(R"({ "name": "x", "proves": "y", "server": {}, "expect": [ { "deaths": "SIGKILL" } ] })", "x.json");
  REQUIRE(read);
  CHECK(read->name == "x");
  CHECK(read->on == reproduce::Words{"triage-server"});
  CHECK(read->scales);
  CHECK(read->own_pids);
  CHECK(read->verdict == "live");
  CHECK(!read->proxy.present);
  CHECK(read->expects.size() == 1);
  CHECK(read->expects[0].at_least == 1);
  CHECK(read->expects[0].at_most == -1);
}

TEST_CASE("what a scenario holds is read") {
  const auto read = reproduce::read_scenario(R"({
    "name": "x", "proves": "y", "on": ["gunicorn"], "lasts": "2min",
    "server": { "timeout": "30s", "workers": 3, "preload_app": true, "faults": ["hang=60,path=/slow"], "ready": "listening" },
    "proxy": { "set": { "proxy_read_timeout": "{5s}s" }, "peers": 2 },
    "limits": { "memory": "160MiB", "descriptors": 64 },
    "files": [ { "path": "conf.py", "text": ["a", "b"], "mode": "0640" }, { "path": "app.sock", "kind": "socket" } ],
    "load": [ { "path": "/slow", "rate": 5, "lasts": 4, "keep_alive": true } ],
    "steps": [ { "after": "taken", "holding": "/slow", "nth": 2, "delay": "500ms", "signal": "KILL", "to": "busy" } ],
    "expect": [ { "clients": "load1", "get": ["502", "504"], "at_least": 2, "at_most": 9, "within": 10 } ] })",
                                            "x.json");
  REQUIRE(read);
  CHECK(read->lasts == 120);
  CHECK(read->server.settings == reproduce::Pairs{{"timeout", "30"}, {"workers", "3"}, {"preload_app", "true"}});
  CHECK(read->server.ready == reproduce::Server::Ready::listening);
  CHECK(read->proxy.peers == 2);
  CHECK(read->limits.memory == 160u << 20);
  CHECK(read->files[0].text == "a\nb\n");
  CHECK(read->files[0].mode == 0640);
  CHECK(read->files[1].kind == reproduce::File::Kind::socket);
  CHECK(read->loads[0].name == "load1");
  CHECK(read->loads[0].count == 0);
  const reproduce::Step& step = read->steps[0];
  CHECK((step.act == "signal" && step.what == "KILL" && step.to == "busy" && step.when.event == "taken" && step.when.text == "/slow" && step.when.count == 2 && step.when.delay == 0.5));
  CHECK(read->expects[0].any == reproduce::Words{"502", "504"});
}

TEST_CASE("what it does not know is refused at its place, with the word that was meant") {
  CHECK(refused("{ \"nam\": 1 }").starts_with("x.json:1:3: there is no key 'nam' here; did you mean 'name'?; the keys are: name, proves,"));
  CHECK(refused("{\n \"name\": \"x\" }") == "x.json:1:1: 'proves' is missing");
  CHECK(refused("[]") == "x.json:1:1: a scenario must be an object, not a list");
  CHECK(with(R"("lasts": "3 weeks")") == "x.json:2:10: 'lasts' is no time; write 30, \"30s\", \"250ms\" or \"2min\"");
  CHECK(with(R"("on": ["gunicron"])") == "x.json:2:8: 'on' cannot be 'gunicron'; did you mean 'gunicorn'?; it is one of: triage-server, gunicorn, apache, celery, php-fpm, puma, unicorn, uwsgi");
  CHECK(with(R"("steps": [ { "at": 1, "signal": "KIL" } ])") == "x.json:2:33: there is no signal 'KIL'; write HUP, TERM, KILL...");
  CHECK(with(R"("steps": [ { "at": 1 } ])").starts_with("x.json:2:12: a step that does nothing; it does one of: signal, fault,"));
  CHECK(with(R"("steps": [ { "signal": "HUP", "fault": "hang" } ])") == "x.json:2:31: a step does one thing, and this does 'signal' already; make it two steps");
  CHECK(with(R"("steps": [ { "after": "worker-died", "signal": "HUP" } ])").starts_with("x.json:2:23: 'after' cannot be 'worker-died'; did you mean 'worker-dead'?"));
  CHECK(with(R"("load": [ { "path": "/x", "to": "proxy" } ])") == "x.json:2:11: a load goes to the proxy, and there is none");
  CHECK(with(R"("load": [ { "name": "a" }, { "name": "a" } ])") == "x.json:2:11: two loads are named 'a'");
  CHECK(with(R"("load": [ { "body": "100MiB" } ])") == "x.json:2:11: 'body' is larger than 64 MiB");
  CHECK(with(R"("files": [ { "path": "../etc/passwd" } ])") == "x.json:2:22: 'path' is a path below the scratch folder; no leading slash, no .., at most 60 letters");
  CHECK(with(R"("files": [ { "path": "a", "mode": "9" } ])") == "x.json:2:35: 'mode' is octal digits in quotes; write \"0660\"");
  CHECK(with(R"("limits": { "memory": "much" })") == "x.json:2:23: 'memory' is no size; write \"512MiB\"");
  CHECK(with(R"("limits": { "descriptors": 1.5 })") == "x.json:2:28: 'descriptors' must lie between 3 and 1048576");
}

TEST_CASE("a server's settings, faults and files are checked") {
  const auto server = [](const std::string& inside) { return refused("{\"name\": \"x\", \"proves\": \"y\", \"server\": {" + inside + "}, \"expect\": [ {\"deaths\": \"any\"} ] }"); };
  CHECK(server("") == "taken");
  CHECK(server(R"("timeuot": 3)").find("there is no key 'timeuot' here; did you mean 'timeout'?") != std::string::npos);
  CHECK(server(R"("faults": ["hnag=3"])") == "x.json:1:52: there is no fault 'hnag'; did you mean 'hang'?; `triage-server --list-faults` has them");
  CHECK(server(R"("config": "gunicorn.conf.py")") == "x.json:1:1: 'gunicorn.conf.py' is named and is none of 'files'");
  CHECK(server(R"("bind": "udp")") == "x.json:1:49: 'bind' cannot be 'udp'; it is one of: tcp, unix, held");
}

TEST_CASE("an expectation is about one thing that there is") {
  const auto expect = [](const std::string& inside) { return refused("{\"name\": \"x\", \"proves\": \"y\", \"server\": {}, \"load\": [ {\"name\": \"users\"} ], \"expect\": [ " + inside + " ] }"); };
  CHECK(expect(R"({ "clients": "users", "get": "200" })") == "taken");
  CHECK(expect(R"({ "clients": "user" })") == "x.json:1:87: there is no load 'user'; did you mean 'users'?");
  CHECK(expect("{ }") == "x.json:1:87: an expectation is about one thing; one of: clients, deaths, boots, log, triage, event");
  CHECK(expect(R"({ "log": "a", "triage": "b" })") == "x.json:1:87: an expectation is about one thing; one of: clients, deaths, boots, log, triage, event");
  CHECK(expect(R"({ "log": "a", "at_least": 3, "at_most": 2 })") == "x.json:1:87: at_most is less than at_least");
  CHECK(expect("") == "x.json:1:85: nothing is expected; a scenario says what must be seen");
}

TEST_CASE("a value is set by its path") {
  const std::string text = R"({ "name": "x", "proves": "y", "server": { "timeout": 30 }, "load": [ { "path": "/a" } ], "proxy": {}, "expect": [ { "deaths": "any" } ] })";
  const auto changed = [&](const std::string& assignment) -> base::Result<reproduce::Scenario> {
    auto root = source::read_placed_json(text, "x.json");
    if (auto done = reproduce::set_value(*root, assignment); !done) return base::fail(done.error());
    return reproduce::read_scenario(*root, "x.json");
  };
  CHECK(changed("server.timeout=60")->server.settings == reproduce::Pairs{{"timeout", "60"}});
  CHECK(changed("server.graceful_timeout=5s")->server.settings == reproduce::Pairs{{"timeout", "30"}, {"graceful_timeout", "5"}});
  CHECK(changed("nginx.proxy_read_timeout=75s")->proxy.set == reproduce::Pairs{{"proxy_read_timeout", "75s"}});
  CHECK(changed("load.0.path=/b")->loads[0].path == "/b");
  CHECK(changed("limits.memory=1GiB")->limits.memory == 1u << 30);
  CHECK(base::sentence(changed("server.timeout").error()) == "--set server.timeout: no '='; write server.timeout=60 or nginx.proxy_read_timeout=75s");
  CHECK(base::sentence(changed("load.7.path=/b").error()) == "--set load.7.path=/b: '7' is no number of an entry; write server.timeout=60 or nginx.proxy_read_timeout=75s");
  CHECK(base::sentence(changed("server.timout=3").error()).find("did you mean 'timeout'?") != std::string::npos);
}

TEST_CASE("every scenario of the house is read, by the name of its file") {
  const auto names = reproduce::scenario_names();
  REQUIRE(names.size() >= 20);
  for (const std::string& name : names) {
    const auto read = reproduce::find_scenario(name);
    INFO(name << ": " << (read ? "" : base::sentence(read.error())));
    REQUIRE(read);
    CHECK(read->name == name);
  }
  const auto wrong = reproduce::find_scenario("worker-timeuot");
  REQUIRE(!wrong);
  CHECK(base::sentence(wrong.error()) == "looking for the scenario 'worker-timeuot': there is no such file and no such name; did you mean 'worker-timeout'?; `triage repro list` has the names");
}
