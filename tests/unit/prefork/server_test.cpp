#include <unistd.h>

#include <ctime>

#include "prefork/access.hpp"
#include "prefork/clock.hpp"
#include "prefork/faults.hpp"
#include "prefork/listener.hpp"
#include "prefork/load.hpp"
#include "prefork/log.hpp"
#include "prefork/manner.hpp"
#include "prefork/reply.hpp"
#include "prefork/settings.hpp"
#include "prefork/user.hpp"
#include "support/catch.hpp"

using namespace prefork;

namespace {

std::string wrong(const base::Result<>& done) { return done ? "" : base::sentence(done.error()); }

}  // namespace

TEST_CASE("a setting is known by gunicorn's name, checked, and shown as it would be written") {
  Settings settings;
  for (const SettingRow& row : setting_rows()) {
    INFO(row.name);
    const std::string before = shown(settings, row.name);
    // What is shown can be read again and changes nothing.
    if (row.name == "wsgi_app" || row.name == "bind") continue;
    CHECK(wrong(set(settings, row.name, row.written == Written::list ? std::vector<std::string>{before} : std::vector<std::string>{before})) == "");
    CHECK(shown(settings, row.name) == before);
  }
  CHECK(wrong(set(settings, "wrokers", {"2"})) == "reading the setting 'wrokers': there is no such setting; did you mean 'workers'?");
  CHECK(wrong(set(settings, "workers", {"two"})) == "reading workers = 'two': not a whole number");
  CHECK(wrong(set(settings, "workers", {"-1"})) == "reading workers = '-1': must not be negative");
  CHECK(wrong(set(settings, "workers", {"100000"})) == "reading workers = '100000': must not be over 512");
  CHECK(wrong(set(settings, "workers", {"1", "2"})) == "reading workers = '': takes one value");
  CHECK(wrong(set(settings, "timeout", {"soon"})) == "reading timeout = 'soon': must be a number of seconds, 0 or more");
  CHECK(wrong(set(settings, "preload_app", {"yes"})) == "reading preload_app = 'yes': must be true or false");
  CHECK(wrong(set(settings, "worker_class", {"gevent"})) == "reading worker_class = 'gevent': must be one of sync, gthread, threads, event; did you mean 'event'?");
  CHECK(wrong(set(settings, "like", {"gunicorn-24"})) == "reading like = 'gunicorn-24': must be one of gunicorn-20.1, gunicorn-23, gunicorn-26; did you mean 'gunicorn-23'?");
  CHECK(wrong(set(settings, "umask", {"022"})) == "");
  CHECK(settings.umask == 022);
  CHECK(wrong(set(settings, "umask", {"0o27"})) == "");
  CHECK(shown(settings, "umask") == "027");
  CHECK(wrong(set(settings, "bind", {"a:1,b:2", "c:3"})) == "");
  CHECK(settings.bind == std::vector<std::string>{"a:1", "b:2", "c:3"});
}

TEST_CASE("settings that depend on each other") {
  Settings settings;
  settings.threads = 4;
  CHECK(settle(settings, "9000"));
  CHECK(settings.worker_class == "gthread");
  CHECK(settings.bind == std::vector<std::string>{"0.0.0.0:9000"});
  Settings like;
  like.like = "gunicorn-20.1";
  CHECK(settle(like, ""));
  CHECK_FALSE(like.suspend_guard);
  CHECK(like.header_timeout == 0);
  CHECK(like.bind == std::vector<std::string>{"127.0.0.1:8000"});
  Settings none;
  none.threads = 0;
  CHECK_FALSE(settle(none, ""));
}

TEST_CASE("dates that a signal handler may write") {
  char room[64];
  for (const std::int64_t at : {std::int64_t{0}, std::int64_t{951'782'400}, std::int64_t{951'868'799}, std::int64_t{1'763'807'459}, std::int64_t{4'102'444'800}, std::int64_t{-1}}) {
    const std::time_t seconds = at;
    std::tm wanted{};
    ::gmtime_r(&seconds, &wanted);
    char text[64];
    ::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &wanted);
    CHECK(std::string(room, write_http_date(room, at)) == text);
  }
  CHECK(std::string(room, write_log_time(room, 1'763'807'459, 3600)) == "[2025-11-22 11:30:59 +0100]");
  CHECK(std::string(room, write_access_time(room, 1'763'807'459, -12'600)) == "[22/Nov/2025:07:00:59 -0330]");
  CHECK(std::string(room, write_number(room, 18'446'744'073'709'551'615u)) == "18446744073709551615");
}

TEST_CASE("the access log's variables are gunicorn's") {
  const std::vector<Field> fields{{"User-Agent", "a \"b\"\n"}, {"X-One", "1"}, {"Authorization", "Basic dXNlcjpwYXNz"}};
  Request request{"GET", "/a%20b?c=d", "/a%20b", "c=d", 1, 1, fields.data(), fields.size(), "10.0.0.1", 1234, false};
  const std::vector<std::pair<std::string, std::string>> answer{{"Content-Type", "text/plain"}};
  const Access access{&request, 200, 13, 1'234'567'891, 1'763'807'459, &answer};
  const auto line = [&](const char* format) {
    std::string out;
    AccessFormat(format, false, 0).write(access, out);
    return out;
  };
  CHECK(line("%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"") == "10.0.0.1 - user [22/Nov/2025:10:30:59 +0000] \"GET /a%20b?c=d HTTP/1.1\" 200 13 \"-\" \"a \\\"b\\\"\\x0a\"\n");
  CHECK(line("%(m)s %(U)s %(q)s %(H)s %(B)s %(T)s %(D)s %(M)s %(L)s") == "GET /a b c=d HTTP/1.1 13 1 1234567 1234 1.234567\n");
  CHECK(line("%({x-one}i)s %({nosuch}i)s %({content-type}o)s %(nosuch)s %% %x %(") == "1 - text/plain - % %x %(\n");
  CHECK(line("%(p)s") == "<" + std::to_string(::getpid()) + ">\n");
  std::string json;
  AccessFormat("", true, 0).write(access, json);
  CHECK(json == "{\"time\":\"2025-11-22 10:30:59 +0000\",\"pid\":" + std::to_string(::getpid()) +
                    ",\"peer\":\"10.0.0.1\",\"method\":\"GET\",\"target\":\"/a%20b?c=d\",\"protocol\":\"HTTP/1.1\",\"status\":200,\"bytes\":13,\"duration_us\":1234567,\"referer\":\"\",\"agent\":\"a \\\"b\\\"\\n\"}\n");
}

TEST_CASE("how an answer ends") {
  Head head;
  head.method = "GET";
  const auto answered = [&](std::int64_t length, const char* body, int status = 200) {
    Reply reply;
    std::string out;
    reply.start(head, true, false);
    CHECK(reply.begin(status, nullptr, 0, length, "now", out));
    reply.put(body, out);
    reply.finish("now", out);
    return out.substr(out.find("Connection")) + (reply.keeps() ? "|keep" : "|close");
  };
  CHECK(answered(5, "hello") == "Connection: keep-alive\r\nContent-Length: 5\r\n\r\nhello|keep");
  CHECK(answered(-1, "hello") == "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n|keep");
  CHECK(answered(9, "short") == "Connection: keep-alive\r\nContent-Length: 9\r\n\r\nshort|close");
  CHECK(answered(3, "too long") == "Connection: keep-alive\r\nContent-Length: 3\r\n\r\ntoo|keep");
  CHECK(answered(-1, "none", 204) == "Connection: keep-alive\r\n\r\n|keep");
  head.method = "HEAD";
  CHECK(answered(5, "hello") == "Connection: keep-alive\r\nContent-Length: 5\r\n\r\n|keep");
  head.method = "GET";
  head.minor = 0;
  CHECK(answered(-1, "old") == "Connection: close\r\n\r\nold|close");
  head.minor = 1;

  Reply reply;
  std::string out;
  reply.start(head, true, false);
  const Field split{"X", "a\r\nSet-Cookie: b"}, named{"X Y", "a"};
  CHECK_FALSE(reply.begin(200, &split, 1, 0, "now", out));
  CHECK_FALSE(reply.begin(200, &named, 1, 0, "now", out));
  CHECK(out.empty());
  const Field close{"Connection", "close"};
  CHECK(reply.begin(200, &close, 1, 0, "now", out));
  CHECK(out == "HTTP/1.1 200 OK\r\nServer: triage-server\r\nDate: now\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  CHECK_FALSE(reply.keeps());
}

TEST_CASE("an application that cannot be had, in gunicorn's words and exit codes") {
  const auto refused = [](const char* name) {
    const Loaded loaded = load_app(name, "", true);
    CHECK(loaded.app == nullptr);
    return std::to_string(loaded.status) + " " + loaded.type + ": " + loaded.text;
  };
  CHECK(refused("builtin:helo") == "4 AppImportError: Failed to find attribute 'helo' in 'builtin'.; did you mean 'hello'?");
  CHECK(refused("nosuch:application") == "3 ModuleNotFoundError: No module named 'nosuch' (./nosuch.so does not exist)");
  CHECK(refused("x:") == "4 AppImportError: Failed to parse '' as an attribute name or function call.");
  CHECK(refused("") == "1 : No application module specified.");
  CHECK(load_app("builtin:demo", "", true).app != nullptr);
}

TEST_CASE("users without NSS") {
  const char* passwd = "root:x:0:0::/:/bin/sh\nwww:x:33:34::/:/bin/false\n";
  const char* groups = "root:x:0:\nweb:x:34:www,other\nlog:x:4:www\n";
  const auto found = owner_of("www", "web", passwd, groups);
  REQUIRE(found);
  CHECK(found->uid == 33);
  CHECK(found->gid == 34);
  CHECK(owner_of("1000", "", passwd, groups)->uid == 1000);
  CHECK(base::sentence(owner_of("nobody", "", passwd, groups).error()) == "looking up the user: No such user: 'nobody'; name one of /etc/passwd, or a number");
  CHECK(other_groups("www", groups) == std::vector<int>{34, 4});
}

TEST_CASE("addresses") {
  const auto text = [](const char* from) {
    const auto address = read_address(from);
    return address ? address_text(*address) : base::sentence(address.error());
  };
  CHECK(text("127.0.0.1:80") == "http://127.0.0.1:80");
  CHECK(text(":80") == "http://0.0.0.0:80");
  CHECK(text("80") == "http://0.0.0.0:80");
  CHECK(text("localhost:80") == "http://127.0.0.1:80");
  CHECK(text("[::1]:80") == "http://[::1]:80");
  CHECK(text("127.0.0.1") == "http://127.0.0.1:8000");
  CHECK(text("unix:/run/a.sock") == "unix:/run/a.sock");
  CHECK(text("fd://3") == "fd://3");
  CHECK(text("127.0.0.1:http") == "reading the address '127.0.0.1:http': 'http' is not a valid port number.; write host:port, unix:/path or fd://N");
  CHECK(text("example.com:80") == "reading the address 'example.com:80': 'example.com' is no numeric address, and names are not resolved; write host:port, unix:/path or fd://N");
  CHECK(text("unix:") == "reading the address 'unix:': it names no path; write host:port, unix:/path or fd://N");
}

TEST_CASE("faults strike at their turn, and at the same turns with the same seed") {
  Board* board = make_board();
  REQUIRE(board);
  Faults faults(*board, 7);
  CHECK_FALSE(faults.any());
  CHECK(faults.turn_on("hang=2,path=/slow,every=3"));
  CHECK(faults.value(Fault::hang) == 2);
  std::string seen;
  for (int i = 0; i < 6; ++i) seen += faults.strikes(Fault::hang, "/slow/er") ? '!' : '.';
  CHECK(seen == "..!..!");
  CHECK_FALSE(faults.strikes(Fault::hang, "/fast"));
  const auto turns = [](std::uint64_t seed) {
    Board* own = make_board();
    Faults some(*own, seed);
    CHECK(some.turn_on("leak,chance=0.5"));
    std::string out;
    for (int i = 0; i < 32; ++i) out += some.strikes(Fault::leak) ? '!' : '.';
    return out;
  };
  CHECK(turns(1) == turns(1));
  CHECK(turns(1) != turns(2));
  CHECK(faults.turn_off("all"));
  CHECK_FALSE(faults.any());
  CHECK(wrong(faults.turn_on("segfalt")) == "reading the fault 'segfalt': there is no such fault; did you mean 'segfault'?; write name[=value][,path=/x][,every=N][,chance=P]");
  CHECK(wrong(faults.turn_on("hang=long")) == "reading the fault 'hang=long': its value is no number; write name[=value][,path=/x][,every=N][,chance=P]");
  CHECK(wrong(faults.turn_on("hang,chance=2")) == "reading the fault 'hang,chance=2': 'chance=2' is not understood; write name[=value][,path=/x][,every=N][,chance=P]");
  // In the order of their numbers, since they are kept by them.
  for (std::size_t i = 0; i < fault_rows().size(); ++i) CHECK(static_cast<std::size_t>(fault_rows()[i].fault) == i);
}

TEST_CASE("text as JSON") {
  CHECK(json_text("a\"b\\c\n\x01\x7f\xe9") == "\"a\\\"b\\\\c\\n\\u0001\\u007f\\u00e9\"");
}
