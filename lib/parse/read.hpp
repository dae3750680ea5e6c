// From files to evidence: what `triage --from PATH...` reads, and what a live look reads once a probe found the paths.
#pragma once

#include <string>
#include <vector>

#include "evidence/evidence.hpp"
#include "source/host.hpp"

namespace parse {

struct Limits {
  std::size_t longest_line = 1 << 16;      // longer lines are cut there for matching; the rest is skipped and counted
  std::size_t most_files = 5000;
  std::size_t document = 8 << 20;          // documents (JSON, configs) larger than this are a Gap
  int deepest = 12;                        // folders below a given folder
  bool by_marks = true;                    // false: every format is asked about every line, as a check of the formats' marks; the facts are the same
};

struct Window {
  std::optional<base::Instant> since, until;   // wall clock; facts outside are not kept
  std::optional<std::int64_t> zone_offset_s;   // --tz for logs without a zone: seconds east of UTC; else their times stay naive
  std::int64_t about_ns = 0;                   // since 1970: stamps without a year get the latest year that is not after this; 0 = the file's own time, else now
};

/// Reads every path (a folder: all files below it; "-": standard input) into `evidence`. What cannot be read is a Gap; the result says
/// how many sources were understood.
std::size_t read(const source::Host& host, const std::vector<std::string>& paths, const Window& window, evidence::Evidence& evidence, const Limits& limits = {});

/// One log from a stream, already known under `name`.
void read_stream(source::Stream& stream, const std::string& name, const Window& window, evidence::Evidence& evidence, const Limits& limits = {});

}  // namespace parse
