// From files to the chain: what the program prints, and what a comparison with another tree needs twice.
#pragma once

#include "model/found.hpp"
#include "model/outlook.hpp"
#include "options.hpp"
#include "report/timeouts.hpp"
#include "rule/lint.hpp"

namespace timeouts {

struct Looked {
  model::Found found;
  model::Deployment deployment;
  std::vector<model::Route> routes;
  std::vector<model::Group> groups;
  std::size_t skipped = 0;           // templates
  std::vector<evidence::Gap> gaps;   // what stays unknown, each with its place
};

base::Result<Looked> look(const Options& options, const source::Host& host, const std::vector<std::string>& paths, const std::string& folder);

/// The findings that are about timeouts, with the smallest change that takes each back, tried on the model.
rule::LintResult judge(model::Deployment& deployment, const std::vector<model::Route>& routes, const rule::Cards& cards);

/// Advice that people arrive with, answered where their files follow it.
std::vector<std::string> advice_of(const std::vector<model::Route>& routes, const std::vector<model::Group>& groups);

/// Rows whose client outcome changes from one tree to the other, by location.
std::vector<report::Difference> differences(const Looked& before, const Looked& after);

/// Files that are named like a configuration and hold rows of an access log: taken out of `paths`.
std::vector<std::string> logs_among(const source::Host& host, std::vector<std::string>& paths);

/// Reads access logs and gives every row of the wait its share of the requests.
report::Traffic weigh(const source::Host& host, const std::vector<std::string>& logs, Looked& looked);

}  // namespace timeouts
