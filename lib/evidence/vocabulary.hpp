// The words of the facts: one row a kind, with what it means and its fields. NDJSON in and out, and docs/vocabulary.md, are made from it.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "evidence/evidence.hpp"

namespace evidence {

std::string_view word_of(const What& what);   // "worker.timed_out"

struct Word { std::string_view word, means; std::vector<std::string_view> fields; };
/// Every word, in the order of `What`.
std::vector<Word> vocabulary();

/// Every text among a fact's fields, to be changed in place (redaction).
void each_text(What& what, const std::function<void(std::string&)>& change);

/// One line of NDJSON without its newline: {"word":…, "pid":…, "when":…, "source":…, "line":…, fields…}.
std::string to_ndjson(const Evidence& evidence, FactId id);
std::string to_ndjson(const Gap& gap);
std::string to_ndjson(const Source& source);
/// The whole evidence, sources first; what `--show evidence` prints and read_ndjson takes back.
std::string to_ndjson(const Evidence& evidence);
base::Result<Evidence> read_ndjson(std::string_view text);

}  // namespace evidence
