// The faults that strike inside a request.
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "prefork/clock.hpp"
#include "prefork/worker.hpp"

namespace prefork {
namespace {

void sleep_for(double seconds) {
  timespec left{static_cast<std::time_t>(seconds), static_cast<long>((seconds - static_cast<double>(static_cast<std::time_t>(seconds))) * 1e9)};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {}
}

void compute_for(double seconds) {
  const double end = monotonic() + seconds;
  while (monotonic() < end) {}
}

}  // namespace

bool Worker::may_accept() {
  if (!faults.is_on(Fault::accept_lock_holder_killed)) return true;
  std::int32_t nobody = 0;
  const std::int32_t me = ::getpid();
  return board.accept_lock.compare_exchange_strong(nobody, me) || nobody == me;
}

void Worker::accepted() {
  std::int32_t me = ::getpid();
  board.accept_lock.compare_exchange_strong(me, 0);
}

std::string Worker::suffer(const Request& request) {
  const std::string_view path = request.path;
  if (demonstrates)
    if (std::string answer = inherited.answer(path, request.query); !answer.empty()) return answer;
  if (!faults.any()) return "";
  inherited.take_pool_lock();
  if (faults.strikes(Fault::midkill_read, path)) ::kill(::getpid(), SIGKILL);
  if (faults.strikes(Fault::segfault, path)) {
    ::signal(SIGSEGV, SIG_DFL);
    ::kill(::getpid(), SIGSEGV);
    ::pause();
  }
  if (faults.strikes(Fault::leak, path)) {
    // Touched, so that it counts, and never freed.
    const auto size = static_cast<std::size_t>(faults.value(Fault::leak));
    void* room = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room != MAP_FAILED) std::memset(room, 1, size);
  }
  if (faults.strikes(Fault::fd_leak, path))
    for (double i = 0; i < faults.value(Fault::fd_leak); ++i) [[maybe_unused]] const int leaked = ::dup(0);
  if (faults.strikes(Fault::masked_hang, path) || faults.strikes(Fault::hang, path)) sleep_for(faults.is_on(Fault::hang) ? faults.value(Fault::hang) : 86'400);
  if (faults.strikes(Fault::ping_false_positive, path)) compute_for(faults.value(Fault::ping_false_positive));
  if (faults.strikes(Fault::spin, path)) {
    // A handler written in Python does not run while C computes: the signal waits as long.
    sigset_t abort, before;
    ::sigemptyset(&abort);
    ::sigaddset(&abort, SIGABRT);
    ::pthread_sigmask(SIG_BLOCK, &abort, &before);
    compute_for(faults.value(Fault::spin));
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  if (faults.strikes(Fault::deadlock, path)) {
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    ::pthread_mutex_lock(&lock);
    ::pthread_mutex_lock(&lock);
  }
  return "";
}

}  // namespace prefork
