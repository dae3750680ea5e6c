// The order in which findings are told: each root with what followed from it, the report's own root first; and the sentences that say it all
// in one line.
#pragma once

#include <string>
#include <vector>

#include "report/report.hpp"

namespace report {

struct Story {
  const rule::Finding* root = nullptr;
  std::vector<const rule::Finding*> followed;            // in the order they were found
};

/// Every finding once, a group by the one that stands for it. A caused_by that leads nowhere or in a circle makes its finding a root.
std::vector<Story> stories(const rule::Findings& findings);

/// "FAULT", "OK" or "UNKNOWN".
std::string_view verdict_word(rule::Verdict verdict);
/// "fault", "clean", "unknown": for machines.
std::string_view verdict_text(rule::Verdict verdict);
/// The verdict in one sentence, without its word and without the rule; raw bytes from outside may be in it.
std::string headline(const Report& report);
/// "2 faults, 1 certain, 1 likely; 1 note; 2 blind spots".
std::string summary(const Report& report);
/// "gunicorn worker 14"; with `host`, "gunicorn worker 14 (host 31989)". Empty when the finding is about nobody in particular.
std::string subject_text(const rule::About& about, bool host = false);
/// "6 times, 10:31:07 to 10:31:09: 14, 15, 16" with at most `most` pids; empty when it happened once.
std::string repeats_text(const rule::Finding& finding, std::size_t most);
/// A confidence word and its reason: "certain - kernel record and cgroup counter agree".
std::string confidence_text(const rule::Finding& finding);

/// What a server did on purpose, in the order of its log.
struct Event { std::string server, what; std::optional<base::Instant> when; int pid = 0; evidence::FactId because = evidence::no_fact; };
std::vector<Event> events(const Report& report);
/// "gunicorn 20.1 master 450"
std::string server_text(const model::Server& server);

}  // namespace report
