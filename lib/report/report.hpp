// Findings to people and machines. A writer reads; it changes nothing. Everything from outside is printed terminal-safe.
#pragma once

#include <span>
#include <string>

#include "model/stack.hpp"
#include "rule/card.hpp"
#include "rule/judge.hpp"

namespace report {

struct Report {
  const rule::Findings& findings;
  const model::Stack& stack;
  const evidence::Evidence& evidence;
  std::string source;                                    // live bundle files
  base::Instant at;
  std::string command;                                   // how we were called, for the first line of a screen
  const std::map<std::string, rule::Card>* rules = nullptr;  // where a format declares every rule that was asked, found or not
};

struct Style {
  bool colour = false;
  bool quiet = false, verbose = false;
  std::size_t width = 80;
  bool show_events = false;
};

/// An output format: one file in writers/, one constant.
struct Writer {
  std::string_view name;                                 // "json"
  std::string (*write)(const Report& report, const Style& style);
};

std::span<const Writer* const> writers();                // made by table(): every file in writers/
const Writer* writer(std::string_view name);             // nullptr when there is none

/// The report in a writer's form, without secrets: what every program prints (report/redacted.hpp).
std::string write(const Writer& writer, const Report& report, const Style& style);

constexpr std::string_view tool_version = "triage 0.1.0";

}  // namespace report
