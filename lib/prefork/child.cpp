// From the fork to the worker's end (arbiter.py spawn_worker, workers/base.py init_process).
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"
#include "prefork/clock.hpp"
#include "prefork/master.hpp"

namespace prefork {
namespace {

void swallow(int) {}

void wait_for(double seconds) {
  const double end = monotonic() + seconds;
  for (double left = seconds; left > 0; left = end - monotonic()) ::poll(nullptr, 0, static_cast<int>(left * 1000) + 1);
}

}  // namespace

base::Result<> Master::spawn() {
  int free = -1;
  for (int i = 0; i < most_workers && free < 0; ++i)
    if (board_->slots[static_cast<std::size_t>(i)].pid.load() == 0) free = i;
  if (free < 0) return base::fail({base::Kind::busy, "starting a worker", "there are too many already", "", EAGAIN});
  Slot& slot = board_->slots[static_cast<std::size_t>(free)];
  slot.~Slot();
  new (&slot) Slot;
  rooms_[free].used = 0;

  Live worker;
  worker.age = ++age_;
  worker.slot = free;
  worker.spawned = monotonic();
  const Heartbeats kind = settings_.heartbeat == "shared" ? Heartbeats::shared : settings_.heartbeat == "tmp" && manner_->heartbeats == Heartbeats::shared ? Heartbeats::mtime : manner_->heartbeats;
  const std::string folder = faults_.is_on(Fault::heartbeat_dir_gone) && board_->spawned.load() >= static_cast<std::uint64_t>(settings_.workers) ? settings_.worker_tmp_dir + "/gone" : settings_.worker_tmp_dir;
  TRY(beats, Heartbeat::make(faults_.is_on(Fault::heartbeat_dir_gone) && kind == Heartbeats::shared ? Heartbeats::mtime : kind, folder, owner_, slot));
  worker.heartbeat = std::move(beats);
  if (app() && app()->pre_fork) app()->pre_fork(worker.age);

  // Nothing may arrive between the fork and the child's own handlers: it would be handled as if the child were the master.
  inherited_.prepare(faults_);
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, &before);
  inherited_.hold_locks(faults_);
  const pid_t pid = ::fork();
  const int code = errno;
  if (pid != 0) inherited_.release_locks();
  if (pid < 0) {
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    return base::fail(base::from_errno(code, "forking a worker", "raise the limit of processes (ulimit -u, pids.max)"));
  }
  if (pid == 0) {
    const int status = child(worker, before);
    std::fflush(stdout);
    std::fflush(stderr);
    ::_exit(status);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  worker.pid = pid;
  slot.pid = pid;
  board_->spawned.fetch_add(1);
  workers_.emplace(pid, std::move(worker));
  return {};
}

int Master::child(Live& live, sigset_t) {
  const int parent = pid_;
  signals_.reset();
  admin_.close(false);
  if (!faults_.is_on(Fault::fd_inherit_leak)) for (auto& [pid, sibling] : workers_) sibling.heartbeat.close();
  live.pid = ::getpid();
  Slot& slot = board_->slots[static_cast<std::size_t>(live.slot)];
  slot.pid = live.pid;
  set_title("worker");

  sigset_t none;
  ::sigemptyset(&none);
  if (manner_->signals_lost_at_boot || faults_.is_on(Fault::lost_term)) {
    // gunicorn's child still has the arbiter's handlers: what comes now goes into the queue of a loop that it will never run (#1910).
    for (const int number : {SIGTERM, SIGUSR1, SIGINT, SIGQUIT, SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH}) ::signal(number, swallow);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (faults_.is_on(Fault::lost_term)) wait_for(faults_.value(Fault::lost_term));
  }

  access_.use_room(settings_.access_log_buffer > 0 && manner_->name.empty() ? &rooms_[live.slot] : nullptr, static_cast<std::size_t>(settings_.access_log_buffer));
  Worker worker{settings_, *manner_, log_, access_, *format_, faults_, *board_, slot, live.heartbeat, listeners_, std::move(statsd_), inherited_};
  worker.demonstrates = settings_.app == "builtin:demo";
  worker.age = live.age;
  worker.parent = parent;
  worker.app = loaded_.app;
  worker.has_threads = settings_.worker_class == "gthread";
  worker.logs_answer_fields = settings_.access_log_format.find("}o)s") != std::string::npos;
  if (settings_.max_requests > 0) {
    const auto jitter = static_cast<std::uint64_t>(settings_.max_requests_jitter);
    // Reseeded after the fork, by age and pid: workers that share a sequence would all be recycled together.
    const std::uint64_t roll = mixed(static_cast<std::uint64_t>(settings_.seed) ^ static_cast<std::uint64_t>(live.age) << 32 ^ static_cast<std::uint64_t>(live.pid));
    worker.max_requests = static_cast<std::uint64_t>(settings_.max_requests) + (jitter > 0 && !faults_.is_on(Fault::max_requests_sync) ? roll % (jitter + 1) : 0);
  }
  signals::install(worker);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);

  log_(Level::info, "Booting worker with pid: {}", live.pid);
  inherited_.settle(faults_, live.age);
  int status = 0;
  const auto fail_boot = [&](int code, const std::string& text) {
    log_(Level::error, "Exception in worker process\nTraceback (most recent call last):\n{}", text);
    status = code;
  };
  for (const std::string& one : settings_.raw_env)
    if (const auto mark = one.find('='); mark != std::string::npos) ::setenv(one.substr(0, mark).c_str(), one.substr(mark + 1).c_str(), 1);
  if (app() && app()->post_fork) app()->post_fork(live.age);
  if (auto done = become(owner_, settings_.initgroups ? other_groups(settings_.user, group_file()) : std::vector<int>{}); !done) fail_boot(3, "PermissionError: " + base::sentence(done.error()));
  if (status == 0 && faults_.strikes(Fault::slow_boot)) wait_for(faults_.value(Fault::slow_boot));
  if (status == 0 && faults_.strikes(Fault::boot_halt)) fail_boot(static_cast<int>(faults_.value(Fault::boot_halt)), "RuntimeError: boot_halt");
  if (status == 0 && faults_.strikes(Fault::boot_loop)) {
    if (static_cast<int>(faults_.value(Fault::boot_loop)) == SIGSEGV) {
      ::signal(SIGSEGV, SIG_DFL);
      ::raise(SIGSEGV);
    }
    status = 1;
  }
  if (status == 0 && !worker.app) {
    loaded_ = load_app(settings_.app, settings_.app_argument, true);
    worker.app = loaded_.app;
    if (loaded_.status == 4) {
      // Only on stderr, as gunicorn: who has sent that to /dev/null learns nothing but "App failed to load."
      log_(Level::debug, "Exception while loading the application");
      std::fprintf(stderr, "%s\n", loaded_.text.c_str());
      status = 4;
    } else if (!loaded_.app) {
      fail_boot(3, loaded_.type + ": " + loaded_.text);
    }
  }
  if (status == 0 && listeners_.empty()) {
    ListenOptions options;
    options.backlog = static_cast<int>(settings_.backlog);
    options.umask = static_cast<int>(settings_.umask);
    options.reuse_port = true;
    options.slices = manner_->limits_waiting && settings_.worker_class != "event";
    options.defer = defer_seconds();
    for (const Address& address : addresses_) {
      auto made = listen_at(address, options);
      if (made) listeners_.push_back(std::move(*made));
      else if (status == 0) fail_boot(3, "OSError: " + base::sentence(made.error()));
    }
  }
  if (status == 0) {
    if (worker.app->post_worker_init) worker.app->post_worker_init(live.age);
    worker.beat();
    slot.booted = 1;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t wrote = ::write(boots_.get(), &one, sizeof one);
    if (settings_.worker_class == "gthread") run_threads(worker);
    else if (settings_.worker_class == "event") run_event(worker);
    else run_sync(worker);
    worker.tend();
  }
  log_(Level::info, "Worker exiting (pid: {})", live.pid);
  if (worker.app && worker.app->worker_exit) worker.app->worker_exit(live.age);
  return status;
}

}  // namespace prefork
