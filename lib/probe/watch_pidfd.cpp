#include "probe/watch_pidfd.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.hpp"
#include "probe/proc.hpp"
#include "source/live_host.hpp"

namespace probe {

namespace {

// linux/pidfd.h of 6.15; our build machine's header may be older.
struct pidfd_answer {
  std::uint64_t mask = 0, cgroup = 0;
  std::uint32_t pid = 0, tgid = 0, ppid = 0, ruid = 0, rgid = 0, euid = 0, egid = 0, suid = 0, sgid = 0, fsuid = 0, fsgid = 0;
  std::int32_t exit_code = 0;
};
static_assert(sizeof(pidfd_answer) == 64);
constexpr std::uint64_t pidfd_wants_exit = 1ULL << 3;
constexpr unsigned long pidfd_get_info = _IOWR(0xFF, 11, pidfd_answer);

std::int64_t boot_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

std::string proc_path(int pid, const char* rest) { return "/proc/" + std::to_string(pid) + rest; }

std::optional<Process> look_at(int pid) {
  const source::LiveHost host;
  const auto stat = host.read(proc_path(pid, "/stat"), 4096);
  Process process;
  if (!stat || !read_stat(*stat, process)) return std::nullopt;
  if (const auto status = host.read(proc_path(pid, "/status"), 8192)) read_status(*status, process);
  return process;
}

}  // namespace

std::optional<int> zombie_status(int pid) {
  const source::LiveHost host;
  const auto stat = host.read(proc_path(pid, "/stat"), 4096);
  Process process;
  if (!stat || !read_stat(*stat, process) || (process.state != 'Z' && process.state != 'X')) return std::nullopt;
  return process.exit_code;
}

std::optional<int> pidfd_status(int pidfd) {
  pidfd_answer answer;
  answer.mask = pidfd_wants_exit;
  if (ioctl(pidfd, pidfd_get_info, &answer) != 0 || !(answer.mask & pidfd_wants_exit)) return std::nullopt;
  return answer.exit_code;
}

PidfdWatch::PidfdWatch(bool pidfds) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  base::Fd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  pidfds_ = pidfds && self;
}

void PidfdWatch::add(int pid, int parent, bool report, std::vector<Event>& into) {
  if (known_.contains(pid)) return;
  const auto process = look_at(pid);
  if (const auto told = ended_.find(pid); told != ended_.end()) {
    if (!process || process->started_ns == told->second) return;
    ended_.erase(told);                  // the pid is in use again
  }
  Known known;
  if (pidfds_) {
    known.pidfd = base::Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!known.pidfd && errno == ESRCH) return;   // reaped before we came; nobody can tell its status any more
    epoll_event wish{};
    wish.events = EPOLLIN;
    wish.data.fd = pid;
    if (known.pidfd) epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, known.pidfd.get(), &wish);
  }
  known.parent = parent;
  if (process) {
    known.parent = process->ppid;
    known.ns_pid = process->ns_pid;
    known.start_ns = process->started_ns;
    known.comm = process->comm;
  }
  Event event;
  event.what = Event::What::fork;
  event.at_ns = known.start_ns ? known.start_ns : boot_ns();
  event.pid = event.tid = pid;
  event.by = pidfds_ ? "pidfd" : "poll";
  known_.emplace(pid, std::move(known));
  if (!report) return;
  complete(event);
  into.push_back(std::move(event));
}

void PidfdWatch::remove(int pid) { known_.erase(pid); }

void PidfdWatch::complete(Event& event) const {
  const auto found = known_.find(event.pid);
  if (found == known_.end()) return;
  if (!event.parent) event.parent = found->second.parent;
  if (!event.ns_pid) event.ns_pid = found->second.ns_pid;
  if (!event.start_ns) event.start_ns = found->second.start_ns;
  if (event.comm.empty()) event.comm = found->second.comm;
}

void PidfdWatch::ended(int pid, std::vector<Event>& into) {
  const auto found = known_.find(pid);
  if (found == known_.end()) return;
  Event event;
  event.what = Event::What::exit;
  event.at_ns = boot_ns();
  event.pid = event.tid = pid;
  event.by = pidfds_ ? "pidfd" : "poll";
  complete(event);
  std::optional<int> status = zombie_status(pid);
  if (!status && found->second.pidfd) status = pidfd_status(found->second.pidfd.get());
  event.status_known = status.has_value();
  event.status = status.value_or(0);
  if (!status) ++unknown_;
  ended_[pid] = found->second.start_ns;
  known_.erase(found);
  into.push_back(std::move(event));
}

void PidfdWatch::look_for_children(std::vector<Event>& into) {
  const source::LiveHost host;
  std::vector<int> parents;
  for (const auto& [pid, known] : known_) parents.push_back(pid);
  bool listed = false;
  for (const int parent : parents) {
    const auto children = host.read(proc_path(parent, "/task/") + std::to_string(parent) + "/children", 1 << 16);
    if (!children) continue;
    listed = true;
    std::string_view rest = *children;
    while (const auto child = base::take_number(rest)) {
      add(static_cast<int>(*child), parent, true, into);
      rest = base::trim(rest);
    }
  }
  if (listed || parents.empty()) return;
  // No CONFIG_PROC_CHILDREN: every process is asked who its parent is.
  if (const auto table = read_processes(host))
    for (const auto& [pid, process] : table->all)
      if (known_.contains(process.ppid)) add(pid, process.ppid, true, into);
}

void PidfdWatch::drain(bool look, std::vector<Event>& into) {
  epoll_event ready[64];
  for (;;) {
    const int count = epoll_wait(epoll_.get(), ready, 64, 0);
    if (count <= 0) break;
    for (int i = 0; i < count; ++i) ended(ready[i].data.fd, into);
    if (count < 64) break;
  }
  if (!look) return;
  look_for_children(into);
  std::vector<int> gone;
  for (const auto& [pid, known] : known_) {
    if (known.pidfd) continue;
    const auto process = look_at(pid);
    if (!process || process->state == 'Z' || process->state == 'X' || (known.start_ns && process->started_ns != known.start_ns)) gone.push_back(pid);
  }
  for (const int pid : gone) ended(pid, into);
  std::erase_if(ended_, [](const auto& told) { return !look_at(told.first); });
}

}  // namespace probe
