// A check: correlation over time that a condition can't say. Pure: stack and evidence in, drafts out. One file in checks/, one constant.
#pragma once

#include <span>

#include "model/stack.hpp"
#include "model/timeline.hpp"
#include "rule/finding.hpp"

namespace rule {

struct Look {
  const model::Stack& stack;
  const evidence::Evidence& evidence;
  // What many checks ask for each of many deaths, gathered once.
  model::Moments early_rows;                             // FactIds of the proxy's "closed early" rows
  model::Moments ends;                                   // LifeIds of workers that ended
  std::vector<std::vector<std::int64_t>> timeouts;       // per server: when workers timed out, sorted
  std::vector<std::size_t> false_hints;                  // per server: timed-out workers that the log calls perhaps out of memory
  std::vector<evidence::FactId> moved_counters;          // per server: its own cgroup has counted OOM kills since the watch attached; no_fact else
  std::vector<evidence::FactId> clear_counters;          // per server: its own cgroup counts no OOM kill; no_fact else
};

Look look_at(const model::Stack& stack, const evidence::Evidence& evidence);

struct Check {
  std::string_view name;                                 // the card's "check"
  std::vector<std::string_view> rules;                   // the ids it may draft
  std::vector<Draft> (*look)(const Look& look);
};

std::span<const Check* const> checks();                  // made by table(): every file in checks/

}  // namespace rule
