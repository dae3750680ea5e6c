// Comments in configuration files that take findings back: `# triage: ignore[rule, rule] reason` on the line or alone above it,
// `# triage: file-ignore[rule]` for the whole file. One that takes nothing back is a finding itself.
#pragma once

#include "rule/lint.hpp"

namespace rule {

/// "nginx.proxy-pass-localhost", "proxy-pass-localhost", "nginx", "nginx.*", "*".
bool rule_fits(const std::string& rule, std::string_view pattern);

/// Is a finding at or above what --fail-on names: error, warning, note, or a pattern of rules?
bool reaches(const Finding& finding, std::string_view fail_on);

/// Takes suppressed drafts out and adds parse.unused-suppression for comments without effect.
void suppress(const model::Deployment& deployment, std::vector<Draft>& drafts);

}  // namespace rule
