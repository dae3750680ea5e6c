// What the command line asks for, as plain values. options.cpp is the only file that includes CLI11.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "parse/read.hpp"
#include "report/report.hpp"
#include "rule/judge.hpp"

namespace triage {

enum class Command { look, watch, stacks, bundle, doctor, explain, beside };

struct Options {
  Command command = Command::look;
  std::string beside;                          // `triage lint ...` runs triage-lint: its name, and its arguments as they stand
  std::vector<std::string> arguments;

  std::vector<std::string> targets;            // live: pids, units, pidfiles, sockets, URLs
  std::vector<std::string> from;               // --from
  std::string nginx;                           // --nginx CONF
  bool send = false;                           // --send: one request to the URL that is asked about
  std::string format = "text", colour = "auto", show, rules;
  std::string fail_on = "warning";
  bool exit_zero = false, strict = false, quiet = false, verbose = false;
  parse::Window window;
  std::optional<double> budget_s;

  std::string output = "-";                    // bundle -o
  bool redact = true;                          // bundle
  std::string rule;                            // explain RULE
  std::optional<double> for_s;                 // watch --for; look --for: a second look, this long after the first
  std::string against;                         // look --against: an earlier look to compare with
  bool stop = false;                           // stacks --stop
  bool syscalls = false;                       // --syscalls: follow system calls meanwhile
  double snapshot_at = 90;                     // watch --snapshot-at: percent of the timeout without a heartbeat
  bool requests = false;                       // watch --requests: what request each worker serves
  std::string without;                         // watch --without bpf,connector
};

struct Asked {
  std::optional<Options> options;              // empty: `text` was printed and `code` is the exit code (help, version, usage errors)
  std::string text;
  int code = 0;
};

Asked read_options(int count, char** words);

/// "30m", "2h", "1d" (before now), an ISO time, or "HH:MM[:SS]" of today (UTC).
base::Result<base::Instant> read_moment(std::string_view text, const base::Instant& now);
/// "+02:00", "-0530", "UTC", "Z": seconds east of UTC.
base::Result<std::int64_t> read_zone(std::string_view text);
/// "250ms", "10s", "2m": seconds.
base::Result<double> read_span(std::string_view text);

/// Does a finding reach --fail-on: a level, or a rule pattern ("death.*")?
bool reaches(const rule::Finding& finding, const std::string& fail_on);
/// 0 nothing at or above --fail-on, 1 findings; --strict counts gaps; --exit-zero is 0 always.
int exit_code(const rule::Findings& findings, const std::vector<evidence::Gap>& gaps, const Options& options);

}  // namespace triage
