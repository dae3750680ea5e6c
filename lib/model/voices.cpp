#include "model/voices.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <tuple>

namespace model {

using namespace evidence;

namespace {

constexpr std::size_t most_voices = 64, most_events = 2000;
constexpr std::int64_t copied_within = 2 * base::second_ns;  // whole-second stamps, and a runtime that stamps what it reads
constexpr std::int64_t starting = 5 * base::second_ns;

// What a server says of its processes: the variant's index, the pid, and when.
struct Event { std::size_t kind; int pid; std::int64_t at; };

struct Heard {
  Voice voice;
  base::Clock clock = base::Clock::naive;
  std::vector<Event> events;
  std::vector<std::int64_t> starts;
  std::set<std::size_t> kinds;
  std::int64_t first = INT64_MAX, last = INT64_MIN;
};

bool tells(const Fact& fact) {
  return as<WorkerBooted>(fact) || as<WorkerTimedOut>(fact) || as<WorkerReaped>(fact) || as<MasterSignalled>(fact) || as<MasterReloaded>(fact);
}

std::vector<Heard> listen(const Evidence& evidence) {
  std::vector<Heard> all;
  for (const Fact& fact : evidence.facts) {
    const bool start = as<ServerStarted>(fact) != nullptr;
    if (!start && !tells(fact)) continue;
    if (!fact.when || fact.when->clock == base::Clock::boot) continue;
    auto heard = std::find_if(all.begin(), all.end(), [&](const Heard& one) { return one.voice.source == fact.origin.source && one.voice.unit == fact.about.unit; });
    if (heard == all.end()) {
      if (all.size() == most_voices) continue;
      heard = all.insert(all.end(), Heard{voice_of(fact), fact.when->clock, {}, {}, {}, INT64_MAX, INT64_MIN});
    }
    heard->first = std::min(heard->first, fact.when->at);
    heard->last = std::max(heard->last, fact.when->at);
    if (start) heard->starts.push_back(fact.when->at);
    else if (heard->events.size() < most_events) {
      heard->kinds.insert(fact.what.index());
      heard->events.push_back({fact.what.index(), fact.about.pid ? fact.about.pid : fact.by, fact.when->at});
    }
  }
  return all;
}

// "error.log", "error.log.1", "error.log.2.gz", "error.log-20261122": one log, rotated.
std::string_view unrotated(std::string_view name) {
  for (const std::string_view packed : {".gz", ".zst", ".xz", ".bz2"})
    if (name.ends_with(packed)) name.remove_suffix(packed.size());
  const std::size_t end = name.find_last_not_of("0123456789");
  if (end == std::string_view::npos || end + 1 == name.size() || (name[end] != '.' && name[end] != '-')) return name;
  return name.substr(0, end);
}

// Parts of one log share at most the second in which it was rotated; two that go on beside each other under such names are two logs.
bool rotated(const Evidence& evidence, const Heard& one, const Heard& other) {
  const std::string_view a = evidence.sources[one.voice.source].name, b = evidence.sources[other.voice.source].name;
  return a != b && unrotated(a) == unrotated(b) && std::min(one.last, other.last) - std::max(one.first, other.first) <= copied_within;
}

struct Compared { std::size_t shared = 0, missing = 0; };

// How many of one's events the other has, among those it would have as well: of its time, of a kind that it tells of.
Compared compare(const Heard& one, const Heard& other) {
  std::map<std::pair<std::size_t, int>, std::vector<std::int64_t>> told;
  for (const Event& event : other.events) told[{event.kind, event.pid}].push_back(event.at);
  Compared compared;
  for (const Event& event : one.events) {
    if (event.at < other.first || event.at > other.last || !other.kinds.contains(event.kind)) continue;
    if (std::any_of(one.starts.begin(), one.starts.end(), [&](std::int64_t start) { return event.at >= start && event.at - start <= starting; })) continue;
    const auto same = told.find({event.kind, event.pid});
    const bool found = same != told.end() && std::any_of(same->second.begin(), same->second.end(), [&](std::int64_t at) { return std::abs(at - event.at) <= copied_within; });
    ++(found ? compared.shared : compared.missing);
  }
  return compared;
}

}  // namespace

Voice voice_of(const Fact& fact) { return {fact.origin.source, fact.about.unit}; }

bool one_voice(const Voice& a, const Voice& b) { return a.source == b.source && (a.unit == b.unit || a.unit.empty() || b.unit.empty()); }

std::vector<Strangers> strangers(const Evidence& evidence) {
  const std::vector<Heard> all = listen(evidence);
  std::vector<Strangers> pairs;
  for (auto one = all.begin(); one != all.end(); ++one)
    for (auto other = std::next(one); other != all.end(); ++other) {
      if (one->clock != other->clock || one_voice(one->voice, other->voice) || rotated(evidence, *one, *other)) continue;
      const Compared there = compare(*one, *other), back = compare(*other, *one);
      const int writers[2] = {evidence.sources[one->voice.source].writer, evidence.sources[other->voice.source].writer};
      const bool written_apart = writers[0] && writers[1] && writers[0] != writers[1];
      const bool named_apart = written_apart || (!one->voice.unit.empty() && !other->voice.unit.empty() && one->voice.unit != other->voice.unit);
      if (named_apart || there.missing + back.missing > there.shared + back.shared) pairs.push_back({one->voice, other->voice});
    }
  return pairs;
}

}  // namespace model
