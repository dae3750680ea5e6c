// What a process was doing: whose code a file is, which frames are shown and which are folded.
#include "rule/doing.hpp"

#include "support/catch.hpp"

using namespace rule;
using Lines = std::vector<std::string>;

namespace {

struct Scene {
  evidence::Evidence evidence;
  model::Stack stack;
  model::Life life;

  Scene() {
    evidence.add_source({});
    life.pid = 451;
    life.ended = at(100);
  }
  static base::Instant at(double seconds) { return {base::Clock::wall, static_cast<std::int64_t>(seconds * 1e9), 0}; }
  evidence::FactId add(evidence::What what, double seconds) {
    evidence::Fact fact;
    fact.what = std::move(what);
    fact.about = {451, evidence::PidSpace::host, {}};
    fact.when = at(seconds);
    return evidence.add(std::move(fact));
  }
  void add_stack(int tid, int signal, std::vector<evidence::StackFrame> frames, double seconds, bool gil = false) {
    evidence::ThreadStack stack_of;
    stack_of.tid = tid;
    stack_of.signal = signal;
    stack_of.how = signal ? "signal" : "asleep";
    stack_of.python = std::move(frames);
    stack_of.gil = gil;
    life.stacks.push_back(add(std::move(stack_of), seconds));
  }
  Doing doing() const {
    Doing doing;
    tell_doing(look_at(stack, evidence), life, doing);
    return doing;
  }
};

const std::vector<evidence::StackFrame> in_report{{"report", "/srv/app.py", 11}}, in_view{{"view", "/srv/app.py", 40}}, idle{{"wait", "/usr/lib/python3.11/threading.py", 320}};

}  // namespace

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

TEST_CASE("of a death's stacks the one at its first signal is told") {
  Scene scene;
  scene.add_stack(451, 0, in_view, 95);                  // before the timeout
  scene.add_stack(451, 6, in_report, 99);
  scene.add_stack(451, 9, {}, 100);                      // unwound by then
  CHECK(scene.doing().python == Lines{"report (/srv/app.py:11)"});
  CHECK(scene.doing().frames.size() == 1);

  Scene killed;
  killed.add_stack(451, 6, in_view, 10);                 // survived, long ago
  killed.add_stack(451, 9, in_report, 100);
  CHECK(killed.doing().python == Lines{"report (/srv/app.py:11)"});
}

TEST_CASE("of several threads the one in the application's code is told, with its request and its wait") {
  Scene scene;
  scene.add_stack(451, 9, idle, 100);
  scene.add_stack(460, 9, in_report, 100);
  scene.add_stack(461, 9, idle, 100);
  evidence::RequestServed served;
  served.line = "GET /report HTTP/1.1";
  served.headers = "Host: shop";
  served.peer = "10.0.0.9:4000";
  served.tid = 460;
  served.seconds = 12;
  scene.life.requests.push_back(scene.add(served, 100));
  served.line = "GET /other HTTP/1.1";
  served.tid = 461;
  scene.life.requests.push_back(scene.add(served, 100));
  evidence::TimeBlocked blocked;
  blocked.call = "recvfrom";
  blocked.on = "10.0.0.2:5432";
  blocked.tid = 460;
  blocked.fd = 11;
  blocked.seconds = 11.5;
  blocked.count = 1;
  scene.life.blocked.push_back(scene.add(blocked, 100));
  blocked.call = "connect";
  blocked.seconds = 0.3;
  blocked.count = 2;
  blocked.ended = true;
  scene.life.blocked.push_back(scene.add(blocked, 100));
  const Doing doing = scene.doing();
  CHECK(doing.request == "GET /report HTTP/1.1, Host: shop, for 12 s, from 10.0.0.9:4000");
  CHECK(doing.syscall == "recvfrom for 11.5 s");
  CHECK(doing.fd == 11);
  CHECK(doing.peer == "10.0.0.2:5432");
  CHECK(doing.waits == Lines{"before that 300 ms in connect on 10.0.0.2:5432, 2 times"});
  CHECK(doing.python == Lines{"report (/srv/app.py:11)"});
}

TEST_CASE("without a stack at the death the last snapshot is told, unless it is old") {
  Scene scene;
  scene.add_stack(451, 0, in_view, 60);
  scene.add_stack(451, 0, in_report, 97);
  scene.add_stack(451, 9, {}, 100);                      // nothing could be read
  CHECK(scene.doing().python == Lines{"report (/srv/app.py:11)"});

  Scene old;
  old.life.ended = Scene::at(1000);
  old.add_stack(451, 0, in_view, 60);
  CHECK_FALSE(old.doing().any());
}
