// The smallest change of one setting that takes a finding about the chain back: candidates from the limits beside it, each tried on the model and
// kept only when the finding is gone and no new one came.
#pragma once

#include "model/chain.hpp"
#include "rule/lint.hpp"

namespace rule {

/// Adds a step to each finding that one change of a known setting mends: "nginx.read = 32 s (was 30 s): tried on the model, this finding is gone".
/// At most `most` changes are tried.
void mend(model::Deployment& deployment, const std::vector<model::Route>& routes, const Cards& cards, LintResult& result, std::size_t most);

}  // namespace rule
