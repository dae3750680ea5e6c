// What triage itself says of the stack while it runs, or of what it has left behind.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "reproduce/child.hpp"
#include "reproduce/record.hpp"

namespace reproduce {

/// Runs triage with these words; its JSON report.
base::Result<std::string> ask_triage(const std::vector<std::string>& words);
/// `triage watch` of a server on the whole machine, its lines in a file of the scratch folder.
Command watch_command(int master, const Ground& ground);
/// Its final findings as a report; what it lost or could not see becomes gaps.
std::string watch_report(const std::string& lines, std::vector<std::string>& gaps);
/// A "triage" event for each finding and each of its members: text is the rule, who the confidence.
std::vector<Event> findings_of(const std::string& report, double at);

/// The kernel log from a mark on. The marks are records of ours: only between two records does a kernel log's silence mean something.
class KernelLog {
 public:
  /// Writes the first mark; nothing where that is refused.
  explicit KernelLog(std::string name);
  /// Writes the last mark and the log between both, as dmesg prints it. A sentence of what could not be done, or "".
  std::string save(const std::string& path);

 private:
  std::string name_;
  bool marked_ = false;
};

}  // namespace reproduce
