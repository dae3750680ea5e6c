// The JSON words of CONTRACT's triage.report/1, as they stand in `json`, in `jsonl` and wherever a writer needs one of them. Keys are ordered,
// every named field is present (null or [] where there is nothing), strings are valid UTF-8 without characters that act.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "report/report.hpp"

namespace report {

/// Bounds of one document. What is left out is counted in `omitted`, so that no list is silently short.
constexpr std::size_t most_because = 200, most_members = 10'000, most_workers = 2'000, most_events = 10'000;

nlohmann::ordered_json finding_json(const Report& report, const rule::Finding& finding);
nlohmann::ordered_json gap_json(const evidence::Gap& gap);
nlohmann::ordered_json events_json(const Report& report);
nlohmann::ordered_json stack_json(const Report& report);
nlohmann::ordered_json document(const Report& report, const Style& style);

/// Text of a JSON value: ASCII whatever is in it.
std::string dump(const nlohmann::ordered_json& json, int indent);

}  // namespace report
