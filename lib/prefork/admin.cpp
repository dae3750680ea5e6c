#include "prefork/admin.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.hpp"
#include "prefork/clock.hpp"
#include "prefork/log.hpp"

namespace prefork {
namespace {

// The first line, within a second and 4 KiB.
std::string line_of(int fd) {
  std::string text;
  const double end = monotonic() + 1;
  while (text.find('\n') == std::string::npos && text.size() < 4096) {
    const int left = static_cast<int>((end - monotonic()) * 1000);
    pollfd wait{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&wait, 1, left) <= 0) return "";
    char room[1024];
    const ssize_t got = ::recv(fd, room, sizeof room, MSG_DONTWAIT);
    if (got <= 0) break;
    text.append(room, static_cast<std::size_t>(got));
  }
  return std::string(base::trim(std::string_view(text).substr(0, text.find('\n'))));
}

}  // namespace

base::Result<> Admin::open(const Address& address) {
  ListenOptions options;
  options.backlog = 64;
  options.umask = 077;  // who may switch faults on is who runs the server
  TRY(made, listen_at(address, options));
  listener_ = std::move(made);
  return {};
}

void Admin::serve(const Answer& answer) {
  for (int i = 0; i < 16; ++i) {
    const base::Fd fd(::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    const timeval second{1, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
    std::string line = line_of(fd.get());
    const bool http = line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0");
    if (http) {
      const auto words = base::split(line, ' ');
      line = words.size() == 3 && words[0] == "GET" && words[1].starts_with('/') ? std::string(words[1].substr(1)) : std::string("help");
    }
    const std::string text = answer(line);
    if (http) write_all(fd.get(), fmt::format("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", text.size(), text));
    else write_all(fd.get(), text);
    ::shutdown(fd.get(), SHUT_WR);
    char room[1024];
    while (::recv(fd.get(), room, sizeof room, MSG_DONTWAIT) > 0) {}
  }
}

void Admin::close(bool unlink) {
  if (unlink && listener_.fd && listener_.address.kind == Address::Kind::unix_path && !listener_.address.path.starts_with('@')) ::unlink(listener_.address.path.c_str());
  listener_.fd.reset();
}

}  // namespace prefork
