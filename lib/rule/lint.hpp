// The linter's judgement: cards with conditions over the scopes of a deployment, and the named checks for what a condition cannot say. Pure:
// a deployment in, drafts out.
#pragma once

#include <functional>
#include <set>
#include <span>
#include <vector>

#include "model/deployment.hpp"
#include "rule/card.hpp"
#include "rule/condition/condition.hpp"
#include "rule/judge.hpp"

namespace rule {

/// A check of configuration files: one file in lints/, one constant. Cards name it as "lint:NAME".
struct Lint {
  std::string_view name;
  std::vector<std::string_view> rules;               // the ids it may draft
  void (*look)(const model::Deployment& deployment, std::vector<Draft>& drafts);
};
std::span<const Lint* const> lints();                // made by table(): every file in lints/

/// One thing that conditions are asked about: its words' choices, each computed when asked for.
struct Instance {
  model::Spot at;                                    // where a finding points that has no better place
  std::string name;                                  // "location /api"
  std::function<model::Choices(std::string_view word)> of;
  std::string guess;                                 // of a join that is one
};
std::vector<Instance> instances(const model::Deployment& deployment, std::string_view scope);

struct LintResult {
  Findings findings;                                 // those that are so
  Findings open;                                     // those that nobody can tell from these files: Truth::unknown
};

/// `open` false: only what is so, for a caller that asks about a change and not about what nobody can tell.
LintResult lint(const model::Deployment& deployment, const Cards& cards, bool open = true);

/// The server that a command starts: "gunicorn", "uwsgi", "php-fpm"...; "" when none is known.
std::string server_in(std::string_view command);
/// The server that a holder starts, by its backend or its command; "" when none is known.
std::string server_of(const model::Deployment& deployment, const model::Holder& holder);

using model::place_text;
/// A draft about a place of a file.
Draft lint_draft(const model::Deployment& deployment, std::string rule, const model::Spot& at, std::map<std::string, std::string> values = {});
Draft lint_unknown(const model::Deployment& deployment, std::string rule, const model::Spot& at, std::string missing);
void also(const model::Deployment& deployment, Draft& draft, const model::Spot& at);
/// Bytes of a file give way to a text.
void edit(const model::Deployment& deployment, Draft& draft, std::uint32_t file, std::size_t at, std::size_t end, std::string text, bool safe = true);

}  // namespace rule
