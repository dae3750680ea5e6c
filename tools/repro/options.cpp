#include "options.hpp"

#include <CLI/CLI.hpp>
#include <sstream>

#include "reproduce/server_kind.hpp"

namespace repro {

namespace {

constexpr const char* footer =
    "Examples:\n"
    "  triage repro list                           every scenario and what it proves\n"
    "  triage repro run worker-timeout             on every server that it is for\n"
    "  triage repro run mine.json --scale 10       its times divided by ten\n"
    "  triage repro run --server gunicorn --format junit > runs.xml\n"
    "  triage repro run oom-worker --keep          keeps its folder: logs, run.json\n"
    "  triage repro from-bundle incident.tar.zst -o again\n"
    "  triage repro what-if worker-timeout --set server.timeout=60\n"
    "  triage repro report worker-timeout --fix server.timeout=60 -o post.html\n"
    "Exit: 0 everything was seen as expected, 1 something was not, 2 usage,\n"
    "3 nothing could be run.";

void common(CLI::App& app, Options& o) {
  std::vector<std::string> kinds;
  for (const std::string_view name : reproduce::server_names()) kinds.emplace_back(name);
  app.add_option("--server", o.servers, "only on these: triage-server, gunicorn, uwsgi...")->delimiter(',')->allow_extra_args(false)->check(CLI::IsMember(kinds));
  app.add_option("--seed", o.seed, "of what is left to chance")->capture_default_str();
  app.add_option("--scale", o.scale, "divides all times that scale")->check(CLI::Range(0.1, 100.0))->capture_default_str();
  app.add_flag("--keep", o.keep, "keep the scratch folder, and say where it is");
}

}  // namespace

Asked read_options(int count, char** words) {
  Options o;
  CLI::App app;
  app.name("triage-repro");
  app.description("Makes an incident happen again, and says whether it did: real servers in a scratch folder, cgroup and namespaces of their own, of which nothing is left afterwards.");
  app.set_version_flag("--version", "triage-repro 0.1.0");
  app.require_subcommand(1);
  app.footer(footer);
  CLI::App* run = app.add_subcommand("run", "run scenarios: files, names from `list`, or all of them");
  run->add_option("SCENARIO", o.scenarios, "a file, or a name that `list` shows; default: all that `list` shows");
  common(*run, o);
  run->add_option("--only", o.only, "scenarios whose name holds this");
  run->add_option("--set", o.set, "change a value: server.timeout=60, nginx.proxy_read_timeout=75s")->allow_extra_args(false);
  run->add_option("--jobs", o.jobs, "so many at a time; default: 1, or 6 for several")->check(CLI::Range(1, 64));
  run->add_option("--repeat", o.repeat, "each so many times, with seeds counted up")->check(CLI::Range(1, 1000));
  run->add_option("--format", o.format, "text, json, jsonl or junit")->check(CLI::IsMember({"text", "json", "jsonl", "junit"}))->capture_default_str();
  run->add_flag("-q,--quiet", o.quiet, "only what failed, and the summary");
  run->add_flag("-v,--verbose", o.verbose, "every event as it comes");
  run->callback([&] { o.command = Command::run; });
  CLI::App* list = app.add_subcommand("list", "the scenarios, and what each proves");
  list->add_option("SCENARIO", o.scenarios, "files; default: all that are installed");
  list->add_option("--format", o.format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  list->callback([&] { o.command = Command::list; });
  CLI::App* what_if = app.add_subcommand("what-if", "run a scenario as it is and changed, in turn, and say which outcomes differ");
  what_if->add_option("SCENARIO", o.scenarios, "a file or a name")->required();
  what_if->add_option("--set", o.set, "the change: server.timeout=60, nginx.proxy_read_timeout=75s")->allow_extra_args(false)->required();
  common(*what_if, o);
  what_if->add_option("--repeat", o.repeat, "each so many times")->check(CLI::Range(1, 100));
  what_if->add_option("--format", o.format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  what_if->callback([&] { o.command = Command::what_if; });
  CLI::App* shrink = app.add_subcommand("shrink", "leave out, piece by piece, what its outcome does not need, and print what is left");
  shrink->add_option("SCENARIO", o.scenarios, "a file or a name")->required();
  common(*shrink, o);
  shrink->add_option("-o,--output", o.output, "write it there instead");
  shrink->callback([&] { o.command = Command::shrink; });
  CLI::App* from_bundle = app.add_subcommand("from-bundle", "write a scenario that makes the verdict of a bundle (or of logs and configuration) appear");
  from_bundle->add_option("PATH", o.scenarios, "as `triage --from` takes them")->required();
  from_bundle->add_option("-o,--output", o.output, "the folder to write scenario.json into")->required()->type_name("DIR");
  from_bundle->callback([&] { o.command = Command::from_bundle; });
  CLI::App* report = app.add_subcommand("report", "the postmortem of a run: what happened, a drawn timeline, evidence, cause, how to see it again, before and after the fix");
  report->add_option("RUN", o.scenarios, "a record (--format json), a kept folder, - for stdin, or a scenario, which is run")->required()->expected(1);
  report->add_option("-o,--output", o.outputs, "FILE.md or FILE.html, several times; default: Markdown to stdout")->allow_extra_args(false);
  report->add_option("--fix", o.fix, "run it again with this changed: server.timeout=60")->allow_extra_args(false);
  report->add_option("--after", o.after, "the record of the run with the fix");
  report->add_option("--set", o.set, "change a value of both runs")->allow_extra_args(false);
  common(*report, o);
  report->callback([&] { o.command = Command::report; });
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& stop) {
    std::ostringstream out, error;
    const int code = app.exit(stop, out, error);
    return {std::nullopt, out.str() + error.str(), code == 0 ? 0 : 2};
  }
  return {o, "", 0};
}

}  // namespace repro
