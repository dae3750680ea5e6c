#include "reproduce/client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"

namespace reproduce {

namespace {

std::string outcome_of(int code) {
  switch (code) {
    case ECONNREFUSED: return "refused";
    case ECONNRESET: case EPIPE: return "reset";
    case EACCES: case EPERM: return "denied";
    case ENOENT: return "missing";
    case EAGAIN: return "full";
    case ETIMEDOUT: case EHOSTUNREACH: case ENETUNREACH: return "unreachable";
    default: return "error " + std::to_string(code);
  }
}

std::string_view header(std::string_view head, std::string_view name) {
  for (const auto line : base::split(head, '\n'))
    if (line.size() > name.size() && line[name.size()] == ':' && ::strncasecmp(line.data(), name.data(), name.size()) == 0) return base::trim(line.substr(name.size() + 1));
  return {};
}

bool same_word(std::string_view a, std::string_view b) { return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0; }

// The end of a chunked body, from its beginning; npos while it has not come.
bool chunks_end(std::string_view body) {
  for (;;) {
    const auto line = body.find("\r\n");
    if (line == std::string_view::npos) return false;
    const unsigned long size = std::strtoul(std::string(body.substr(0, std::min<std::size_t>(line, 16))).c_str(), nullptr, 16);
    if (size == 0) return body.find("\r\n", line + 2) != std::string_view::npos;
    if (size > body.size() || body.size() < line + 2 + size + 2) return false;
    body.remove_prefix(line + 2 + size + 2);
  }
}

}  // namespace

std::optional<Answer> answer_of(std::string_view text, bool closed) {
  const auto end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view head = text.substr(0, end), body = text.substr(end + 4);
  Answer answer;
  if (!head.starts_with("HTTP/1.") || head.size() < 12) return Answer{};
  answer.status = std::atoi(std::string(head.substr(9, 3)).c_str());
  answer.keep = head[7] == '1' && !same_word(header(head, "Connection"), "close");
  if (const auto length = base::read_number(header(head, "Content-Length"))) answer.whole = body.size() >= static_cast<std::size_t>(std::max<std::int64_t>(0, *length));
  else if (same_word(header(head, "Transfer-Encoding"), "chunked")) answer.whole = chunks_end(body);
  else if (answer.status == 204 || answer.status == 304) answer.whole = true;
  else answer.whole = closed, answer.keep = false;
  if (!answer.whole && !closed) return std::nullopt;
  return answer;
}

Clients::Clients(const Load& load, const Scale& scale, std::string path, Address to, std::function<base::Fd(int)> dial_with, Tell tell)
    : load_(load), scale_(scale), path_(std::move(path)), to_(std::move(to)), dial_(std::move(dial_with)), tell_(std::move(tell)) {}

void Clients::begin(double now) {
  begun_ = true;
  start_ = due_ = now;
  tell_({now, "load-begins", load_.name, 0, 0, (to_.path.empty() ? "port " + std::to_string(to_.port) : "unix:" + to_.path), 0, {}});
  if (load_.rate == 0)
    for (int user = 0; user < load_.concurrency; ++user) later_.push_back({now, load_.retries, user});
}

bool Clients::may_begin() const { return (load_.count == 0 || asked_ < load_.count) && asked_ < most_requests && calls_.size() < most_connections; }

double Clients::next(double now) const {
  double at = now + 1e9;
  if (!begun_ || over_) return at;
  if (load_.rate > 0 && may_begin()) at = std::min(at, due_);
  for (const Later& one : later_) at = std::min(at, one.at);
  for (const Call& call : calls_) at = std::min(at, call.wake > 0 ? call.wake : call.began + scale_.seconds(load_.patience));
  return at;
}

void Clients::tick(double now) {
  if (!begun_ || over_) return;
  const bool timed_out = load_.lasts > 0 && now >= start_ + scale_.seconds(load_.lasts);
  if (timed_out) later_.clear();
  // --scale makes the times shorter, and with them the requests fewer: the rate stays what the server bears.
  while (load_.rate > 0 && !timed_out && now >= due_ && may_begin()) {
    dial(now, load_.retries, asked_);
    due_ += 1 / load_.rate;
  }
  std::vector<Later> due;
  for (const Later& one : later_)
    if (one.at <= now) due.push_back(one);
  std::erase_if(later_, [&](const Later& one) { return one.at <= now; });
  for (const Later& one : due)
    if (may_begin()) dial(now, one.retries, one.user);
  const double patience = scale_.seconds(load_.patience);
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    Call& call = calls_[i];
    if (!call.fd) continue;
    if (call.state == Call::State::resting && now >= call.wake) {
      if (may_begin() && !timed_out) ask(call, now);
      else call.fd.reset();
    } else if (call.state == Call::State::sending && call.wake > 0 && now >= call.wake) send(call, now);
    else if (call.state != Call::State::resting && now - call.began >= patience) finish(call, now, load_.idle ? "held" : "gave-up");
  }
  std::erase_if(calls_, [](const Call& call) { return !call.fd; });
  const bool more = (load_.rate > 0 && !timed_out && may_begin()) || !later_.empty();
  if (calls_.empty() && !more) {
    over_ = true;
    tell_({now, "load-ends", load_.name, 0, 0, "", static_cast<double>(asked_), start_});
  }
}

std::string Clients::request_text() const {
  std::string text = load_.method + " " + path_ + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: triage-repro\r\n";
  if (load_.body > 0 || load_.method == "POST" || load_.method == "PUT") text += "Content-Length: " + std::to_string(load_.body) + "\r\n";
  return text + (load_.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

void Clients::dial(double now, int retries, int user) {
  Call call;
  call.number = ++asked_;
  call.left_retries = retries;
  call.user = user;
  call.began = now;
  call.fd = dial_(to_.path.empty() ? AF_INET : AF_UNIX);
  if (!load_.idle) tell_({now, "asked", load_.name, 0, 0, load_.method + " " + path_, static_cast<double>(call.number), {}});
  int code = EMFILE;
  if (call.fd) {
    sockaddr_storage room{};
    socklen_t size = 0;
    if (to_.path.empty()) {
      auto* in = reinterpret_cast<sockaddr_in*>(&room);
      in->sin_family = AF_INET;
      in->sin_port = htons(static_cast<std::uint16_t>(to_.port));
      in->sin_addr.s_addr = htonl(to_.host);
      size = sizeof *in;
      const int one = 1;
      ::setsockopt(call.fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    } else {
      auto* un = reinterpret_cast<sockaddr_un*>(&room);
      un->sun_family = AF_UNIX;
      std::strncpy(un->sun_path, to_.path.c_str(), sizeof un->sun_path - 1);
      size = sizeof *un;
    }
    code = ::connect(call.fd.get(), reinterpret_cast<sockaddr*>(&room), size) == 0 ? 0 : errno;
  }
  calls_.push_back(std::move(call));
  if (code == 0) connected(calls_.back(), now);
  else if (code != EINPROGRESS) finish(calls_.back(), now, outcome_of(code));
}

void Clients::connected(Call& call, double now) {
  call.connected = now;
  if (load_.idle) {
    call.state = Call::State::reading;
    tell_({now, "connected", load_.name, 0, 0, "", static_cast<double>(call.number), call.began});
    return;
  }
  call.out = request_text();
  call.body_left = load_.body;
  call.pieces_left = load_.body > 0 ? load_.pieces : 0;
  call.state = Call::State::sending;
  send(call, now);
}

// The next request on a connection that was kept.
void Clients::ask(Call& call, double now) {
  call.number = ++asked_;
  ++call.reused;
  call.began = now;
  call.wake = 0;
  call.in.clear();
  tell_({now, "asked", load_.name, 0, 0, load_.method + " " + path_, static_cast<double>(call.number), {}});
  connected(call, now);
}

void Clients::send(Call& call, double now) {
  call.wake = 0;
  while (true) {
    if (call.out.empty() && call.pieces_left > 0) {
      const std::uint64_t size = call.pieces_left == 1 ? call.body_left : load_.body / static_cast<std::uint64_t>(load_.pieces);
      call.out.assign(static_cast<std::size_t>(size), 'x');
      call.body_left -= size;
      --call.pieces_left;
    }
    if (call.out.empty()) {
      call.state = Call::State::reading;
      return;
    }
    const ssize_t sent = ::send(call.fd.get(), call.out.data(), call.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent < 0) {
      call.closing = true;   // an answer may have come before the end
      call.state = Call::State::reading;
      return;
    }
    call.out.erase(0, static_cast<std::size_t>(sent));
    if (call.out.empty() && call.pieces_left > 0 && load_.gap > 0) {
      call.wake = now + scale_.seconds(load_.gap);
      return;
    }
  }
}

void Clients::receive(Call& call, double now) {
  char room[16384];
  const ssize_t got = ::recv(call.fd.get(), room, sizeof room, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const int code = got < 0 ? errno : 0;
  if (got > 0 && call.in.size() < (4u << 20)) call.in.append(room, static_cast<std::size_t>(got));
  const bool closed = got <= 0;
  if (call.state == Call::State::resting) {
    if (closed) call.fd.reset();
    return;
  }
  const auto answer = answer_of(call.in, closed);
  if (load_.bodies && answer && answer->whole)
    tell_({now, "body", load_.name, 0, 0, std::string(base::trim(std::string_view(call.in).substr(call.in.find("\r\n\r\n") + 4, 80))), static_cast<double>(call.number), {}});
  if (answer && answer->whole) {
    if (answer->keep && load_.keep_alive && !closed) {
      tell_({now, "answered", load_.name, 0, 0, std::to_string(answer->status), static_cast<double>(call.number), call.began});
      call.state = Call::State::resting;
      call.wake = now + scale_.seconds(load_.pause);
      return;
    }
    finish(call, now, std::to_string(answer->status));
  } else if (closed) {
    if (answer && answer->status > 0) finish(call, now, "cut");
    else finish(call, now, code != 0 ? outcome_of(code) : "closed");
  }
}

void Clients::finish(Call& call, double now, const std::string& outcome) {
  tell_({now, "answered", load_.name, 0, 0, outcome, static_cast<double>(call.number), call.began});
  call.fd.reset();
  const bool good = outcome.size() == 3 && (outcome[0] == '2' || outcome[0] == '3' || outcome[0] == '4');
  if (load_.idle) return;
  if (!good && call.left_retries > 0) later_.push_back({now + scale_.seconds(load_.pause), call.left_retries - 1, call.user});
  else if (load_.rate == 0) later_.push_back({now + std::max(0.001, scale_.seconds(load_.pause)), load_.retries, call.user});
}

void Clients::wanted(std::vector<pollfd>& into) const {
  for (const Call& call : calls_) {
    if (!call.fd) continue;
    // As simple clients do it reads the answer when everything is sent, not before.
    const bool sending = call.state == Call::State::sending, out = call.state == Call::State::connecting || (sending && call.wake == 0);
    into.push_back({call.fd.get(), static_cast<short>((sending ? 0 : POLLIN) | (out ? POLLOUT : 0)), 0});
  }
}

void Clients::ready(const pollfd& fd, double now) {
  const auto found = std::ranges::find_if(calls_, [&](const Call& call) { return call.fd && call.fd.get() == fd.fd; });
  if (found == calls_.end()) return;
  Call& call = *found;
  if (call.state == Call::State::connecting) {
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(call.fd.get(), SOL_SOCKET, SO_ERROR, &code, &size);
    if (code != 0) finish(call, now, outcome_of(code));
    else if ((fd.revents & (POLLOUT | POLLHUP | POLLERR)) != 0) connected(call, now);
    return;
  }
  if (call.state == Call::State::sending) {
    send(call, now);
    return;
  }
  if (call.fd && (fd.revents & (POLLIN | POLLHUP | POLLERR)) != 0) receive(call, now);
}

void Clients::end(double now) {
  for (Call& call : calls_)
    if (call.fd && call.state != Call::State::resting) finish(call, now, load_.idle ? "held" : "unanswered");
  calls_.clear();
  later_.clear();
  over_ = true;
}

}  // namespace reproduce
