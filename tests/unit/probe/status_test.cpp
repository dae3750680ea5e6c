// What servers tell of themselves: answers as uWSGI 2.0.21, php-fpm 8.2, Puma 5.6.5, Apache 2.4 and nginx 1.22 gave them; where to ask; and that a
// server which does not answer holds nobody.
#include "probe/status.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>

#include "base/owner.hpp"
#include "machine.hpp"
#include "support/catch.hpp"

namespace {

const probe::Reader& reader(std::string_view name) {
  for (const probe::Reader* one : probe::readers())
    if (one->name == name) return *one;
  FAIL("no such reader");
  return *probe::readers().front();
}

std::string text_of(const std::optional<probe::Told>& told) {
  if (!told) return "nothing";
  const auto& s = told->server;
  std::string text = s.pool + " workers " + std::to_string(s.workers) + " places " + std::to_string(s.places) + " busy " + std::to_string(s.busy) + " queue " + std::to_string(s.queue) + "/" + std::to_string(s.queue_limit) + "\n";
  for (const auto& w : told->workers)
    text += std::to_string(w.pid) + " " + w.status.state + " " + std::to_string(w.status.busy) + "/" + std::to_string(w.status.places) + " queue " + std::to_string(w.status.queue) + (w.request.empty() ? "" : " " + w.request + " " + std::to_string(static_cast<int>(w.seconds)) + " s") + "\n";
  return text;
}

std::string record(char kind, std::string_view content) {
  std::string out{1, kind, 0, 1, static_cast<char>(content.size() >> 8), static_cast<char>(content.size() & 255), 0, 0};
  return out + std::string(content);
}

constexpr std::string_view uwsgi_answer = R"({"version":"2.0.21-debian","listen_queue":3,"listen_queue_errors":2,"pid":12932,
"sockets":[{"name":"127.0.0.1:25010","proto":"http","queue":3,"max_queue":100}],
"workers":[{"id":1,"pid":12958,"requests":7,"status":"busy","cores":[{"id":0,"in_request":1,"vars":["REQUEST_METHOD=GET","REQUEST_URI=/sleep?token=abc",""],"req_info":{"request_start":1795423836}}]},
{"id":2,"pid":12960,"requests":1,"status":"idle","cores":[{"id":0,"in_request":0,"vars":[],"req_info":{}}]},
{"id":3,"pid":0,"requests":0,"status":"cheap","cores":[{"id":0,"in_request":0,"vars":[]}]}]})";

constexpr std::string_view puma_answer = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
    R"({"started_at":"2026-11-23T08:50:32Z","workers":2,"phase":0,"booted_workers":2,"old_workers":0,"worker_status":[{"started_at":"2026-11-23T08:50:32Z","pid":12985,"index":0,"phase":0,"booted":true,"last_checkin":"2026-11-23T08:50:37Z","last_status":{"backlog":1,"running":2,"pool_capacity":0,"max_threads":2,"requests_count":2}},)"
    R"({"pid":12986,"index":1,"phase":0,"booted":false,"last_checkin":"2026-11-23T08:50:37Z","last_status":{}}]})";

constexpr std::string_view php_answer = "Content-type: application/json\r\n\r\n"
    R"({"pool":"www","process manager":"static","listen queue":2,"max listen queue":2,"listen queue len":511,"idle processes":1,"active processes":1,"total processes":2,"max children reached":0,"processes":[)"
    R"({"pid":12948,"state":"Running","requests":1,"request duration":5950332,"request method":"GET","request uri":"/sleep?k=secret"},)"
    R"({"pid":12949,"state":"Idle","requests":3,"request duration":120,"request method":"GET","request uri":"/fast"}]})";

probe::Asked asked_of(const source::Host& host, const probe::FoundServer& server, std::string args, std::vector<parse::settings::Entry> settings) { return {host, server, std::move(args), std::move(settings)}; }

}  // namespace

TEST_CASE("uwsgi's stats socket tells each worker's request, the queue, and the workers that cheaper stopped") {
  CHECK(text_of(reader("uwsgi stats").understand(uwsgi_answer, 1795423846)) == " workers 3 places 3 busy 1 queue 3/100\n12958 busy 1/1 queue 0 GET /sleep?token=abc 10 s\n12960 idle 0/1 queue 0\n");
  CHECK(text_of(reader("uwsgi stats").understand("HTTP/1.0 200 OK\r\n\r\n" + std::string(uwsgi_answer), 0)).substr(0, 21) == " workers 3 places 3 b");
}

TEST_CASE("puma's control application tells threads that are free, and what its master last knew of each worker") {
  CHECK(text_of(reader("puma control").understand(puma_answer, 0)) == " workers 2 places 2 busy 2 queue 1/0\n12985 booted 2/2 queue 1\n12986 booting 0/0 queue 0\n");
  CHECK(text_of(reader("puma control").understand("HTTP/1.0 403 Forbidden\r\n\r\nInvalid auth token", 0)) == "nothing");
}

TEST_CASE("php-fpm's status is told by FastCGI, and an idle worker's last request is none of its own") {
  const std::string_view whole = php_answer;
  const std::string answer = record(6, whole.substr(0, 100)) + record(6, whole.substr(100)) + record(3, std::string(8, '\0'));
  CHECK(text_of(reader("php-fpm status").understand(answer, 0)) == "www workers 2 places 2 busy 1 queue 2/511\n12948 Running 1/1 queue 0 GET /sleep?k=secret 5 s\n12949 Idle 0/1 queue 0\n");
  CHECK(text_of(reader("php-fpm status").understand(record(6, "Status: 404 Not Found\r\n\r\nFile not found."), 0)) == "nothing");
}

TEST_CASE("apache and nginx do not count the request that asks") {
  CHECK(text_of(reader("server-status").understand("HTTP/1.1 200 OK\r\n\r\nBusyWorkers: 2\nIdleWorkers: 1\nScoreboard: _W.S.W\n", 0)) == " workers 4 places 6 busy 1 queue 0/0\n");
  CHECK(text_of(reader("stub_status").understand("HTTP/1.1 200 OK\r\n\r\nActive connections: 5 \nserver accepts handled requests\n 9 9 12 \nReading: 0 Writing: 3 Waiting: 2 \n", 0)) == " workers 0 places 0 busy 2 queue 0/0\n");
}

TEST_CASE("whatever bytes come, a reader answers or says nothing") {
  const std::string deep(100'000, '[');
  for (const probe::Reader* one : probe::readers())
    for (const std::string& text : {std::string(), std::string("\0\xff\x01", 3), std::string("{}"), deep, std::string("{\"workers\":7,\"worker_status\":[1,null,{\"pid\":-1}],\"total processes\":-5}"), record(6, "x\r\n\r\n" + deep), std::string("HTTP/1.1 200 OK\r\n\r\n"),
                                    std::string(uwsgi_answer.substr(0, 300)), std::string("Active connections: x"), std::string("Scoreboard: \xff\n")}) {
      const auto told = one->understand(text, 0);
      if (told) CHECK(told->workers.size() < 10);
    }
}

TEST_CASE("where to ask: settings in files and on the command line, and what is not asked unbidden") {
  Machine machine;
  machine.files["tmp/puma.state"] = "---\npid: 7\ncontrol_url: unix:///tmp/puma-status-1\ncontrol_auth_token: 'a b'\n";
  const auto host = machine.host();
  probe::FoundServer server;
  server.master.pid = 7;
  server.master.cwd = "/srv";
  const auto entry = [](std::string section, std::string key, std::string value) { return parse::settings::Entry{std::move(section), std::move(key), std::move(value), {}, {}}; };
  const auto first = [&](std::string_view name, std::string args, std::vector<parse::settings::Entry> settings) {
    const auto asked = asked_of(*host, server, std::move(args), std::move(settings));
    const auto all = reader(name).endpoints(asked);
    return all.empty() ? std::string("none") : all[0].address + " | " + all[0].request.substr(0, all[0].request.find('\r')) + " | " + all[0].by_hand + (all[0].taken.empty() ? "" : " | taken");
  };
  CHECK(first("uwsgi stats", "uwsgi --stats :9191 --http :80", {}) == "127.0.0.1:9191 |  | uwsgi --connect-and-read :9191");
  CHECK(first("uwsgi stats", "uwsgi --ini a.ini", {entry("uwsgi", "stats", "/run/stats.sock")}) == "unix:/run/stats.sock |  | uwsgi --connect-and-read /run/stats.sock");
  CHECK(first("uwsgi stats", "uwsgi --ini a.ini", {entry("uwsgi", "stats", "name.of.a.host:9191")}) == "name.of.a.host:9191 |  | uwsgi --connect-and-read name.of.a.host:9191");
  CHECK(first("puma control", "puma 5.6.5 (tcp://127.0.0.1:9292)", {entry("", "activate_control_app", "'tcp://127.0.0.1:9293', { auth_token: 'abc' }")}) == "127.0.0.1:9293 | GET /stats?token=abc HTTP/1.0 | pumactl -C tcp://127.0.0.1:9293 -T TOKEN stats");
  CHECK(first("puma control", "puma", {entry("", "state_path", "'/tmp/puma.state'")}) == "unix:/tmp/puma-status-1 | GET /stats?token=a%20b HTTP/1.0 | pumactl -S /tmp/puma.state stats");
  CHECK(first("puma control", "puma", {}) == "none");
  CHECK(first("php-fpm status", "", {entry("www", "pm.status_path", "/status")}) == " |  |  | taken");
  CHECK(first("php-fpm status", "", {entry("www", "pm.status_path", "/status"), entry("www", "pm.status_listen", "127.0.0.1:9001")}).substr(0, 17) == "127.0.0.1:9001 | ");
  CHECK(first("server-status", "", {entry("", "Listen", "8080"), entry("Location \"/server-status\"", "SetHandler", "server-status")}) ==
        "127.0.0.1:8080 | GET /server-status?auto HTTP/1.0 | curl -s http://127.0.0.1:8080/server-status?auto | taken");
}

TEST_CASE("a status that is not answered ends at its deadline") {
  const base::Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener.get(), 4) == 0);
  REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const auto began = std::chrono::steady_clock::now();
  const auto answer = probe::ask("127.0.0.1:" + std::to_string(ntohs(address.sin_port)), "GET / HTTP/1.0\r\n\r\n", 0.2);
  const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  REQUIRE(!answer);
  CHECK(answer.error().answer == "Connection timed out");
  CHECK(took >= 0.15);
  CHECK(took < 10);   // on a loaded machine
  CHECK(!probe::ask("name.of.a.host:9191", "", 0.2));
  CHECK(probe::ask("unix:/nonexistent/" + std::string(200, 'x') + "/stats.sock", "", 0.2).error().kind == base::Kind::usage);
}

TEST_CASE("addresses as settings write them") {
  CHECK(probe::address_of("tcp://0.0.0.0:9293?x=1") == "127.0.0.1:9293");
  CHECK(probe::address_of("unix:///tmp/a.sock") == "unix:/tmp/a.sock");
  CHECK(probe::address_of("[::]:9000") == "[::1]:9000");
  CHECK(probe::address_of("9000") == "127.0.0.1:9000");
  CHECK(probe::address_of("auto").empty());
  CHECK(probe::address_of("").empty());
}
