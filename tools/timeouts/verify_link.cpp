#include "verify_link.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <list>
#include <vector>

#include "base/owner.hpp"
#include "verify_run.hpp"

namespace timeouts {

namespace {

bool named(sockaddr_un& address, const std::string& path) {
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return true;
}

struct Late { double due; std::string bytes; };  // empty: the end
struct Way { base::Fd client, server; std::deque<Late> late; bool server_ended = false, over = false; };

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;  // gone: what was sent to it is lost, as on a real line
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

}  // namespace

Link::Link(std::string from, std::string to, double delay_s) : from_(std::move(from)), to_(std::move(to)), delay_(delay_s), thread_([this] { run(); }) {}

Link::~Link() {
  ended_ = true;
  thread_.join();
}

void Link::run() {
  sockaddr_un own{}, other{};
  base::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener || !named(own, from_) || !named(other, to_)) return;
  ::unlink(from_.c_str());
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 || ::listen(listener.get(), 64) != 0) return;
  ::chmod(from_.c_str(), 0666);
  std::list<Way> ways;
  std::array<char, 1 << 14> piece;
  while (!ended_) {
    std::vector<pollfd> all{{listener.get(), POLLIN, 0}};
    double wait = 0.1;
    for (Way& way : ways) {
      all.push_back({way.client.get(), POLLIN, 0});
      all.push_back({way.server_ended ? -1 : way.server.get(), POLLIN, 0});
      if (!way.late.empty()) wait = std::min(wait, std::max(0.0, way.late.front().due - now_s()));
    }
    if (::poll(all.data(), all.size(), static_cast<int>(wait * 1000) + 1) < 0 && errno != EINTR) return;
    std::size_t at = 1;
    for (Way& way : ways) {
      if (all[at++].revents != 0) {
        const ssize_t count = ::recv(way.client.get(), piece.data(), piece.size(), 0);
        if (count <= 0) way.over = true;
        else if (!way.server_ended) write_all(way.server.get(), {piece.data(), static_cast<std::size_t>(count)});
      }
      if (all[at++].revents != 0) {
        const ssize_t count = ::recv(way.server.get(), piece.data(), piece.size(), 0);
        way.late.push_back({now_s() + delay_, count > 0 ? std::string(piece.data(), static_cast<std::size_t>(count)) : std::string()});
        if (count <= 0) { way.server_ended = true; ++closed_; }
      }
      while (!way.over && !way.late.empty() && way.late.front().due <= now_s()) {
        if (way.late.front().bytes.empty()) way.over = true;
        else write_all(way.client.get(), way.late.front().bytes);
        way.late.pop_front();
      }
    }
    if (all[0].revents != 0) {
      Way way;
      way.client = base::Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      way.server = base::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (way.client && way.server && ::connect(way.server.get(), reinterpret_cast<const sockaddr*>(&other), sizeof other) == 0) ways.push_back(std::move(way));
    }
    ways.remove_if([](const Way& way) { return way.over; });
    standing_ = static_cast<int>(ways.size());
  }
}

}  // namespace timeouts
