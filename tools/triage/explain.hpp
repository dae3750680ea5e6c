// triage explain [RULE]: the rule's page, or the list. Works offline: the cards are compiled in.
#pragma once

#include <map>
#include <string>

#include "rule/card.hpp"

namespace triage {

/// Prints the page of `rule`, the list of an area, or of all for ""; the exit code: 0, or 2 when there is no such rule.
int explain(const std::string& rule, const std::map<std::string, rule::Card>& cards);

}  // namespace triage
