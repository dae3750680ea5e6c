#include "probe/call_watch.hpp"

#include <time.h>

#include <cerrno>
#include <set>
#include <vector>

#include "base/text.hpp"
#include "probe/limits.hpp"
#include "probe/look.hpp"

namespace probe {

namespace {

using namespace evidence;

constexpr std::size_t most_gone = 256;

std::int64_t boot_now() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::int64_t>(now.tv_sec) * base::second_ns + now.tv_nsec;
}

}  // namespace

base::Result<CallWatch> CallWatch::open(const source::Host& host, const BpfWatch& deaths) {
  TRY(bpf, CallsBpf::open(deaths));
  return CallWatch(host, std::move(bpf));
}

void CallWatch::share(const Evidence& looked) {
  std::set<std::uint64_t> present;
  for (const FactId id : looked.ids_of<DescriptorShared>()) present.insert(std::get<DescriptorShared>(looked.facts[id].what).inode);
  std::erase_if(asked_, [&](const auto& one) {
    if (present.contains(one.first)) return false;
    bpf_.forget(one.first);
    return true;
  });
  not_asked_ = 0;
  for (const Fact& fact : looked.facts) {
    const auto* shared = as<DescriptorShared>(fact);
    if (!shared || shared->kind != "socket" || !shared->inode || asked_.contains(shared->inode)) continue;
    if (!bpf_.ask(shared->inode)) {
      ++not_asked_;
      continue;
    }
    asked_[shared->inode] = {fact.about, shared->peer, boot_now(), {}};
  }
}

CallWatch::Noted CallWatch::note(int pid, int error) const {
  if (error == ENFILE) {
    const MachineFiles files = machine_files(*host_);
    return {files.used, files.most};
  }
  // Their number alone: where a limit of 65,536 is used up, reading where each leads would take longer than we have.
  const auto open = host_->list("/proc/" + std::to_string(pid) + "/fd");
  return {open ? open->size() : 0, file_limits(*host_, pid).soft};
}

bool CallWatch::drain() {
  std::vector<CallEvent> events;
  bpf_.drain(events);
  bool news = false;
  for (const CallEvent& event : events) {
    if (event.what == CallEvent::What::refused) {
      news = true;
      noted_.insert_or_assign({event.pid, event.call, event.error}, note(event.pid, event.error));
      continue;
    }
    const auto found = asked_.find(event.inode);
    if (found == asked_.end()) continue;
    SocketUse& use = found->second.use;
    const std::size_t users = use.users.size();
    const bool met = use.mixed || use.stray;
    if (!use.step(event)) bpf_.forget(event.inode);
    news |= (users == 1 && use.users.size() == 2) || (!met && (use.mixed || use.stray));
  }
  return news;
}

bool CallWatch::any() const {
  for (const auto& [inode, asked] : asked_)
    if (!asked.use.users.empty()) return true;
  return !noted_.empty() || !gone_.empty();
}

void CallWatch::ended(int pid) {
  for (auto& [inode, asked] : asked_) asked.use.ended(pid);
  const auto mine = noted_.lower_bound({pid, -1, 0});
  if (mine == noted_.end() || std::get<0>(mine->first) != pid) return;
  for (const Refusals& row : bpf_.refusals()) {
    if (row.pid != pid) continue;
    const auto noted = noted_.find({row.pid, row.call, row.error});
    gone_.emplace_back(row, noted == noted_.end() ? Noted{} : noted->second);
  }
  std::erase_if(noted_, [&](const auto& one) { return std::get<0>(one.first) == pid; });
  while (gone_.size() > most_gone) gone_.pop_front();
  bpf_.ended(pid);
}

void CallWatch::began(int pid) {
  std::erase_if(gone_, [&](const auto& one) { return one.first.pid == pid; });
}

void CallWatch::tell(Evidence& into) const {
  const SourceId source = add_live_source(into, "system calls", SourceKind::watch, *host_);
  std::vector<std::pair<Refusals, Noted>> rows(gone_.begin(), gone_.end());
  for (const Refusals& row : bpf_.refusals()) {
    const auto noted = noted_.find({row.pid, row.call, row.error});
    rows.emplace_back(row, noted == noted_.end() ? Noted{} : noted->second);
  }
  const std::int64_t to_wall = host_->now().at - boot_now();
  for (const auto& [row, open] : rows) {
    DescriptorRefused refused;
    refused.call = name_of_call(row.call);
    refused.error = row.error == ENFILE ? "ENFILE" : "EMFILE";
    refused.limit = limit_behind(refused.call, row.error, open.used, open.soft);
    refused.count = row.count;
    refused.used = open.used;
    refused.soft = open.soft;
    refused.seconds = static_cast<double>(row.last_ns - row.first_ns) / 1e9;
    std::string text = "pid " + std::to_string(row.pid) + ": " + refusal_text(refused);
    Fact fact = seen(std::move(refused), row.pid, source, *host_);
    fact.when = base::Instant{base::Clock::wall, row.first_ns + to_wall, 1'000'000};
    fact.text = std::move(text);
    into.add(std::move(fact));
  }
  for (const auto& [inode, asked] : asked_) {
    const SocketUse& use = asked.use;
    SocketUsed used;
    used.inode = inode;
    for (const int pid : use.users) used.pids += (used.pids.empty() ? "" : " ") + std::to_string(pid);
    used.reads = use.reads;
    used.writes = use.writes;
    used.turns = use.turns;
    used.mixed = use.mixed;
    used.stray = use.stray;
    used.full = use.full;
    used.seconds = static_cast<double>(use.full ? use.last_ns - use.first_ns : boot_now() - asked.since_ns) / 1e9;
    std::string text = "the socket (inode " + std::to_string(inode) + ")" + (asked.peer.empty() ? "" : " to " + asked.peer) + ": " + use_text(used);
    Fact fact = seen(std::move(used), asked.about.pid, source, *host_);
    fact.about = asked.about;
    fact.text = std::move(text);
    into.add(std::move(fact));
  }
  if (const std::uint64_t lost = bpf_.lost())
    into.gap({"some system calls", base::counted(lost, "event") + " lost: counts of --syscalls are too low, and who interleaved with whom may be wrong", "name one server: triage watch --syscalls PID", lost, {}});
  if (not_asked_) into.gap({"who uses some shared connections", "only 256 are followed at a time", "name one server: triage watch --syscalls PID", not_asked_, {}});
}

}  // namespace probe
