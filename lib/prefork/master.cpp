// The arbiter's loop and everything that a signal or a death sets off: one state machine, kept in one file, long as it is, because each part is read against
// gunicorn's arbiter.py, whose order of steps is the behaviour. What a worker does after the fork stands in child.cpp, figures and commands in figures.cpp.
#include "prefork/master.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"
#include "prefork/clock.hpp"

namespace prefork {
namespace {

struct SignalName { int number; const char* name; };
constexpr std::array signal_names{SignalName{SIGHUP, "hup"}, SignalName{SIGQUIT, "quit"}, SignalName{SIGINT, "int"}, SignalName{SIGTERM, "term"}, SignalName{SIGTTIN, "ttin"}, SignalName{SIGTTOU, "ttou"},
                                  SignalName{SIGUSR1, "usr1"}, SignalName{SIGUSR2, "usr2"}, SignalName{SIGWINCH, "winch"}, SignalName{SIGCHLD, "chld"}};

const char* name_of(int signal) {
  for (const SignalName& one : signal_names)
    if (one.number == signal) return one.name;
  return "?";
}

sigset_t all_of_ours() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const SignalName& one : signal_names) ::sigaddset(&set, one.number);
  return set;
}

constexpr double longest_backoff = 30;

}  // namespace

Master::Master(Settings settings, StartContext start)
    : settings_(std::move(settings)), start_(std::move(start)), manner_(manner_of(settings_.like)), board_(make_board()), rooms_(make_access_rooms()), faults_(*board_, static_cast<std::uint64_t>(settings_.seed)) {}

Master::~Master() = default;

int Master::run() {
  if (auto started = start(); !started) {
    // What gunicorn prints for a configuration that it cannot use.
    std::fprintf(stderr, "\nError: %s\n", base::printable(base::sentence(started.error()), 2000).c_str());
    pidfile_.remove();
    return 1;
  }
  return loop();
}

base::Result<> Master::start() {
  if (!board_ || !rooms_) return base::fail({base::Kind::refused, "mapping the workers' shared memory", "there is none", "", ENOMEM});
  if (auto done = log_.open(settings_.errorlog, level_of(settings_.loglevel), settings_.log_format == "json"); !done) return done;
  if (auto done = access_.open(settings_.accesslog); !done) return done;
  format_ = std::make_unique<AccessFormat>(settings_.access_log_format, settings_.log_format == "json", zone_offset());
  for (const std::string& spec : settings_.faults)
    if (auto done = faults_.turn_on(spec); !done) return done;
  TRY(owner, owner_of(settings_.user, settings_.group));
  owner_ = owner;
  if (auto done = statsd_.open(settings_.statsd_host, settings_.statsd_prefix, settings_.dogstatsd_tags); !done) log_(Level::warning, "{}", base::sentence(done.error()));
  if (settings_.preload_app)
    if (auto done = load_preloaded(); !done) return done;
  random_ = mixed(static_cast<std::uint64_t>(settings_.seed) ^ static_cast<std::uint64_t>(monotonic_ns()));

  log_(Level::info, "Starting {}", manner_->starting);
  pid_ = ::getpid();
  if (const char* old = ::getenv("GUNICORN_PID")) {
    old_master_ = std::atoi(old);
    name_ = "Master.2";
  }
  if (!settings_.pidfile.empty()) {
    if (old_master_ && faults_.is_on(Fault::usr2_stale_pidfile)) {
      // Somebody lives under the number that an earlier upgrade left in the file.
      Pidfile stale;
      if (auto done = stale.create(settings_.pidfile + ".2", static_cast<int>(faults_.value(Fault::usr2_stale_pidfile)) > 0 ? static_cast<int>(faults_.value(Fault::usr2_stale_pidfile)) : 1); !done) return done;
    }
    if (auto done = pidfile_.create(settings_.pidfile + (old_master_ ? ".2" : ""), pid_); !done) return done;
  }
  if (app() && app()->on_starting) app()->on_starting();

  const sigset_t set = all_of_ours();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = base::Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  boots_ = base::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!signals_ || !boots_) return base::fail(base::from_errno(errno, "preparing to wait for signals", "raise the limit of open files"));

  if (auto done = open_listeners(); !done) return done;
  set_workers(static_cast<int>(settings_.workers));
  announce();
  return {};
}

base::Result<> Master::load_preloaded() {
  if (app()) return {};  // gunicorn keeps the first one for ever: app.callable
  loaded_ = load_app(settings_.app, settings_.app_argument, true);
  if (!loaded_.app) return base::fail({base::Kind::usage, "loading the application '" + base::printable(settings_.app, 200) + "'", (loaded_.type.empty() ? "" : loaded_.type + ": ") + loaded_.text, "", 0});
  return {};
}

base::Result<> Master::open_listeners() {
  ListenOptions options;
  options.backlog = faults_.is_on(Fault::backlog_overflow) ? static_cast<int>(faults_.value(Fault::backlog_overflow)) : static_cast<int>(settings_.backlog);
  options.umask = static_cast<int>(settings_.umask);
  options.uid = owner_.uid;
  options.gid = owner_.gid;
  options.reuse_port = settings_.reuse_port || faults_.is_on(Fault::reuseport_drop);
  options.slices = manner_->limits_waiting && settings_.worker_class != "event";
  options.defer = defer_seconds();
  addresses_.clear();
  for (const std::string& text : settings_.bind) {
    TRY(address, read_address(text));
    addresses_.push_back(address);
  }
  if (listeners_.empty()) {
    if (const int count = given_by_systemd(); count > 0 && !old_master_) {
      from_systemd_ = true;
      for (int fd = 3; fd < 3 + count; ++fd) {
        TRY(taken, adopt(fd, options));
        listeners_.push_back(std::move(taken));
      }
    } else if (const char* inherited = ::getenv("GUNICORN_FD"); inherited && old_master_ && !faults_.is_on(Fault::inherited_listener_eaddrinuse)) {
      from_systemd_ = ::getenv("TRIAGE_SERVER_SYSTEMD") != nullptr;
      for (const std::string_view word : base::split(inherited, ',')) {
        const auto fd = base::read_number(word);
        if (!fd) return base::fail({base::Kind::malformed, "taking over the listeners GUNICORN_FD=" + base::printable(inherited, 200), "not a list of descriptors", "unset GUNICORN_PID and GUNICORN_FD", 0});
        TRY(taken, adopt(static_cast<int>(*fd), options));
        listeners_.push_back(std::move(taken));
      }
    }
    ::unsetenv("GUNICORN_FD");
    ::unsetenv("LISTEN_PID");
    ::unsetenv("LISTEN_FDS");
  }
  if (!listeners_.empty()) return {};
  if (options.reuse_port && (manner_->ports_per_worker || faults_.is_on(Fault::reuseport_drop))) {
    // Each worker makes its own after the fork; whether that can work is asked here, where an error still reaches somebody.
    for (const Address& address : addresses_)
      if (auto done = could_listen_at(address, options); !done) return done;
    return {};
  }
  for (const Address& address : addresses_) {
    if (address.kind == Address::Kind::descriptor) {
      TRY(taken, adopt(address.fd, options));
      listeners_.push_back(std::move(taken));
      continue;
    }
    // sock.py create_sockets: five tries, a second apart.
    base::Error last;
    for (int tries = 5; tries > 0; --tries) {
      auto made = listen_at(address, options);
      if (made) {
        listeners_.push_back(std::move(*made));
        break;
      }
      last = made.error();
      if (last.code == EADDRINUSE) log_(Level::error, "Connection in use: {}", address_tuple(address));
      else if (last.code == EADDRNOTAVAIL) log_(Level::error, "Invalid address: {}", address_tuple(address));
      else if (last.kind == base::Kind::usage) return base::fail(last);
      else log_(manner_->words == DeathWords::v20 ? Level::debug : Level::error, "connection to {} failed: [Errno {}] {}", address_tuple(address), last.code, last.answer);
      log_(manner_->words == DeathWords::v20 ? Level::error : Level::debug, "Retrying in 1 second.");
      collect(0);
      if (std::ranges::find_if(queue_, [](int signal) { return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT; }) != queue_.end()) break;
      pause(1);
      if (tries == 1) {
        log_(Level::error, "Can't connect to {}", address_tuple(address));
        return base::fail(last);
      }
    }
  }
  return {};
}

// A silent connection would hold a sync worker (gunicorn #1801: a browser's preconnect): TCP keeps it until it speaks.
int Master::defer_seconds() const {
  if (settings_.worker_class != "sync" || !manner_->limits_waiting || faults_.is_on(Fault::preconnect_block)) return 0;
  return settings_.header_timeout > 0 ? static_cast<int>(settings_.header_timeout) + 1 : 0;
}

void Master::apply_faults() {
  const int backlog = faults_.is_on(Fault::backlog_overflow) ? static_cast<int>(faults_.value(Fault::backlog_overflow)) : static_cast<int>(settings_.backlog);
  for (const Listener& listener : listeners_) {
    ::listen(listener.fd.get(), backlog);
    defer_accept(listener, defer_seconds());
  }
}

void Master::announce() {
  std::string all;
  for (const Listener& listener : listeners_) all += (all.empty() ? "" : ",") + address_text(listener.address);
  log_(Level::debug, "Arbiter booted");
  log_(Level::info, "Listening at: {} ({})", all, pid_);
  const bool old_word = manner_->words == DeathWords::v20 && settings_.worker_class == "gthread";
  log_(Level::info, "Using worker: {}", old_word ? std::string("threads") : settings_.worker_class);
  if (!settings_.ready_after_boot || faults_.is_on(Fault::early_ready)) {
    ready_sent_ = true;
    if (auto done = notify_systemd("READY=1\nSTATUS=Gunicorn arbiter booted"); !done) log_(Level::debug, "{}", base::sentence(done.error()));
  }
  if (!settings_.admin.empty()) {
    if (auto address = read_address(settings_.admin); !address) log_(Level::warning, "Failed to start control socket: {}", base::sentence(address.error()));
    else if (auto done = admin_.open(*address); !done) log_(Level::warning, "Failed to start control socket: {}", base::sentence(done.error()));
    else log_(Level::info, "Control socket listening at {}", address->kind == Address::Kind::unix_path ? address->path : address_text(*address));
  }
  if (app() && app()->when_ready) app()->when_ready();
  set_title("master");
}

void Master::set_title(std::string_view role) {
  const std::string name = settings_.proc_name.empty() ? settings_.app : settings_.proc_name;
  std::string text = fmt::format("triage-server: {} [{}{}]", role, name, old_master_ ? ".2" : "");
  // gunicorn's title hides how it was started from whoever looks at a running one; the master's here goes on with its arguments.
  for (std::size_t i = 1; role == "master" && i < start_.arguments.size(); ++i) {
    const std::string& word = start_.arguments[i];
    const bool plain = !word.empty() && word.find_first_of(" \t\n'\"\\") == std::string::npos;
    text += plain ? " " + word : word.find('\'') == std::string::npos ? " '" + word + "'" : " ...";
  }
  start_.title.set(text);
}

int Master::loop() {
  murdered_at_ = monotonic();  // before the first pause, in which a suspend may begin
  manage();
  while (true) {
    promote();
    if (halt_) return halt();
    if (manner_->every_pass) {
      if (queue_.empty()) collect(1);
      if (!queue_.empty()) {
        const int signal = queue_.front();
        queue_.pop_front();
        handle(signal);
      }
      if (halt_) return halt();
      murder();
      manage();
      continue;
    }
    // arbiter.py:200-227 to 23: workers are looked after only when no signal waits.
    if (queue_.empty()) {
      collect(wake_ ? 0 : 1);
      wake_ = false;
      if (halt_) return halt();
      murder();
      manage();
      continue;
    }
    const int signal = queue_.front();
    queue_.pop_front();
    handle(signal);
    wake_ = true;
  }
}

// The one place where the master waits. Signals are queued; before 24 a death is reaped at once, as in a handler.
void Master::collect(double seconds) {
  std::array<pollfd, 3> wait{pollfd{signals_.get(), POLLIN, 0}, pollfd{boots_.get(), POLLIN, 0}, pollfd{admin_ ? admin_.fd() : -1, POLLIN, 0}};
  const int ready = ::poll(wait.data(), wait.size(), static_cast<int>(seconds * 1000));
  if (ready <= 0) return;
  signalfd_siginfo got{};
  while (wait[0].revents && ::read(signals_.get(), &got, sizeof got) == static_cast<ssize_t>(sizeof got)) {
    const int number = static_cast<int>(got.ssi_signo);
    board_->signals.fetch_add(1, std::memory_order_relaxed);
    if (number == SIGCHLD && !manner_->reaps_in_loop) {
      reap();
      wake_ = true;
    } else if (number == SIGCHLD && std::ranges::find(queue_, SIGCHLD) != queue_.end()) {
      // One is enough: reap() takes all.
    } else if (queue_.size() < manner_->most_queued) {
      queue_.push_back(number);
    }
  }
  if (wait[1].revents) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t size = ::read(boots_.get(), &count, sizeof count);
    look_for_boots();
  }
  if (wait[2].revents) admin_.serve([this](std::string_view line) { return do_command(line); });
}

void Master::pause(double seconds) {
  const double end = monotonic() + seconds;
  for (double left = seconds; left > 0; left = end - monotonic()) collect(left);
}

void Master::look_for_boots() {
  bool any = false;
  for (auto& [pid, worker] : workers_) {
    if (worker.known_booted || board_->slots[static_cast<std::size_t>(worker.slot)].booted.load() == 0) continue;
    worker.known_booted = any = true;
    failed_boots_ = 0;
    next_spawn_ = 0;
  }
  if (any && !ready_sent_) {
    ready_sent_ = true;
    if (auto done = notify_systemd("READY=1\nSTATUS=Gunicorn arbiter booted"); !done) log_(Level::debug, "{}", base::sentence(done.error()));
  }
}

void Master::handle(int signal) {
  if (signal == SIGCHLD) {
    log_(Level::debug, "Handling signal: chld");
    reap();
    return;
  }
  log_(Level::info, "Handling signal: {}", name_of(signal));
  switch (signal) {
    case SIGHUP:
      log_(Level::info, "Hang up: {}", name_);
      reload();
      break;
    case SIGTERM: halt_ = Halt{}; break;
    case SIGINT:
    case SIGQUIT:
      stop(false);
      halt_ = Halt{};
      break;
    case SIGTTIN:
      set_workers(wanted_ + 1);
      manage();
      break;
    case SIGTTOU:
      if (wanted_ <= 1) break;
      set_workers(wanted_ - 1);
      manage();
      break;
    case SIGUSR1:
      if (auto done = log_.reopen(); !done) log_(Level::warning, "{}", base::sentence(done.error()));
      if (auto done = access_.reopen(); !done) log_(Level::warning, "{}", base::sentence(done.error()));
      kill_all(SIGUSR1);
      break;
    case SIGUSR2: reexec(); break;
    case SIGWINCH:
      if (settings_.daemon) {
        log_(Level::info, "graceful stop of workers");
        set_workers(0);
        kill_all(SIGTERM);
      } else {
        log_(Level::debug, "SIGWINCH ignored. Not daemonized");
      }
      break;
    default: break;
  }
}

void Master::set_workers(int count) {
  const int before = wanted_;
  wanted_ = std::min(count, most_workers / 2);
  if (app() && app()->nworkers_changed) app()->nworkers_changed(wanted_, before);
}

void Master::reload() {
  auto read = start_.read_settings ? start_.read_settings() : base::Result<Settings>(settings_);
  if (!read) {
    // gunicorn dies of it and leaves its workers to notice (measured hup-broken-config); we go on as we were.
    if (!manner_->name.empty()) {
      std::fprintf(stderr, "\nError: %s\n", base::printable(base::sentence(read.error()), 2000).c_str());
      std::fflush(stderr);
      ::_exit(1);
    }
    log_(Level::error, "The new configuration is not used: {}", base::sentence(read.error()));
    return;
  }
  board_->reloads.fetch_add(1);
  const std::vector<std::string> old_bind = settings_.bind;
  settings_ = std::move(*read);
  manner_ = manner_of(settings_.like);
  if (auto done = log_.open(settings_.errorlog, level_of(settings_.loglevel), settings_.log_format == "json"); !done) log_(Level::warning, "{}", base::sentence(done.error()));
  if (auto done = access_.open(settings_.accesslog); !done) log_(Level::warning, "{}", base::sentence(done.error()));
  format_ = std::make_unique<AccessFormat>(settings_.access_log_format, settings_.log_format == "json", zone_offset());
  if (auto owner = owner_of(settings_.user, settings_.group); owner) owner_ = *owner;
  if (old_bind != settings_.bind) {
    close_listeners(false);
    if (auto done = open_listeners(); !done) {
      log_(Level::error, "{}", base::sentence(done.error()));
      halt_ = Halt{"", 1};
      return;
    }
    std::string all;
    for (const Listener& listener : listeners_) all += (all.empty() ? "" : ",") + address_text(listener.address);
    log_(Level::info, "Listening at: {}", all);
  }
  if (app() && app()->on_reload) app()->on_reload();
  pidfile_.remove();
  if (!settings_.pidfile.empty())
    if (auto done = pidfile_.create(settings_.pidfile, pid_); !done) log_(Level::warning, "{}", base::sentence(done.error()));
  set_title("master");
  set_workers(static_cast<int>(settings_.workers));
  std::vector<int> old;
  for (const auto& [pid, worker] : workers_) old.push_back(pid);
  for (int i = 0; i < wanted_ && !halt_; ++i)
    if (auto done = spawn(); !done) {
      halt_ = Halt{"", 255};
      return;
    }
  manage();
  if (!manner_->reload_waits && !faults_.is_on(Fault::hup_stall)) return;
  // 24+ waits here, and neither looks at timeouts nor at signals meanwhile.
  const double end = monotonic() + settings_.graceful_timeout;
  while (monotonic() < end && std::ranges::any_of(old, [&](int pid) { return workers_.contains(pid); })) {
    reap();
    ::poll(nullptr, 0, 100);
  }
}

void Master::reexec() {
  if (child_master_ != 0 && !faults_.is_on(Fault::usr2_double)) {
    log_(Level::warning, "USR2 signal ignored. Child exists.");
    return;
  }
  if (old_master_ != 0) {
    log_(Level::warning, "USR2 signal ignored. Parent exists.");
    return;
  }
  board_->upgrades.fetch_add(1);
  std::string fds;
  for (const Listener& listener : listeners_) fds += (fds.empty() ? "" : ",") + std::to_string(listener.fd.get());
  std::vector<std::string> environment = start_.environment;
  std::erase_if(environment, [](const std::string& one) { return one.starts_with("GUNICORN_PID=") || one.starts_with("GUNICORN_FD=") || one.starts_with("LISTEN_"); });
  environment.push_back(fmt::format("GUNICORN_PID={}", pid_));
  if (!fds.empty()) environment.push_back("GUNICORN_FD=" + fds);
  if (from_systemd_) environment.emplace_back("TRIAGE_SERVER_SYSTEMD=1");
  std::vector<char*> arguments, variables;
  for (std::string& one : start_.arguments) arguments.push_back(one.data());
  for (std::string& one : environment) variables.push_back(one.data());
  arguments.push_back(nullptr);
  variables.push_back(nullptr);

  const pid_t pid = ::fork();
  if (pid < 0) {
    log_(Level::error, "{}", base::sentence(base::from_errno(errno, "forking the new master", "raise the limit of processes")));
    return;
  }
  if (pid > 0) {
    child_master_ = pid;
    if (faults_.is_on(Fault::usr2_early_kill)) queue_.push_back(SIGTERM);
    return;
  }
  if (app() && app()->pre_exec) app()->pre_exec();
  for (const Listener& listener : listeners_) ::fcntl(listener.fd.get(), F_SETFD, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (::chdir(start_.folder.c_str()) == 0) ::execve(start_.program.c_str(), arguments.data(), variables.data());
  std::fprintf(stderr, "Error: executing %s: %s\n", base::printable(start_.program, 300).c_str(), std::strerror(errno));
  ::_exit(1);
}

void Master::promote() {
  if (old_master_ == 0 || ::getppid() == old_master_) return;
  log_(Level::info, "Master has been promoted.");
  name_ = "Master";
  old_master_ = 0;
  ::unsetenv("GUNICORN_PID");
  if (!pidfile_.path().empty())
    if (auto done = pidfile_.rename(settings_.pidfile); !done) log_(Level::warning, "{}", base::sentence(done.error()));
  set_title("master");
}

void Master::murder() {
  if (settings_.timeout <= 0) return;
  const double now = monotonic();
  // unicorn's guard: what did not run could not look, and neither could the workers beat.
  if (settings_.suspend_guard && !faults_.is_on(Fault::freeze_thaw_massacre) && now - murdered_at_ > std::max(2.5, settings_.timeout / 2))
    for (auto& [pid, worker] : workers_) worker.forgiven = now;
  murdered_at_ = now;
  for (auto& [pid, worker] : workers_) murder_one(worker, now);
}

void Master::murder_one(Live& worker, double now) {
  const bool booting = board_->slots[static_cast<std::size_t>(worker.slot)].booted.load(std::memory_order_relaxed) == 0;
  double age = worker.heartbeat.age(), limit = settings_.timeout;
  if (booting && faults_.is_on(Fault::slow_boot_immortal)) return;
  if (booting && faults_.is_on(Fault::slow_boot_killed)) {
    age = now - worker.spawned;
  } else if (booting && manner_->boot_has_own_limit) {
    age = now - worker.spawned;
    limit = settings_.boot_timeout;
    if (limit <= 0) return;
  }
  if (worker.forgiven > 0) age = std::min(age, now - worker.forgiven);
  if (age <= limit) return;
  if (settings_.suspend_guard && monotonic() - now > 1) return;  // stopped between the two looks at the clock
  if (!worker.aborted) {
    log_(Level::critical, "WORKER TIMEOUT (pid:{})", worker.pid);
    board_->timed_out.fetch_add(1);
    worker.aborted = true;
    worker.aborted_at = now;
    // gunicorn loses this race now and then; stopped, the worker loses it always: a pending SIGKILL is taken before the handler runs.
    if (faults_.is_on(Fault::abort_grace_race)) ::kill(worker.pid, SIGSTOP);
    kill_one(worker.pid, SIGABRT);
    if (!faults_.is_on(Fault::abort_grace_race)) return;
  }
  // gunicorn kills in whichever pass comes next, and a death or a signal makes that at once: its handler gets no time (measured, issue #2454).
  if (manner_->name.empty() && now - worker.aborted_at < 1 && !faults_.is_on(Fault::abort_grace_race)) return;
  board_->killed.fetch_add(1);
  worker.killed = true;
  kill_one(worker.pid, SIGKILL);
}

void Master::manage() {
  if (static_cast<int>(workers_.size()) < wanted_) spawn_missing();
  std::vector<Live*> oldest;
  for (auto& [pid, worker] : workers_) oldest.push_back(&worker);
  std::ranges::sort(oldest, {}, &Live::age);
  const bool repeats = manner_->repeats_term || faults_.is_on(Fault::double_term);
  for (std::size_t i = 0; i < oldest.size() && oldest.size() - i > static_cast<std::size_t>(wanted_); ++i) {
    if (oldest[i]->termed && !repeats) continue;
    oldest[i]->termed = true;
    ++oldest[i]->terms;
    kill_one(oldest[i]->pid, SIGTERM);
  }
}

void Master::spawn_missing() {
  const double now = monotonic();
  const bool waits = settings_.respawn_backoff && !faults_.is_on(Fault::boot_loop);
  if (waits && now < next_spawn_) return;
  for (int missing = wanted_ - static_cast<int>(workers_.size()); missing > 0 && !halt_; --missing) {
    if (auto done = spawn(); !done) {
      log_(manner_->words == DeathWords::v20 ? Level::info : Level::error, "Unhandled exception in main loop\nTraceback (most recent call last):\n{}: {}", done.error().code ? "OSError" : "RuntimeError", base::sentence(done.error()));
      halt_ = Halt{"", 255};
      return;
    }
    // arbiter.py spawn_workers: the only throttle that gunicorn has.
    random_ = mixed(random_);
    pause(0.1 * static_cast<double>(random_ >> 11) * 0x1p-53);
  }
}

void Master::kill_one(int pid, int signal) {
  if (signal == SIGTERM && faults_.is_on(Fault::pid_reuse_kill) && faults_.value(Fault::pid_reuse_kill) > 1) ::kill(static_cast<pid_t>(faults_.value(Fault::pid_reuse_kill)), signal);
  if (::kill(pid, signal) == 0 || errno != ESRCH) return;
  const auto found = workers_.find(pid);
  if (found == workers_.end()) return;
  board_->slots[static_cast<std::size_t>(found->second.slot)].pid = 0;
  workers_.erase(found);
}

void Master::kill_all(int signal) {
  std::vector<int> pids;
  for (const auto& [pid, worker] : workers_) pids.push_back(pid);
  for (const int pid : pids) kill_one(pid, signal);
}

void Master::reap() {
  if (faults_.is_on(Fault::zombie_pid1)) {
    std::vector<int> pids;
    for (const auto& [pid, worker] : workers_) pids.push_back(pid);
    int status = 0;
    for (const int pid : pids)
      if (::waitpid(pid, &status, WNOHANG) == pid) reaped(pid, status);
    return;
  }
  const bool once = faults_.is_on(Fault::sigchld_storm);
  int status = 0;
  while (!halt_ || halt_->status == 0) {
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    reaped(pid, status);
    if (once) return;
  }
}

void Master::reaped(int pid, int status) {
  if (pid == child_master_) {
    child_master_ = 0;
    return;
  }
  board_->reaped.fetch_add(1);
  const auto found = workers_.find(pid);
  const bool known = found != workers_.end();
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  if (faults_.is_on(Fault::sigchld_log_reentry)) {
    // Python's BufferedWriter refuses to be entered twice; before #3441 the exception ended the arbiter.
    log_(Level::error, "Unhandled exception in main loop\nTraceback (most recent call last):\nRuntimeError: reentrant call inside <_io.BufferedWriter name='<stderr>'>");
    halt_ = Halt{"", 255};
  }
  const bool halts = known || manner_->halts_on_any_child || faults_.is_on(Fault::orphan_exit3_halt);
  if (!known && !halts) {
    log_(Level::debug, "Reaped unknown child process (pid:{}, status:{})", pid, status);
    return;
  }
  say_death(pid, status, known && found->second.killed);
  if ((code == 3 || code == 4) && halts && !halt_) halt_ = code == 3 ? Halt{"Worker failed to boot.", 3} : Halt{"App failed to load.", 4};
  if (!known) return;
  Slot& slot = board_->slots[static_cast<std::size_t>(found->second.slot)];
  if (slot.booted.load() == 0 && !found->second.termed) {
    board_->boot_failures.fetch_add(1);
    ++failed_boots_;
    if (settings_.respawn_backoff && failed_boots_ > 2) next_spawn_ = monotonic() + std::min(longest_backoff, 0.1 * static_cast<double>(1 << std::min(failed_boots_ - 3, 9)));
  }
  access_.rescue(rooms_[found->second.slot]);
  slot.pid = 0;
  workers_.erase(found);
  if (app() && app()->child_exit) app()->child_exit(pid);
}

// arbiter.py reap_workers of the three families; wrong as their words sometimes are ("code 139" for a signal with a core, 21 to 23).
void Master::say_death(int pid, int status, bool by_us) {
  if (WIFEXITED(status)) {
    const int code = WEXITSTATUS(status);
    if (code == 0 || manner_->words == DeathWords::v20) return;
    if (manner_->words == DeathWords::v21) log_(Level::error, "Worker (pid:{}) exited with code {}", pid, code);
    if (manner_->words == DeathWords::v24 || (code != 3 && code != 4)) log_(Level::error, "Worker (pid:{}) exited with code {}.", pid, code);
    return;
  }
  if (!WIFSIGNALED(status)) return;
  const int signal = WTERMSIG(status);
  if (manner_->words == DeathWords::v20) {
    log_(Level::warning, "Worker with pid {} was terminated due to signal {}", pid, signal);
    return;
  }
  const std::string name = manner_->words == DeathWords::v21 && WCOREDUMP(status) ? fmt::format("code {}", status) : base::signal_text(signal);
  // Our own master knows when the SIGKILL was its own, and does not send anybody looking for memory.
  const bool hints = signal == SIGKILL && !(manner_->name.empty() && by_us);
  const Level level = manner_->words == DeathWords::v21 || signal == SIGKILL ? Level::error : signal == SIGTERM ? Level::info : Level::warning;
  log_(level, "Worker (pid:{}) was sent {}!{}", pid, name, hints ? " Perhaps out of memory?" : "");
}

void Master::close_listeners(bool unlink) {
  for (Listener& listener : listeners_) {
    const bool path = listener.address.kind == Address::Kind::unix_path && !listener.address.path.starts_with('@');
    if (unlink && path) ::unlink(listener.address.path.c_str());
  }
  listeners_.clear();
}

void Master::stop(bool graceful) {
  const bool unlink = (child_master_ == 0 && old_master_ == 0 && !from_systemd_ && !settings_.reuse_port) || faults_.is_on(Fault::unix_socket_unlinked_by_old_master);
  close_listeners(unlink);
  kill_all(graceful ? SIGTERM : SIGQUIT);
  double end = monotonic() + settings_.graceful_timeout;
  while (!workers_.empty() && monotonic() < end) {
    reap();
    if (workers_.empty()) break;
    pause(0.02);
    const auto asks = [](int signal) { return signal == SIGINT || signal == SIGQUIT; };
    if (!quick_ && graceful && manner_->words == DeathWords::v24 && std::ranges::any_of(queue_, asks)) {
      // 25.0+: a second word shortens the wait.
      quick_ = true;
      log_(Level::info, "Quick shutdown requested");
      kill_all(SIGQUIT);
      end = std::min(end, monotonic() + 2);
    }
  }
  for (auto& [pid, worker] : workers_) worker.killed = true;
  kill_all(SIGKILL);
  if (!manner_->reaps_in_loop) return;
  for (const double last = monotonic() + 2; !workers_.empty() && monotonic() < last;) {
    reap();
    if (!workers_.empty()) pause(0.01);
  }
}

int Master::halt() {
  const Halt why = *halt_;
  halt_ = Halt{why.reason, 0};  // so that reap() goes on
  stop(why.status != 255);
  const Level level = why.status != 0 && manner_->words != DeathWords::v20 ? Level::error : Level::info;
  if (why.status != 255) {
    log_(level, "Shutting down: {}", name_);
    if (!why.reason.empty()) log_(level, "Reason: {}", why.reason);
  }
  pidfile_.remove();
  admin_.close(child_master_ == 0);
  if (app() && app()->on_exit) app()->on_exit();
  return why.status;
}

}  // namespace prefork
