// One thought, a little over 300 lines: reading, answering and closing share what is left in the buffer.
#include "prefork/conversation.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "prefork/clock.hpp"

namespace prefork {
namespace {

constexpr std::size_t first_room = 16'384;
constexpr std::size_t most_room = 1 << 20;          // of a head; gunicorn's limits end long before
constexpr std::size_t flush_at = 32'768;
constexpr std::size_t drained_at_most = 65'536;     // of a body that the application left unread

}  // namespace

Conversation::Conversation(Worker& worker, bool alone) : worker_(worker), alone_(alone), in_(new char[first_room]), capacity_(first_room) {
  static constexpr Calls table{read, begin, write, stream};
  calls = &table;
  request = &said_;
}

void Conversation::open(int fd, std::string peer, int port, bool slices) {
  fd_ = base::Fd(fd);
  peer_ = std::move(peer);
  port_ = port;
  first_ = true;
  soft_ = gone_ = false;
  used_ = size_ = 0;
  slices_ = slices;
  if (!slices_ && worker_.manner.limits_waiting) {
    const timeval second{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
  }
}

// Waits at most `limit` seconds after `since` (0: for ever). The socket's own timeout returns every second; a client that is slow within its limit is no
// sign of a hung worker, so the heartbeat goes on, which gunicorn's sync worker does not do.
Conversation::Got Conversation::receive(double limit, double since, bool patient) {
  if (used_ > 0) {
    std::memmove(in_.get(), in_.get() + used_, size_ - used_);
    size_ -= used_;
    used_ = 0;
  }
  if (size_ == capacity_) {
    if (capacity_ >= most_room) return Got::broken;
    std::unique_ptr<char[]> wider(new char[capacity_ * 2]);
    std::memcpy(wider.get(), in_.get(), size_);
    in_ = std::move(wider);
    capacity_ *= 2;
  }
  const bool limited = limit > 0 && !worker_.faults.is_on(Fault::slow_client);
  while (true) {
    const ssize_t got = ::recv(fd_.get(), in_.get() + size_, capacity_ - size_, patient ? 0 : MSG_DONTWAIT);
    if (got > 0) {
      size_ += static_cast<std::size_t>(got);
      return Got::bytes;
    }
    if (got == 0) return Got::end;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Got::broken;
    if (!patient) return Got::nothing;
    if (limited && monotonic() - since >= limit) return Got::late;
    if (limited && alone_) worker_.beat();
    if (limited && size_ == 0 && signals::stopping()) return Got::late;
  }
}

bool Conversation::flush() {
  std::string_view left = out_;
  double since = 0;
  if (!left.empty()) {
    flushed_ = true;
    if (alone_) signals::answer_begun();
  }
  while (!left.empty() && !gone_) {
    const ssize_t sent = ::send(fd_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      left.remove_prefix(static_cast<std::size_t>(sent));
      since = 0;
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      const double now = monotonic();
      if (since == 0) since = now;
      const double limit = worker_.settings.write_timeout;
      if (limit > 0 && !worker_.faults.is_on(Fault::slow_client)) {
        if (now - since >= limit) gone_ = true;
        else if (alone_) worker_.beat();
      }
      continue;
    }
    gone_ = true;
  }
  out_.clear();
  return !gone_;
}

Conversation::After Conversation::refuse(Refusal refusal, std::string_view what) {
  const Answer answer = answer_to(refusal, worker_.manner.exact_statuses);
  const std::string text = refusal_text(refusal, what);
  worker_.log(worker_.manner.words == DeathWords::v20 ? Level::debug : Level::warning, "Invalid request from ip={}: {}", peer_, text);
  worker_.slot.refused.fetch_add(1, std::memory_order_relaxed);
  out_ = error_page(answer.status, answer.reason, text);
  flush();
  soft_ = true;
  return After::close;
}

Conversation::After Conversation::serve(bool may_keep, bool patient) {
  const double since = worker_.settings.header_timeout > 0 || used_ == size_ ? monotonic() : 0;
  std::size_t before = 0;
  HeadResult result;
  if (alone_) signals::in_flight(fd_.get(), {}, {});
  if (worker_.faults.any() && worker_.faults.strikes(Fault::midkill_unread)) ::kill(::getpid(), SIGKILL);
  while (true) {
    const std::string_view window(in_.get() + used_, size_ - used_);
    if (!window.empty() && worth_reading(window, before, worker_.settings.http)) {
      result = read_head(window, worker_.settings.http, {peer_}, first_, head_);
      if (result.progress == Progress::refused) return refuse(result.refusal, result.what);
      if (result.progress == Progress::done) break;
    }
    before = window.size();
    const bool empty = window.empty();
    switch (receive(worker_.settings.header_timeout, since, patient || !empty)) {
      case Got::bytes:
        // The idle connection's end and the next request have crossed: it is closed with the request unanswered.
        if (empty && !first_ && worker_.faults.strikes(Fault::keepalive_race)) {
          ::shutdown(fd_.get(), SHUT_RDWR);
          fd_.reset();
          return After::close;
        }
        break;
      case Got::nothing: return After::wait;
      case Got::late: return empty ? After::close : refuse(Refusal::timed_out, "");
      case Got::end:
        if (!empty && worker_.manner.exact_statuses) return refuse(Refusal::request_line, "cut short");
        worker_.log(Level::debug, "Ignored premature client disconnection. No more data after: b''");
        return After::close;
      case Got::broken: return After::close;
    }
  }
  used_ += result.used;
  first_ = false;
  if (!head_.proxied_from.empty()) peer_ = head_.proxied_from, port_ = head_.proxied_port;
  said_ = {head_.method, head_.target, head_.path, head_.query, head_.major, head_.minor, head_.fields.data(), head_.fields.size(), peer_, port_, head_.secure};
  if (alone_) signals::in_flight(fd_.get(), head_.method, head_.target);
  body_.begin(head_, worker_.settings.http);
  continue_due_ = head_.expects_continue && !body_.done();
  body_refusal_ = Refusal::none;
  body_cut_ = body_late_ = flushed_ = false;
  pending_ = {};
  reply_.start(head_, may_keep && !signals::stopping(), worker_.logs_answer_fields);
  answer_request();
  return reply_.keeps() && !gone_ && !signals::stopping() ? After::keep : After::close;
}

void Conversation::answer_request() {
  // The request's views point into in_, which reading a body moves: with one the head is copied out of the way.
  std::string kept;
  if (!body_.done()) {
    const char* from = in_.get();
    kept.assign(from, used_);
    const auto moved = [&](std::string_view& view) { if (view.data() >= from && view.data() < from + used_) view = {kept.data() + (view.data() - from), view.size()}; };
    for (std::string_view* view : {&said_.method, &said_.target, &said_.path, &said_.query}) moved(*view);
    for (Field& field : head_.fields) moved(field.name), moved(field.value);
    if (alone_) signals::in_flight(fd_.get(), said_.method, said_.target);
  }
  const std::int64_t start = monotonic_ns();
  worker_.announce(said_);
  std::string given;
  if (worker_.may_suffer()) {
    given = worker_.suffer(said_);
    if (worker_.faults.strikes(Fault::early_response_rst, said_.path)) {
      reply_.close();
      answer(200, "text/plain", "early");
      flush();
      ::close(fd_.release());  // with the body unread: the kernel answers what comes with a reset
      gone_ = true;
      return;
    }
  }
  if (given.empty()) worker_.app->handle(*this);
  else answer(200, "text/plain", given);
  reply_.finish(date_.now(), out_);
  if (worker_.app->post_request) worker_.app->post_request(said_, reply_.status());

  // What the application did not read: a small body is read for it, so that the connection can go on and the close resets nothing. A broken one is
  // told while nothing has been sent.
  if (!body_.done() && body_refusal_ == Refusal::none && !continue_due_ && !gone_ && worker_.manner.limits_waiting) {
    char room[4096];
    for (std::size_t drained = 0; drained < drained_at_most;) {
      const ssize_t got = read_body(room, sizeof room);
      if (got <= 0) break;
      drained += static_cast<std::size_t>(got);
    }
  }
  if (!body_.done()) {
    reply_.close();
    soft_ = true;
    if (!flushed_ && (body_refusal_ != Refusal::none || ((body_cut_ || body_late_) && worker_.manner.exact_statuses))) {
      out_.clear();
      refuse(body_refusal_ != Refusal::none ? body_refusal_ : body_late_ ? Refusal::timed_out : Refusal::chunk_terminator, "body");
      return;
    }
    // "Connection: keep-alive" may have been promised already; the client sees the close.
  }
  flush();
  worker_.note(said_, reply_, monotonic_ns() - start);
}

ssize_t Conversation::read_body(char* room, std::size_t size) {
  if (body_refusal_ != Refusal::none || body_cut_) return -1;
  if (continue_due_) {
    continue_due_ = false;
    if (!reply_.begun()) {
      out_ = "HTTP/1.1 100 Continue\r\n\r\n";
      flush();
      flushed_ = false;
    }
  }
  double since = 0;
  while (pending_.empty() && !body_.done()) {
    const BodyStep step = body_.take({in_.get() + used_, size_ - used_});
    if (step.progress == Progress::refused) {
      body_refusal_ = step.refusal;
      return -1;
    }
    used_ += step.used;
    pending_ = step.piece;
    if (step.used > 0 || body_.done()) continue;
    if (since == 0) since = monotonic();
    const Got got = receive(worker_.settings.body_timeout, since, true);
    if (got != Got::bytes) {
      body_cut_ = true;
      body_late_ = got == Got::late;
      gone_ = gone_ || got == Got::broken;
      return -1;
    }
  }
  const std::size_t count = pending_.size() < size ? pending_.size() : size;
  if (count > 0) std::memcpy(room, pending_.data(), count);
  pending_.remove_prefix(count);
  return static_cast<ssize_t>(count);
}

ssize_t Conversation::read(Exchange& self, char* room, std::size_t size) { return static_cast<Conversation&>(self).read_body(room, size); }

bool Conversation::begin(Exchange& self, int status, const Field* fields, std::size_t count, std::int64_t length) {
  Conversation& me = static_cast<Conversation&>(self);
  return me.reply_.begin(status, fields, count, length, me.date_.now(), me.out_);
}

bool Conversation::write(Exchange& self, const char* bytes, std::size_t size) {
  Conversation& me = static_cast<Conversation&>(self);
  if (me.gone_) return false;
  me.reply_.put({bytes, size}, me.out_);
  return me.out_.size() < flush_at || me.flush();
}

bool Conversation::stream(Exchange& self, Producer produce, void (*done)(void*), void* state) {
  Conversation& me = static_cast<Conversation&>(self);
  char room[16'384];
  bool good = !me.gone_;
  while (good && me.reply_.wants_body()) {
    const ssize_t got = produce(state, room, sizeof room);
    if (got < 0) me.gone_ = true;  // the length that was promised cannot be kept: only the close can tell
    good = got > 0 && write(self, room, static_cast<std::size_t>(got));
    if (got <= 0) break;
  }
  if (done) done(state);
  return !me.gone_;
}

void Conversation::close() {
  if (alone_) signals::landed();
  if (!fd_) return;
  if (soft_ || used_ < size_) {
    // A close with unread bytes sends a reset, which may overtake the answer (RFC 9112 9.6).
    ::shutdown(fd_.get(), SHUT_WR);
    const double end = monotonic() + worker_.settings.shutdown_linger;
    char room[16'384];
    std::size_t read = 0;
    for (double left = end - monotonic(); left > 0 && read < (1 << 20); left = end - monotonic()) {
      pollfd wait{fd_.get(), POLLIN, 0};
      if (::poll(&wait, 1, static_cast<int>(left * 1000) + 1) <= 0) break;
      const ssize_t got = ::recv(fd_.get(), room, sizeof room, MSG_DONTWAIT);
      if (got <= 0) break;
      read += static_cast<std::size_t>(got);
    }
  }
  fd_.reset();
}

}  // namespace prefork
