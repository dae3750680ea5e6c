// What a process was doing: whose code a file is, which frames are shown and which are folded.
#include "rule/doing.hpp"

#include "support/catch.hpp"

using namespace rule;
using Lines = std::vector<std::string>;

TEST_CASE("whose code a file is, by its path") {
  CHECK(owner_of("/srv/app/views.py").empty());
  CHECK(owner_of("app.py").empty());
  CHECK(owner_of("/usr/lib/python3.11/socket.py") == "python");
  CHECK(owner_of("/root/.pyenv/versions/3.8.18/lib/python3.8/threading.py") == "python");
  CHECK(owner_of("<frozen runpy>") == "python");
  CHECK(owner_of("/usr/lib/python3/dist-packages/gunicorn/arbiter.py") == "gunicorn");
  CHECK(owner_of("/venv/lib/python3.12/site-packages/django/core/handlers/base.py") == "django");
  CHECK(owner_of("/venv/lib/python3.12/site-packages/six.py") == "six");
  CHECK(owner_of("/usr/bin/gunicorn") == "gunicorn");
}

TEST_CASE("the application's innermost frame comes first, other people's are folded") {
  const std::string site = "/venv/lib/python3.11/site-packages/", library = "/usr/lib/python3.11/";
  const std::vector<evidence::StackFrame> frames{
      {"socket.recv_into", library + "socket.py", 706}, {"wait", site + "psycopg/waiting.py", 9}, {"Cursor.execute", site + "psycopg/cursor.py", 80},
      {"Report.rows", "/srv/app/report.py", 11}, {"view", "/srv/app/views.py", 40}, {"get_response", site + "django/core/handlers/base.py", 197},
      {"inner", site + "django/x.py", 3}, {"handle", site + "gunicorn/workers/sync.py", 135}, {"<module>", "/usr/bin/gunicorn", 0}};
  CHECK(folded(frames) == Lines{"Report.rows (/srv/app/report.py:11)", "in socket.recv_into (/usr/lib/python3.11/socket.py:706), through 2 frames of psycopg",
                                "called by view (/srv/app/views.py:40)", "called by 4 frames of django, gunicorn"});
  CHECK(folded({frames[3]}) == Lines{"Report.rows (/srv/app/report.py:11)"});
  CHECK(folded({frames[0], frames[7]}) == Lines{"socket.recv_into (/usr/lib/python3.11/socket.py:706)", "handle (/venv/lib/python3.11/site-packages/gunicorn/workers/sync.py:135)"});
  CHECK(folded({}).empty());
  CHECK(folded({{"", "", 0}}) == Lines{"?"});
}
