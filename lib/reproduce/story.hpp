// What a run's record says, gathered once for both writers of the postmortem: what clients got, what happened in order, the findings, before and after.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "reproduce/record.hpp"

namespace reproduce {

enum class Sort : std::uint8_t { good, bad, late, open };   // late: the client gave up, or waits still; open: it only holds a connection
/// The message, and the rule with how often.
struct Told;
std::string line_of(const Told& told);
Sort sort_of(std::string_view outcome);

struct Seen { std::string id, when, source, where, text, note; };
struct Remedy { std::string when, text, expect, loses, edit; };

/// A finding of triage's report.
struct Told {
  std::string id, rule, level, sure, sure_because, message, when, caused_by, prediction, where;
  int pid = 0, host_pid = 0;
  std::size_t count = 1;
  bool here = false;                                        // about this run, not about something else that the machine does
  std::vector<Seen> because;
  std::vector<std::pair<std::string, std::string>> ruled_out;   // a cause, and why not
  std::vector<std::string> doing;
  std::vector<Remedy> fix;
};

/// All requests of a load that ended in the same way.
struct Ending { std::string load, got; std::size_t count = 0; double shortest = 0, longest = 0, first = 0, last = 0; };
struct Notable { double at = 0; std::string who, text; bool bad = false; std::size_t count = 1; double last = 0; };
struct Measure { std::string what, before, after; };

struct Story {
  std::string title;                    // one sentence of at most most_title characters: the cause where triage named one
  std::string result;                   // whether everything was seen as expected
  bool reproduced = false;
  std::vector<std::string> happened;    // a sentence each
  std::vector<Ending> endings;
  std::vector<Notable> notable;         // by time, at most most_notable
  std::size_t left_out = 0;             // of those
  std::vector<Told> findings;           // of this run, the root first
  std::vector<Told> elsewhere;          // of other servers on the machine
};
inline constexpr std::size_t most_notable = 80, most_title = 300;

/// A time in which a worker that had a heartbeat did not touch it for more than three quarters of the server's timeout: an idle one does after half of it
/// (gunicorn/workers/base.py:51@20.1.0). `since`: its last touch. None where the timeout is 0 (off); where it is unknown, from 1.5 s on.
struct Silence { double seconds = 0, since = 0; int pid = 0; };
std::vector<Silence> silences(const Run& run);

Story story_of(const Run& run);
std::vector<Measure> compared(const Run& before, const Run& after);
/// Whether the fix does what it is for, in a sentence.
std::string judged(const Run& before, const Run& after);
/// A line for a shell that makes it happen again.
std::string command_of(const Run& run);
/// The record without secrets.
Run redacted(const Run& run);
/// 0.042 -> "42 ms", 1.25 -> "1.25 s", 12.31 -> "12.3 s"
std::string at_text(double seconds);
/// Without a minus before a zero of two digits.
inline double tidy(double seconds) { return seconds > -0.005 && seconds < 0 ? 0 : seconds; }
/// Of a number of the record, which may be any: negative ones are 0, larger ones than 2^53 are that.
std::uint64_t whole(double value);

}  // namespace reproduce
