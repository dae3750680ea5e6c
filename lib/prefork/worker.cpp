#include "prefork/worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"
#include "prefork/clock.hpp"

namespace prefork {
namespace signals {
namespace {

// What handlers touch. The pointers are set before the handlers are, and the worker outlives the process's use of them.
Worker* owner = nullptr;
std::atomic<bool> stop_asked{false}, reopen_asked{false};
int wake_read = -1, wake_write = -1;

struct InFlight {
  std::atomic<int> fd{-1};
  std::atomic<bool> begun{false};
  const char* method = nullptr;
  std::size_t method_size = 0;
  const char* target = nullptr;
  std::size_t target_size = 0;
};
InFlight flight;

constexpr char sorry[] =
    "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 141\r\n\r\n"
    "<html>\n  <head>\n    <title>Internal Server Error</title>\n  </head>\n  <body>\n    <h1><p>Internal Server Error</p></h1>\n    \n  </body>\n</html>\n";

void wake() {
  const int code = errno;
  [[maybe_unused]] const ssize_t wrote = ::write(wake_write, "!", 1);
  errno = code;
}

void say_exiting() {
  char text[64] = "Worker exiting (pid: ";
  std::size_t at = std::strlen(text);
  at += write_number(text + at, static_cast<std::uint64_t>(::getpid()));
  text[at++] = ')';
  owner->log.say_from_signal(Level::info, {text, at});
}

// A connection that will get no other answer: gunicorn 22+ turns the SystemExit of its handlers into a 500 (base.py handle_error).
bool apologise() {
  const int fd = flight.fd.load();
  if (fd < 0) return false;
  if (!owner->manner.answers_abort) return true;
  char text[512] = "Error handling request ";
  std::size_t at = std::strlen(text);
  const auto put = [&](const char* from, std::size_t size) {
    const std::size_t count = size < sizeof text - at ? size : sizeof text - at;
    std::memcpy(text + at, from, count);
    at += count;
  };
  if (flight.target_size == 0) {
    put("(no URI read)", 13);
  } else {
    if (owner->manner.logs_method) put(flight.method, flight.method_size), put(" ", 1);
    put(flight.target, flight.target_size);
  }
  owner->log.say_from_signal(Level::error, {text, at});
  if (!flight.begun.load()) {
    [[maybe_unused]] const ssize_t sent = ::send(fd, sorry, sizeof sorry - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  ::shutdown(fd, SHUT_WR);
  return true;
}

void on_term(int) {
  stop_asked = true;
  wake();
}

void on_usr1(int) {
  reopen_asked = true;
  wake();
}

void on_abort(int) {
  if (owner->app && owner->app->worker_abort) owner->app->worker_abort();
  const bool busy = apologise();
  say_exiting();
  ::_exit(busy ? owner->manner.abort_status : 1);
}

void on_quit(int) {
  if (owner->app && owner->app->worker_int) owner->app->worker_int();
  apologise();
  const timespec tenth{0, 100'000'000};  // base.py handle_quit
  ::nanosleep(&tenth, nullptr);
  say_exiting();
  ::_exit(0);
}

void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = flags;
  ::sigfillset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void install(Worker& worker) {
  owner = &worker;
  int ends[2];
  if (wake_read < 0 && ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) wake_read = ends[0], wake_write = ends[1];
  // siginterrupt(False) for TERM and USR1: a request that is being read goes on being read.
  handle(SIGTERM, on_term, SA_RESTART);
  handle(SIGUSR1, on_usr1, SA_RESTART);
  handle(SIGABRT, on_abort, 0);
  handle(SIGINT, on_quit, 0);
  handle(SIGQUIT, on_quit, 0);
  handle(SIGWINCH, SIG_IGN, 0);
  handle(SIGHUP, SIG_DFL, 0);
  handle(SIGUSR2, SIG_DFL, 0);
  handle(SIGCHLD, SIG_DFL, 0);
  handle(SIGTTIN, SIG_IGN, 0);
  handle(SIGTTOU, SIG_IGN, 0);
  handle(SIGPIPE, SIG_IGN, 0);
}

bool stopping() { return stop_asked.load(std::memory_order_relaxed); }
void stop() {
  stop_asked = true;
  wake();
}
int wake_fd() { return wake_read; }
void drain_wake() {
  char room[64];
  while (::read(wake_read, room, sizeof room) > 0) {}
}

void in_flight(int fd, std::string_view method, std::string_view target) {
  flight.fd.store(-1);
  flight.method = method.data();
  flight.method_size = method.size();
  flight.target = target.data();
  flight.target_size = target.size();
  flight.begun.store(false);
  flight.fd.store(fd);
}
void answer_begun() { flight.begun.store(true, std::memory_order_relaxed); }
void landed() { flight.fd.store(-1); }

}  // namespace signals

void Worker::beat() {
  if (faults.any() && faults.strikes(Fault::heartbeat_stall)) {
    const double seconds = faults.value(Fault::heartbeat_stall);
    timespec left{static_cast<std::time_t>(seconds), 0};
    while (::nanosleep(&left, &left) != 0 && errno == EINTR) {}
  }
  heartbeat.beat();
}

bool Worker::parent_is_gone() const {
  if (::getppid() == parent) return false;
  log(Level::info, "Parent changed, shutting down: <Worker {}>", ::getpid());
  return true;
}

void Worker::announce(const Request& request) {
  if (log.speaks(Level::debug)) log(Level::debug, "{} {}", base::printable(request.method, 40), base::printable(request.path, 1000));
  if (app->pre_request) app->pre_request(request);
}

void Worker::note(const Request& request, const Reply& reply, std::int64_t took_ns) {
  // With one thread the words have one writer, and need no locked instruction.
  const auto add = [this](std::atomic<std::uint64_t>& word, std::uint64_t count) {
    if (has_threads) word.fetch_add(count, std::memory_order_relaxed);
    else word.store(word.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  };
  add(slot.requests, 1);
  add(slot.bytes_out, reply.sent());
  add(slot.busy_ns, static_cast<std::uint64_t>(took_ns));
  const int hundred = reply.status() / 100;
  add(slot.status_class[hundred >= 1 && hundred <= 5 ? hundred : 0], 1);
  if (statsd) statsd.request(reply.status(), took_ns);
  if (access) {
    static thread_local std::string line;
    line.clear();
    const Access entry{&request, reply.status(), reply.sent(), took_ns, wall_seconds(), logs_answer_fields ? &reply.fields() : nullptr};
    std::unique_lock hold(access_mutex, std::defer_lock);
    if (has_threads) hold.lock();
    format.write(entry, line);
    access.line(line);
  }
  if (max_requests > 0 && served.fetch_add(1, std::memory_order_relaxed) + 1 >= max_requests && !signals::stopping()) {
    log(Level::info, "Autorestarting worker after current request.");
    signals::stop();
  }
}

void Worker::tend() {
  if (signals::reopen_asked.exchange(false)) {
    const std::lock_guard hold(access_mutex);
    access.flush();
    if (auto done = log.reopen(); !done) log(Level::warning, "{}", base::sentence(done.error()));
    if (auto done = access.reopen(); !done) log(Level::warning, "{}", base::sentence(done.error()));
  }
  if (access.waiting()) {
    const std::lock_guard hold(access_mutex);
    access.flush();
  }
}

}  // namespace prefork
