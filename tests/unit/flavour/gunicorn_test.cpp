#include "flavour/flavour.hpp"
#include "flavour/gunicorn_settings.hpp"
#include "flavour/nginx_time.hpp"
#include "support/catch.hpp"

namespace {
const flavour::Flavour& gunicorn() { return *flavour::flavour("gunicorn"); }

std::string default_of(std::string_view name, std::string_view version) {
  for (const flavour::Default& row : gunicorn().defaults)
    if (row.name == name && flavour::holds_for(row.since, row.until, flavour::read_version(version))) return std::string(row.value);
  return "(none)";
}
}  // namespace

TEST_CASE("versions fall into five families") {
  CHECK(gunicorn().family("19.9.0") == "20.0");
  CHECK(gunicorn().family("20.0.4") == "20.0");
  CHECK(gunicorn().family("20.1.0") == "20.1");
  CHECK(gunicorn().family("20.1.0-6+deb12u1") == "20.1");
  CHECK(gunicorn().family("21.2.0") == "21");
  CHECK(gunicorn().family("22.0.0") == "22");
  CHECK(gunicorn().family("23.0.0") == "22");
  CHECK(gunicorn().family("24.1.1") == "24");
  CHECK(gunicorn().family("26.2.2-2") == "24");
  CHECK(gunicorn().family("") == "");
  CHECK(gunicorn().family("unknown") == "");
}

TEST_CASE("what a version says of an end, at its log level") {
  using flavour::Ending;
  const auto said = [](std::string_view family, std::string_view level, Ending ending) -> std::string {
    const auto answer = gunicorn().would_log(family, level, ending);
    return !answer ? "unknown" : *answer ? "said" : "silent";
  };
  CHECK(said("20.0", "debug", Ending::signal_kill) == "silent");
  CHECK(said("20.1", "info", Ending::signal_kill) == "said");
  CHECK(said("20.1", "warning", Ending::signal_kill) == "said");
  CHECK(said("20.1", "error", Ending::signal_kill) == "silent");
  CHECK(said("20.1", "info", Ending::exit_nonzero) == "silent");
  CHECK(said("22", "error", Ending::signal_term) == "said");
  CHECK(said("22", "critical", Ending::signal_term) == "silent");
  CHECK(said("24", "error", Ending::signal_kill) == "said");
  CHECK(said("24.0.0", "error", Ending::signal_kill) == "silent");
  CHECK(said("24", "warning", Ending::signal_term) == "silent");
  CHECK(said("24", "info", Ending::signal_term) == "said");
  CHECK(said("24", "error", Ending::signal_other) == "silent");
  CHECK(said("24", "error", Ending::exit_nonzero) == "said");
  CHECK(said("24", "INFO", Ending::exit_nonzero) == "said");
  CHECK(said("20.1", "warn", Ending::signal_kill) == "said");
  CHECK(said("22", "", Ending::signal_kill) == "unknown");
  CHECK(said("", "info", Ending::signal_kill) == "unknown");
  for (const auto* family : {"20.0", "20.1", "21", "22", "24", ""}) {
    CHECK(said(family, "critical", Ending::timeout_abort) == "said");
    CHECK(said(family, "debug", Ending::exit_zero) == "silent");
  }
}

TEST_CASE("the exit code of a sync worker that ends by its timeout") {
  CHECK(gunicorn().timeout_exit_code("20.1") == 1);
  CHECK(gunicorn().timeout_exit_code("21") == 1);
  CHECK(gunicorn().timeout_exit_code("22") == 0);
  CHECK(gunicorn().timeout_exit_code("24") == 0);
  CHECK_FALSE(gunicorn().timeout_exit_code(""));
}

TEST_CASE("defaults follow the version") {
  CHECK(default_of("timeout", "20.1.0") == "30");
  CHECK(default_of("forwarded_allow_ips", "22.0.0") == "127.0.0.1");
  CHECK(default_of("forwarded_allow_ips", "23.0.0") == "127.0.0.1,::1");
  CHECK(default_of("header_map", "21.2.0") == "(none)");
  CHECK(default_of("header_map", "22.0.0") == "drop");
  CHECK(default_of("proxy_protocol", "23.0.0") == "False");
  CHECK(default_of("proxy_protocol", "24.1.1") == "off");
  CHECK(default_of("control_socket", "25.1.0") == "gunicorn.ctl");
  CHECK(default_of("tolerate_dangerous_framing", "23.0.0") == "(none)");
  CHECK(default_of("post_fork", "23.0.0") == "(none)");
  CHECK(flavour::gunicorn_knows("workers"));
  CHECK_FALSE(flavour::gunicorn_knows("WORKERS"));
  CHECK(flavour::gunicorn_unit("graceful_timeout") == "s");
}

TEST_CASE("every name has one default in every version") {
  for (const auto* version : {"20.0.4", "20.1.0", "21.2.0", "22.0.0", "23.0.0", "24.0.0", "25.1.0", "25.2.0", "26.2.2"})
    for (const flavour::Default& row : gunicorn().defaults) {
      int rows = 0;
      for (const flavour::Default& other : gunicorn().defaults)
        rows += other.name == row.name && flavour::holds_for(other.since, other.until, flavour::read_version(version));
      INFO(version << " " << row.name);
      CHECK(rows <= 1);
    }
}

TEST_CASE("a command line is gunicorn's or not") {
  const auto recognise = gunicorn().recognise;
  CHECK(recognise("/usr/bin/python3 /usr/bin/gunicorn -w 4 app:app"));
  CHECK(recognise("python -m gunicorn app:app"));
  CHECK(recognise("python3 -u -X faulthandler -m gunicorn app:app"));
  CHECK(recognise("PYTHONPATH=/x /usr/bin/python3 -m gunicorn -b :8000 app:app"));
  CHECK(recognise("gunicorn: master [site]"));
  CHECK(recognise("gunicorn3 app:app"));
  CHECK(recognise(std::string_view("/usr/bin/python3\0/usr/bin/gunicorn\0app:app\0", 43)));
  CHECK_FALSE(recognise("vim /etc/init.d/gunicorn"));
  CHECK_FALSE(recognise("systemctl restart gunicorn"));
  CHECK_FALSE(recognise("python3 manage.py gunicorn"));
  CHECK_FALSE(recognise("python3 -m pip install gunicorn"));
  CHECK_FALSE(recognise("python3"));
  CHECK_FALSE(recognise(""));
}

TEST_CASE("nginx's times") {
  CHECK(flavour::nginx_seconds("60") == 60);
  CHECK(flavour::nginx_seconds("1m30s") == 90);
  CHECK(flavour::nginx_seconds("1h 30m") == 5400);
  CHECK(flavour::nginx_seconds("1m500ms") == 60.5);
  CHECK(flavour::nginx_seconds("500ms") == 0.5);
  CHECK(flavour::nginx_seconds("0") == 0);
  for (const char* refused : {"", "1.5s", "60S", "60sec", "30m1h", "-1", "$t", "500 ms", "1s1s"}) {
    INFO(refused);
    CHECK_FALSE(flavour::nginx_seconds(refused));
  }
}
