#include "parse/traceback.hpp"

#include "base/text.hpp"
#include "support/catch.hpp"

namespace {

// The traceback of these lines, and behind "left:" what it did not take.
std::string read(std::string_view text) {
  parse::Traceback trace;
  std::string left;
  for (const auto line : base::split(text, '\n'))
    if (!left.empty() || !trace.take(line)) left += std::string(line) + "|";
  std::string all = trace.type + ": " + trace.message + " at " + trace.where + " in " + trace.function;
  if (trace.first_type != trace.type) all += " first " + trace.first_type + ": " + trace.first_message;
  if (trace.by_abort) all += " by-abort";
  if (const auto kind = parse::refusal_of(trace); !kind.empty()) all += " refuses " + std::string(kind);
  return all + (left.empty() ? "" : " left:" + left);
}

}  // namespace

TEST_CASE("the exception, its innermost frame, and what is no longer its own") {
  CHECK(read("Traceback (most recent call last):\n  File \"/a/sync.py\", line 136, in handle\n    self.x()\n    ^^^^^^^^\n  File \"/srv/app.py\", line 8, in app\n    raise ValueError('boom')\nValueError: boom\nnext line") ==
        "ValueError: boom at /srv/app.py:8 in app left:next line|");
  CHECK(read("Traceback (most recent call last):\n  File \"/srv/app.py\", line 8, in app\nKeyboardInterrupt") == "KeyboardInterrupt:  at /srv/app.py:8 in app");
  CHECK(read("Traceback (most recent call last):\n  File \"/srv/app.py\", line 8, in app\n[2026-11-22 10:31:07 +0000] [1] [INFO] x") == ":  at /srv/app.py:8 in app left:[2026-11-22 10:31:07 +0000] [1] [INFO] x|");
  CHECK(read("no traceback") == ":  at  in  left:no traceback|");
}

TEST_CASE("an abort by the master names what it interrupted") {
  CHECK(read("Traceback (most recent call last):\n  File \"/srv/app.py\", line 8, in app\n    time.sleep(n)\n  File \"/usr/lib/python3/dist-packages/gunicorn/workers/base.py\", line 200, in handle_abort\n    sys.exit(1)\nSystemExit: 1") ==
        "SystemExit: 1 at /srv/app.py:8 in app by-abort");
}

TEST_CASE("a chain keeps its first exception beside the last") {
  CHECK(read("[Traceback (most recent call last):\n  File \"/g/ggevent.py\", line 12, in <module>\nModuleNotFoundError: No module named 'gevent'\n\nDuring handling of the above exception, another exception occurred:\n\n"
             "Traceback (most recent call last):\n  File \"<frozen importlib._bootstrap>\", line 1387, in _gcd_import\n  File \"/g/ggevent.py\", line 14, in <module>\nRuntimeError: gevent worker requires gevent 1.4 or higher\n]\n\nother") ==
        "RuntimeError: gevent worker requires gevent 1.4 or higher at /g/ggevent.py:14 in <module> first ModuleNotFoundError: No module named 'gevent' left:other|");
}

TEST_CASE("a message of several lines, a syntax error, an exception group") {
  CHECK(read("Traceback (most recent call last):\n  File \"/d.py\", line 1, in q\npsycopg2.OperationalError: server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n\n(Background on this error)") ==
        "psycopg2.OperationalError: server closed the connection unexpectedly This probably means the server terminated abnormally at /d.py:1 in q left:(Background on this error)|");
  CHECK(read("Traceback (most recent call last):\n  File \"/g/base.py\", line 111, in get_config\n  File \"/srv/c.py\", line 1\n    workers = = 2\n              ^\nSyntaxError: invalid syntax") == "SyntaxError: invalid syntax at /srv/c.py:1 in ");
  CHECK(read("  + Exception Group Traceback (most recent call last):\n  |   File \"/srv/a.py\", line 3, in run\n  | ExceptionGroup: two things (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | ValueError: one\n    +------------------------------------") ==
        "ExceptionGroup: two things (2 sub-exceptions) at /srv/a.py:3 in run");
}

TEST_CASE("what gunicorn itself could not do") {
  CHECK(read("Traceback (most recent call last):\n  File \"/p/gunicorn/arbiter.py\", line 569, in spawn_worker\n    worker = self.worker_class(\nTypeError: 'str' object is not callable") ==
        "TypeError: 'str' object is not callable at /p/gunicorn/arbiter.py:569 in spawn_worker refuses worker-class");
  CHECK(read("Traceback (most recent call last):\n  File \"/p/gunicorn/arbiter.py\", line 733, in spawn_worker\n    pid = os.fork()\n          ^^^^^^^^^\nBlockingIOError: [Errno 11] Resource temporarily unavailable") ==
        "BlockingIOError: [Errno 11] Resource temporarily unavailable at /p/gunicorn/arbiter.py:733 in spawn_worker refuses processes");
  CHECK(read("Traceback (most recent call last):\n  File \"/srv/app.py\", line 7, in view\n    f(1)\nTypeError: 'str' object is not callable") == "TypeError: 'str' object is not callable at /srv/app.py:7 in view");
}

TEST_CASE("known words of known causes") {
  CHECK(parse::symptom_of("psycopg2.OperationalError: lost synchronization with server: got message type \"!\"") == "shared-connection");
  CHECK(parse::symptom_of("RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA") == "cuda-after-fork");
  CHECK(parse::symptom_of("OSError: [Errno 24] Too many open files: '/x'") == "too-many-files");
  CHECK(parse::symptom_of("RuntimeError: can't start new thread") == "no-threads");
  CHECK(parse::symptom_of("MemoryError") == "memory-error");
  CHECK(parse::symptom_of("OSError: [Errno 28] No space left on device") == "no-space");
  CHECK(parse::symptom_of("ssl.SSLError: [SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed or bad record mac (_ssl.c:2578)") == "shared-connection");
  CHECK(parse::symptom_of("psycopg2.DatabaseError: error with status PGRES_TUPLES_OK and no message from the libpq") == "shared-connection");
  CHECK(parse::symptom_of("redis.exceptions.InvalidResponse: Protocol Error: b'+PONG'") == "shared-connection");
  CHECK(parse::symptom_of("/p/pymongo/topology.py:175: UserWarning: MongoClient opened before fork. May not be") == "shared-connection");
  CHECK(parse::symptom_of("psycopg2.OperationalError: server closed the connection unexpectedly") == "shared-connection?");
  CHECK(parse::symptom_of("asyncpg.exceptions._base.InterfaceError: cannot perform operation: another operation is in progress") == "shared-connection?");
  CHECK(parse::symptom_of("RuntimeError: CUDA error: initialization error") == "cuda-after-fork?");
  CHECK(parse::symptom_of("OSError: [Errno 12] Cannot allocate memory") == "memory-error");
  CHECK(parse::symptom_of("ValueError: boom") == "");
}

TEST_CASE("a traceback without an end ends") {
  parse::Traceback trace;
  REQUIRE(trace.take("Traceback (most recent call last):"));
  std::size_t taken = 1;
  while (taken < 100'000 && trace.take("  File \"/srv/app.py\", line 8, in recurse")) ++taken;
  CHECK(taken == parse::Traceback::most_lines);
}
