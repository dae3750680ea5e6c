// The least that answers HTTP: a forked epoll loop per worker on one SO_REUSEPORT address, which looks for the empty line and parses nothing. The peer that
// server_bench.py holds triage-server's processor time against.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr char answer[] = "HTTP/1.1 200 OK\r\nServer: plain\r\nConnection: keep-alive\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";

int listener(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 2048) != 0) return -1;
  return fd;
}

void serve(int port) {
  const int from = listener(port), epoll = ::epoll_create1(0);
  if (from < 0) ::_exit(1);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = from;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, from, &event);
  epoll_event events[128];
  static char room[65'536];
  while (true) {
    const int count = ::epoll_wait(epoll, events, 128, -1);
    for (int i = 0; i < count; ++i) {
      int fd = events[i].data.fd;
      if (fd == from) {
        fd = ::accept4(from, nullptr, nullptr, SOCK_NONBLOCK);
        if (fd < 0) continue;
        event.data.fd = fd;
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
      }
      const ssize_t size = ::recv(fd, room, sizeof room, 0);
      if (size == 0 || (size < 0 && errno != EAGAIN)) ::close(fd);
      else if (size > 0 && ::memmem(room, static_cast<std::size_t>(size), "\r\n\r\n", 4)) [[maybe_unused]] const ssize_t sent = ::send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
    }
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return 2;
  for (int i = 0; i < std::atoi(words[2]); ++i)
    if (::fork() == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve(std::atoi(words[1]));
    }
  while (::wait(nullptr) > 0) {}
  return 0;
}
