#include "probe/send.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>

#include "base/owner.hpp"
#include "base/text.hpp"

namespace probe {

namespace {

using Clock = std::chrono::steady_clock;

bool ready(int fd, short what, Clock::time_point until) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    pollfd one{fd, what, 0};
    const int got = ::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (got > 0) return true;
    if (got < 0 && errno != EINTR) return false;
  }
}

}  // namespace

base::Result<Answer> send_request(const parse::nginx::Request& request, double patience_s) {
  const std::string doing = "sending one request to " + request.host + ":" + std::to_string(request.port);
  if (request.tls) return base::fail({base::Kind::unsupported, doing, "https is not spoken here", "curl -sS -o /dev/null -w '%{http_code}' the URL", 0});
  if (request.address.empty()) return base::fail({base::Kind::unsupported, doing, "no name is looked up here", "give an address: triage http://127.0.0.1:PORT/PATH --send", 0});
  sockaddr_storage where{};
  socklen_t size = 0;
  if (request.address.front() == '[') {
    auto& six = reinterpret_cast<sockaddr_in6&>(where);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(request.port);
    if (::inet_pton(AF_INET6, request.address.substr(1, request.address.size() - 2).c_str(), &six.sin6_addr) == 1) size = sizeof six;
  } else {
    auto& four = reinterpret_cast<sockaddr_in&>(where);
    four.sin_family = AF_INET;
    four.sin_port = htons(request.port);
    if (::inet_pton(AF_INET, request.address.c_str(), &four.sin_addr) == 1) size = sizeof four;
  }
  if (size == 0) return base::fail({base::Kind::usage, doing, "that is no address", "", 0});
  const auto began = Clock::now();
  const auto until = began + std::chrono::milliseconds(static_cast<std::int64_t>(patience_s * 1000));
  const base::Fd link(::socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!link) return base::fail(base::from_errno(errno, doing));
  if (::connect(link.get(), reinterpret_cast<const sockaddr*>(&where), size) != 0) {
    if (errno != EINPROGRESS) return base::fail(base::from_errno(errno, doing));
    int problem = 0;
    socklen_t length = sizeof problem;
    if (!ready(link.get(), POLLOUT, until)) return base::fail(base::from_errno(ETIMEDOUT, doing));
    if (::getsockopt(link.get(), SOL_SOCKET, SO_ERROR, &problem, &length) != 0 || problem) return base::fail(base::from_errno(problem ? problem : errno, doing));
  }
  const std::string text = "GET " + request.path + " HTTP/1.1\r\nHost: " + request.host + (request.port == 80 ? "" : ":" + std::to_string(request.port)) + "\r\nUser-Agent: triage\r\nConnection: close\r\n\r\n";
  for (std::size_t at = 0; at < text.size();) {
    if (!ready(link.get(), POLLOUT, until)) return base::fail(base::from_errno(ETIMEDOUT, doing));
    const ssize_t sent = ::send(link.get(), text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent < 0) return base::fail(base::from_errno(errno, doing));
    at += static_cast<std::size_t>(sent);
  }
  std::string head;
  char buffer[512];
  while (head.size() < 13) {  // "HTTP/1.1 200 "
    if (!ready(link.get(), POLLIN, until)) return base::fail(base::from_errno(ETIMEDOUT, doing, "it was sent and is not answered: the server may still work on it"));
    const ssize_t got = ::recv(link.get(), buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return base::fail(base::from_errno(errno, doing));
    if (got == 0) return base::fail({base::Kind::malformed, doing, "the connection was closed without an answer", "", 0});
    head.append(buffer, static_cast<std::size_t>(got));
  }
  const auto status = base::starts_with(head, "HTTP/1.") ? base::read_number(std::string_view(head).substr(9, 3)) : std::nullopt;
  if (!status) return base::fail({base::Kind::malformed, doing, "the answer is no HTTP: " + base::printable(head.substr(0, 40), 60), "", 0});
  return Answer{static_cast<int>(*status), std::chrono::duration<double>(Clock::now() - began).count()};
}

}  // namespace probe
