// Who gives up first, for people and machines: the chain of each route with where every value was set, what becomes of requests of every duration,
// and the findings about it. Text (80 columns, ASCII, terminal-safe), triage.timeouts/1 as JSON, one self-contained HTML file.
#pragma once

#include "model/outlook.hpp"
#include "report/frames.hpp"

namespace report {

/// What the access logs given say about how long requests take.
struct Traffic {
  std::uint64_t rows = 0, without_time = 0;
  double p50 = 0, p99 = 0, slowest = 0;
  std::vector<std::string> sources;
  bool any() const { return rows > 0; }
};

/// What a change makes different, against another set of files.
struct Difference { std::string location, method, phase, span, before, after; };

struct Timeouts {
  const model::Deployment& deployment;
  const std::vector<model::Route>& routes;
  const std::vector<model::Group>& groups;
  const rule::Findings& findings;
  const rule::Findings& open;                    // what cannot be told
  const std::vector<evidence::Gap>& gaps;
  std::vector<std::string> advice;               // a line each
  std::vector<std::string> set;                  // --set, as given
  std::optional<double> duration;                // --duration
  std::string method;                            // --method, "" none
  Traffic traffic;
  std::string against;                           // --against, "" none
  std::vector<Difference> differences;
  base::Instant at;
};

std::string timeouts_text(const Timeouts& timeouts, const TextOf& text_of, const Looked& looked, const Style& style);
std::string timeouts_json(const Timeouts& timeouts, const Report& report);
std::string timeouts_html(const Timeouts& timeouts);

/// What a row is about, in words: "the wait for the header".
std::string_view phase_text(std::string_view phase);

}  // namespace report
