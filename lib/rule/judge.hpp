// Checks and cards to findings: words filled in, repeats grouped, consequences put under their root, ids given, the worst first.
#pragma once

#include "rule/card.hpp"
#include "rule/check.hpp"

namespace rule {

using Findings = std::vector<Finding>;

/// One finding per process death and per problem, the representatives of groups first (roots before consequences, then by level, certainty,
/// time), then the other members of groups. A draft without a card (ours or the user's rules are at fault) keeps a bare message and is
/// counted in `gaps`.
Findings judge(const model::Stack& stack, const evidence::Evidence& evidence, const Cards& cards, std::vector<evidence::Gap>* gaps = nullptr);
/// The same for drafts that were made elsewhere (watch, tests).
Findings findings_of(std::vector<Draft> drafts, const Cards& cards, std::vector<evidence::Gap>* gaps = nullptr);

/// What a person is shown: one finding for each group, its repeats in `members`, in the order of `findings`. JSON lists them all.
std::vector<const Finding*> grouped(const Findings& findings);

enum class Verdict : std::uint8_t { clean, fault, unknown };
/// fault: a sure finding of level warning or error; unknown: only unsure ones, or nothing could be seen; clean otherwise.
Verdict verdict_of(const Findings& findings, const evidence::Evidence& evidence);
/// The finding that the report's first line names: the root of the worst story; nullptr when there is none.
const Finding* root_of(const Findings& findings);

}  // namespace rule
