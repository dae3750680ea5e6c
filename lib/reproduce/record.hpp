// What happened in a run, as it was seen: one flat event a line, the only thing that expectations, what-if, shrink and the postmortem's report read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reproduce {

/// docs/repro.md says what each kind uses. Times are seconds since second 0 (the server is ready); what was before is negative.
struct Event {
  double at = 0;
  std::string what;            // "worker-dead", "answered", "log"...
  std::string who;             // the load, the file, the role
  int pid = 0, host_pid = 0;   // as the server names it; as the machine does
  std::string text;            // a status, an outcome, a line
  double number = 0;           // the request, bytes, a count
  std::optional<double> from;  // when that began which ends here
};

/// One wanted thing and what came of it.
struct Checked {
  std::string wanted, seen;    // a sentence each
  bool passed = false;
  std::string level;           // "": it failed or passed; "unseen": it could not be seen, why stands in `seen`
};

struct Run {
  std::string scenario, file, proves, server, version;   // version: as the server says it
  std::uint64_t seed = 1;
  double scale = 1;
  std::string began;           // wall clock, ISO: second 0 of the events
  double took = 0;             // seconds in all, with start and end
  std::vector<std::string> versions, commands, floors;
  std::vector<std::string> set;  // what was changed of the scenario, as --set takes it
  std::vector<Event> events;
  std::vector<Checked> checks;
  std::vector<std::string> gaps;
  std::string report;          // triage's report, JSON text; "" none
  std::string error, skipped;  // it could not be run; it cannot be run here
  std::string folder;          // where its files are, with --keep
  bool passed() const;
};

/// A JSON object on one line, no newline.
std::string line_of(const Event& event);
std::optional<Event> event_of(std::string_view line);

/// "schema": "triage.run/1", indented by one blank.
std::string json_of(const Run& run);
std::string json_line_of(const Run& run);
std::optional<Run> run_of(std::string_view json);

}  // namespace reproduce
