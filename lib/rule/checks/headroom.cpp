// Memory that will run out: what the cgroup and the machine have left against what one worker takes, and whether workers live in swap.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "rule/supervisor.hpp"

namespace rule {

using namespace evidence;

namespace {

constexpr double close = 0.9, host_close = 0.04;
constexpr std::uint64_t much_swap = 64ull << 20, much_before_fork = 32ull << 20;

const MemorySeen& memory_of(const Look& look, FactId id) { return std::get<MemorySeen>(look.evidence.facts[id].what); }

struct Share { std::uint64_t each = 0, all = 0; std::size_t workers = 0; bool whole = true; };  // private memory of the workers

Share share_of(const Look& look, const LiveServer& live) {
  Share share;
  for (const LiveProcess& worker : live.workers) {
    if (worker.memory == no_fact) continue;
    const auto& own = memory_of(look, worker.memory).own;
    if (!own) { share.whole = false; continue; }
    share.all += *own;
    share.each = std::max(share.each, *own);
    ++share.workers;
  }
  return share;
}

FactId largest(const Look& look, const LiveServer& live) {
  FactId found = no_fact;
  for (const LiveProcess& worker : live.workers)
    if (worker.memory != no_fact && (found == no_fact || memory_of(look, worker.memory).own.value_or(0) > memory_of(look, found).own.value_or(0))) found = worker.memory;
  return found;
}

bool in_group(const Look& look, const LiveServer& live, const std::string& group) {
  for (const LiveProcess& worker : live.workers)
    if (const auto* seen = as<ProcessSeen>(look.evidence.facts[worker.seen]); seen && seen->cgroup == group) return true;
  return false;
}

void say(Draft& draft, const Share& share, std::uint64_t left) {
  if (share.workers == 0) return;
  draft.values["workers"] = std::to_string(share.workers);
  draft.values["anon_rss"] = base::bytes_text(share.each);
  draft.values["reason"] = fmt::format("; the largest of {} has {} of its own, so {}", base::counted(share.workers, "worker"), base::bytes_text(share.each),
                                       share.each == 0 ? "they are not what fills it" : left >= share.each ? fmt::format("{} more such would fit", left / share.each) : "not one more such fits");
}

// What the master had when it forked is shared until somebody writes to it. Told where it was much, and most of it is lost.
void say_shared(const Look& look, const LiveServer& live, Draft& draft) {
  if (live.master.memory == no_fact) return;
  const auto had = memory_of(look, live.master.memory).anonymous;
  if (!had || *had < much_before_fork) return;
  std::uint64_t shared = 0;
  std::size_t seen = 0;
  for (const LiveProcess& worker : live.workers) {
    if (worker.memory == no_fact || !memory_of(look, worker.memory).shared) continue;
    shared += *memory_of(look, worker.memory).shared;
    ++seen;
  }
  if (seen == 0) return;
  const std::uint64_t each = std::min(shared / seen, *had);
  if (each * 2 > *had) return;
  because(draft, live.master.memory, "what it may share");
  draft.first.push_back({"then", fmt::format("of the {} that the master has, a worker still shares {} ({} %): the rest was copied when it was written to; gc.freeze() in the master before it forks keeps more", base::bytes_text(*had), base::bytes_text(each), each * 100 / *had), "", "a restart", ""});
}

std::optional<Draft> of_group(const Look& look, const LiveServer& live) {
  for (const FactId id : look.evidence.ids_of<LimitSeen>()) {
    const auto* limit = as<LimitSeen>(look.evidence.facts[id]);
    if (!limit || limit->what != "memory" || limit->limit == 0 || !in_group(look, live, limit->where)) continue;
    if (static_cast<double>(limit->used) < close * static_cast<double>(limit->limit)) continue;
    Draft draft = draft_about(look, "memory.headroom", live);
    draft.sure = Confidence::certain;
    draft.sure_because = "the cgroup's counter without inactive page cache, and its limit";
    draft.values["cgroup"] = "the cgroup " + base::printable(limit->where, 120);
    draft.values["usage"] = base::bytes_text(limit->used);
    draft.values["limit"] = base::bytes_text(limit->limit);
    say(draft, share_of(look, live), limit->limit > limit->used ? limit->limit - limit->used : 0);
    because(draft, id);
    because(draft, largest(look, live));
    say_shared(look, live, draft);
    if (const model::Unit* unit = unit_of(look, live); unit && limit->where.ends_with("/" + unit->name) && memory_max(*unit) == limit->limit) {
      const std::string key = unit->settings.at("MemoryMax").because != no_fact ? "MemoryMax" : "MemoryLimit";
      because(draft, unit->settings.at(key).because, "the limit is set here");
      draft.first.push_back({"then", fmt::format("the limit is {}: raise it there (systemctl edit {}), or run fewer workers", set_at(look, *unit, key), base::printable(unit->name, 80)), "", "a restart", ""});
    }
    return draft;
  }
  return std::nullopt;
}

std::optional<Draft> of_machine(const Look& look, const LiveServer& live) {
  for (const FactId id : look.evidence.ids_of<HostMemory>()) {
    const auto* host = as<HostMemory>(look.evidence.facts[id]);
    if (!host || host->total == 0 || static_cast<double>(host->available) > host_close * static_cast<double>(host->total)) continue;
    Draft draft = draft_about(look, "memory.headroom", live);
    draft.sure = Confidence::certain;
    draft.sure_because = "MemAvailable, the kernel's own estimate";
    draft.values["cgroup"] = "the machine";
    draft.values["usage"] = base::bytes_text(host->total - host->available);
    draft.values["limit"] = base::bytes_text(host->total);
    say(draft, share_of(look, live), host->available);
    because(draft, id);
    because(draft, largest(look, live));
    say_shared(look, live, draft);
    return draft;
  }
  return std::nullopt;
}

std::optional<Draft> swapping(const Look& look, const LiveServer& live) {
  std::uint64_t swapped = 0;
  std::size_t workers = 0;
  FactId most = no_fact;
  for (const LiveProcess& worker : live.workers) {
    if (worker.memory == no_fact) continue;
    const auto& memory = memory_of(look, worker.memory);
    if (!memory.swap || *memory.swap == 0) continue;
    swapped += *memory.swap;
    ++workers;
    if (most == no_fact || *memory.swap > *memory_of(look, most).swap) most = worker.memory;
  }
  if (swapped < much_swap) return std::nullopt;
  Draft draft = draft_about(look, "memory.swapping", live);
  draft.values["usage"] = base::bytes_text(swapped);
  draft.values["workers"] = base::counted(workers, "worker");
  because(draft, most);
  // A unit may be swapped out on a machine that has memory to spare: MemoryHigh= holds it down.
  if (const model::Unit* unit = unit_of(look, live)) {
    const std::string at = set_at(look, *unit, "MemoryHigh");
    const auto high = model::number_setting(*unit, "MemoryHigh");
    for (FactId id = 0; !at.empty() && high && id < look.evidence.facts.size(); ++id) {
      const auto* group = as<LimitSeen>(look.evidence.facts[id]);
      if (!group || group->what != "memory" || !group->where.ends_with("/" + unit->name) || static_cast<double>(group->used) < close * *high) continue;
      because(draft, unit->settings.at("MemoryHigh").because, "above this the kernel takes memory back from the unit, however much the machine has");
      draft.first.push_back({"then", fmt::format("what holds it down is {}: raise it there (systemctl edit {}), or run fewer workers", at, base::printable(unit->name, 80)), "", "a restart", ""});
      break;
    }
  }
  const HostMemory* host = nullptr;
  for (const FactId id : look.evidence.ids_of<HostMemory>())
    if (const auto* seen = as<HostMemory>(look.evidence.facts[id])) { host = seen; because(draft, id); }
  if (host && host->some10 && *host->some10 >= 1) {
    draft.sure = Confidence::certain;
    draft.sure_because = fmt::format("they are swapped out, and tasks wait for memory {:.1f} % of the time (PSI)", *host->some10);
  } else if (host && host->some10) {
    return std::nullopt;  // put aside once and not missed since: that is what swap is for
  } else {
    draft.truth = Truth::unknown;
    draft.sure_because = "they are swapped out; whether they are missed is not known without /proc/pressure";
    draft.missing.push_back("memory pressure: vmstat 1 (si, so), or a kernel with PSI");
  }
  return draft;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const LiveServer& live : live_servers(look)) {
    if (live.workers.empty()) continue;
    auto tight = of_group(look, live);
    if (!tight) tight = of_machine(look, live);
    if (tight) drafts.push_back(std::move(*tight));
    if (auto draft = swapping(look, live)) drafts.push_back(std::move(*draft));
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check headroom = {"headroom", {"memory.headroom", "memory.swapping"}, look_at};
}
}  // namespace rule
