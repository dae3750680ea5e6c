// What runs in a kernel under test, where there is no Python: a server of gunicorn's shape (its titles, a master that forks and reaps two
// workers), and the faults that end a worker. Static, so that the guest needs nothing but this and the tools. One word chooses the part:
//   master, hog COUNT, or kill SIGNAL PID
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>

namespace {

const char* const self = "/proc/self/exe";
// As setproctitle leaves a command line: the title and nothing else.
const char* const master_title = "gunicorn: master [guest]";
const char* const worker_title = "gunicorn: worker [guest]";

/// As gunicorn 20.1 words it on its stderr, which is where a watch finds its log.
template <class... Values>
void log(const char* level, const char* format, Values... values) {
  char when[64], text[256];
  const std::time_t now = std::time(nullptr);
  std::tm broken{};
  ::gmtime_r(&now, &broken);
  std::strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S +0000", &broken);
  std::snprintf(text, sizeof text, format, values...);
  std::fprintf(stderr, "[%s] [%d] [%s] %s\n", when, ::getpid(), level, text);
}

[[noreturn]] void eat() {
  for (;;) {
    constexpr std::size_t step = 1 << 20;
    void* const more = ::mmap(nullptr, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (more == MAP_FAILED) ::_exit(9);
    std::memset(more, 1, step);
  }
}

int eat_as_clone(void*) { eat(); }

/// What a worker does when it is told: the signals are those that a gunicorn worker has no handler for in this stand-in.
constexpr int eats = SIGUSR1, faults = SIGUSR2, exits = SIGHUP, aborts = SIGTTIN, shares = SIGTTOU, threads = SIGALRM, opens = SIGVTALRM;

/// Not one descriptor more than it has, and one is asked for: what --syscalls is to see. It lives on.
void run_out() {
  const rlimit none{3, 3};
  ::setrlimit(RLIMIT_NOFILE, &none);
  for (int i = 0; i < 5; ++i)
    if (::open("/dev/null", O_RDONLY) >= 0) std::abort();
}

[[noreturn]] void work() {
  log("INFO", "Booting worker with pid: %d", ::getpid());
  sigset_t told;
  sigemptyset(&told);
  for (const int signal : {eats, faults, exits, aborts, shares, threads, opens}) sigaddset(&told, signal);
  sigprocmask(SIG_BLOCK, &told, nullptr);
  int which = 0;
  while (sigwait(&told, &which) == 0 && which == opens) run_out();
  if (which == exits) ::_exit(7);
  if (which == aborts) std::abort();
  if (which == faults) {
    volatile int* const nowhere = nullptr;
    std::printf("%d\n", *nowhere);
  }
  if (which == shares) {      // as after vfork: another process with the same memory, of which the kernel logs only one
    constexpr std::size_t size = 64 << 10;
    char* const stack = static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ::clone(eat_as_clone, stack + size, CLONE_VM | SIGCHLD, nullptr);
    for (;;) ::pause();
  }
  if (which == threads) {     // the leader goes, a thread stays: "Killed process" then names the thread's id
    std::thread([] {
      ::prctl(PR_SET_NAME, "hogthread");
      eat();
    }).detach();
    ::syscall(SYS_exit, 0);
  }
  eat();
}

/// OOM kills one after the other, until the kernel holds back all of its report but the victim's line (10 in 5 s).
int make_noise(int count) {
  for (int i = 0; i < count; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) eat();
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status)) return 1;
  }
  return 0;
}

void start_worker() {
  if (::fork() == 0) ::execl(self, worker_title, nullptr);
}

[[noreturn]] void serve() {
  log("INFO", "Starting gunicorn 20.1.0");
  log("INFO", "Listening at: http://127.0.0.1:8000 (%d)", ::getpid());
  log("INFO", "Using worker: sync");
  for (int i = 0; i < 2; ++i) start_worker();
  for (;;) {
    int status = 0;
    const pid_t pid = ::wait(&status);
    if (pid <= 0) continue;
    if (WIFSIGNALED(status)) log("WARNING", "Worker with pid %d was terminated due to signal %d", pid, WTERMSIG(status));
    start_worker();
  }
}

}  // namespace

int main(int count, char** words) {
  const std::string title = words[0], part = count > 1 ? words[1] : "";
  if (title == master_title) {
    ::prctl(PR_SET_NAME, "gunicorn");
    serve();
  }
  if (title == worker_title) {
    ::prctl(PR_SET_NAME, "gunicorn");
    work();
  }
  if (part == "master") ::execl(self, master_title, nullptr);
  if (part == "kill" && count == 4) {
    ::prctl(PR_SET_NAME, "nightly-cleanup");
    return ::kill(std::atoi(words[3]), std::atoi(words[2])) == 0 ? 0 : 1;
  }
  if (part == "hog" && count == 3) return make_noise(std::atoi(words[2]));
  std::fprintf(stderr, "guest master | hog COUNT | kill SIGNAL PID\n");
  return 2;
}
