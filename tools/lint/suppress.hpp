// What the user does not want to hear, and why: options, .triage.json, a baseline. (Comments in the files are rule/suppression.hpp.)
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/deployment.hpp"
#include "rule/lint.hpp"

namespace lint {

struct Wishes {
  std::vector<std::string> select, ignore;
  std::vector<std::pair<std::string, std::vector<std::string>>> per_file;  // glob -> patterns
};
/// .triage.json: {"select": [], "ignore": [], "per-file-ignores": {"glob": ["rule"]}}.
base::Result<> read_wishes(std::string_view text, const std::string& file, Wishes& wishes);

/// Takes out what is not wanted and numbers the rest anew.
void apply(const Wishes& wishes, rule::LintResult& result);

/// A finding's name that survives moved lines: rule, file and the text of its line.
std::string baseline_name(const model::Deployment& deployment, const rule::Finding& finding);
std::string baseline_text(const model::Deployment& deployment, const rule::Findings& findings);
base::Result<> drop_known(std::string_view text, const std::string& file, const model::Deployment& deployment, rule::Findings& findings);

}  // namespace lint
