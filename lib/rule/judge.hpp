// Checks and cards to findings: words filled in, repeats grouped, consequences put under their root, ids given, the worst first.
#pragma once

#include "rule/card.hpp"
#include "rule/check.hpp"

namespace rule {

using Findings = std::vector<Finding>;

Findings judge(const model::Stack& stack, const evidence::Evidence& evidence, const std::map<std::string, Card>& cards);

enum class Verdict : std::uint8_t { clean, fault, unknown };
/// fault: a sure finding of level warning or error; unknown: only unsure ones, or nothing could be seen; clean otherwise.
Verdict verdict_of(const Findings& findings, const evidence::Evidence& evidence);
/// The finding that the report's first line names: the root of the worst story; nullptr when there is none.
const Finding* root_of(const Findings& findings);

}  // namespace rule
