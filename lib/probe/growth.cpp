#include "probe/growth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/text.hpp"

namespace probe {

namespace {

using namespace evidence;

struct Seen { const Fact *descriptors = nullptr, *memory = nullptr; std::optional<std::int64_t> started_ns; };

// The last word of each process.
std::map<int, Seen> by_pid(const Evidence& evidence) {
  std::map<int, Seen> all;
  for (const Fact& fact : evidence.facts) {
    if (fact.about.space != PidSpace::host || !fact.about.pid) continue;
    if (as<DescriptorsSeen>(fact)) all[fact.about.pid].descriptors = &fact;
    else if (as<MemorySeen>(fact)) all[fact.about.pid].memory = &fact;
    else if (const auto* process = as<ProcessSeen>(fact); process && process->started_ns) all[fact.about.pid].started_ns = process->started_ns;
  }
  return all;
}

// Seconds between the two looks; nullopt where one is missing or the second is no later.
std::optional<double> apart(const Fact* early, const Fact* late) {
  if (!early || !late || !early->when || !late->when || late->when->clock != early->when->clock || late->when->at <= early->when->at) return std::nullopt;
  return static_cast<double>(late->when->at - early->when->at) / 1e9;
}

std::string span(double seconds) { return base::duration_text(static_cast<std::int64_t>(seconds * 1e9)); }

Fact grown_fact(const Fact& late, What what, std::string text) {
  Fact fact;
  fact.about = late.about;
  fact.when = late.when;
  fact.what = std::move(what);
  fact.text = std::move(text);
  return fact;
}

Fact descriptors_grown(const Fact& early_fact, const Fact& late_fact, double seconds) {
  const auto &early = *as<DescriptorsSeen>(early_fact), &late = *as<DescriptorsSeen>(late_fact);
  DescriptorsGrown grown;
  grown.before = early.used;
  grown.used = late.used;
  grown.seconds = seconds;
  grown.most = late.most;
  grown.most_count = late.most_count;
  // Only the commonest target of each look is known; one that was not the first then was open no more often than the one that was.
  if (early.most == grown.most) grown.most_before = early.most_count;
  else grown.most_before = std::min(early.most_count, grown.most_count);
  std::string text = fmt::format("pid {}: {} open ({} before: {})", late_fact.about.pid, grown.used, span(seconds), grown.before);
  if (grown.most_count > 9) text += fmt::format("; {} x {}, {} then", grown.most_count, grown.most, early.most == grown.most ? std::to_string(grown.most_before) : "fewer");
  return grown_fact(late_fact, std::move(grown), std::move(text));
}

Fact memory_grown(const Fact& early_fact, const Fact& late_fact, double seconds) {
  const auto &early = *as<MemorySeen>(early_fact), &late = *as<MemorySeen>(late_fact);
  const bool own = early.own && late.own;
  MemoryGrown grown;
  grown.before = own ? *early.own : early.rss;
  grown.used = own ? *late.own : late.rss;
  grown.seconds = seconds;
  grown.what = own ? "own" : "rss";
  std::string text = fmt::format("pid {}: {} {} ({} before: {})", late_fact.about.pid, base::bytes_text(grown.used), own ? "of its own" : "resident", span(seconds), base::bytes_text(grown.before));
  return grown_fact(late_fact, std::move(grown), std::move(text));
}

}  // namespace

std::vector<Fact> grown_since(const Evidence& earlier, const Evidence& now) {
  std::vector<Fact> facts;
  const auto before = by_pid(earlier);
  for (const auto& [pid, late] : by_pid(now)) {
    const auto found = before.find(pid);
    if (found == before.end()) continue;
    const Seen& early = found->second;
    // A tick of 10 ms is all the start's precision; another life of this pid began much later.
    if (early.started_ns && late.started_ns && std::abs(*early.started_ns - *late.started_ns) > base::second_ns) continue;
    if (const auto seconds = apart(early.descriptors, late.descriptors)) facts.push_back(descriptors_grown(*early.descriptors, *late.descriptors, *seconds));
    if (const auto seconds = apart(early.memory, late.memory)) facts.push_back(memory_grown(*early.memory, *late.memory, *seconds));
  }
  return facts;
}

}  // namespace probe
