#include "source/redact.hpp"

#include "support/catch.hpp"

namespace {
std::string clean(std::string_view text) { return source::Redactor().text(text); }
}  // namespace

TEST_CASE("passwords in DSNs go, the rest of the URL stays") {
  CHECK(clean("postgres://app:hunter2xyz@10.0.0.2:5432/shop") == "postgres://app:[redacted-1]@10.0.0.2:5432/shop");
  CHECK(clean("url='redis://:p%40ssw0rd@cache/0' ok") == "url='redis://:[redacted-1]@cache/0' ok");
  CHECK(clean("amqp://u:a/b#c@mq/v") == "amqp://u:[redacted-1]@mq/v");
  CHECK(clean(R"({"dsn":"mysql:\/\/root:s3cr3t!pw@db\/x"})") == R"({"dsn":"[redacted-2]"})");
  CHECK(clean(R"({"url":"mysql:\/\/root:s3cr3t!pw@db\/x"})") == R"({"url":"mysql:\/\/root:[redacted-1]@db\/x"})");
  CHECK(clean("next=postgres%3A%2F%2Fu%3Ahunter2xyz%40h%2Fd") == "next=postgres%3A%2F%2Fu%3A[redacted-1]%40h%2Fd");
  CHECK(clean("https://f00dfeed0123@sentry.example/42") == "https://[redacted-1]@sentry.example/42");
}

TEST_CASE("what is no secret is left alone") {
  for (const char* line : {
           "[2026-11-22 10:00:00 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:12)", "http://127.0.0.1:8000/path?mail=a@b.example", "ssh://git@host/repo", "server_tokens off;", "proxy_pass http://app:8000;",
           "listen unix:/run/web.sock", "token: None", "password=***", "PASSWORD=$DB_PASSWORD", "password = os.environ['X']", "basic authentication needed", "gunicorn: master [app:app]",
           "Killed process 451 (gunicorn) total-vm:81920kB, anon-rss:65536kB", "keys_zone=one:10m", "max_requests = 1000"})
    CHECK(clean(line) == line);
}

TEST_CASE("named values: command lines, queries, JSON, Python, headers") {
  CHECK(clean("gunicorn --token=abc123def --bind :80") == "gunicorn --token=[redacted-1] --bind :80");
  CHECK(clean("worker --db-password hunter2xyz -v") == "worker --db-password [redacted-1] -v");
  CHECK(clean(std::string_view("worker\0--password\0hunter2xyz\0-v", 32)) == std::string_view("worker\0--password\0[redacted-1]\0-v", 34));
  CHECK(clean("GET /x?api_key=abc123def&page=2 HTTP/1.1") == "GET /x?api_key=[redacted-1]&page=2 HTTP/1.1");
  CHECK(clean("r=/cb%3Faccess_token%3Dabc123def%26x%3D1") == "r=/cb%3Faccess_token%3D[redacted-1]%26x%3D1");
  CHECK(clean(R"({"password": "ab\"cd3", "user": "x"})") == R"({"password": "[redacted-1]", "user": "x"})");
  CHECK(clean(R"("text":"{\"password\": \"abc123\", \"n\": 1}")") == R"("text":"{\"password\": \"[redacted-1]\", \"n\": 1}")");
  CHECK(clean("SECRET_KEY = b'dj-1nsecure'") == "SECRET_KEY = b'[redacted-1]'");
  CHECK(clean("os.environ['AWS_SECRET_ACCESS_KEY'] = 'wJalrXUtnFEMI/K7MDENG'") == "os.environ['AWS_SECRET_ACCESS_KEY'] = '[redacted-1]'");
  CHECK(clean("Authorization: Bearer abc.def-123") == "Authorization: Bearer [redacted-1]");
  CHECK(clean("proxy_set_header Authorization \"Basic dXNlcjpodW50ZXIyeHl6\";") == "proxy_set_header Authorization \"Basic [redacted-2]\";");
  CHECK(clean("('HTTP_AUTHORIZATION', 'Token 0123456789abcdef')") == "('HTTP_AUTHORIZATION', 'Token [redacted-1]')");
  CHECK(clean("Cookie: sid=abcdef123456; theme=dark") == "Cookie: [redacted-2]");
}

TEST_CASE("secrets by their shape") {
  CHECK(clean("key AKIAIOSFODNN7EXAMPLE used") == "key [redacted-1] used");
  CHECK(clean("got eyJhbGciOi.eyJzdWIiOiIx.SflKxwRJSM here") == "got [redacted-1] here");
  CHECK(clean("pushed with ghp_0123456789abcdefghijklmnopqrstuvwxyz") == "pushed with [redacted-1]");
  CHECK(clean("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nb\n") == "a\n-----BEGIN RSA PRIVATE KEY-----[redacted-1]\n-----END RSA PRIVATE KEY-----\nb\n");
  CHECK(clean(R"(k="-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n" z)") == R"(k="-----BEGIN PRIVATE KEY-----[redacted-1]-----END PRIVATE KEY-----\n" z)");
}

TEST_CASE("the same secret has the same mark in every spelling, also without its name") {
  source::Redactor redactor;
  CHECK(redactor.text("postgres://u:p%40ss/w0rd@h/d\n") == "postgres://u:[redacted-1]@h/d\n");
  CHECK(redactor.text("login with p@ss/w0rd failed\n") == "login with [redacted-1] failed\n");
  CHECK(redactor.text("?x=p%40ss%2Fw0rd") == "?x=[redacted-1]");
  CHECK(redactor.text(R"("p@ss\/w0rd")") == R"("[redacted-1]")");
  CHECK(redactor.text("password=other123") == "password=[redacted-2]");
  CHECK(redactor.secrets() == 2);
}

TEST_CASE("a word of every log is not looked for elsewhere") {
  source::Redactor redactor;
  CHECK(redactor.text("unexpected token: worker") == "unexpected token: [redacted-1]");
  CHECK(redactor.text("Booting worker with pid: 12") == "Booting worker with pid: 12");
  CHECK(redactor.text("pin=123456, then pid 123456") == "pin=[redacted-2], then pid 123456");
}

TEST_CASE("the environment keeps its names and the values that were asked for") {
  source::Redactor redactor;
  static constexpr char bytes[] = "PATH=/bin\0DB_PASSWORD=hunter2xyz\0GUNICORN_CMD_ARGS=--timeout 5 --statsd-auth=abc123\0EMPTY=\0";
  const std::string_view text(bytes, sizeof bytes - 1);
  CHECK(redactor.environment(text, {"GUNICORN_CMD_ARGS"}) ==
        std::string("PATH=[redacted-3]") + '\0' + "DB_PASSWORD=[redacted-1]" + '\0' + "GUNICORN_CMD_ARGS=--timeout 5 --statsd-auth=[redacted-2]" + '\0' + "EMPTY=" + '\0');
  CHECK(redactor.text("connect as app / hunter2xyz") == "connect as app / [redacted-1]");
}

TEST_CASE("any bytes pass, of any length") {
  std::string bytes;
  for (int i = 0; i < 3000; ++i) bytes += static_cast<char>(i * 7);
  CHECK_FALSE(clean(bytes).empty());
  CHECK(clean("password=") == "password=");
  CHECK(clean("password='") == "password='");
  CHECK(clean("://:@") == "://:@");
  CHECK(clean("eyJ") == "eyJ");
  CHECK(clean(std::string(3 << 20, 'a')).size() == 3u << 20);
  CHECK(clean(std::string(200'000, '%')).size() == 200'000);
}
