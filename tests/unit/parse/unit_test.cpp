#include <filesystem>
#include <fstream>
#include <sstream>

#include "parse/format.hpp"
#include "parse/systemd/syntax.hpp"
#include "support/catch.hpp"

namespace {

const parse::Document& document() {
  for (const auto* one : parse::configs())
    if (one->name == "systemd unit") return *one;
  throw std::runtime_error("no systemd unit among the documents");
}

evidence::Evidence read(std::string_view text, std::string name = "/etc/systemd/system/web.service") {
  evidence::Evidence evidence;
  evidence::Source source;
  source.name = std::move(name);
  parse::Sink sink(evidence, evidence.add_source(source));
  document().read(text, sink);
  return evidence;
}

std::string shown(std::string_view text) {
  std::string out;
  for (const auto& fact : read(text).facts) {
    if (!out.empty()) out += "; ";
    out += std::to_string(fact.origin.line) + ":" + std::to_string(fact.origin.column) + " ";
    if (const auto* const setting = evidence::as<evidence::SettingRead>(fact)) out += setting->name + "=" + setting->value;
    if (const auto* const command = evidence::as<evidence::ServerCommand>(fact)) out += "(" + command->environment + ") " + command->args;
  }
  return out;
}

std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("a unit's start command and limits") {
  CHECK(shown("[Unit]\nDescription=x\n[Service]\nUser = www\nTimeoutStopSec=5\nExecStart=-/venv/bin/gunicorn \\\n  # three\n  -w 3 \\\n  site.wsgi\nExecReload=/bin/kill -HUP $MAINPID\n[Install]\nUser=no\n") ==
        "4:1 systemd.User=www; 5:1 systemd.TimeoutStopSec=5; 6:1 systemd.ExecStart=-/venv/bin/gunicorn -w 3 site.wsgi; 10:1 systemd.ExecReload=/bin/kill -HUP $MAINPID; 6:1 () /venv/bin/gunicorn -w 3 site.wsgi");
  CHECK(shown("[Service]\nExecStart=/usr/bin/node x.js\n") == "2:1 systemd.ExecStart=/usr/bin/node x.js");
  CHECK(shown("[Service]\nExecStart=/bin/sh -c 'exec gunicorn -w 3 a:b'\n") == "2:1 systemd.ExecStart=/bin/sh -c 'exec gunicorn -w 3 a:b'; 2:1 () /bin/sh -c 'exec gunicorn -w 3 a:b'");
  CHECK(shown("[Service]\nExecStart=/usr/bin/gunicorn a:b\nExecStart=\nExecStart=/usr/bin/gunicorn c:%i\n") ==
        "2:1 systemd.ExecStart=/usr/bin/gunicorn a:b; 3:1 systemd.ExecStart=; 4:1 systemd.ExecStart=/usr/bin/gunicorn c:%i; 4:1 () /usr/bin/gunicorn c:%i");
  CHECK(shown("[Manager]\n#DefaultTimeoutStartSec=90s\nDefaultTimeoutStopSec=45s\n") == "3:1 systemd.DefaultTimeoutStopSec=45s");
  CHECK(shown("[Socket]\nListenStream=/run/g.sock\n") == "2:1 systemd.ListenStream=/run/g.sock");
  CHECK(read("[Service]\nExecStart=gunicorn a:b\n").facts.front().about.unit == "web.service");
  CHECK(read("[Service]\nTasksMax=9\n", "/run/systemd/system/web@.service.d/x.conf").facts.front().about.unit == "web@.service");
  CHECK(read("[Service]\nTasksMax=9\n", "x.conf").facts.front().about.unit == "");
}

TEST_CASE("of a unit's environment only gunicorn's own is kept") {
  const auto evidence = read("[Service]\nEnvironment=\"SECRET=hunter2\" \"GUNICORN_CMD_ARGS=-w 3 -t 9\" WEB_CONCURRENCY=2\nExecStart=/usr/bin/gunicorn a:b\n");
  std::string all;
  for (const auto& fact : evidence.facts) {
    all += fact.text;
    if (const auto* const command = evidence::as<evidence::ServerCommand>(fact)) CHECK(command->environment == "GUNICORN_CMD_ARGS=-w 3 -t 9\nWEB_CONCURRENCY=2");
    if (const auto* const setting = evidence::as<evidence::SettingRead>(fact)) all += setting->value;
  }
  CHECK(evidence.facts.size() == 5);  // the names of three, the command as it stands, and how the server is started
  CHECK(all.find("hunter2") == std::string::npos);
}

TEST_CASE("units are known by their sections") {
  const auto sure = [](std::string_view text) { return document().sure("-", text) > 49; };
  CHECK(sure("# c\n[Service]\nMemoryMax=1G\n"));
  CHECK(sure("[Unit]\nDescription=x\n"));
  CHECK_FALSE(sure("[program:x]\ncommand=gunicorn\n"));
  CHECK_FALSE(sure("[uwsgi]\nmodule = x\n"));
  CHECK_FALSE(sure("x = 1\n[Service]\ny = 2\n"));
  CHECK_FALSE(sure("[2026-01-01 00:00:00 +0000] [7] [INFO] x\n"));
  CHECK_FALSE(sure(""));
  CHECK(read(std::string(100000, '[') + "\n[Service]\nExecStart=\\\n\\\n\\").facts.size() == 1);  // an assignment of nothing
}

TEST_CASE("units of the wild are recognised and read") {
  const std::filesystem::path corpus = std::string(TRIAGE_SOURCE_DIR) + "/../shared/corpus";
  if (!std::filesystem::exists(corpus)) {
    WARN("skipped: no corpus beside the source");
    return;
  }
  int files = 0, started = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus / "systemd")) {
    const auto path = entry.path().string();
    if (path.ends_with(".j2")) continue;
    INFO(path);
    const std::string text = slurp(path);
    CHECK(document().sure(path, text.substr(0, 4096)) > 49);
    ++files;
    for (const auto& fact : read(text, path).facts) started += evidence::as<evidence::ServerCommand>(fact) != nullptr;
  }
  CHECK(files >= 15);
  CHECK(started >= 8);
  for (const char* other : {"gunicorn", "nginx", "uwsgi", "phpfpm", "ruby", "container"})
    for (const auto& entry : std::filesystem::directory_iterator(corpus / other)) {
      INFO(entry.path());
      CHECK(document().sure("-", slurp(entry.path()).substr(0, 4096)) <= 49);
    }
}

TEST_CASE("entries of a unit keep their places") {
  std::vector<parse::UnitStray> strays;
  const auto entries = parse::unit_entries("\n[Service]\n  Restart = always\nnonsense\nEnvironment=\\\n  A=1 \\\n  B=2\nKillMode=\n", &strays);
  REQUIRE(entries.size() == 3);
  CHECK(std::string(entries[0].section) == "Service");
  CHECK(std::string(entries[0].key) == "Restart");
  CHECK((entries[0].line == 3 && entries[0].column == 3 && entries[0].value_column == 13 && entries[0].offset == 13));
  CHECK(entries[1].value == "A=1 B=2");
  CHECK((entries[1].line == 5 && entries[1].value_column == 0));
  CHECK((entries[2].value.empty() && entries[2].line == 8));
  REQUIRE(strays.size() == 1);
  CHECK((strays[0].line == 4 && strays[0].text == "nonsense"));
  CHECK(std::string(parse::unit_command("@-/usr/bin/x")) == "/usr/bin/x");
}
