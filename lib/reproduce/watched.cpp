#include "reproduce/watched.hpp"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "probe/watch_pidfd.hpp"

namespace reproduce {

void Watched::add(Child child, std::string role, double now) {
  (role == "proxy" ? proxy_ : master_) = child.pid;
  One one;
  one.pidfd = std::move(child.pidfd);
  one.role = std::move(role);
  one.own = own_pid(child.pid);
  one.born = now;
  one.order = count_++;
  known_[child.pid] = std::move(one);
}

void Watched::look(double now) {
  std::vector<int> here = members(ground_, true);
  const std::vector<int> rest = members(ground_, false);
  here.insert(here.end(), rest.begin(), rest.end());
  std::ranges::sort(here);
  for (const int pid : here) {
    if (known_.contains(pid) || told_.contains(pid)) continue;
    const int parent = parent_of(pid);
    const auto of = known_.find(parent);
    if (of == known_.end() || of->second.role == "proxy" || of->second.role == "proxy-worker") {
      if (of != known_.end()) {
        One one;
        one.pidfd = base::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        one.role = "proxy-worker";
        one.parent = parent;
        one.order = count_++;
        known_[pid] = std::move(one);
      }
      continue;
    }
    One one;
    one.pidfd = base::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    one.role = of->second.role == "master" ? "worker" : "child";
    if (one.role == "worker" && !title_.empty() && !base::contains(read_file("/proc/" + std::to_string(pid) + "/cmdline", 4096), title_)) continue;   // not yet, or never
    one.own = own_pid(pid);
    one.parent = parent;
    one.born = now;
    one.order = count_++;
    if (!one.pidfd || one.own == 0) continue;
    tell_({now, one.role + "-born", one.role, one.own, pid, "", 0, {}});
    known_[pid] = std::move(one);
  }
  std::erase_if(told_, [&](int pid) { return !std::ranges::binary_search(here, pid); });
}

void Watched::ended(int pid, double now) {
  const auto found = known_.find(pid);
  if (found == known_.end()) return;
  One& one = found->second;
  std::optional<int> status;
  int waited = 0;
  if (::waitpid(pid, &waited, WNOHANG) == pid) status = waited;
  // In this order: a pidfd knows the status once the process is reaped, and until then its zombie does.
  if (!status) status = probe::zombie_status(pid);
  if (!status) status = probe::pidfd_status(one.pidfd.get());
  if (pid == master_) master_ = 0;
  if (pid == proxy_) proxy_ = 0;
  if (one.role != "proxy-worker") tell_({now, one.role + "-dead", one.role, one.own, pid, status_text(status), 0, one.born});
  told_.insert(pid);
  known_.erase(found);
}

bool Watched::ready(const pollfd& fd, double now) {
  for (const auto& [pid, one] : known_)
    if (one.pidfd && one.pidfd.get() == fd.fd) {
      ended(pid, now);
      return true;
    }
  return false;
}

void Watched::wanted(std::vector<pollfd>& into) const {
  for (const auto& [pid, one] : known_)
    if (one.pidfd) into.push_back({one.pidfd.get(), POLLIN, 0});
}

void Watched::sample(double now) {
  for (const auto& [pid, one] : known_)
    if (one.role == "worker" || one.role == "master" || one.role == "child")
      if (const auto bytes = resident(pid); bytes > 0) tell_({now, "memory", one.role, one.own, pid, "", static_cast<double>(bytes), {}});
}

std::vector<int> Watched::workers() const {
  std::vector<std::pair<int, int>> all;
  for (const auto& [pid, one] : known_)
    if (one.role == "worker") all.emplace_back(one.order, pid);
  std::ranges::sort(all);
  std::vector<int> pids;
  for (const auto& [order, pid] : all) pids.push_back(pid);
  return pids;
}

std::vector<int> Watched::everyone() const {
  std::vector<int> pids;
  for (const auto& [pid, one] : known_) pids.push_back(pid);
  return pids;
}

int Watched::host_of(int own) const {
  for (const auto& [pid, one] : known_)
    if (one.own == own && one.role == "worker") return pid;
  return 0;
}

}  // namespace reproduce
