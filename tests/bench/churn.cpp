// A load of processes at a steady pace: each is forked, sent SIGTERM ($CHURN_SIGNAL: another one) and reaped. Catches the signals that a
// gunicorn master catches, and wears its name, so that it can also stand in for a watched server. churn PER_SECOND SECONDS
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace {

void ignore_it(int) {}

long long now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  // As gunicorn writes its numbers among its arguments: `gunicorn -w 1 app` must not be parsed, so they come last.
  const long long per_second = std::atoll(argv[argc - 2]), seconds = std::atoll(argv[argc - 1]);
  if (per_second <= 0 || seconds <= 0) return 2;
  for (const int signal : {SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGQUIT, SIGINT, SIGWINCH}) {
    struct sigaction action{};
    action.sa_handler = ignore_it;
    sigaction(signal, &action, nullptr);
  }
  const char* const asked = std::getenv("CHURN_SIGNAL");
  const int deadly = asked ? std::atoi(asked) : SIGTERM;
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const long long began = now_ns(), pause = 1'000'000'000 / per_second;
  long long made = 0;
  while (now_ns() - began < seconds * 1'000'000'000) {
    const pid_t child = fork();
    if (child == 0) {
      for (const int signal : {SIGHUP, SIGCHLD, SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH}) std::signal(signal, SIG_DFL);
      for (;;) ::pause();
    }
    if (child < 0) return 3;
    kill(child, deadly);
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {}
    ++made;
    const long long due = began + made * pause, left = due - now_ns();
    if (left > 0) {
      const timespec rest{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
      nanosleep(&rest, nullptr);
    }
  }
  std::printf("%lld\n", made);
  return 0;
}
