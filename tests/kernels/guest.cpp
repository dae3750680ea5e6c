// What runs in a kernel under test, where there is no Python: a server of gunicorn's shape (its titles, a master that forks and reaps two
// workers), and the faults that end a worker. Static, so that the guest needs nothing but this and the tools. One word chooses the part:
//   master, serve, work, kill SIGNAL PID
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

const char* const self = "/bin/guest";

/// A worker waits for its fault: SIGUSR1 eats memory until the cgroup is full, SIGUSR2 reads through a null pointer, SIGHUP leaves with 7.
[[noreturn]] void work() {
  sigset_t faults;
  sigemptyset(&faults);
  for (const int signal : {SIGUSR1, SIGUSR2, SIGHUP}) sigaddset(&faults, signal);
  sigprocmask(SIG_BLOCK, &faults, nullptr);
  int which = 0;
  sigwait(&faults, &which);
  if (which == SIGHUP) ::_exit(7);
  if (which == SIGUSR2) {
    volatile int* const nowhere = nullptr;
    std::printf("%d\n", *nowhere);
  }
  for (;;) {
    constexpr std::size_t step = 1 << 20;
    void* const more = ::mmap(nullptr, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (more == MAP_FAILED) ::_exit(9);
    std::memset(more, 1, step);
  }
}

void start_worker() {
  if (::fork() == 0) ::execl(self, "gunicorn: worker [guest]", "work", nullptr);
}

[[noreturn]] void serve() {
  for (int i = 0; i < 2; ++i) start_worker();
  for (;;)
    if (::wait(nullptr) > 0) start_worker();
}

}  // namespace

int main(int count, char** words) {
  const std::string part = count > 1 ? words[1] : "";
  if (part == "serve") {
    ::prctl(PR_SET_NAME, "gunicorn");
    serve();
  }
  if (part == "work") {
    ::prctl(PR_SET_NAME, "gunicorn");
    work();
  }
  if (part == "master") ::execl(self, "gunicorn: master [guest]", "serve", nullptr);
  if (part == "kill" && count == 4) {
    ::prctl(PR_SET_NAME, "nightly-cleanup");
    return ::kill(std::atoi(words[3]), std::atoi(words[2])) == 0 ? 0 : 1;
  }
  std::fprintf(stderr, "guest master | serve | work | kill SIGNAL PID\n");
  return 2;
}
