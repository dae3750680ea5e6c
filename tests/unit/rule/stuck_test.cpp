#include "model/build.hpp"
#include "rule/stuck.hpp"
#include "support/catch.hpp"

using namespace evidence;

namespace {

constexpr int pid = 451;

struct Scene {
  Evidence evidence;
  rule::LiveProcess process;
  SourceId source = 0;

  Scene() {
    Source live;
    live.name = "/proc";
    live.kind = SourceKind::proc;
    live.live = true;
    source = evidence.add_source(live);
    process.pid = pid;
  }
  FactId add(What what) {
    Fact fact;
    fact.what = std::move(what);
    fact.about.pid = pid;
    fact.about.space = PidSpace::host;
    fact.origin.source = source;
    return evidence.add(std::move(fact));
  }
  void seen(std::uint64_t threads) {
    ProcessSeen one;
    one.threads = threads;
    process.seen = add(std::move(one));
  }
  void waits(std::string state, std::string call, std::string on, std::string wchan = {}) {
    ProcessWaits one;
    one.state = std::move(state);
    one.call = std::move(call);
    one.on = std::move(on);
    one.wchan = std::move(wchan);
    process.waits = add(std::move(one));
  }
  void thread(int tid, std::vector<StackFrame> frames, std::string call = {}, std::string on = {}, bool gil = false) {
    ThreadStack stack;
    stack.tid = tid;
    stack.how = "asleep";
    stack.gil = gil;
    stack.python = std::move(frames);
    add(std::move(stack));
    if (call.empty()) return;
    TimeBlocked blocked;
    blocked.tid = tid;
    blocked.call = std::move(call);
    blocked.on = std::move(on);
    add(std::move(blocked));
  }
  std::string cause() {
    const model::Stack stack = model::build(evidence);
    const auto found = rule::cause_of(rule::look_at(stack, evidence), process);
    return found ? found->name + ": " + found->text : "none";
  }
};

const StackFrame own{"report", "/srv/app.py", 7}, server{"handle", "/usr/lib/python3/dist-packages/gunicorn/workers/sync.py", 134};

}  // namespace

TEST_CASE("the cause of a hang is named where the evidence allows it") {
  Scene scene;
  SECTION("an upstream") {
    scene.waits("S", "recvfrom", "10.0.0.2:5432 (PostgreSQL)");
    scene.thread(pid, {own, server}, "recvfrom", "10.0.0.2:5432 (PostgreSQL)");
    CHECK(scene.cause() == "slow upstream: it waits in report (/srv/app.py:7) for 10.0.0.2:5432 (PostgreSQL), which does not answer");
  }
  SECTION("a client that sent nothing") {
    scene.waits("S", "recvfrom", "10.0.0.9:40001");
    scene.thread(pid, {server}, "recvfrom", "10.0.0.9:40001");
    ConnectionSeen connection;
    connection.peer = "10.0.0.9:40001";
    connection.received = 0;
    scene.process.connections.push_back(scene.add(connection));
    CHECK(scene.cause() == "idle client: its client 10.0.0.9:40001 has sent nothing: an idle connection holds it");
  }
  SECTION("a client that does not read") {
    scene.waits("S", "sendto", "10.0.0.9:40001");
    ConnectionSeen connection;
    connection.peer = "10.0.0.9:40001";
    connection.received = 90;
    scene.process.connections.push_back(scene.add(connection));
    CHECK(scene.cause() == "slow client: its client 10.0.0.9:40001 does not read the answer");
  }
  SECTION("a lock that only itself could release") {
    scene.seen(1);
    scene.waits("S", "futex", "a lock in its own memory");
    scene.thread(pid, {own, server}, "futex", "a lock in its own memory");
    CHECK(scene.cause() == "deadlock: it waits in report (/srv/app.py:7) for a lock that nobody can release, for it is its only thread: held when it was forked, or taken twice");
  }
  SECTION("a lock that another thread may release") {
    scene.seen(3);
    scene.waits("S", "futex", "a lock in its own memory");
    scene.thread(pid, {own, server}, "futex", "a lock in its own memory");
    CHECK(scene.cause() == "lock: it waits in report (/srv/app.py:7) for a lock");
  }
  SECTION("the GIL held in C by another thread") {
    scene.seen(2);
    scene.waits("S", "futex", "a lock in its own memory");
    scene.thread(pid, {server}, "futex", "a lock in its own memory");
    scene.thread(460, {own}, "clock_nanosleep", "", true);
    CHECK(scene.cause() == "GIL held in C: its thread 460 holds the GIL while it waits in clock_nanosleep(), called in report (/srv/app.py:7): no other thread of it can run");
  }
  SECTION("computing") {
    scene.waits("R", "", "");
    scene.thread(pid, {own, server});
    CHECK(scene.cause() == "CPU: it computes in report (/srv/app.py:7)");
  }
  SECTION("a name that is not resolved") {
    scene.waits("S", "poll", "10.0.0.53:53");
    scene.thread(pid, {{"getaddrinfo", "/usr/lib/python3.11/socket.py", 962}, own, server}, "poll", "10.0.0.53:53");
    CHECK(scene.cause() == "DNS: it waits in report (/srv/app.py:7) for a name to be resolved, by 10.0.0.53:53");
  }
  SECTION("a network file system") {
    scene.waits("D", "read", "/mnt/share/x", "nfs4_wait_bit_killable");
    scene.thread(pid, {own, server}, "read", "/mnt/share/x");
    CHECK(scene.cause() == "network file system: it waits in report (/srv/app.py:7) inside the kernel for a network file system (nfs4_wait_bit_killable): no signal ends it");
  }
  SECTION("the thread of a pool, not the loop that waits for all of them") {
    scene.seen(3);
    scene.waits("S", "epoll_wait", "");
    scene.thread(pid, {server}, "epoll_wait");
    scene.thread(452, {own, server}, "recvfrom", "10.0.0.2:6379");
    CHECK(scene.cause() == "slow upstream: it waits in report (/srv/app.py:7) for 10.0.0.2:6379, which does not answer");
  }
  SECTION("a child that has not become its program is no disk") {
    scene.waits("D", "clone3", "", "kernel_clone");
    scene.thread(pid, {own, server}, "clone3");
    CHECK(scene.cause() == "child: it waits in report (/srv/app.py:7) for a child that it has just started to become its program (kernel_clone)");
  }
  SECTION("state D of which nothing else is known is no disk") {
    scene.waits("D", "mmap", "", "rwsem_down_write_slowpath");
    scene.thread(pid, {own, server}, "mmap");
    CHECK(scene.cause() == "kernel: it waits in report (/srv/app.py:7) inside the kernel (rwsem_down_write_slowpath): no signal ends it");
  }
  SECTION("memory that is to be freed first") {
    scene.waits("D", "", "", "mem_cgroup_handle_over_high");
    scene.thread(pid, {own, server});
    CHECK(scene.cause() == "memory: it waits in report (/srv/app.py:7) inside the kernel for memory to be freed (mem_cgroup_handle_over_high)");
  }
  SECTION("a loop of its own beside is not what holds a worker whose client sends nothing") {
    scene.seen(2);
    scene.waits("S", "recvfrom", "10.0.0.9:40001");
    scene.thread(pid, {server}, "recvfrom", "10.0.0.9:40001");
    scene.thread(452, {{"flush", "/srv/metrics.py", 3}, {"Thread.run", "/usr/lib/python3.11/threading.py", 982}}, "clock_nanosleep");
    ConnectionSeen connection;
    connection.peer = "10.0.0.9:40001";
    connection.received = 0;
    scene.process.connections.push_back(scene.add(connection));
    CHECK(scene.cause() == "idle client: its client 10.0.0.9:40001 has sent nothing: an idle connection holds it");
  }
  SECTION("the thread of an executor is no loop of its own") {
    scene.seen(2);
    scene.waits("S", "epoll_wait", "");
    scene.thread(pid, {server}, "epoll_wait");
    scene.thread(452, {own, {"_WorkItem.run", "/usr/lib/python3.11/concurrent/futures/thread.py", 58}, {"Thread.run", "/usr/lib/python3.11/threading.py", 982}}, "clock_nanosleep");
    CHECK(scene.cause() == "sleep: it sleeps in report (/srv/app.py:7)");
  }
  SECTION("a client whose port a service is known by") {
    scene.waits("S", "recvfrom", "10.0.0.9:27017 (MongoDB)");
    ConnectionSeen connection;
    connection.peer = "10.0.0.9:27017";
    connection.received = 90;
    scene.process.connections.push_back(scene.add(connection));
    CHECK(scene.cause() == "slow client: its client 10.0.0.9:27017 has not sent the rest of its request");
  }
  SECTION("a client at a unix socket is no upstream") {
    scene.waits("S", "recvfrom", "unix:/run/app.sock");
    scene.thread(pid, {server}, "recvfrom", "unix:/run/app.sock");
    ConnectionSeen connection;
    connection.local = "/run/app.sock";
    scene.process.connections.push_back(scene.add(connection));
    CHECK(scene.cause() == "slow client: it waits for its client at unix:/run/app.sock");
  }
  SECTION("its own server") {
    scene.waits("S", "recvfrom", "127.0.0.1:8000");
    scene.thread(pid, {own, server}, "recvfrom", "127.0.0.1:8000");
    ConnectionSeen connection;
    connection.local = "127.0.0.1:8000";
    connection.peer = "127.0.0.1:40001";
    scene.process.connections.push_back(scene.add(connection));
    CHECK(scene.cause() == "itself: it waits in report (/srv/app.py:7) for an answer of its own server at 127.0.0.1:8000: a request that needs another worker to be free");
  }
  SECTION("a lock that is waited for with a limit is no deadlock") {
    scene.seen(1);
    scene.waits("S", "futex", "a lock in its own memory, for a limited time");
    scene.thread(pid, {own, server}, "futex", "a lock in its own memory, for a limited time");
    CHECK(scene.cause() == "lock: it waits in report (/srv/app.py:7) for a lock, for a limited time");
  }
  SECTION("a pool of connections is no lock") {
    scene.seen(3);
    scene.waits("S", "futex", "a lock in its own memory, for a limited time");
    scene.thread(pid, {{"Condition.wait", "/usr/lib/python3.11/threading.py", 324}, {"Queue.get", "/usr/lib/python3/dist-packages/sqlalchemy/util/queue.py", 146}, {"QueuePool._do_get", "/usr/lib/python3/dist-packages/sqlalchemy/pool/impl.py", 132}, own, server}, "futex", "a lock in its own memory, for a limited time");
    CHECK(scene.cause() == "connection pool: it waits in report (/srv/app.py:7) for a free connection of its pool, for a limited time");
  }
  SECTION("a queue that no thread is left to fill") {
    scene.seen(1);
    scene.waits("S", "futex", "a lock in its own memory");
    scene.thread(pid, {{"Condition.wait", "/usr/lib/python3.11/threading.py", 320}, {"Queue.get", "/usr/lib/python3.11/queue.py", 171}, own, server}, "futex", "a lock in its own memory");
    CHECK(scene.cause() == "queue: it waits in report (/srv/app.py:7) for something to be put into a queue, and is its only thread: the thread that would was not forked along, or never began");
  }
  SECTION("the GIL") {
    scene.seen(2);
    scene.waits("S", "futex", "a lock in its own memory, for a limited time");
    scene.thread(pid, {own, server}, "futex", "a lock in its own memory, for a limited time");
    scene.thread(452, {{"crunch", "/srv/metrics.py", 3}, {"Thread.run", "/usr/lib/python3.11/threading.py", 982}}, "", "", true);
    CHECK(scene.cause() == "GIL: it waits in report (/srv/app.py:7) for the GIL, which its thread 452, in crunch (/srv/metrics.py:3), holds");
  }
  SECTION("the GIL of an only thread keeps nobody out") {
    scene.seen(1);
    scene.waits("S", "recvfrom", "10.0.0.2:5432");
    scene.thread(pid, {own, server}, "recvfrom", "10.0.0.2:5432", true);
    CHECK(scene.cause() == "slow upstream: it waits in report (/srv/app.py:7) for 10.0.0.2:5432, which does not answer");
  }
  SECTION("a poll waits for either direction") {
    scene.waits("S", "poll", "10.0.0.2:5432");
    scene.thread(pid, {own, server}, "poll", "10.0.0.2:5432");
    CHECK(scene.cause() == "slow upstream: it waits in report (/srv/app.py:7) for 10.0.0.2:5432");
  }
  SECTION("what is no peer is no upstream, and what waits in state S is no disk") {
    const std::string on = GENERATE("anon_inode:[eventfd]", "/run/a-fifo", "a pipe", "a unix socket", "a socket that is not connected");
    scene.waits("S", "read", on);
    scene.thread(pid, {own, server}, "read", on);
    CHECK(scene.cause() == "none");
  }
  SECTION("a server at a unix socket") {
    scene.waits("S", "recvfrom", "the unix socket /run/postgresql/.s.PGSQL.5432 (PostgreSQL)");
    scene.thread(pid, {own, server}, "recvfrom", "the unix socket /run/postgresql/.s.PGSQL.5432 (PostgreSQL)");
    CHECK(scene.cause() == "slow upstream: it waits in report (/srv/app.py:7) for the unix socket /run/postgresql/.s.PGSQL.5432 (PostgreSQL), which does not answer");
  }
  SECTION("what takes no connection") {
    scene.waits("S", "poll", "10.0.0.2:5432 (PostgreSQL), not yet connected");
    scene.thread(pid, {own, server}, "poll", "10.0.0.2:5432 (PostgreSQL), not yet connected");
    CHECK(scene.cause() == "slow upstream: it waits in report (/srv/app.py:7) for 10.0.0.2:5432 (PostgreSQL), which does not take its connection");
  }
  SECTION("a terminal") {
    scene.waits("S", "read", "/dev/pts/0");
    scene.thread(pid, {own, server}, "read", "/dev/pts/0");
    CHECK(scene.cause() == "terminal: it waits in report (/srv/app.py:7) for the terminal /dev/pts/0");
  }
  SECTION("a pipe that nobody reads") {
    scene.waits("S", "write", "a pipe");
    scene.thread(pid, {own, server}, "write", "a pipe");
    CHECK(scene.cause() == "full pipe: it waits in report (/srv/app.py:7) to write into a pipe, which is full: who reads it does not");
  }
  SECTION("a child's output") {
    scene.waits("S", "read", "a pipe");
    scene.thread(pid, {{"Popen.communicate", "/usr/lib/python3.11/subprocess.py", 1196}, {"run", "/usr/lib/python3.11/subprocess.py", 550}, own, server}, "read", "a pipe");
    CHECK(scene.cause() == "child: it waits in report (/srv/app.py:7) for a child process");
  }
  SECTION("stopped is a finding of its own, and a free worker has no cause") {
    scene.waits("T", "recvfrom", "10.0.0.2:5432");
    CHECK(scene.cause() == "none");
  }
  SECTION("a loop of which nothing is known") {
    scene.waits("S", "epoll_wait", "");
    CHECK(scene.cause() == "none");
  }
}
