#include "flavour/gunicorn_args.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "flavour/gunicorn_settings.hpp"
#include "support/catch.hpp"

namespace {

std::string shown(std::string_view args, std::string_view environment = "") {
  std::string text;
  for (const auto& read : flavour::gunicorn_settings(args, environment)) {
    if (!text.empty()) text += "; ";
    if (read.from == "environment") text += "env ";
    if (read.from == "environment-default") text += "default ";
    text += read.name + "=" + read.value;
  }
  return text;
}

}  // namespace

TEST_CASE("options as argparse takes them") {
  CHECK(shown("gunicorn -w 4 app:app") == "workers=4; wsgi_app=app:app");
  CHECK(shown("gunicorn -w4 -w=5 --workers 6 app:app") == "workers=6; wsgi_app=app:app");
  CHECK(shown("gunicorn --timeout=120 --graceful-t 5 -k gthread --threads 8 site.wsgi") == "timeout=120; graceful_timeout=5; worker_class=gthread; threads=8; wsgi_app=site.wsgi");
  CHECK(shown("gunicorn app:app -b :8000 -b unix:/run/x.sock") == "bind=:8000,unix:/run/x.sock; wsgi_app=app:app");
  CHECK(shown("gunicorn -DR -Dw3 --preload --no-sendfile app") == "daemon=True; enable_stdio_inheritance=True; workers=3; preload_app=True; sendfile=False; wsgi_app=app");
  CHECK(shown("gunicorn --error-logfile - --log-level debug --keep-alive -1 app") == "errorlog=-; loglevel=debug; keepalive=-1; wsgi_app=app");
  CHECK(shown("gunicorn -e A=hush --env=B=hush app") == "raw_env=A,B; wsgi_app=app");
  CHECK(shown("gunicorn -t 30 -- app -t 40") == "timeout=30; wsgi_app=app");
  CHECK(shown("gunicorn --access-logformat '%(h)s \"%(r)s\"' app") == "access_log_format=%(h)s \"%(r)s\"; wsgi_app=app");
}

TEST_CASE("words with blanks and abbreviations") {
  CHECK(shown("gunicorn '--paste-global=a=b c' '--not one' app") == "raw_paste_global_conf=a=b c; wsgi_app=--not one");
  CHECK(shown("gunicorn --con g.py app") == "config=g.py; wsgi_app=app");
  CHECK(shown("gunicorn --log-conf l.ini app") == "logconfig=l.ini; wsgi_app=app");
}

TEST_CASE("what argparse refuses sets nothing") {
  CHECK(shown("gunicorn --log app") == "wsgi_app=app");  // ambiguous
  CHECK(shown("gunicorn -w --preload app") == "preload_app=True; wsgi_app=app");
  CHECK(shown("gunicorn --no-such 3 app") == "wsgi_app=3");
  CHECK(shown("gunicorn -w") == "");
  CHECK(shown("gunicorn") == "");
  CHECK(shown("") == "");
  CHECK(shown("-w 4 app:app") == "");
}

TEST_CASE("a flag before 24 became an option with a value") {
  CHECK(shown("gunicorn --proxy-protocol app:app") == "proxy_protocol=True; wsgi_app=app:app");
  CHECK(shown("gunicorn --proxy-protocol v2 app:app") == "proxy_protocol=v2; wsgi_app=app:app");
}

TEST_CASE("gunicorn behind interpreters, wrappers and shells") {
  CHECK(shown("/usr/bin/python3 /usr/bin/gunicorn -w 2 a:b") == "workers=2; wsgi_app=a:b");
  CHECK(shown("PYTHONPATH=/x:/y /usr/bin/python3 -m gunicorn -w 2 a:b") == "workers=2; wsgi_app=a:b");
  CHECK(shown("unshare -m /bin/sh /srv/go.sh /usr/bin/python3 -m gunicorn -w 1 a:b") == "workers=1; wsgi_app=a:b");
  CHECK(shown("/bin/bash -c ulimit -n 9; exec \"$@\" x /usr/bin/python3 -m gunicorn -w 4 a:b") == "workers=4; wsgi_app=a:b");
  CHECK(shown("/bin/sh -c 'cd /srv && exec gunicorn -w 3 a:b >/dev/null 2>&1'") == "workers=3; wsgi_app=a:b");
  CHECK(shown("gunicorn -w 3 a:b && echo done") == "workers=3; wsgi_app=a:b");
  CHECK(shown("gunicorn \\\n  -w 3 \\\n  a:b") == "workers=3; wsgi_app=a:b");
  CHECK(shown(std::string_view("/usr/bin/python3\0/usr/bin/gunicorn\0-n\0my site\0a:b\0", 51)) == "proc_name=my site; wsgi_app=a:b");
  CHECK(shown("python manage.py rungunicorn -w 3") == "");
  CHECK(shown("systemctl restart gunicorn -w") == "");
  CHECK(flavour::starts_gunicorn("exec gunicorn a:b"));
  CHECK_FALSE(flavour::starts_gunicorn("tail -f /var/log/gunicorn"));
}

TEST_CASE("the environment's arguments and defaults") {
  CHECK(shown("gunicorn a:b", "GUNICORN_CMD_ARGS='--workers 3 -c x.py'") == "env workers=3; env config=x.py; wsgi_app=a:b");
  CHECK(shown("gunicorn a:b", "GUNICORN_CMD_ARGS=--workers 3 --preload WEB_CONCURRENCY=2") == "default workers=2; env workers=3; env preload_app=True; wsgi_app=a:b");
  CHECK(shown("gunicorn a:b", std::string_view("PORT=5000\0GUNICORN_CMD_ARGS=-t 9\0", 33)) == "default bind=0.0.0.0:5000; env timeout=9; wsgi_app=a:b");
  CHECK(shown("gunicorn a:b", "PORT=\"80\"\nWEB_CONCURRENCY=7\n") == "default workers=7; default bind=0.0.0.0:80; wsgi_app=a:b");
  CHECK(shown("WEB_CONCURRENCY=5 gunicorn a:b", "WEB_CONCURRENCY=2") == "default workers=5; wsgi_app=a:b");
  CHECK(shown("GUNICORN_CMD_ARGS=\"-w 3\" sh -c 'gunicorn a:b'") == "env workers=3; wsgi_app=a:b");
  CHECK(shown("gunicorn a:b", "GUNICORN_CMD_ARGS='-w 3 other:app'") == "env workers=3; wsgi_app=a:b");
}

TEST_CASE("the one configuration file") {
  const auto named = [](std::string_view args, std::string_view environment = "") { return flavour::gunicorn_config(flavour::gunicorn_settings(args, environment)); };
  CHECK(named("gunicorn -c a.py x:y", "GUNICORN_CMD_ARGS='-c b.py'") == "a.py");
  CHECK(named("gunicorn x:y", "GUNICORN_CMD_ARGS='-c b.py'") == "b.py");
  CHECK(named("gunicorn --config=file:/etc/g.py x:y") == "/etc/g.py");
  CHECK(named("gunicorn -c python:site.gunicorn x:y") == "python:site.gunicorn");
  CHECK(named("gunicorn x:y") == "");
}

TEST_CASE("an option of the table is read back, whatever its version") {
  for (const auto& row : flavour::gunicorn_settings_table()) {
    if (row.options.empty()) continue;
    const std::string option(row.options.substr(row.options.rfind(' ') + 1));
    INFO(option);
    const auto reads = flavour::gunicorn_settings("gunicorn " + option + " 1", "");
    REQUIRE(reads.size() >= 1);
    CHECK(reads.front().name == row.name);
  }
}

TEST_CASE("bytes of any kind neither crash nor hang") {
  std::string bytes = "gunicorn ";
  unsigned seed = 1;
  for (int i = 0; i < 20000; ++i) {
    seed = seed * 1103515245 + 12345;
    bytes += static_cast<char>(seed >> 16);
    if (i % 97 == 0) bytes += " -w ";
  }
  CHECK(flavour::gunicorn_settings(bytes, bytes).size() < 200);
  CHECK(flavour::gunicorn_settings(std::string(100000, '\''), std::string(100000, '\\')).empty());
}

TEST_CASE("the start commands of the recorded incidents") {
  const std::filesystem::path incidents = std::string(TRIAGE_SOURCE_DIR) + "/../shared/incidents/gunicorn";
  if (!std::filesystem::exists(incidents)) {
    WARN("skipped: no recorded incidents beside the source");
    return;
  }
  int read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(incidents)) {
    std::ifstream file(entry.path() / "cmdline");
    std::stringstream text;
    text << file.rdbuf();
    if (text.str().find("gunicorn") == std::string::npos) continue;
    INFO(entry.path());
    const auto settings = flavour::gunicorn_settings(text.str(), "");
    const bool starts = flavour::starts_gunicorn(text.str());
    CHECK(starts);
    CHECK(settings.size() >= 1);
    ++read;
  }
  CHECK(read > 100);
}
