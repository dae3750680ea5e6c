// Pages made from the cards and the vocabulary: for the terminal (`triage explain`) and for docs/ (a test holds those fresh). ASCII.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "rule/card.hpp"

namespace rule {

/// One rule's page, at most `width` columns: what it says, why, what to do, examples by their answer.
std::string page(const Card& card, std::size_t width = 80);
/// One line a rule, by area.
std::string page_list(const std::map<std::string, Card>& cards, std::size_t width = 80);
/// What `triage explain RULE` prints ("" = the list; an area as "death" or "death." lists it); an unknown rule is a usage Error with "did you mean".
base::Result<std::string> explained(const std::map<std::string, Card>& cards, std::string_view rule, std::size_t width = 80);

/// The whole of docs/rules.md and docs/vocabulary.md.
std::string rules_markdown(const std::map<std::string, Card>& cards);
std::string vocabulary_markdown();

}  // namespace rule
