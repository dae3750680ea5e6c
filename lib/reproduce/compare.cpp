#include "reproduce/compare.hpp"

#include <algorithm>
#include <map>

namespace reproduce {

namespace {

// Sorted by group, so that clients stand before deaths and deaths before verdicts.
std::map<std::pair<int, std::string>, int> outcomes(const Run& run) {
  std::map<std::pair<int, std::string>, int> all;
  for (const Event& event : run.events) {
    if (event.what == "answered") ++all[{0, "clients " + event.who + ": " + event.text}];
    else if (event.what.ends_with("-dead")) ++all[{1, event.what.substr(0, event.what.size() - 5) + " dies: " + event.text}];
    else if (event.what == "taken") ++all[{2, "requests that a worker began"}];
    else if (event.what == "triage") ++all[{3, "triage: " + event.text + " (" + event.who + ")"}];
  }
  for (const Checked& check : run.checks)
    if (check.passed) ++all[{4, "as expected: " + check.wanted}];
  return all;
}

}  // namespace

std::vector<Shown> compared(std::span<const Run> before, std::span<const Run> after) {
  std::map<std::pair<int, std::string>, Shown> rows;
  const auto ran = [](const Run& run) { return run.error.empty() && run.skipped.empty(); };
  for (const auto runs : {before, after})
    for (const Run& run : runs)
      if (ran(run))
        for (const auto& [what, count] : outcomes(run)) rows[what].what = what.second;
  for (auto& [what, row] : rows) {
    for (const bool first : {true, false})
      for (const Run& run : first ? before : after) {
        if (!ran(run)) continue;
        const auto all = outcomes(run);
        const auto found = all.find(what);
        (first ? row.before : row.after).push_back(found == all.end() ? 0 : found->second);
      }
  }
  std::vector<Shown> out;
  for (auto& [what, row] : rows) out.push_back(std::move(row));
  return out;
}

bool differs(const Shown& one) {
  if (one.before.empty() || one.after.empty()) return false;
  const auto [low, high] = std::ranges::minmax(one.before);
  const auto [least, most] = std::ranges::minmax(one.after);
  return high < least || most < low;
}

std::string counts_text(const std::vector<int>& counts) {
  if (counts.empty()) return "?";
  const auto [low, high] = std::ranges::minmax(counts);
  if (high == 0) return "-";
  return low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
}

}  // namespace reproduce
