#include "model/server_settings.hpp"
#include "parse/settings/server.hpp"
#include "support/catch.hpp"

using namespace model;

namespace {

evidence::SourceId add_file(evidence::Evidence& evidence, const std::string& name) {
  evidence::Source source;
  source.name = name;
  source.kind = evidence::SourceKind::config;
  evidence.sources.push_back(source);
  return static_cast<evidence::SourceId>(evidence.sources.size() - 1);
}

Server read(const char* flavour, const std::string& text, const std::string& args = "", const std::string& version = "") {
  evidence::Evidence evidence;
  if (!text.empty()) {
    parse::Sink sink(evidence, add_file(evidence, "/etc/server.conf"));
    REQUIRE(parse::settings::add_server_settings(flavour, text, {}, sink));
  }
  if (!args.empty()) {
    evidence::Fact fact;
    fact.what = evidence::ServerCommand{args, ""};
    fact.origin.source = add_file(evidence, "cmdline");
    evidence.add(std::move(fact));
  }
  Stack stack;
  Server server;
  server.flavour = flavour;
  server.version = version;
  read_server_settings(stack, evidence, server);
  return server;
}

}  // namespace

TEST_CASE("php-fpm's pools: a value of one, or of each; minutes are seconds; defaults below them") {
  const Server one = read("php-fpm", "[global]\nprocess_control_timeout = 10s\n[www]\nlisten = 9000\npm = dynamic\npm.max_children = 5\nrequest_terminate_timeout = 2m\n");
  CHECK(number_setting(one, "timeout") == 120);
  CHECK(number_setting(one, "workers") == 5);
  CHECK(number_setting(one, "graceful_timeout") == 10);
  CHECK(number_setting(one, "max_requests") == 0);
  CHECK(one.settings.at("max_requests").from == From::built_in);
  CHECK(one.settings.at("timeout").where == "/etc/server.conf:7:29");
  const Server two = read("php-fpm", "[a]\nlisten = 9000\npm.max_children = 5\n[b]\nlisten = 9001\npm.max_children = 8\n");
  CHECK_FALSE(number_setting(two, "workers"));
  REQUIRE(two.settings.at("workers").values.size() == 2);
  CHECK(two.settings.at("workers").values.back().when == "pool b");
}

TEST_CASE("Puma's threads are the most of them, its preloading goes by version, and what is computed is no value") {
  const std::string text = "workers 2\nthreads 1, 5\nworker_timeout 6\nworker_shutdown_timeout ENV.fetch(\"T\") { 5 }\n";
  const Server old = read("puma", text, "", "5.6.5"), fresh = read("puma", text, "", "8.0.2"), unknown = read("puma", text);
  CHECK(number_setting(old, "threads") == 5);
  CHECK(number_setting(old, "timeout") == 6);
  CHECK_FALSE(number_setting(old, "graceful_timeout"));
  CHECK(text_setting(old, "preload_app") == "False");
  CHECK(text_setting(fresh, "preload_app") == "True");
  CHECK_FALSE(text_setting(unknown, "preload_app"));
  CHECK(text_setting(read("puma", "workers 2\npreload_app!\n", "", "5.6.5"), "preload_app") == "True");
}

TEST_CASE("uWSGI: the command line is stronger than the file, and no secret of it is kept") {
  const Server server = read("uwsgi", "[uwsgi]\nharakiri = 20\nprocesses = 4\nenv = PASSWORD=hunter2\n", "uwsgi --ini app.ini --harakiri 30");
  CHECK(number_setting(server, "timeout") == 30);
  CHECK(server.settings.at("timeout").where == "command line");
  CHECK(number_setting(server, "workers") == 4);
  CHECK(number_setting(server, "backlog") == 100);
  CHECK(server.settings.count("env") == 0);
}

TEST_CASE("where a file is named and was not seen, defaults are not claimed") {
  const Server named = read("uwsgi", "", "uwsgi --ini app.ini --processes 3"), none = read("uwsgi", "", "uwsgi --http-socket :8000 --master");
  CHECK(number_setting(named, "workers") == 3);
  CHECK_FALSE(number_setting(named, "timeout"));
  CHECK(number_setting(none, "timeout") == 0);
}

TEST_CASE("Apache: directives at the top, and the words of WSGIDaemonProcess") {
  const Server server = read("apache", "<IfModule mpm_prefork_module>\n\tMaxRequestWorkers 150\n</IfModule>\nWSGIDaemonProcess site processes=2 threads=15 request-timeout=30\n");
  CHECK(number_setting(server, "workers") == 150);
  CHECK(number_setting(server, "timeout") == 30);
  CHECK(number_setting(server, "threads") == 15);
}
