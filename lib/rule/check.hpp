// A check: correlation over time that a condition can't say. Pure: stack and evidence in, drafts out. One file in checks/, one constant.
#pragma once

#include <span>

#include "model/stack.hpp"
#include "rule/finding.hpp"

namespace rule {

struct Look {
  const model::Stack& stack;
  const evidence::Evidence& evidence;
};

struct Check {
  std::string_view name;                                 // the card's "check"
  std::vector<std::string_view> rules;                   // the ids it may draft
  std::vector<Draft> (*look)(const Look& look);
};

std::span<const Check* const> checks();                  // made by table(): every file in checks/

}  // namespace rule
