// A report whose texts hold no secrets: what leaves the programs. A report is pasted into chats and tickets sooner than a bundle is.
#pragma once

#include "report/report.hpp"

namespace report {

/// Owns what its report() refers to: the findings, the stack, and of the evidence only what they point at.
struct Redacted {
  rule::Findings findings;
  model::Stack stack;
  evidence::Evidence evidence;
  std::string source, command;
  base::Instant at;
  const std::map<std::string, rule::Card>* rules = nullptr;
  Report report() const { return {findings, stack, evidence, source, at, command, rules}; }
};

/// Environment values, passwords in URLs, tokens, cookies and keys become marks, the same secret the same mark (source::Redactor). Names of
/// rules, places in files and ids stay.
Redacted redacted(const Report& report);

}  // namespace report
