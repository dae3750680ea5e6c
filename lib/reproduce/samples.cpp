#include "reproduce/samples.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/text.hpp"
#include "reproduce/child.hpp"

namespace reproduce {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

// The descriptor of the worker's own file; -1 when it has none, or still holds those of its siblings, which it closes soon after its fork
// (gunicorn/arbiter.py:585@20.1.0).
int heartbeat_fd(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  const std::unique_ptr<DIR, int (*)(DIR*)> list(::opendir(folder.c_str()), ::closedir);
  int found = -1;
  while (const dirent* entry = list ? ::readdir(list.get()) : nullptr) {
    const auto fd = base::read_number(entry->d_name);
    char target[512];
    const ssize_t size = fd ? ::readlink((folder + "/" + entry->d_name).c_str(), target, sizeof target) : -1;
    if (size <= 0 || !base::contains(std::string_view(target, static_cast<std::size_t>(size)), "/wgunicorn-")) continue;
    if (found >= 0) return -1;
    found = static_cast<int>(*fd);
  }
  return found;
}

// When it was touched: every way of touching it sets ctime, which is the wall clock (lib/probe/probes/heartbeat.cpp).
std::int64_t touched_ns(int pid, int fd) {
  struct stat file {};
  if (::stat(("/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd)).c_str(), &file) != 0) return 0;
  return file.st_ctim.tv_sec * second_ns + file.st_ctim.tv_nsec;
}

}  // namespace

void Heartbeats::sample(const std::vector<int>& workers, double now) {
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  const std::int64_t wall_ns = wall.tv_sec * second_ns + wall.tv_nsec;
  std::map<int, One> living;
  for (const int pid : workers) {
    One one = known_.contains(pid) ? known_[pid] : One{};
    if (one.own == 0) one.own = own_pid(pid);
    if (one.fd < 0) one.fd = heartbeat_fd(pid);
    if (one.fd >= 0) {
      const std::int64_t touched = touched_ns(pid, one.fd);
      if (touched == 0) one.fd = -1;
      else if (touched != one.touched) {
        one.touched = touched;
        const double age = static_cast<double>(wall_ns - touched) / static_cast<double>(second_ns);
        tell_({now - (age > 0 ? age : 0), "heartbeat", "worker", one.own, pid, "", 0, {}});
      }
    }
    living[pid] = one;
  }
  known_ = std::move(living);
}

}  // namespace reproduce
