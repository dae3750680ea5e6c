// Findings' edits applied to texts: last first, so that offsets stay right; of edits that overlap the first counts, the next run does the rest.
#pragma once

#include <map>
#include <string>

#include "model/deployment.hpp"
#include "rule/finding.hpp"
#include "rule/judge.hpp"

namespace lint {

/// path -> new text, of files that change.
std::map<std::string, std::string> mended(const model::Deployment& deployment, const rule::Findings& findings, bool unsafe);
/// As diff -u prints it, three lines around each change.
std::string difference(const std::string& name, const std::string& before, const std::string& after);

}  // namespace lint
