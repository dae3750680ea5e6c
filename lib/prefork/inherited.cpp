#include "prefork/inherited.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "prefork/built_in.hpp"
#include "prefork/clock.hpp"
#include "prefork/log.hpp"

namespace prefork {
namespace {

// A question and its answer: who asks and the number of the question; the upstream sends back what it got.
using Message = std::array<std::uint64_t, 2>;
constexpr std::size_t message_size = sizeof(Message);

// A process of its own that echoes; it ends with the last connection to it.
base::Fd start_upstream(bool in_pieces) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return {};
  // Twice, so that it is nobody's child here: neither the master's to reap nor the worker's.
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::fork() != 0) ::_exit(0);
    ::close(ends[0]);
    ::prctl(PR_SET_NAME, "upstream", 0, 0, 0);
    sigset_t none;
    ::sigemptyset(&none);
    for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) ::signal(number, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int fd = 3; fd < 256; ++fd)
      if (fd != ends[1]) ::close(fd);
    char room[message_size];
    while (true) {
      ssize_t size = ::read(ends[1], room, sizeof room);
      if (size <= 0) ::_exit(0);
      for (ssize_t at = 0; at < size;) {
        const ssize_t piece = in_pieces && size - at > 4 ? 4 : size - at;
        if (::write(ends[1], room + at, static_cast<std::size_t>(piece)) <= 0) ::_exit(0);
        at += piece;
      }
    }
  }
  ::close(ends[1]);
  const timeval soon{0, 200'000};
  ::setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
  return base::Fd(ends[0]);
}

}  // namespace

void Inherited::prepare(const Faults& faults) {
  shares_upstream_ = faults.is_on(Fault::shared_upstream);
  in_pieces_ = shares_upstream_ && faults.value(Fault::shared_upstream) >= 1;
  if (shares_upstream_ && !upstream_) upstream_ = start_upstream(in_pieces_);
  shares_epoll_ = faults.is_on(Fault::epoll_inherit);
  if (shares_epoll_ && !epoll_) epoll_ = base::Fd(::epoll_create1(EPOLL_CLOEXEC));
}

void Inherited::hold_locks(const Faults& faults) {
  if (faults.is_on(Fault::fork_lock_log)) holds_log_ = ::pthread_mutex_lock(&log_lock_) == 0;
  if (faults.is_on(Fault::fork_lock_pool)) holds_pool_ = ::pthread_mutex_lock(&pool_lock_) == 0;
}

void Inherited::release_locks() {
  if (holds_log_) ::pthread_mutex_unlock(&log_lock_);
  if (holds_pool_) ::pthread_mutex_unlock(&pool_lock_);
  holds_log_ = holds_pool_ = false;
}

void Inherited::settle(const Faults& faults, int age) {
  if (!faults.is_on(Fault::prng_dup)) random_ = mixed(faults.seed() ^ static_cast<std::uint64_t>(age) << 40 ^ static_cast<std::uint64_t>(::getpid()) ^ static_cast<std::uint64_t>(monotonic_ns()));
  if (!shares_upstream_) upstream_.reset();
  if (!shares_epoll_) epoll_.reset();
  if (!holds_log_) return;
  ::pthread_mutex_lock(&log_lock_);  // its owner is a thread that the fork did not copy
  ::pthread_mutex_unlock(&log_lock_);
}

void Inherited::take_pool_lock() {
  if (!holds_pool_) return;
  ::pthread_mutex_lock(&pool_lock_);
  ::pthread_mutex_unlock(&pool_lock_);
}

std::string Inherited::ask_upstream(int count) {
  if (!upstream_) upstream_ = start_upstream(false);
  const auto mine = static_cast<std::uint64_t>(::getpid());
  int own = 0, others = 0, broken = 0;
  for (int i = 0; i < count; ++i) {
    const Message asked{mine, static_cast<std::uint64_t>(i)};
    write_all(upstream_.get(), {reinterpret_cast<const char*>(asked.data()), message_size});
    Message got{};
    std::size_t at = 0;
    while (at < message_size) {
      const ssize_t size = ::read(upstream_.get(), reinterpret_cast<char*>(got.data()) + at, message_size - at);
      if (size <= 0) break;
      at += static_cast<std::size_t>(size);
    }
    if (at < message_size || got[1] >= static_cast<std::uint64_t>(count) || got[0] > 1 << 30) ++broken;
    else if (got[0] == mine) ++own;
    else ++others;
  }
  return fmt::format("own={} others={} broken={}\n", own, others, broken);
}

std::string Inherited::count_events(int count) {
  if (!epoll_) epoll_ = base::Fd(::epoll_create1(EPOLL_CLOEXEC));
  const auto mine = static_cast<std::uint64_t>(::getpid());
  if (!event_) {
    event_ = base::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = mine;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, event_.get(), &event);
  }
  int own = 0, others = 0, missed = 0;
  for (int i = 0; i < count; ++i) {
    std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t wrote = ::write(event_.get(), &one, sizeof one);
    epoll_event event{};
    const int got = ::epoll_wait(epoll_.get(), &event, 1, 1);
    if (got != 1) ++missed;
    else if (event.data.u64 == mine) ++own;
    else ++others;
    ::poll(nullptr, 0, 1);  // the other worker's turn
    [[maybe_unused]] const ssize_t size = ::read(event_.get(), &one, sizeof one);
  }
  return fmt::format("own={} others={} missed={}\n", own, others, missed);
}

std::string Inherited::answer(std::string_view path, std::string_view query) {
  const int count = static_cast<int>(query_number(query, "n", 100, 100'000));
  if (path == "/upstream") return ask_upstream(count);
  if (path == "/events") return count_events(count);
  if (path == "/random") return fmt::format("{}\n", random_ = mixed(random_));
  return "";
}

}  // namespace prefork
