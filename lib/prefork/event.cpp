// Long because it is one state machine: every function here moves a connection from one kind of waiting to another.
// The event loop: one thread, one epoll, made after the fork. Requests are read into one buffer of the worker and answered from there; a connection keeps
// bytes of its own only while a request or an answer is unfinished. A head that is complete and bodiless therefore costs a recv and a send, no more.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "prefork/clock.hpp"
#include "prefork/http/body.hpp"
#include "prefork/worker.hpp"

namespace prefork {
namespace {

constexpr std::size_t scratch_size = 65'536;
constexpr std::size_t spool_in_memory = 1 << 20;    // of a body; the rest goes to an unlinked file
constexpr std::size_t out_high = 1 << 18;           // nothing more is produced or read while so much waits for the client
constexpr int accepts_at_once = 8;

// A body that has come before its application is called.
class Spool {
 public:
  bool add(std::string_view bytes) {
    size_ += bytes.size();
    if (!file_ && text_.size() + bytes.size() <= spool_in_memory) return text_.append(bytes), true;
    if (!file_) {
      file_ = base::Fd(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
      if (!file_ || !write_all(file_.get(), text_)) return false;
      text_.clear();
    }
    return write_all(file_.get(), bytes);
  }
  ssize_t read(char* room, std::size_t size) {
    if (file_) {
      const ssize_t got = ::pread(file_.get(), room, size, static_cast<off_t>(at_));
      if (got > 0) at_ += static_cast<std::size_t>(got);
      return got;
    }
    const std::size_t count = std::min(size, text_.size() - at_);
    std::memcpy(room, text_.data() + at_, count);
    at_ += count;
    return static_cast<ssize_t>(count);
  }

 private:
  std::string text_;
  base::Fd file_;
  std::size_t at_ = 0, size_ = 0;
};

enum class Waits : std::uint8_t { head, body, idle, write, linger };   // for what; each kind has one limit, so that a list in order of time serves as its clock

struct Reading;   // of a request with a body

struct Connection {
  base::Fd fd;
  bool first = true, soft = false, ended = false, closing = false, watches_out = false, reads = true;
  Waits waits = Waits::head;
  std::int64_t since = 0;
  Connection *before = nullptr, *after = nullptr;   // in the list of its kind
  std::string peer;
  int port = 0;
  std::string in, out;                              // unfinished ones
  std::size_t read_before = 0;                      // how much of `in` the parser has seen
  std::unique_ptr<Reading> reading;
  Producer produce = nullptr;
  void (*produced)(void*) = nullptr;
  void* produce_state = nullptr;
  Reply reply;                                      // of an answer that is being produced
};

struct Reading {
  std::string kept;      // the head's bytes
  Head head;
  Body body;
  Spool spool;
};

class Loop : public Exchange {
 public:
  explicit Loop(Worker& worker);
  void run();

 private:
  struct List { Connection *first = nullptr, *last = nullptr; };
  void accept_from(const Listener& listener);
  void on_ready(Connection& connection, std::uint32_t events);
  void take_bytes(Connection& connection, std::string_view bytes);
  std::size_t take_request(Connection& connection, std::string_view bytes);
  std::size_t take_body(Connection& connection, std::string_view bytes);
  void run_app(Connection& connection, const Head& head, Spool* spool);
  void refuse(Connection& connection, Refusal refusal, std::string_view what);
  void send_out(Connection& connection);
  void pump(Connection& connection);
  void finish_close(Connection& connection);
  void wait_for(Connection& connection, Waits what);
  void unlink(Connection& connection);
  void watch(Connection& connection);
  void drop(Connection& connection);
  void expire();
  double limit_of(Waits what) const;
  void pause_accepting(bool pause);
  bool wants_exclusive() const { return (worker_.settings.accept == "exclusive" || worker_.faults.is_on(Fault::exclusive_imbalance)) && !worker_.faults.is_on(Fault::herd); }

  static ssize_t read(Exchange& self, char* room, std::size_t size);
  static bool begin(Exchange& self, int status, const Field* fields, std::size_t count, std::int64_t length);
  static bool write(Exchange& self, const char* bytes, std::size_t size);
  static bool stream(Exchange& self, Producer produce, void (*done)(void*), void* state);

  Worker& worker_;
  base::Fd epoll_;
  std::unique_ptr<char[]> scratch_;
  Head head_;
  Reply reply_;
  Request said_;
  DateText date_;
  std::string out_;                    // what the current batch of requests of one connection answers
  Connection* current_ = nullptr;
  Spool* spool_ = nullptr;
  List lists_[5];
  std::int64_t open_ = 0, now_ = 0;
  std::vector<std::unique_ptr<Connection>> dead_;   // until the batch of events is done: a later event may name them
  bool accepting_ = false, exclusive_ = false, stopping_ = false;
};

Loop::Loop(Worker& worker) : worker_(worker), epoll_(::epoll_create1(EPOLL_CLOEXEC)), scratch_(new char[scratch_size]) {
  static constexpr Calls table{read, begin, write, stream};
  calls = &table;
  request = &said_;
}

double Loop::limit_of(Waits what) const {
  if (worker_.faults.is_on(Fault::slow_client) && what != Waits::idle) return 0;
  switch (what) {
    case Waits::head: return worker_.settings.header_timeout;
    case Waits::body: return worker_.settings.body_timeout;
    case Waits::idle: return worker_.settings.keepalive;
    case Waits::write: return worker_.settings.write_timeout;
    case Waits::linger: return worker_.settings.shutdown_linger;
  }
  return 0;
}

void Loop::unlink(Connection& connection) {
  List& list = lists_[static_cast<std::size_t>(connection.waits)];
  (connection.before ? connection.before->after : list.first) = connection.after;
  (connection.after ? connection.after->before : list.last) = connection.before;
  connection.before = connection.after = nullptr;
}

void Loop::wait_for(Connection& connection, Waits what) {
  List& old = lists_[static_cast<std::size_t>(connection.waits)];
  if (connection.before || connection.after || old.first == &connection) unlink(connection);
  connection.waits = what;
  connection.since = now_;
  List& list = lists_[static_cast<std::size_t>(what)];
  connection.before = list.last;
  (list.last ? list.last->after : list.first) = &connection;
  list.last = &connection;
}

void Loop::drop(Connection& connection) {
  unlink(connection);
  if (connection.produce && connection.produced) connection.produced(connection.produce_state);
  connection.produce = nullptr;
  connection.fd.reset();  // leaves the epoll with it: no other process has this description
  connection.ended = true;
  --open_;
  worker_.slot.open.fetch_sub(1, std::memory_order_relaxed);
}

void Loop::watch(Connection& connection) {
  const bool out = !connection.out.empty() || connection.produce, in = connection.out.size() < out_high && !connection.produce;
  if (out == connection.watches_out && in == connection.reads) return;
  connection.watches_out = out;
  connection.reads = in;
  epoll_event event{};
  event.events = (in ? EPOLLIN | EPOLLRDHUP : 0u) | (out ? EPOLLOUT : 0u);
  event.data.ptr = &connection;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event);
}

void Loop::pause_accepting(bool pause) {
  if (accepting_ != pause) return;
  accepting_ = !pause;
  for (const Listener& listener : worker_.listeners) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (exclusive_) event.events |= EPOLLEXCLUSIVE;
    event.data.ptr = const_cast<Listener*>(&listener);
    ::epoll_ctl(epoll_.get(), pause ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, listener.fd.get(), &event);
  }
}

void Loop::accept_from(const Listener& listener) {
  for (int i = 0; i < accepts_at_once; ++i) {
    if (open_ >= worker_.settings.worker_connections) return pause_accepting(true);
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int fd = ::accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EAGAIN && i == 0) worker_.slot.accept_again.fetch_add(1, std::memory_order_relaxed);
      if (errno == EMFILE || errno == ENFILE) ::poll(nullptr, 0, 20);
      return;
    }
    ++open_;
    worker_.slot.connections.fetch_add(1, std::memory_order_relaxed);
    worker_.slot.open.fetch_add(1, std::memory_order_relaxed);
    Connection& connection = *std::make_unique<Connection>().release();  // dead_ takes it back
    connection.fd = base::Fd(fd);
    peer_text(reinterpret_cast<const sockaddr&>(peer), connection.peer, connection.port);
    wait_for(connection, Waits::head);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.ptr = &connection;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
    on_ready(connection, EPOLLIN);  // the request is often here already
    if (connection.ended) dead_.emplace_back(&connection);
  }
}

void Loop::on_ready(Connection& connection, std::uint32_t events) {
  if (connection.ended) return;
  if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN)) return drop(connection);
  if (events & EPOLLOUT) {
    pump(connection);
    if (connection.ended) return;
    if (!connection.out.empty() || connection.produce) return;
    // The answer is out: what came meanwhile may go on.
    if (!connection.closing && !connection.in.empty()) {
      const std::string waiting = std::move(connection.in);
      connection.in.clear();
      take_bytes(connection, waiting);
      if (connection.ended) return;
    }
  }
  if (!(events & (EPOLLIN | EPOLLRDHUP))) return;
  if (worker_.faults.any()) {
    if (worker_.faults.strikes(Fault::midkill_unread)) ::kill(::getpid(), SIGKILL);
    // The idle connection's end and the next request have crossed.
    if (connection.waits == Waits::idle && !connection.closing && worker_.faults.strikes(Fault::keepalive_race)) return drop(connection);
  }
  const ssize_t got = ::recv(connection.fd.get(), scratch_.get(), scratch_size, 0);
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) drop(connection);
    return;
  }
  if (connection.closing) {
    if (got == 0) drop(connection);   // the client has seen our end
    return;
  }
  if (got == 0) {
    // Half a request and no more to come; in a request's place nothing at all is the usual end.
    const bool cut = !connection.in.empty() || connection.reading;
    if (cut && worker_.manner.exact_statuses && connection.out.empty()) return refuse(connection, connection.reading ? Refusal::chunk_terminator : Refusal::request_line, "cut short");
    return drop(connection);
  }
  take_bytes(connection, {scratch_.get(), static_cast<std::size_t>(got)});
}

// New bytes of a connection, with what it has kept in front of them.
void Loop::take_bytes(Connection& connection, std::string_view bytes) {
  out_.clear();
  current_ = &connection;
  std::string joined;
  if (!connection.in.empty()) {
    joined = std::move(connection.in);
    connection.in.clear();
    joined += bytes;
    bytes = joined;
  }
  while (true) {
    bool starved = false;
    while (!starved && !bytes.empty() && !connection.closing && !connection.ended && !connection.produce && out_.size() + connection.out.size() < out_high) {
      const std::size_t used = connection.reading ? take_body(connection, bytes) : take_request(connection, bytes);
      starved = used == 0;
      bytes.remove_prefix(used);
    }
    if (connection.ended) return;
    send_out(connection);
    if (connection.ended || connection.closing) return;
    // What stopped was too much to send or an answer that is produced: if that is out already, on with the rest, for which no event will come.
    if (starved || bytes.empty() || connection.produce || !connection.out.empty()) break;
  }
  connection.in.assign(bytes);
  if (connection.in.empty()) connection.read_before = 0;
}

std::size_t Loop::take_request(Connection& connection, std::string_view bytes) {
  if (connection.read_before > 0 && !worth_reading(bytes, connection.read_before, worker_.settings.http)) {
    connection.read_before = bytes.size();
    return 0;
  }
  const HeadResult result = read_head(bytes, worker_.settings.http, {connection.peer}, connection.first, head_);
  if (result.progress == Progress::refused) {
    refuse(connection, result.refusal, result.what);
    return bytes.size();
  }
  if (result.progress == Progress::more) {
    if (connection.waits == Waits::idle) wait_for(connection, Waits::head);  // the head has begun
    connection.read_before = bytes.size();
    return 0;
  }
  connection.read_before = 0;
  connection.first = false;
  if (!head_.proxied_from.empty()) connection.peer = head_.proxied_from, connection.port = head_.proxied_port;
  if (head_.framing == Framing::none || (head_.framing == Framing::length && head_.length == 0)) {
    run_app(connection, head_, nullptr);
    return result.used;
  }
  // A body: the head is kept and read again from its copy, so that its views last.
  connection.reading = std::make_unique<Reading>();
  Reading& reading = *connection.reading;
  reading.kept.assign(bytes.substr(0, result.used));
  read_head(reading.kept, worker_.settings.http, {connection.peer}, !head_.proxied_from.empty(), reading.head);
  reading.body.begin(reading.head, worker_.settings.http);
  if (reading.head.expects_continue) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  wait_for(connection, Waits::body);
  return result.used;
}

std::size_t Loop::take_body(Connection& connection, std::string_view bytes) {
  Reading& reading = *connection.reading;
  const BodyStep step = reading.body.take(bytes);
  if (step.progress == Progress::refused) {
    refuse(connection, step.refusal, step.what);
    return bytes.size();
  }
  if (!step.piece.empty() && !reading.spool.add(step.piece)) {
    worker_.log(Level::error, "Socket error processing request.\nOSError: a body cannot be kept in /tmp: {}", std::strerror(errno));
    drop(connection);
    return bytes.size();
  }
  if (step.used > 0) wait_for(connection, Waits::body);
  if (reading.body.done()) {
    const std::unique_ptr<Reading> whole = std::move(connection.reading);
    run_app(connection, whole->head, &whole->spool);
  }
  return step.used;
}

void Loop::run_app(Connection& connection, const Head& head, Spool* spool) {
  said_ = {head.method, head.target, head.path, head.query, head.major, head.minor, head.fields.data(), head.fields.size(), connection.peer, connection.port, head.secure};
  spool_ = spool;
  reply_.start(head, worker_.settings.keepalive > 0 && !signals::stopping(), worker_.logs_answer_fields);
  const std::int64_t start = now_;  // of the batch, or of the request before: a look at the clock saved
  worker_.announce(said_);
  std::string given;
  if (worker_.may_suffer()) given = worker_.suffer(said_);
  if (given.empty()) worker_.app->handle(*this);
  else answer(200, "text/plain", given);
  if (worker_.app->post_request) worker_.app->post_request(said_, reply_.status());
  if (connection.produce) connection.reply = reply_;   // the rest follows as the client takes it
  else reply_.finish(date_.now(), out_);
  connection.closing = !reply_.keeps() && !connection.produce;
  now_ = monotonic_ns();
  worker_.note(said_, reply_, now_ - start);
  if (!connection.closing) wait_for(connection, Waits::idle);
}

void Loop::refuse(Connection& connection, Refusal refusal, std::string_view what) {
  const Answer answer = answer_to(refusal, worker_.manner.exact_statuses);
  const std::string text = refusal_text(refusal, what);
  worker_.log(worker_.manner.words == DeathWords::v20 ? Level::debug : Level::warning, "Invalid request from ip={}: {}", connection.peer, text);
  worker_.slot.refused.fetch_add(1, std::memory_order_relaxed);
  const bool inside = current_ == &connection && !out_.empty();
  out_ = (inside ? out_ : std::string()) + error_page(answer.status, answer.reason, text);
  connection.reading.reset();
  connection.in.clear();
  connection.closing = connection.soft = true;
  if (!inside) send_out(connection);
}

void Loop::send_out(Connection& connection) {
  if (connection.ended) return;
  if (connection.out.empty() && !out_.empty()) {
    const ssize_t sent = ::send(connection.fd.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return drop(connection);
    if (sent < static_cast<ssize_t>(out_.size())) connection.out.assign(out_, static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  } else if (!out_.empty()) {
    connection.out += out_;
  }
  out_.clear();
  if (connection.produce) return pump(connection);
  if (!connection.out.empty()) {
    wait_for(connection, Waits::write);
    watch(connection);
    return;
  }
  if (connection.closing) return finish_close(connection);
  if (connection.watches_out || !connection.reads) watch(connection);
}

// Sends what waits, and produces more as long as the client takes it.
void Loop::pump(Connection& connection) {
  while (true) {
    while (!connection.out.empty()) {
      const ssize_t sent = ::send(connection.fd.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (connection.waits != Waits::write) wait_for(connection, Waits::write);
        return watch(connection);
      }
      if (sent < 0) return drop(connection);
      connection.out.erase(0, static_cast<std::size_t>(sent));
      wait_for(connection, Waits::write);
    }
    if (!connection.produce) break;
    char room[32'768];
    const ssize_t got = connection.reply.wants_body() ? connection.produce(connection.produce_state, room, sizeof room) : 0;
    if (got > 0) {
      connection.reply.put({room, static_cast<std::size_t>(got)}, connection.out);
      continue;
    }
    if (connection.produced) connection.produced(connection.produce_state);
    connection.produce = nullptr;
    if (got < 0) return drop(connection);
    connection.reply.finish(date_.now(), connection.out);
    connection.closing = !connection.reply.keeps();
  }
  if (connection.closing) return finish_close(connection);
  wait_for(connection, Waits::idle);
  watch(connection);
}

void Loop::finish_close(Connection& connection) {
  if (!connection.soft && connection.in.empty()) {
    // Unread bytes would turn the close into a reset.
    char one = 0;
    const ssize_t got = ::recv(connection.fd.get(), &one, 1, MSG_DONTWAIT | MSG_PEEK);
    if (got <= 0) return drop(connection);
  }
  ::shutdown(connection.fd.get(), SHUT_WR);
  connection.in.clear();
  connection.closing = true;
  wait_for(connection, Waits::linger);
  watch(connection);
}

// One list a kind of waiting, the oldest first.
void Loop::expire() {
  for (std::size_t kind = 0; kind < 5; ++kind) {
    const double limit = limit_of(static_cast<Waits>(kind));
    if (limit <= 0 && static_cast<Waits>(kind) != Waits::linger) continue;
    const std::int64_t before = now_ - static_cast<std::int64_t>(limit * 1e9);
    while (Connection* connection = lists_[kind].first) {
      if (connection->since > before && !(stopping_ && kind == static_cast<std::size_t>(Waits::idle))) break;
      const bool tells = (kind == static_cast<std::size_t>(Waits::head) && !connection->in.empty()) || kind == static_cast<std::size_t>(Waits::body);
      current_ = nullptr;
      out_.clear();
      if (tells && worker_.manner.exact_statuses && !connection->closing) refuse(*connection, Refusal::timed_out, "");
      else drop(*connection);
      if (connection->ended) dead_.emplace_back(connection);
    }
  }
}

void Loop::run() {
  exclusive_ = wants_exclusive();
  pause_accepting(false);
  epoll_event wake{};
  wake.events = EPOLLIN;
  wake.data.ptr = nullptr;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, signals::wake_fd(), &wake);
  // Ten ticks a second from one timer: a timeout of epoll_wait would set and cancel one at every sleep, which is a tenth of a request's cost.
  const base::Fd tick(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  const itimerspec tenth{{0, 100'000'000}, {0, 100'000'000}};
  ::timerfd_settime(tick.get(), 0, &tenth, nullptr);
  wake.data.ptr = this;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, tick.get(), &wake);
  const auto is_listener = [&](const void* it) { return it >= worker_.listeners.data() && it < worker_.listeners.data() + worker_.listeners.size(); };
  std::int64_t looked = 0;
  double end = 0;
  epoll_event events[128];
  now_ = monotonic_ns();
  while (true) {
    if (now_ - looked >= 100'000'000 || signals::stopping()) {
      looked = now_;
      worker_.beat();
      worker_.tend();
      if (worker_.parent_is_gone()) signals::stop();
      expire();
      if (accepting_ && exclusive_ != wants_exclusive()) {
        pause_accepting(true);
        exclusive_ = !exclusive_;
      }
      if (!accepting_ && !stopping_ && open_ < worker_.settings.worker_connections) pause_accepting(false);
    }
    if (signals::stopping() && !stopping_) {
      stopping_ = true;
      end = monotonic() + worker_.settings.graceful_timeout;
      if (worker_.settings.drain_backlog && !worker_.faults.is_on(Fault::term_backlog_reset))
        for (const Listener& listener : worker_.listeners) accept_from(listener);
      pause_accepting(true);
      expire();
    }
    dead_.clear();
    if (stopping_ && (open_ == 0 || monotonic() >= end)) return;
    const int count = ::epoll_wait(epoll_.get(), events, 128, -1);
    now_ = monotonic_ns();
    for (int i = 0; i < count; ++i) {
      void* it = events[i].data.ptr;
      if (!it) signals::drain_wake();
      else if (it == this) {
        std::uint64_t ticks = 0;
        [[maybe_unused]] const ssize_t size = ::read(tick.get(), &ticks, sizeof ticks);
      }
      else if (is_listener(it)) accept_from(*static_cast<const Listener*>(it));
      else {
        Connection& connection = *static_cast<Connection*>(it);
        const bool before = connection.ended;
        on_ready(connection, events[i].events);
        if (connection.ended && !before) dead_.emplace_back(&connection);
      }
    }
  }
}

ssize_t Loop::read(Exchange& self, char* room, std::size_t size) {
  Loop& me = static_cast<Loop&>(self);
  return me.spool_ ? me.spool_->read(room, size) : 0;
}

bool Loop::begin(Exchange& self, int status, const Field* fields, std::size_t count, std::int64_t length) {
  Loop& me = static_cast<Loop&>(self);
  return me.reply_.begin(status, fields, count, length, me.date_.now(), me.out_);
}

bool Loop::write(Exchange& self, const char* bytes, std::size_t size) {
  Loop& me = static_cast<Loop&>(self);
  me.reply_.put({bytes, size}, me.out_);
  return true;
}

bool Loop::stream(Exchange& self, Producer produce, void (*done)(void*), void* state) {
  Loop& me = static_cast<Loop&>(self);
  me.current_->produce = produce;
  me.current_->produced = done;
  me.current_->produce_state = state;
  return true;
}

}  // namespace

void run_event(Worker& worker) {
  Loop loop(worker);
  loop.run();
}

}  // namespace prefork
