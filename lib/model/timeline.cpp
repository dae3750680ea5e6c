#include "model/timeline.hpp"

#include <algorithm>
#include <cstdlib>

namespace model {

using namespace evidence;

namespace {

const KernelLog* log_of(const Stack& stack, SourceId source) {
  for (const KernelLog& log : stack.kernel_logs)
    if (log.source == source) return &log;
  return nullptr;
}

// "N callbacks suppressed" speaks of the time since the last kill that was printed, not of the whole log: is `when` in such a hole, or may
// it be for all that is known?
bool in_hole(const Stack& stack, const Evidence& evidence, const KernelLog& log, const std::optional<base::Instant>& when) {
  for (const KernelLog::Hole& hole : log.holes) {
    const auto end = distance_between(stack, evidence, evidence.facts[hole.suppressed], when);
    const auto begin = hole.last_kill != no_fact ? distance_between(stack, evidence, evidence.facts[hole.last_kill], when) : std::nullopt;
    const bool over = end && end->ns + end->give < 0, not_begun = begin && begin->ns - begin->give > 0;
    if (!over && !not_begun) return true;
  }
  return false;
}

}  // namespace

std::optional<Distance> distance_between(const Stack& stack, const Evidence&, const Fact& fact, const std::optional<base::Instant>& other) {
  if (!fact.when || !other) return std::nullopt;
  const base::Instant& own = *fact.when;
  if (own.clock == other->clock) return Distance{own.at - other->at, own.give + other->give};
  // Naive against wall: an unknown zone, a whole number of quarter hours (the world's zones are) from -12 to +14 h; what is left is compared.
  const auto zoneless = [](std::int64_t ns) {
    constexpr std::int64_t quarter = 900 * base::second_ns;
    const std::int64_t steps = (ns >= 0 ? ns + quarter / 2 : ns - quarter / 2) / quarter;
    return std::abs(steps) <= 14 * 4 ? std::optional<std::int64_t>(ns - steps * quarter) : std::nullopt;
  };
  if (own.clock != base::Clock::boot && other->clock != base::Clock::boot) {
    if (const auto rest = zoneless(own.at - other->at)) return Distance{*rest, own.give + other->give};
    return std::nullopt;
  }
  if (own.clock == base::Clock::boot) {
    const KernelLog* const log = log_of(stack, fact.origin.source);
    if (!log || !log->wall_minus_own) return std::nullopt;
    const std::int64_t wall = own.at + *log->wall_minus_own;
    if (other->clock == base::Clock::naive) {
      if (const auto rest = zoneless(wall - other->at)) return Distance{*rest, own.give + other->give + log->tie_give};
      return std::nullopt;
    }
    return Distance{wall - other->at, own.give + other->give + log->tie_give};
  }
  return std::nullopt;
}

std::vector<KernelLog> kernel_logs(const Evidence& evidence) {
  std::vector<KernelLog> logs;
  for (SourceId id = 0; id < evidence.sources.size(); ++id) {
    // A syslog or a journal that carries the kernel's lines is as good a witness, for the time in which it does.
    if (evidence.sources[id].kind != SourceKind::kernel_log && !evidence.sources[id].kernel_first) continue;
    KernelLog log{id, std::nullopt, 0, {}};
    if (const auto& zero = evidence.sources[id].zero) {
      log.wall_minus_own = zero->at;
      log.tie_give = zero->give;
    }
    logs.push_back(log);
  }
  for (const FactId id : evidence.ids_of<ClockPair>()) {
    const Fact& fact = evidence.facts[id];
    const auto* pair = as<ClockPair>(fact);
    if (!fact.when || fact.when->clock != base::Clock::boot) continue;
    for (KernelLog& log : logs) {
      if (log.source != fact.origin.source) continue;
      const std::int64_t offset = pair->wall_ns - fact.when->at;
      // Two pairs that differ mean that the machine slept or the wall clock was set: the give grows to hold both.
      if (!log.wall_minus_own) { log.wall_minus_own = offset; log.tie_give = pair->give_ns; }
      else log.tie_give = std::max(log.tie_give, std::abs(offset - *log.wall_minus_own) + pair->give_ns);
    }
  }
  for (KernelLog& log : logs) {
    const auto of_this_log = [&](FactId id) { return evidence.facts[id].origin.source == log.source; };
    for (const FactId id : evidence.ids_of<KernelSuppressed>()) {
      if (!of_this_log(id)) continue;
      FactId last_kill = no_fact;
      for (const FactId kill : evidence.ids_of<OomKill>())
        if (kill < id && of_this_log(kill)) last_kill = kill;
      log.holes.push_back({last_kill, id});
    }
  }
  return logs;
}

void tie_by_pair(Stack& stack, const Evidence&, const Fact& kernel, const std::optional<base::Instant>& wall) {
  if (!kernel.when || kernel.when->clock != base::Clock::boot || !wall || wall->clock == base::Clock::boot) return;
  for (KernelLog& log : stack.kernel_logs) {
    if (log.source != kernel.origin.source || log.wall_minus_own) continue;
    log.wall_minus_own = wall->at - kernel.when->at;
    // The server's line comes up to a poll (1 s) after the kernel's.
    log.tie_give = wall->give + base::second_ns;
  }
}

std::optional<std::size_t> covering_kernel_log(const Stack& stack, const Evidence& evidence, const std::optional<base::Instant>& when) {
  for (std::size_t i = 0; i < stack.kernel_logs.size(); ++i) {
    const KernelLog& log = stack.kernel_logs[i];
    const Source& source = evidence.sources[log.source];
    if (source.lost || (source.suppressed && in_hole(stack, evidence, log, when))) continue;
    if (source.live && source.whole_boot && source.kind == SourceKind::kernel_log) return i;
    const bool mixed = source.kind != SourceKind::kernel_log;
    const auto& first = mixed ? source.kernel_first : source.first;
    const auto& last = mixed ? source.kernel_last : source.last;
    if (!when || !first || !last) continue;
    const auto span = [&](const base::Instant& edge) {
      Fact at;
      at.when = edge;
      at.origin.source = log.source;
      return distance_between(stack, evidence, at, when);
    };
    const auto before = span(*first), after = span(*last);
    if (!before || !after) continue;
    const bool starts = (source.whole_boot && !mixed) || before->ns + before->give <= 0;
    const bool ends = (source.live && !mixed) || after->ns - after->give >= 0;
    if (starts && ends) return i;
  }
  return std::nullopt;
}

}  // namespace model
