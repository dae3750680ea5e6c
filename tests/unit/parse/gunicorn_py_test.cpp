#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "parse/format.hpp"
#include "support/catch.hpp"

namespace {

const parse::Document& document() {
  for (const auto* one : parse::configs())
    if (one->name == "gunicorn configuration") return *one;
  throw std::runtime_error("no gunicorn configuration among the documents");
}

evidence::Evidence read(std::string_view text) {
  evidence::Evidence evidence;
  evidence::Source source;
  source.name = "gunicorn.conf.py";
  parse::Sink sink(evidence, evidence.add_source(source));
  document().read(text, sink);
  return evidence;
}

std::string shown(std::string_view text) {
  std::string out;
  for (const auto& fact : read(text).facts) {
    const auto* const setting = evidence::as<evidence::SettingRead>(fact);
    if (!setting) continue;
    if (!out.empty()) out += "; ";
    out += std::to_string(fact.origin.line) + ":" + std::to_string(fact.origin.column) + " " + setting->name + "=" + (setting->from == "default" ? "(default)" : setting->literal ? setting->value : "?" + setting->value);
    if (!setting->condition.empty()) out += " [" + setting->condition + "]";
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

TEST_CASE("gunicorn.conf.py: settings with their places") {
  CHECK(shown("import os\n\nbind = '0.0.0.0:8000'\ntimeout = 120  # long\nworkers = int(os.environ.get('W', 4))\nname = 'x'\nTIMEOUT = 5\ntimout = 6\n") ==
        "3:1 bind=0.0.0.0:8000; 4:1 timeout=120; 5:1 workers=4 [W is not set]; 5:1 workers=? [W is set]");
  CHECK(shown("if DEBUG:\n    reload = True\nworkers = cpu_count() + 1\ndef post_fork(s, w):\n    timeout = 3\n") == "2:5 reload=True [DEBUG]; 2:5 reload=(default) [not (DEBUG)]; 3:1 workers=?cpu_count() + 1");
  CHECK(shown("workers = = 2\n") == "1:1 workers=?");
}

TEST_CASE("gunicorn.conf.py: the line that sets it is kept") {
  const auto evidence = read("a = 1\n  \nbind = [  # both\n  ':80',\n]\n");
  REQUIRE(evidence.facts.size() == 1);
  CHECK(evidence.facts.front().text == "bind = [  # both");
  CHECK(evidence.facts.front().origin.offset == 9);
}

TEST_CASE("gunicorn.conf.py: what hides settings is a gap") {
  const auto star = read("workers = 2\nfrom common import *\n");
  REQUIRE(star.gaps.size() == 1);
  CHECK(star.gaps.front().reason == "line 2 takes names from elsewhere");
  const auto broken = read("workers = (2\n");
  REQUIRE(broken.gaps.size() == 1);
  CHECK(broken.gaps.front().reason == "line 1 is not Python");
  const auto large = read(std::string(300 << 10, '#'));
  REQUIRE(large.gaps.size() == 1);
  CHECK(large.gaps.front().wanted == "settings of gunicorn.conf.py");
}

TEST_CASE("gunicorn.conf.py is known by its content") {
  const auto sure = [](std::string_view name, std::string_view text) { return document().sure(name, text) > 49; };
  CHECK(sure("c.py", "workers='two'\n"));
  CHECK(sure("c.py", "import signal\ndef post_fork(s,w): signal.signal(signal.SIGTERM, lambda *a: None)\ngraceful_timeout=3\n"));
  CHECK(sure("standard input", "bind = ':80'\nworkers = 3\ntimeout = 5\n"));
  CHECK(sure("gunicorn.conf.py", "# nothing\n"));
  CHECK_FALSE(sure("app.py", "from flask import Flask\napp = Flask(__name__)\nworkers = 3\nbind = 'x'\n"));
  CHECK_FALSE(sure("app.py", "timeout = 30\nuser = 'x'\n"));
  CHECK_FALSE(sure("supervisord.conf", "[program:x]\nworkers = 3\nbind = 1\n"));
  CHECK_FALSE(sure("uwsgi.ini", "; c\n[uwsgi]\nworkers = 3\nbind = x\n"));
  CHECK_FALSE(sure("puma.rb", "workers 3\nthreads 1, 5\nbind 'tcp://'\n"));
  CHECK_FALSE(sure("x.js", "workers = 3;\nbind = 4;\n"));
  CHECK_FALSE(sure("error.log", "[2026-01-01 00:00:00 +0000] [1] [INFO] Listening at: x\n"));
  CHECK_FALSE(sure("empty", ""));
  CHECK_FALSE(sure("settings.py", "\"\"\"\nworkers = 3\nbind = 4\n\"\"\"\nX = 1\n"));
}

TEST_CASE("gunicorn configurations of the wild are recognised and read") {
  const std::filesystem::path corpus = std::string(TRIAGE_SOURCE_DIR) + "/../shared/corpus/gunicorn";
  if (!std::filesystem::exists(corpus)) {
    WARN("skipped: no corpus beside the source");
    return;
  }
  int files = 0, by_content = 0, settings = 0, literal = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    const auto path = entry.path().string();
    if (path.ends_with(".j2")) continue;  // templates
    const std::string text = slurp(path);
    INFO(path);
    CHECK(document().sure(path, text.substr(0, 4096)) > 49);
    by_content += document().sure("-", text.substr(0, 4096)) > 49;
    const auto evidence = read(text);
    CHECK(evidence.gaps.empty());
    ++files;
    for (const auto& fact : evidence.facts) {
      const auto* const setting = evidence::as<evidence::SettingRead>(fact);
      REQUIRE(setting);
      ++settings;
      literal += setting->literal;
      CHECK(fact.origin.line > 0);
      CHECK(base::starts_with(fact.text, setting->name.substr(0, fact.text.size())));
    }
  }
  CHECK(files >= 20);
  INFO(literal << " of " << settings << " settings could be told");
  CHECK(literal * 100 >= settings * 85);
  CHECK(by_content >= files - 1);  // one has a single setting
}

TEST_CASE("no application of the recorded incidents is taken for a configuration") {
  const std::filesystem::path incidents = std::string(TRIAGE_SOURCE_DIR) + "/../shared/incidents/gunicorn";
  if (!std::filesystem::exists(incidents)) {
    WARN("skipped: no recorded incidents beside the source");
    return;
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(incidents)) {
    if (entry.path().extension() != ".py") continue;
    INFO(entry.path());
    const auto name = entry.path().filename().string();
    const bool configuration = name == "c.py" || name == "gunicorn.conf.py";
    const bool taken = document().sure(entry.path().string(), slurp(entry.path()).substr(0, 4096)) > 49;
    if (name != "typo.py") CHECK(taken == configuration);
  }
}
