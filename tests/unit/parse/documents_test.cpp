#include <random>

#include "base/instant.hpp"
#include "parse/command/words.hpp"
#include "parse/format.hpp"
#include "support/catch.hpp"

namespace parse::configs_of { extern const Document pod_json, events_json, docker_inspect, ps_list, command_line; }

using namespace parse;  // NOLINT: a test of one room

namespace {

struct Reading {
  evidence::Evidence evidence;
  Reading(const Document& document, std::string_view text) {
    evidence::Source source;
    source.name = "x";
    Sink sink(evidence, evidence.add_source(std::move(source)));
    document.read(text, sink);
  }
  template <class T> std::vector<T> all() const {
    std::vector<T> found;
    for (const auto& fact : evidence.facts)
      if (const auto* what = evidence::as<T>(fact)) found.push_back(*what);
    return found;
  }
};

const std::string pod = R"({
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-7d9", "namespace": "prod", "uid": "11-22"},
    "spec": {"containers": [{"name": "web", "resources": {"limits": {"memory": "256Mi"}}}]},
    "status": {
        "containerStatuses": [{
            "containerID": "containerd://abc",
            "lastState": {
                "terminated": {
                    "containerID": "containerd://old",
                    "exitCode": 137,
                    "finishedAt": "2026-11-22T10:31:08Z",
                    "reason": "OOMKilled",
                    "startedAt": "2026-11-22T10:00:00Z"
                }
            },
            "name": "web",
            "restartCount": 4,
            "state": {"running": {"startedAt": "2026-11-22T10:31:09Z"}}
        }]
    }
})";

const std::string events = R"({"apiVersion": "v1", "kind": "List", "items": [
 {"apiVersion": "v1", "kind": "Event", "reason": "Unhealthy", "message": "Liveness probe failed: HTTP 503", "type": "Warning", "count": 3,
  "involvedObject": {"kind": "Pod", "namespace": "prod", "name": "web-7d9", "fieldPath": "spec.containers{web}"}, "lastTimestamp": "2026-11-22T10:31:00Z", "metadata": {"name": "web-7d9.1"}},
 {"apiVersion": "events.k8s.io/v1", "kind": "Event", "reason": "Killing", "note": "Container web failed liveness probe, will be restarted",
  "regarding": {"kind": "Pod", "namespace": "prod", "name": "web-7d9"}, "eventTime": "2026-11-22T10:31:05.123456Z", "metadata": {"name": "web-7d9.2"}}
]})";

const std::string inspected = R"([{
  "Id": "deadbeef", "Created": "2026-11-22T09:00:00Z", "Path": "gunicorn", "Args": ["-w", "2", "app:app"],
  "State": {"Status": "exited", "Running": false, "OOMKilled": true, "Dead": false, "Pid": 0, "ExitCode": 137, "Error": "", "StartedAt": "2026-11-22T09:00:01.5Z", "FinishedAt": "2026-11-22T10:31:08.25Z"},
  "Name": "/web", "RestartCount": 2, "HostConfig": {"Memory": 268435456},
  "Config": {"Env": ["SECRET_KEY=hush", "WEB_CONCURRENCY=4", "PATH=/bin"]}
}])";

}  // namespace

TEST_CASE("a pod's container states, the last one dated by its end") {
  CHECK(configs_of::pod_json.sure("x", pod) == 95);
  CHECK(configs_of::events_json.sure("x", pod) == 0);
  CHECK(configs_of::docker_inspect.sure("x", pod) == 0);
  const Reading reading(configs_of::pod_json, pod);
  const auto states = reading.all<evidence::ContainerState>();
  REQUIRE(states.size() == 2);
  CHECK(states[0].state == "running");
  CHECK_FALSE(states[0].last);
  const auto& last = states[1];
  CHECK(last.last);
  CHECK(last.pod == "prod/web-7d9");
  CHECK(last.container == "web");
  CHECK(last.state == "terminated");
  CHECK(last.reason == "OOMKilled");
  CHECK(last.oom_killed);
  CHECK(last.exit_code == 137);
  CHECK(last.restarts == 4);
  CHECK(last.memory_limit == 256ull << 20);
  CHECK(last.id == "containerd://old");
  const auto& fact = reading.evidence.facts[1];
  REQUIRE(fact.when);
  CHECK(base::iso(*fact.when) == "2026-11-22T10:31:08Z");
  CHECK(fact.origin.line == 13);
  CHECK(fact.about.unit == "web");
}

TEST_CASE("a list of pods and an evicted one") {
  const std::string list = R"({"apiVersion": "v1", "items": [)" + pod + R"(, {"kind": "Pod", "metadata": {"name": "gone"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}}], "kind": "List"})";
  CHECK(configs_of::pod_json.sure("x", list) == 95);
  const Reading reading(configs_of::pod_json, list);
  const auto states = reading.all<evidence::ContainerState>();
  REQUIRE(states.size() == 3);
  CHECK(states[2].reason == "Evicted");
  CHECK(states[2].state == "terminated");
  CHECK(reading.evidence.facts[2].text == "\"reason\": \"Evicted\", \"message\": \"The node was low on resource: memory.\"");
}

TEST_CASE("events of both APIs") {
  CHECK(configs_of::events_json.sure("x", events) == 94);
  CHECK(configs_of::pod_json.sure("x", events) < 94);
  const Reading reading(configs_of::events_json, events);
  const auto all = reading.all<evidence::ClusterEvent>();
  REQUIRE(all.size() == 2);
  CHECK(all[0].reason == "Unhealthy");
  CHECK(all[0].count == 3);
  CHECK(all[0].object == "Pod/prod/web-7d9");
  CHECK(reading.evidence.facts[0].about.unit == "web");
  CHECK(all[1].reason == "Killing");
  CHECK(all[1].message == "Container web failed liveness probe, will be restarted");
  CHECK(base::iso(*reading.evidence.facts[1].when) == "2026-11-22T10:31:05.123Z");
}

TEST_CASE("docker inspect: the state, the limit, how it was started, no secret") {
  CHECK(configs_of::docker_inspect.sure("x", inspected) == 92);
  const Reading reading(configs_of::docker_inspect, inspected);
  const auto states = reading.all<evidence::ContainerState>();
  REQUIRE(states.size() == 1);
  CHECK(states[0].container == "web");
  CHECK(states[0].state == "terminated");
  CHECK(states[0].oom_killed);
  CHECK(states[0].exit_code == 137);
  CHECK(states[0].memory_limit == 268435456);
  CHECK(states[0].restarts == 2);
  const auto commands = reading.all<evidence::ServerCommand>();
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].args == "gunicorn -w 2 app:app");
  CHECK(commands[0].environment == "WEB_CONCURRENCY=4");
  for (const auto& fact : reading.evidence.facts) CHECK(fact.text.find("hush") == std::string::npos);
}

TEST_CASE("a document that is none is a gap") {
  const Reading broken(configs_of::pod_json, "{\"kind\": ");
  REQUIRE(broken.evidence.gaps.size() == 1);
  CHECK(broken.evidence.gaps[0].reason == "it is no whole JSON document");
  const Reading deep(configs_of::pod_json, std::string(100'000, '['));
  REQUIRE(deep.evidence.gaps.size() == 1);
  CHECK(deep.evidence.gaps[0].reason == "it is nested deeper than 64");
}

TEST_CASE("process lists of ps") {
  const std::string plain = "    PID    PPID STAT    RSS COMMAND\n   4094   26952 S     27432 gunicorn: master [ta:app]\n   4206    4094 Sl    22688 gunicorn: worker [ta:app]\n   4207    4094 Z         0 [gunicorn] <defunct>\n";
  CHECK(configs_of::ps_list.sure("x", plain) == 90);
  const Reading reading(configs_of::ps_list, plain);
  const auto seen = reading.all<evidence::ProcessSeen>();
  REQUIRE(seen.size() == 3);
  CHECK(reading.evidence.facts[0].about.pid == 4094);
  CHECK(seen[0].ppid == 26952);
  CHECK(seen[0].rss == 27432ull * 1024);
  CHECK(seen[0].args == "gunicorn: master [ta:app]");
  CHECK(seen[2].state == "Z");
  CHECK(reading.evidence.facts[1].origin.line == 3);

  CHECK(configs_of::ps_list.sure("x", plain.substr(plain.find('\n') + 1)) == 85);
  CHECK(Reading(configs_of::ps_list, plain.substr(plain.find('\n') + 1)).all<evidence::ProcessSeen>().size() == 3);

  const std::string aux = "USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\nroot           1  0.0  0.1  16712  9512 ?        Ss   10:00   0:01 /sbin/init splash\n";
  CHECK(configs_of::ps_list.sure("x", aux) == 90);
  const Reading of_aux(configs_of::ps_list, aux);
  REQUIRE(of_aux.evidence.facts.size() == 1);
  CHECK(of_aux.all<evidence::ProcessSeen>()[0].args == "/sbin/init splash");
  CHECK(of_aux.all<evidence::ProcessSeen>()[0].rss == 9512ull * 1024);
  CHECK(configs_of::ps_list.sure("x", "[2026-11-22 10:00:00 +0000] [1] [INFO] Starting gunicorn 20.1.0\n") == 0);
  CHECK(configs_of::ps_list.sure("x", "") == 0);
}

TEST_CASE("command lines of servers, and what is kept of their environment") {
  struct Case { std::string_view line, args, environment; };
  const Case cases[] = {
      {"PYTHONPATH=/x SECRET=y /usr/bin/python3 -m gunicorn -b 127.0.0.1:21774 app:app", "/usr/bin/python3 -m gunicorn -b 127.0.0.1:21774 app:app", ""},
      {"GUNICORN_CMD_ARGS='-w 4 --timeout 60' WEB_CONCURRENCY=2 gunicorn app:app", "gunicorn app:app", "GUNICORN_CMD_ARGS=-w 4 --timeout 60\nWEB_CONCURRENCY=2"},
      {"exec env A=b PORT=8000 gunicorn app:app", "gunicorn app:app", "PORT=8000"},
      {"sudo -u www /srv/venv/bin/gunicorn app:app", "/srv/venv/bin/gunicorn app:app", ""},
      {"sh -c 'exec gunicorn -w 2 app:app'", "gunicorn -w 2 app:app", ""},
      {"A=b unshare -m /bin/sh /srv/go.sh /usr/bin/python3 -m gunicorn app:app", "/bin/sh /srv/go.sh /usr/bin/python3 -m gunicorn app:app", ""},
      {"/bin/bash -c ulimit -n 9; exec \"$@\" x /usr/bin/python3 -m gunicorn app:app", "/bin/bash -c ulimit -n 9; exec \"$@\" x /usr/bin/python3 -m gunicorn app:app", ""},
      {"uwsgi --ini x.ini", "uwsgi --ini x.ini", ""},
      {"bundle exec puma -C config/puma.rb", "bundle exec puma -C config/puma.rb", ""},
      {"/usr/sbin/php-fpm8.2 --nodaemonize", "/usr/sbin/php-fpm8.2 --nodaemonize", ""},
  };
  for (const Case& each : cases) {
    INFO(each.line);
    const auto command = command::read_command(each.line);
    REQUIRE(command);
    CHECK(command->args == each.args);
    CHECK(command->environment == each.environment);
    CHECK(configs_of::command_line.sure("cmdline", std::string(each.line) + "\n") == 75);
  }
  for (const std::string_view line : {"python3 manage.py migrate", "[2026-11-22 10:00:00 +0000] [1] [INFO] Starting gunicorn 20.1.0", "gunicorn: error: unrecognized arguments: -z", "import gunicorn", ""}) {
    INFO(line);
    CHECK(configs_of::command_line.sure("x", line) == 0);
  }
  const Reading several(configs_of::command_line, "# two\ngunicorn a:a\nS=x gunicorn b:b\n");
  REQUIRE(several.evidence.facts.size() == 2);
  CHECK(several.evidence.facts[1].origin.line == 3);
  CHECK(several.evidence.facts[1].text == "gunicorn b:b");
  const Reading proc(configs_of::command_line, std::string_view("/usr/bin/python3\0/usr/bin/gunicorn\0--name\0a b\0app:app\0", 55));
  REQUIRE(proc.evidence.facts.size() == 1);
  CHECK(proc.all<evidence::ServerCommand>()[0].args == "/usr/bin/python3 /usr/bin/gunicorn --name 'a b' app:app");
}

TEST_CASE("any bytes are read without harm as documents") {
  std::mt19937 random(5);
  const std::string seeds[] = {pod, events, inspected, "PID PPID STAT RSS COMMAND\n1 0 S 5 a b\n2 1 S 5 c\n", "GUNICORN_CMD_ARGS='-w 4' gunicorn app:app\n"};
  const Document* const documents[] = {&configs_of::pod_json, &configs_of::events_json, &configs_of::docker_inspect, &configs_of::ps_list, &configs_of::command_line};
  std::size_t facts = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = seeds[random() % std::size(seeds)];
    for (auto i = random() % 4; i > 0 && !text.empty(); --i) {
      const std::size_t at = random() % text.size();
      if (random() % 2) text[at] = static_cast<char>(random());
      else text.erase(at, random() % 30);
    }
    const Document& document = *documents[random() % std::size(documents)];
    const int sure = document.sure("x", text);
    CHECK((sure >= 0 && sure <= 100));
    facts += Reading(document, text).evidence.facts.size();
  }
  CHECK(facts > 100);
}
