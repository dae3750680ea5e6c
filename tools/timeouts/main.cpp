// triage-timeouts: who gives up first, for every request duration, along load balancer, proxy, server and supervisor.
#include <algorithm>
#include <cstdio>
#include <unistd.h>

#include "base/text.hpp"
#include "look.hpp"
#include "rule/suppression.hpp"
#include "source/live_host.hpp"
#include "verify.hpp"

namespace {

int fail(const base::Error& error, int code) {
  std::fprintf(stderr, "triage-timeouts: %s\n", base::printable(base::sentence(error), 2000).c_str());
  return code;
}

void print(const std::string& text) { (void)std::fwrite(text.data(), 1, text.size(), stdout); }

std::string working_folder() {
  std::string folder(4096, '\0');
  return ::getcwd(folder.data(), folder.size()) ? std::string(folder.c_str()) : std::string("/");
}

// For the writers of findings: every file that was read is a source, what cannot be told a gap.
evidence::Evidence evidence_of(const timeouts::Looked& looked) {
  evidence::Evidence evidence;
  for (const model::File& file : looked.deployment.files) {
    evidence::Source source;
    source.name = file.shown;
    source.kind = evidence::SourceKind::config;
    evidence::Fact fact;
    fact.what = evidence::SettingRead{"file", file.shown, "file", "", true};
    fact.origin.source = evidence.add_source(std::move(source));
    evidence.add(std::move(fact));
  }
  for (const evidence::Gap& gap : looked.gaps) evidence.gap(gap);
  return evidence;
}

}  // namespace

int main(int count, char** words) {
  const timeouts::Asked asked = timeouts::read_options(count, words);
  if (!asked.options) {
    std::fputs(asked.text.c_str(), asked.code == 0 ? stdout : stderr);
    return asked.code;
  }
  const timeouts::Options& options = *asked.options;
  if (options.verify.asked) return timeouts::verify(options);
  const source::LiveHost host;
  const std::string folder = working_folder();
  auto cards = options.rules.empty() ? base::Result<rule::Cards>(rule::Cards()) : rule::cards_with(host, options.rules);
  if (!cards) return fail(cards.error(), 2);
  std::vector<std::string> paths = options.paths, logs = timeouts::logs_among(host, paths);
  logs.insert(logs.end(), options.access_logs.begin(), options.access_logs.end());
  if (paths.empty() && options.server_command.empty()) paths.emplace_back(".");
  auto looked = timeouts::look(options, host, paths, folder);
  if (!looked) return fail(looked.error(), looked.error().kind == base::Kind::usage ? 2 : 3);
  if (looked->routes.empty()) return fail({base::Kind::missing, "looking for a chain", options.location.empty() ? "no pass of nginx and no server stands in these files" : "no location holds " + options.location, "", 0}, 3);
  const rule::LintResult result = timeouts::judge(looked->deployment, looked->routes, *cards);
  std::vector<report::Difference> differences;
  if (!options.against.empty()) {
    timeouts::Options other = options;
    other.set.clear();
    const auto before = timeouts::look(other, host, {options.against}, folder);
    if (!before) return fail(before.error(), 3);
    differences = timeouts::differences(*before, *looked);
  }
  const report::Traffic traffic = timeouts::weigh(host, logs, *looked);
  const report::Timeouts all{looked->deployment, looked->routes, looked->groups, result.findings, result.open, looked->gaps, timeouts::advice_of(looked->routes, looked->groups), options.set,
                             options.duration, options.method, traffic, options.against, differences, host.now()};
  report::Style style;
  style.colour = report::wants_colour(options.colour);
  style.quiet = options.quiet;
  style.verbose = options.verbose;
  const model::Stack stack;
  const evidence::Evidence evidence = evidence_of(*looked);
  const report::Report report{result.findings, stack, evidence, "files", host.now(), "triage-timeouts", &cards->all()};
  if (options.format == "text") {
    const auto text_of = [&](const std::string& shown) -> const std::string* {
      const auto file = std::ranges::find(looked->deployment.files, shown, &model::File::shown);
      return file == looked->deployment.files.end() ? nullptr : &file->text;
    };
    print(report::timeouts_text(all, text_of, {looked->deployment.files.size(), looked->skipped}, style));
  } else if (options.format == "json") {
    print(report::timeouts_json(all, report));
  } else if (options.format == "html") {
    print(report::timeouts_html(all));
  } else {
    print(report::write(*report::writer(options.format), report, style));
  }
  if (options.exit_zero) return 0;
  if (std::ranges::any_of(result.findings, [&](const rule::Finding& finding) { return rule::reaches(finding, options.fail_on); })) return 1;
  if (options.strict && (!result.open.empty() || !looked->gaps.empty())) return 1;
  return looked->found.unreadable > 0 ? 3 : 0;
}
