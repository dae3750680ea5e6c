// triage-lint: what in these configuration files will hurt.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <unistd.h>

#include "base/text.hpp"
#include "fix.hpp"
#include "model/found.hpp"
#include "options.hpp"
#include "report/frames.hpp"
#include "rule/lint.hpp"
#include "rule/suppression.hpp"
#include "source/live_host.hpp"
#include "suppress.hpp"

namespace {

int fail(const base::Error& error, int code) {
  std::fprintf(stderr, "triage-lint: %s\n", base::sentence(error).c_str());
  return code;
}

std::string working_folder() {
  std::string folder(4096, '\0');
  return ::getcwd(folder.data(), folder.size()) ? std::string(folder.c_str()) : std::string("/");
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

base::Result<> settle(const lint::Options& options, const source::Host& host, const std::string& folder, lint::Wishes& wishes) {
  const std::string file = options.config.empty() ? folder + "/.triage.json" : model::absolute(options.config, folder);
  const auto text = host.read(file, 1 << 20);
  if (text) { if (auto read = lint::read_wishes(*text, options.config.empty() ? ".triage.json" : options.config, wishes); !read) return read; }
  else if (!options.config.empty()) return base::fail(text.error());
  wishes.select.insert(wishes.select.end(), options.select.begin(), options.select.end());
  wishes.ignore.insert(wishes.ignore.end(), options.ignore.begin(), options.ignore.end());
  return {};
}

// What the report's gaps say: files that could not be read, and what nobody can tell from these files, a line a rule.
evidence::Evidence evidence_of(const model::Found& found, const rule::LintResult& result, const model::Deployment& deployment) {
  evidence::Evidence evidence;
  for (const model::File& file : deployment.files) {
    evidence::Source source;
    source.name = file.shown;
    source.kind = evidence::SourceKind::config;
    evidence::Fact fact;
    fact.what = evidence::SettingRead{"file", file.shown, "file", "", true};
    fact.origin.source = evidence.add_source(std::move(source));
    evidence.add(std::move(fact));
  }
  for (const evidence::Gap& gap : found.gaps) evidence.gap(gap);
  for (const rule::Finding& finding : result.open)
    evidence.gap({finding.rule, "it depends on " + (finding.missing.empty() ? std::string("what is not here") : finding.missing.front()) + " (" + finding.subject.where + ")", "-v lists them", 1, {}});
  return evidence;
}

int write_out(const lint::Options& options, const model::Deployment& deployment, const rule::Findings& findings) {
  for (const auto& [path, text] : lint::mended(deployment, findings, options.fix == "unsafe")) {
    const auto file = std::ranges::find(deployment.files, path, &model::File::path);
    if (options.diff) { print(lint::difference(file->shown, file->text, text)); continue; }
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << text;
    out.flush();
    if (!out) return fail({base::Kind::refused, "writing " + file->shown, "it could not be written", "", 0}, 3);
    std::fprintf(stderr, "triage-lint: mended %s\n", base::printable(file->shown, 400).c_str());
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const lint::Asked asked = lint::read_options(count, words);
  if (!asked.options) {
    std::fputs(asked.text.c_str(), asked.code == 0 ? stdout : stderr);
    return asked.code;
  }
  const lint::Options& options = *asked.options;
  const source::LiveHost host;
  const std::string folder = working_folder();
  lint::Wishes wishes;
  if (const auto settled = settle(options, host, folder, wishes); !settled) return fail(settled.error(), 2);
  auto cards = options.rules.empty() ? base::Result<rule::Cards>(rule::Cards()) : rule::cards_with(host, options.rules);
  if (!cards) return fail(cards.error(), 2);

  model::Found found = model::find_files(host, options.paths.empty() ? std::vector<std::string>{"."} : options.paths, folder);
  if (found.files.empty()) {
    for (const evidence::Gap& gap : found.gaps) std::fprintf(stderr, "triage-lint: %s: %s\n", base::printable(gap.wanted, 400).c_str(), gap.reason.c_str());
    return fail({base::Kind::missing, "looking for configurations", "there is none that I know", "give files or folders of nginx, gunicorn, systemd, Docker, compose, Kubernetes...", 0}, 3);
  }
  const std::size_t skipped = static_cast<std::size_t>(std::ranges::count_if(found.files, [](const model::File& file) { return !file.template_language.empty(); }));
  const auto locate = model::locate_in(found);
  const model::Deployment deployment = model::deployment_of(std::move(found.files), host, locate, {options.target_nginx, options.target_gunicorn});
  rule::LintResult result = rule::lint(deployment, *cards);
  lint::apply(wishes, result);
  if (!options.baseline.empty()) {
    const auto text = host.read(model::absolute(options.baseline, folder), 16 << 20);
    if (!text) return fail(text.error(), 2);
    if (const auto dropped = lint::drop_known(*text, options.baseline, deployment, result.findings); !dropped) return fail(dropped.error(), 2);
  }
  if (!options.write_baseline.empty()) {
    std::ofstream out(options.write_baseline, std::ios::binary | std::ios::trunc);
    out << lint::baseline_text(deployment, result.findings);
    out.flush();
    return out ? 0 : fail({base::Kind::refused, "writing " + options.write_baseline, "it could not be written", "", 0}, 3);
  }
  if (!options.fix.empty())
    if (const int code = write_out(options, deployment, result.findings); code != 0 || options.diff) return code;

  report::Style style;
  style.colour = report::wants_colour(options.colour);
  style.quiet = options.quiet;
  style.verbose = options.verbose;
  const evidence::Evidence evidence = evidence_of(found, result, deployment);
  if (options.format == "text") {
    const auto text_of = [&](const std::string& shown) -> const std::string* {
      const auto file = std::ranges::find(deployment.files, shown, &model::File::shown);
      return file == deployment.files.end() ? nullptr : &file->text;
    };
    print(report::frames(result.findings, result.open, found.gaps, text_of, {deployment.files.size(), skipped}, style));
  } else {
    // Most of these formats have no place for what could not be read; without a word it would read as "nothing found".
    for (const evidence::Gap& gap : found.gaps) std::fprintf(stderr, "triage-lint: %s: %s\n", base::printable(gap.wanted, 400).c_str(), gap.reason.c_str());
    const model::Stack stack;
    print(report::write(*report::writer(options.format), {result.findings, stack, evidence, "files", host.now(), "triage-lint", options.format == "sarif" ? &cards->all() : nullptr}, style));
  }
  const bool fails = std::ranges::any_of(result.findings, [&](const rule::Finding& finding) { return rule::reaches(finding, options.fail_on); }) || (options.strict && (!result.open.empty() || !found.gaps.empty()));
  const int code = options.exit_zero ? 0 : fails ? 1 : found.unreadable > 0 ? 3 : 0;
  // All is said. Taking a tree of many sites apart again, string by string, is a tenth of the time it takes to judge it.
  std::fflush(nullptr);
  std::_Exit(code);
}
