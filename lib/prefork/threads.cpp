// The thread pool: every thread waits on the worker's one epoll and serves what it gets (leader and followers), so that nothing is handed from thread to
// thread. The main thread beats, looks for its parent and closes idle connections; it beats though every thread may be stuck, as gunicorn's gthread does
// (masked_hang), unless thread_watchdog ties the heartbeat to their progress.
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <thread>

#include "prefork/clock.hpp"
#include "prefork/conversation.hpp"

namespace prefork {
namespace {

// arming: given to epoll and not yet let go of. Only a waiting one may be taken, by a thread that has its event or by the sweep, so that nobody closes a
// descriptor that another is about to name to epoll, where its number may be a new connection's by then.
enum class State : int { free, arming, waiting, busy, closing };

struct Connection {
  explicit Connection(Worker& worker) : talk(worker, false) {}
  Conversation talk;
  std::atomic<State> state{State::free};
  std::atomic<std::int64_t> deadline{0};   // CLOCK_MONOTONIC, of a waiting one; 0: none
  std::atomic<bool> fresh{true};           // nothing of it has been answered: to close it would be to lose a request
};

class Pool {
 public:
  explicit Pool(Worker& worker) : worker_(worker), epoll_(::epoll_create1(EPOLL_CLOEXEC)), busy_since_(static_cast<std::size_t>(worker.settings.threads)) {
    for (std::size_t i = 0; i < worker_.listeners.size(); ++i) add(worker_.listeners[i].fd.get(), EPOLLIN | EPOLLONESHOT, i, EPOLL_CTL_ADD);
  }

  void run();

 private:
  void add(int fd, std::uint32_t events, std::uint64_t word, int what) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = word;
    ::epoll_ctl(epoll_.get(), what, fd, &event);
  }
  void thread(std::size_t index);
  Connection* accept_from(const Listener& listener);
  void accept_at(std::size_t listener, std::size_t index);
  void drain();
  void serve(Connection& connection, std::size_t index, bool fresh);
  void wait_again(Connection& connection, double seconds, int what);
  void end(Connection& connection);
  Connection* take();
  void sweep();
  bool makes_progress() const;

  Worker& worker_;
  base::Fd epoll_;
  std::vector<std::atomic<std::int64_t>> busy_since_;   // per thread; 0: waiting
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> all_;
  std::vector<Connection*> free_;
  std::atomic<std::int64_t> open_{0};
  std::atomic<bool> paused_{false}, drained_{false};
  std::atomic<int> running_{0};
};

Connection* Pool::take() {
  const std::lock_guard hold(mutex_);
  if (free_.empty()) {
    all_.push_back(std::make_unique<Connection>(worker_));
    return all_.back().get();
  }
  Connection* out = free_.back();
  free_.pop_back();
  return out;
}

void Pool::end(Connection& connection) {
  connection.talk.close();
  connection.state = State::free;
  worker_.slot.open.fetch_sub(1, std::memory_order_relaxed);
  {
    const std::lock_guard hold(mutex_);
    free_.push_back(&connection);
  }
  if (open_.fetch_sub(1) - 1 < worker_.settings.worker_connections && !signals::stopping() && paused_.exchange(false))
    for (std::size_t i = 0; i < worker_.listeners.size(); ++i) add(worker_.listeners[i].fd.get(), EPOLLIN | EPOLLONESHOT, i, EPOLL_CTL_MOD);
}

void Pool::wait_again(Connection& connection, double seconds, int what) {
  connection.deadline = seconds > 0 ? monotonic_ns() + static_cast<std::int64_t>(seconds * 1e9) : 0;
  const int fd = connection.talk.fd();
  connection.state = State::arming;
  add(fd, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, reinterpret_cast<std::uint64_t>(&connection), what);
  connection.state = State::waiting;
}

void Pool::serve(Connection& connection, std::size_t index, bool fresh) {
  busy_since_[index].store(monotonic_ns(), std::memory_order_relaxed);
  Conversation::After after = connection.talk.serve(worker_.settings.keepalive > 0, false);
  while (after == Conversation::After::keep && connection.talk.has_more()) after = connection.talk.serve(true, false);
  busy_since_[index].store(0, std::memory_order_relaxed);
  if (after != Conversation::After::wait) connection.fresh = false;
  if (after == Conversation::After::close || (signals::stopping() && !connection.fresh)) return end(connection);
  // A fresh one that says nothing has the time for a head; gthread gives 5 s of its own since 26 and none before.
  const double limit = after == Conversation::After::wait && fresh ? worker_.settings.header_timeout : worker_.settings.keepalive;
  wait_again(connection, limit, fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD);
}

Connection* Pool::accept_from(const Listener& from) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const int fd = ::accept4(from.fd.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
  const int code = errno;
  if (fd < 0 && (code == EMFILE || code == ENFILE)) ::poll(nullptr, 0, 50);
  if (fd < 0 && code == EAGAIN) worker_.slot.accept_again.fetch_add(1, std::memory_order_relaxed);
  if (fd < 0) return nullptr;
  open_.fetch_add(1);
  worker_.slot.connections.fetch_add(1, std::memory_order_relaxed);
  worker_.slot.open.fetch_add(1, std::memory_order_relaxed);
  Connection& connection = *take();
  std::string address;
  int port = 0;
  peer_text(reinterpret_cast<const sockaddr&>(peer), address, port);
  connection.state = State::busy;
  connection.fresh = true;
  connection.talk.open(fd, std::move(address), port, from.address.kind != Address::Kind::unix_path && worker_.manner.limits_waiting);
  return &connection;
}

void Pool::accept_at(std::size_t listener, std::size_t index) {
  if (signals::stopping()) return;  // left to the other workers, or to drain()
  const Listener& from = worker_.listeners[listener];
  Connection* connection = accept_from(from);
  if (open_.load() >= worker_.settings.worker_connections) paused_ = true;
  else add(from.fd.get(), EPOLLIN | EPOLLONESHOT, listener, EPOLL_CTL_MOD);  // the next thread may accept
  if (connection) serve(*connection, index, true);
}

// What the kernel had completed when the stop came.
void Pool::drain() {
  for (const Listener& listener : worker_.listeners)
    for (std::uint32_t left = waiting_at(listener); left > 0; --left) {
      Connection* connection = accept_from(listener);
      if (!connection) break;
      wait_again(*connection, worker_.settings.header_timeout, EPOLL_CTL_ADD);
    }
}

void Pool::thread(std::size_t index) {
  while (!signals::stopping() || open_.load() > 0 || !drained_.load()) {
    epoll_event event{};
    const int got = ::epoll_wait(epoll_.get(), &event, 1, 100);  // so soon a stop is seen
    if (got <= 0) continue;
    if (event.data.u64 < worker_.listeners.size()) {
      accept_at(static_cast<std::size_t>(event.data.u64), index);
      continue;
    }
    Connection& connection = *reinterpret_cast<Connection*>(event.data.u64);
    // Its event may overtake the thread that armed it. One that is neither waiting nor armed has ended since, and the event is stale; if it lives again,
    // it is asked for bytes in vain and waits on.
    State seen = State::waiting;
    while (!connection.state.compare_exchange_weak(seen, State::busy) && (seen == State::arming || seen == State::waiting)) {
      std::this_thread::yield();
      seen = State::waiting;
    }
    if (seen == State::waiting) serve(connection, index, false);
  }
  running_.fetch_sub(1);
}

void Pool::sweep() {
  const std::int64_t now = monotonic_ns();
  std::vector<Connection*> late;
  {
    const std::lock_guard hold(mutex_);
    for (const auto& one : all_) {
      const std::int64_t deadline = one->deadline;
      const bool leaves = signals::stopping() && !one->fresh;
      if (one->state != State::waiting || (!leaves && (deadline == 0 || deadline > now))) continue;
      State waiting = State::waiting;
      if (one->state.compare_exchange_strong(waiting, State::closing)) late.push_back(one.get());
    }
  }
  for (Connection* one : late) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, one->talk.fd(), nullptr);
    end(*one);
  }
}

bool Pool::makes_progress() const {
  if (worker_.settings.thread_watchdog == "off" || worker_.faults.is_on(Fault::masked_hang)) return true;
  const std::int64_t before = monotonic_ns() - 1'000'000'000;
  std::size_t stuck = 0;
  for (const auto& since : busy_since_) {
    const std::int64_t at = since.load(std::memory_order_relaxed);
    stuck += at != 0 && at < before;
  }
  return worker_.settings.thread_watchdog == "any" ? stuck == 0 : stuck < busy_since_.size();
}

void Pool::run() {
  // Signals are the main thread's.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  std::vector<std::thread> threads;
  running_ = static_cast<int>(busy_since_.size());
  for (std::size_t i = 0; i < busy_since_.size(); ++i) threads.emplace_back([this, i] { thread(i); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

  // gunicorn's gthread looks up once a second whatever the timeout is; with a timeout of a second that is a race.
  const double timeout = worker_.settings.timeout;
  const double second = worker_.manner.name.empty() && timeout > 0 ? std::min(1.0, timeout / 4) : 1.0;
  const bool flushes = worker_.access && worker_.settings.access_log_buffer > 0 && worker_.manner.name.empty();
  const int pause = static_cast<int>((flushes ? std::min(second, 0.1) : second) * 1000) + 1;
  while (!signals::stopping()) {
    if (makes_progress()) worker_.beat();
    pollfd wait{signals::wake_fd(), POLLIN, 0};
    if (::poll(&wait, 1, pause) > 0) signals::drain_wake();
    if (worker_.parent_is_gone()) signals::stop();
    worker_.tend();
    sweep();
  }
  if (worker_.settings.drain_backlog && !worker_.faults.is_on(Fault::term_backlog_reset)) drain();
  drained_ = true;
  const double end = monotonic() + worker_.settings.graceful_timeout;
  while (running_.load() > 0 && monotonic() < end) {
    if (makes_progress()) worker_.beat();
    sweep();
    ::poll(nullptr, 0, 10);
  }
  if (running_.load() == 0) {
    for (std::thread& thread : threads) thread.join();
    return;
  }
  // Some are stuck: nothing can unwind them, and the process ends over them.
  for (std::thread& thread : threads) thread.detach();
  worker_.log(Level::info, "Worker exiting (pid: {})", ::getpid());
  worker_.tend();
  ::_exit(0);
}

}  // namespace

void run_threads(Worker& worker) {
  Pool pool(worker);
  pool.run();
}

}  // namespace prefork
