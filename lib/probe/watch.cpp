#include "probe/watch.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "probe/gap.hpp"
#include "probe/proc.hpp"
#include "source/live_host.hpp"

namespace probe {

namespace {

using namespace std::chrono_literals;

void listen_to(int epoll, int fd) {
  epoll_event wish{};
  wish.events = EPOLLIN;
  wish.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wish);
}

std::string comm_of(int pid) {
  const source::LiveHost host;
  const auto text = host.read("/proc/" + std::to_string(pid) + "/comm", 64);
  return text ? std::string(base::trim(*text)) : std::string();
}

/// The children of all threads of a process; nullopt where there are no lists of them (CONFIG_PROC_CHILDREN), or no such process.
std::optional<std::vector<int>> children_of(const source::Host& host, int pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  const auto threads = host.list(tasks);
  if (!threads) return std::nullopt;
  std::vector<int> children;
  bool any = false;
  for (const source::Entry& thread : *threads) {
    const auto text = host.read(tasks + "/" + thread.name + "/children", 1 << 18);
    if (!text) continue;
    any = true;
    std::string_view rest = *text;
    while (const auto child = base::take_number(rest)) {
      children.push_back(static_cast<int>(*child));
      rest = base::trim(rest);
    }
  }
  if (!any) return std::nullopt;
  return children;
}

}  // namespace

base::Result<Rungs> rungs_without(std::string_view words) {
  Rungs rungs;
  for (const std::string_view word : base::split(words, ',')) {
    if (word == "bpf") rungs.bpf = false;
    else if (word == "connector") rungs.connector = false;
    else if (word == "pidfd") rungs.pidfd = false;
    else if (word == "kmsg") rungs.kmsg = false;
    else if (word == "stacks") rungs.stacks = false;
    else if (!word.empty())
      return base::fail({base::Kind::usage, "reading --without", "\"" + base::printable(word, 40) + "\" is no way to watch", "bpf, connector, pidfd, kmsg, stacks", 0});
  }
  return rungs;
}

Watch Watch::open(const Rungs& rungs, std::vector<std::string> server_names, bool everything) {
  Watch watch;
  watch.epoll_ = base::Fd(epoll_create1(EPOLL_CLOEXEC));
  watch.server_names_ = std::move(server_names);
  watch.everything_ = everything;
  if (rungs.bpf) {
    if (auto bpf = BpfWatch::open({everything, watch.server_names_})) {
      watch.bpf_ = std::move(*bpf);
      watch.method_ = "BPF raw tracepoints";
      listen_to(watch.epoll_.get(), watch.bpf_->fd());
      return watch;
    } else {
      watch.gaps_.push_back(gap_of("who sends a signal, and whom the OOM killer marks (BPF)", bpf.error()));
    }
  } else {
    watch.gaps_.push_back({"who sends a signal, and whom the OOM killer marks (BPF)", "switched off with --without bpf", "leave --without away", 1, {}});
  }
  watch.pidfd_.emplace(rungs.pidfd);
  if (rungs.connector) {
    if (auto connector = ConnectorWatch::open()) {
      watch.connector_ = std::move(*connector);
      watch.method_ = "proc connector";
      listen_to(watch.epoll_.get(), watch.connector_->fd());
      return watch;
    } else {
      watch.gaps_.push_back(gap_of("every wait status (proc connector)", connector.error()));
    }
  } else {
    watch.gaps_.push_back({"every wait status (proc connector)", "switched off with --without connector", "leave --without away", 1, {}});
  }
  watch.method_ = watch.pidfd_->has_pidfds() ? "pidfds and /proc" : "looking into /proc";
  listen_to(watch.epoll_.get(), watch.pidfd_->fd());
  watch.gaps_.push_back({"workers that live less than " + std::to_string(watch.pause().count()) + " ms", "new processes are searched in /proc at that pace", "run as root with BPF", 1, {}});
  return watch;
}

bool Watch::add(const std::vector<int>& pids) {
  const source::LiveHost host;
  std::optional<std::multimap<int, int>> parents;          // only where the kernel keeps no lists of children
  bool all = true;
  std::vector<int> todo = pids;
  std::set<int> added;
  std::vector<Event> none;
  while (!todo.empty()) {
    const int pid = todo.back();
    todo.pop_back();
    if (!added.insert(pid).second) continue;
    // First it, then its children: what it forks from here on is seen as a fork.
    if (bpf_) all = bpf_->add(pid) && all;
    if (pidfd_) pidfd_->add(pid, 0, false, none);
    if (const auto children = children_of(host, pid)) {
      todo.insert(todo.end(), children->begin(), children->end());
      continue;
    }
    if (!host.stat("/proc/" + std::to_string(pid))) {
      all = false;
      remove(pid);
      continue;
    }
    if (!parents) {
      parents.emplace();
      if (const auto table = read_processes(host))
        for (const auto& [child, process] : table->all) parents->emplace(process.ppid, child);
    }
    for (auto [child, end] = parents->equal_range(pid); child != end; ++child) todo.push_back(child->second);
  }
  return all;
}

void Watch::remove(int pid) {
  if (bpf_) bpf_->remove(pid);
  if (pidfd_) pidfd_->remove(pid);
}

std::chrono::milliseconds Watch::pause() const { return bpf_ || connector_ ? 100ms : pidfd_->has_pidfds() ? 50ms : 25ms; }

void Watch::from_connector(std::vector<Event>& into) {
  std::vector<Event> events;
  connector_->drain(events);
  for (Event& event : events) {
    if (event.what == Event::What::fork) {
      if (everything_ || pidfd_->knows(event.parent)) {
        std::vector<Event> none;
        pidfd_->add(event.pid, event.parent, false, none);
        pidfd_->complete(event);
        into.push_back(std::move(event));
      }
    } else if (event.what == Event::What::exec) {
      const std::string comm = comm_of(event.pid);
      const bool server = std::any_of(server_names_.begin(), server_names_.end(), [&](const std::string& name) { return base::starts_with(comm, name); });
      if (!server && !everything_ && !pidfd_->knows(event.pid)) continue;
      std::vector<Event> none;
      pidfd_->add(event.pid, 0, false, none);
      pidfd_->complete(event);
      event.comm = comm;
      into.push_back(std::move(event));
    } else if (everything_ || pidfd_->knows(event.pid)) {
      pidfd_->complete(event);
      pidfd_->remove(event.pid);
      into.push_back(std::move(event));
    }
  }
}

std::vector<Event> Watch::drain() {
  std::vector<Event> events;
  if (bpf_) bpf_->drain(events);
  if (connector_) from_connector(events);
  if (pidfd_ && !connector_) {
    const auto now = std::chrono::steady_clock::now();
    const bool look = now - looked_ >= pause();
    if (look) looked_ = now;
    pidfd_->drain(look, events);
  }
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.at_ns < b.at_ns; });
  return events;
}

std::uint64_t Watch::lost() const {
  return (bpf_ ? bpf_->lost() : 0) + (connector_ ? connector_->lost() : 0) + (pidfd_ && !connector_ ? pidfd_->unknown_statuses() : 0);
}

}  // namespace probe
