#include "options.hpp"

#include <CLI/CLI.hpp>
#include <sstream>

#include "report/report.hpp"

namespace lint {

namespace {

constexpr const char* footer =
    "Examples:\n"
    "  triage lint                              every configuration below here\n"
    "  triage lint nginx.conf gunicorn.conf.py app.service\n"
    "  triage lint --format github --fail-on error deploy/\n"
    "  triage lint --target-nginx 1.22 --target-gunicorn 20.1 .\n"
    "  triage lint --fix . ; triage lint --diff .\n"
    "Suppress: `# triage: ignore[nginx.proxy-pass-localhost] reason` on the line or above it, `file-ignore[...]` for a file, per-file-ignores\n"
    "in .triage.json, or a baseline.\n"
    "Exit: 0 nothing at or above --fail-on, 1 findings, 2 usage, 3 could not look.";

}  // namespace

Asked read_options(int count, char** words) {
  Options o;
  CLI::App app;
  app.name("triage-lint");
  app.description("What in these configuration files will hurt: nginx, gunicorn, systemd, Docker, compose, Kubernetes, supervisor, uwsgi, php-fpm, puma, unicorn. Nothing is run and nothing but the files is read.");
  app.set_version_flag("--version", std::string(report::tool_version));
  app.add_option("PATH", o.paths, "files and folders; default: this folder");
  app.add_option("--format", o.format, "text json jsonl sarif github gitlab gcc junit md")->capture_default_str();
  app.add_option("--select", o.select, "only these rules: ids, problems, or patterns such as nginx.*")->delimiter(',')->allow_extra_args(false);
  app.add_option("--ignore", o.ignore, "not these rules")->delimiter(',')->allow_extra_args(false);
  app.add_option("--baseline", o.baseline, "findings that stand in this file are known");
  app.add_option("--write-baseline", o.write_baseline, "write the findings of now into this file");
  auto* fix = app.add_option("--fix", o.fix, "mend what can be mended safely; --fix=unsafe: also what may change behaviour");
  fix->expected(0, 1)->default_str("safe")->check(CLI::IsMember({"safe", "unsafe"}));
  app.add_flag("--diff", o.diff, "print what --fix would change, change nothing");
  app.add_option("--target-nginx", o.target_nginx, "the nginx version that will read the files");
  app.add_option("--target-gunicorn", o.target_gunicorn, "the gunicorn version that will");
  app.add_option("--config", o.config, "settings file; default: .triage.json here");
  app.add_option("--color", o.colour, "auto, always or never (NO_COLOR and CLICOLOR_FORCE are obeyed)")->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_option("--rules", o.rules, "a folder with more rule cards");
  app.add_option("--fail-on", o.fail_on, "error, warning, note, or a rule pattern")->capture_default_str();
  app.add_flag("--exit-zero", o.exit_zero, "exit 0 although there are findings");
  app.add_flag("--strict", o.strict, "what cannot be told or read counts as a finding");
  app.add_flag("-q,--quiet", o.quiet, "only the summary");
  app.add_flag("-v,--verbose", o.verbose, "also what cannot be told");
  app.footer(footer);
  // `--fix PATH` means PATH: the value of --fix is only ever glued to it.
  std::vector<std::string> given(words + 1, words + count);
  for (std::string& word : given) if (word == "--fix") word = "--fix=safe";
  std::vector<std::string> reversed(given.rbegin(), given.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& stop) {
    std::ostringstream out, error;
    const int code = app.exit(stop, out, error);
    return {std::nullopt, out.str() + error.str(), code == 0 ? 0 : 2};
  }
  if (o.format != "text" && !report::writer(o.format)) return {std::nullopt, "triage-lint: --format " + o.format + ": no such format\n", 2};
  if (o.diff && o.fix.empty()) o.fix = "safe";
  return {o, "", 0};
}

}  // namespace lint
