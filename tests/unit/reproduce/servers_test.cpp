#include <stdlib.h>

#include <filesystem>

#include "reproduce/server_kind.hpp"
#include "support/catch.hpp"

using namespace reproduce;  // NOLINT: a test of one room

namespace {

Scenario scenario(const std::string& rest) {
  auto read = read_scenario(R"({"name": "x", "proves": "y", "on": ["uwsgi", "php-fpm", "unicorn", "puma", "apache", "celery"], "expect": [{"event": "ready"}], )" + rest + "}", "x.json");
  REQUIRE(read);
  return *read;
}

// The server's own configuration, as it is written for a port or a socket.
struct Place {
  std::string top;
  Site site;
  explicit Place(const std::string& server, bool on_socket = false, double scale = 1) {
    char name[] = "/tmp/servers-test-XXXXXX";
    REQUIRE(::mkdtemp(name));
    top = name;
    site.folder = top + "/site";
    site.server = server;
    site.scale.by = scale;
    site.back = on_socket ? Address{0, site.folder + "/app.sock"} : Address{8000, ""};
    site.front = {8080, ""};
  }
  ~Place() { std::filesystem::remove_all(top); }
  std::string written(const Scenario& of, const std::string& file) const {
    const auto done = lay_out(of, site);
    if (!done) return base::sentence(done.error());
    std::string text = read_file(site.folder + "/" + file);
    for (auto at = text.find(site.folder); at != std::string::npos; at = text.find(site.folder)) text.replace(at, site.folder.size(), "SITE");
    return text;
  }
};

}  // namespace

TEST_CASE("every kind of server says what it needs to be run") {
  CHECK(server_names() == std::vector<std::string_view>{"triage-server", "gunicorn", "apache", "celery", "php-fpm", "puma", "unicorn", "uwsgi"});
  for (const ServerKind* kind : servers()) {
    CAPTURE(kind->name);
    CHECK(server_kind(kind->name) == kind);
    CHECK_FALSE(kind->programs.empty());
    CHECK_FALSE(kind->package.empty());
    CHECK_FALSE(kind->version.empty());
    CHECK(kind->compose);
    for (const Native& one : kind->settings) CHECK(std::any_of(server_settings().begin(), server_settings().end(), [&](const ServerSetting& row) { return row.name == one.setting; }));
  }
  CHECK_FALSE(server_kind("gunicorn"));
}

TEST_CASE("settings are written in the server's own words, scaled as far as it can count") {
  const Scenario of = scenario(R"("server": {"workers": 2, "timeout": 30, "backlog": 4, "also": {"uwsgi": ["need-app = true"], "unicorn": ["check_client_connection true # {20s!}"]}})");
  CHECK(Place("uwsgi", false, 10).written(of, "uwsgi.ini") ==
        "[uwsgi]\nplugin = python3\nmaster = true\nno-orphans = true\nlog-date = true\nlogto = SITE/error.log\npidfile = SITE/server.pid\nchdir = SITE\nwsgi-file = place.py\nhttp-socket = 127.0.0.1:8000\nprocesses = 2\nharakiri = 3\nlisten = 4\nneed-app = true\n");
  CHECK(Place("uwsgi", false, 100).written(of, "uwsgi.ini").find("harakiri = 2\n") != std::string::npos);   // its clock has whole seconds
  CHECK(Place("unicorn", true, 20).written(of, "unicorn.rb") ==
        "working_directory 'SITE'\npid 'SITE/server.pid'\nstderr_path 'SITE/error.log'\nlisten 'SITE/app.sock', :backlog => 4\nworker_processes 2\ntimeout 3\ncheck_client_connection true # 1\n");
  CHECK(Place("puma").written(of, "config/puma.rb") ==
        "directory 'SITE'\nrackup 'config.ru'\nenvironment 'production'\npidfile 'SITE/server.pid'\nbind 'tcp://127.0.0.1:8000?backlog=4'\nworkers 2\nworker_timeout 30\nthreads 1, 1\n");
  CHECK(Place("celery").written(of, "settings_of_run.py") == "worker_concurrency = 2\ntask_time_limit = 30\n");
  CHECK(left_out(of, "celery") == Words{"backlog"});
  CHECK(left_out(of, "uwsgi").empty());
}

TEST_CASE("nginx speaks the server's own protocol, and its times are named so") {
  const Scenario of = scenario(R"("server": {}, "proxy": {"set": {"proxy_read_timeout": "30s"}})");
  const auto holds = [&](const std::string& server, const std::string& text) { return proxy_conf(of, Place(server).site).find(text) != std::string::npos; };
  CHECK(holds("uwsgi", "uwsgi_pass app;\n      uwsgi_read_timeout 30000ms;"));
  CHECK(holds("php-fpm", "fastcgi_pass app;\n      fastcgi_read_timeout 30000ms;"));
  CHECK(holds("unicorn", "proxy_pass http://app;\n      proxy_read_timeout 30000ms;"));
  CHECK(with_front(scenario(R"("server": {})"), "php-fpm").proxy.present);   // nothing else speaks with it
  CHECK_FALSE(with_front(scenario(R"("server": {})"), "uwsgi").proxy.present);
}

TEST_CASE("what a server cannot do is refused, not left undone") {
  const auto said = [](const std::string& server, const std::string& rest, bool on_socket = false) { return Place(server, on_socket).written(scenario(rest), "x"); };
  CHECK(said("puma", R"("server": {"faults": ["deadlock"]})").find("its application cannot make 'deadlock'") != std::string::npos);
  CHECK(said("apache", R"("server": {"bind": "unix"})", true).find("its clients come by TCP alone") != std::string::npos);
  CHECK(said("uwsgi", R"("server": {"bind": "held"})").find("its socket cannot be held by the runner") != std::string::npos);
  CHECK(said("uwsgi", R"("server": {}, "proxy": {}, "load": [{"name": "direct", "to": "server"}])").find("load 'direct' speaks HTTP, and it does not") != std::string::npos);
}

TEST_CASE("what is only for some servers") {
  CHECK(meant({}, "puma"));
  CHECK(meant({"unicorn", "puma"}, "puma"));
  CHECK_FALSE(meant({"unicorn"}, "puma"));
}
