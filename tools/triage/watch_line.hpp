// What `triage watch` prints: one line (wrapped at 80 columns) a verdict for people, one JSON object a line for machines.
#pragma once

#include <string>

#include "report/report.hpp"

namespace triage {

enum class Stage { provisional, final };

std::string verdict_text(const report::Report& report, const rule::Finding& finding, Stage stage);
std::string verdict_json(const report::Report& report, const rule::Finding& finding);
/// Something else worth a line: what was attached, an end that was asked for, what was lost.
std::string note_text(const base::Instant& when, const std::string& text);
/// `amends`: the id of a provisional verdict that this takes back; empty when there is none.
std::string note_json(const base::Instant& when, const std::string& event, const std::string& text, int pid, int host_pid, const std::string& amends);
std::string gap_text(const evidence::Gap& gap);
std::string gap_json_line(const evidence::Gap& gap);

}  // namespace triage
