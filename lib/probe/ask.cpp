// Bytes to a socket of this host and what comes back, under one deadline for all of it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/owner.hpp"
#include "base/text.hpp"
#include "probe/status.hpp"

namespace probe {

namespace {

constexpr std::size_t most_answer = 4 << 20;
using Clock = std::chrono::steady_clock;

bool ready(int fd, short what, Clock::time_point until) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    pollfd one{fd, what, 0};
    const int got = ::poll(&one, 1, static_cast<int>(left));
    if (got > 0) return true;
    if (got < 0 && errno != EINTR) return false;
  }
}

struct Where { sockaddr_storage address{}; socklen_t size = 0; base::Fd folder; };

// A path that is too long for an address (108 bytes) is reached through its folder.
bool at_path(const std::string& path, Where& where) {
  auto& local = reinterpret_cast<sockaddr_un&>(where.address);
  local.sun_family = AF_UNIX;
  std::string shown = path;
  if (shown.size() >= sizeof local.sun_path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return false;
    where.folder = base::Fd(::open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!where.folder) return false;
    shown = "/proc/self/fd/" + std::to_string(where.folder.get()) + path.substr(slash);
  }
  if (shown.size() >= sizeof local.sun_path) return false;
  std::memcpy(local.sun_path, shown.c_str(), shown.size() + 1);
  where.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + shown.size() + 1);
  return true;
}

bool at_port(const std::string& text, Where& where) {
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : base::read_number(std::string_view(text).substr(colon + 1));
  if (!port || *port <= 0 || *port > 65535) return false;
  std::string host = text.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    auto& six = reinterpret_cast<sockaddr_in6&>(where.address);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(static_cast<std::uint16_t>(*port));
    where.size = sizeof six;
    return ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &six.sin6_addr) == 1;
  }
  auto& four = reinterpret_cast<sockaddr_in&>(where.address);
  four.sin_family = AF_INET;
  four.sin_port = htons(static_cast<std::uint16_t>(*port));
  where.size = sizeof four;
  return ::inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1;
}

// An answer that says how long it is needs no end of the connection.
bool whole(const std::string& answer) {
  if (!base::starts_with(answer, "HTTP/1.")) return false;
  const std::size_t end = answer.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  std::string head = answer.substr(0, end + 2);
  for (char& c : head)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto length = base::between(head, "\r\ncontent-length:", "\r\n");
  const auto number = length ? base::read_number(base::trim(*length)) : std::nullopt;
  return number && *number >= 0 && answer.size() - end - 4 >= static_cast<std::size_t>(*number);
}

}  // namespace

base::Result<std::string> ask(const std::string& address, std::string_view request, double patience_s) {
  const std::string doing = "asking " + address;
  const auto until = Clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(patience_s * 1000));
  Where where;
  const bool local = base::starts_with(address, "unix:");
  if (!(local ? at_path(address.substr(5), where) : at_port(address, where))) return base::fail({base::Kind::usage, doing, "that is no address of this host", "", 0});
  const base::Fd link(::socket(where.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!link) return base::fail(base::from_errno(errno, doing));
  if (::connect(link.get(), reinterpret_cast<const sockaddr*>(&where.address), where.size) != 0) {
    if (errno != EINPROGRESS) return base::fail(base::from_errno(errno, doing));   // a unix socket whose queue is full: EAGAIN, at once
    int problem = 0;
    socklen_t length = sizeof problem;
    if (!ready(link.get(), POLLOUT, until)) return base::fail(base::from_errno(ETIMEDOUT, doing));
    if (::getsockopt(link.get(), SOL_SOCKET, SO_ERROR, &problem, &length) != 0 || problem) return base::fail(base::from_errno(problem ? problem : errno, doing));
  }
  while (!request.empty()) {
    if (!ready(link.get(), POLLOUT, until)) return base::fail(base::from_errno(ETIMEDOUT, doing));
    const ssize_t sent = ::send(link.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent < 0) return base::fail(base::from_errno(errno, doing));
    request.remove_prefix(static_cast<std::size_t>(sent));
  }
  std::string answer;
  char buffer[16 << 10];
  while (answer.size() < most_answer && !whole(answer)) {
    if (!ready(link.get(), POLLIN, until)) return base::fail(base::from_errno(ETIMEDOUT, doing));
    const ssize_t got = ::recv(link.get(), buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return base::fail(base::from_errno(errno, doing));
    if (got == 0) break;
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

std::string_view body_of(std::string_view answer) {
  if (!base::starts_with(answer, "HTTP/1.")) return answer;
  const std::size_t end = answer.find("\r\n\r\n");
  if (end == std::string_view::npos || answer.substr(8, 5) != " 200 ") return {};
  return answer.substr(end + 4);
}

std::string address_of(std::string_view text) {
  text = base::trim(text);
  if (base::starts_with(text, "unix://")) return "unix:" + std::string(text.substr(7));
  if (base::starts_with(text, "unix:")) return std::string(text);
  if (base::starts_with(text, "tcp://")) text.remove_prefix(6);
  if (const std::size_t end = text.find_first_of("?/"); end != 0 && end != std::string_view::npos) text = text.substr(0, end);
  if (text.empty()) return {};
  if (text[0] == '/') return "unix:" + std::string(text);
  const std::size_t colon = text.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? text : text.substr(colon + 1);
  if (!base::read_number(port)) return {};
  std::string host(colon == std::string_view::npos ? std::string_view() : text.substr(0, colon));
  if (host.empty() || host == "*" || host == "0.0.0.0" || host == "localhost") host = "127.0.0.1";
  if (host == "[::]" || host == "::") host = "[::1]";
  return host + ":" + std::string(port);
}

}  // namespace probe
