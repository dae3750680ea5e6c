#include "probe/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/owner.hpp"

namespace probe {

namespace {

std::int64_t now_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
}

}  // namespace

base::Result<Printed> run(const std::vector<std::string>& argv, int deadline_ms, std::size_t most) {
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return base::fail(base::from_errno(errno, "running " + argv[0]));
  base::Fd out_read(out[0]), out_write(out[1]);
  if (::pipe2(err, O_CLOEXEC) != 0) return base::fail(base::from_errno(errno, "running " + argv[0]));
  base::Fd err_read(err[0]), err_write(err[1]);

  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  // Little of our environment passes on: no colours, no pager, UTC.
  std::array<char*, 5> environment{const_cast<char*>("PATH=/usr/bin:/bin"), const_cast<char*>("LC_ALL=C"), const_cast<char*>("TZ=UTC"), const_cast<char*>("SYSTEMD_COLORS=0"), nullptr};

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out_write.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, err_write.get(), 2);
  pid_t pid = 0;
  const int answer = ::posix_spawn(&pid, argv[0].c_str(), &actions, nullptr, words.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (answer != 0) return base::fail(base::from_errno(answer, "running " + argv[0]));
  out_write.reset();
  err_write.reset();

  Printed printed;
  const std::int64_t end = now_ms() + deadline_ms;
  std::array<char, 1 << 16> piece;
  bool killed = false;
  while (out_read || err_read) {
    const std::int64_t left = end - now_ms();
    if (left <= 0) { printed.late = true; break; }
    std::array<pollfd, 2> wait{pollfd{out_read.get(), POLLIN, 0}, pollfd{err_read.get(), POLLIN, 0}};
    if (::poll(wait.data(), wait.size(), static_cast<int>(left)) < 0 && errno != EINTR) break;
    const auto take = [&](base::Fd& fd, const pollfd& asked, std::string& into, std::size_t cap) {
      if (!fd || !(asked.revents & (POLLIN | POLLHUP | POLLERR))) return;
      const ssize_t count = ::read(fd.get(), piece.data(), piece.size());
      if (count > 0 && into.size() < cap) into.append(piece.data(), std::min(static_cast<std::size_t>(count), cap - into.size()));
      if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) fd.reset();
    };
    take(out_read, wait[0], printed.out, most);
    take(err_read, wait[1], printed.err, 4096);
    if (printed.out.size() >= most) { printed.cut = true; break; }
  }
  if (printed.late || printed.cut) { ::kill(pid, SIGKILL); killed = true; }
  out_read.reset();
  err_read.reset();
  // A child that closed its output and lingers is ended too: nothing more can come from it.
  while (::waitpid(pid, &printed.status, killed ? 0 : WNOHANG) == 0) {
    if (now_ms() >= end) { ::kill(pid, SIGKILL); killed = true; continue; }
    ::poll(nullptr, 0, 2);
  }
  return printed;
}

}  // namespace probe
