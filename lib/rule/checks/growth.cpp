// Memory that grew between two looks (--for, --against), told where it will reach a limit while somebody could still do something.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "rule/live.hpp"

namespace rule {

using namespace evidence;

namespace {

// A worker that has just begun fills its caches: less than this is no leak, nor is a tenth of what it has.
constexpr std::uint64_t least = 16ull << 20;
// Growth of seconds says little about hours: a short window counts when the limit is near, a long one when it comes within a day.
constexpr double short_window_s = 600, soon_s = 3600, day_s = 86400;

struct Room { std::uint64_t left = 0; FactId because = no_fact; std::string where; };

// What the worker may still take: of its cgroup's limit, else of the machine's memory.
std::optional<Room> room_for(const Look& look, const LiveProcess& worker) {
  const auto* seen = worker.seen == no_fact ? nullptr : as<ProcessSeen>(look.evidence.facts[worker.seen]);
  for (const FactId id : look.evidence.ids_of<LimitSeen>()) {
    const auto* limit = as<LimitSeen>(look.evidence.facts[id]);
    if (!limit || !seen || limit->what != "memory" || limit->limit == 0 || limit->where != seen->cgroup) continue;
    return Room{limit->limit > limit->used ? limit->limit - limit->used : 0, id, fmt::format("the limit of its cgroup, {},", base::bytes_text(limit->limit))};
  }
  for (const FactId id : look.evidence.ids_of<HostMemory>())
    if (const auto* host = as<HostMemory>(look.evidence.facts[id])) return Room{host->available, id, "the end of the machine's memory"};
  return std::nullopt;
}

std::string span(double seconds) { return base::duration_text(static_cast<std::int64_t>(seconds * 1e9)); }

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const LiveServer& live : live_servers(look)) {
    std::uint64_t together = 0;
    double seconds = 0;
    struct Grown { const LiveProcess* worker; const MemoryGrown* by; FactId id; };
    std::vector<Grown> grown;
    for (const LiveProcess& worker : live.workers)
      for (const FactId id : look.evidence.ids_of<MemoryGrown>()) {
        const auto* by = as<MemoryGrown>(look.evidence.facts[id]);
        if (!by || look.evidence.facts[id].about.pid != worker.pid || by->used < by->before + std::max(least, by->before / 10) || by->seconds <= 0) continue;
        grown.push_back({&worker, by, id});
        together += by->used - by->before;
        seconds = std::max(seconds, by->seconds);
      }
    if (grown.empty()) continue;
    const auto most = std::max_element(grown.begin(), grown.end(), [](const Grown& a, const Grown& b) { return a.by->used - a.by->before < b.by->used - b.by->before; });
    const auto room = room_for(look, *most->worker);
    const double left = room ? static_cast<double>(room->left) / (static_cast<double>(together) / seconds) : 0;
    // Without a limit in sight nothing is about to happen.
    if (!room || left > (seconds < short_window_s ? soon_s : day_s)) continue;
    Draft draft = draft_about(look, "memory.growth", live, *most->worker);
    draft.sure = Confidence::likely;
    draft.sure_because = fmt::format("{} grew between two looks {} apart; caches that fill stop growing, a leak does not", base::counted(grown.size(), "worker"), span(seconds));
    draft.values["anon_rss"] = base::bytes_text(most->by->used);
    draft.values["usage"] = base::bytes_text(most->by->before);
    draft.values["age"] = span(most->by->seconds);
    draft.values["detail"] = fmt::format("at the pace of {} {} comes in {}", grown.size() == 1 ? "this one" : fmt::format("all {}", grown.size()), room->where, span(left));
    if (most->by->what == "rss") {
      draft.truth = Truth::unknown;
      draft.sure = Confidence::unknown;
      draft.sure_because = "what grew is resident memory, which a worker shares with the others and with the page cache";
      draft.missing.push_back("what of it is its own: smaps_rollup, as root or with CAP_SYS_PTRACE");
    }
    because(draft, most->id);
    because(draft, room->because);
    drafts.push_back(std::move(draft));
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check growth = {"growth", {"memory.growth"}, look_at};
}
}  // namespace rule
