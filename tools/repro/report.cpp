#include "report.hpp"

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <unistd.h>

#include "base/text.hpp"
#include "commands.hpp"
#include "reproduce/child.hpp"
#include "reproduce/library.hpp"
#include "reproduce/postmortem.hpp"
#include "reproduce/run.hpp"
#include "show.hpp"

namespace repro {

namespace {

using reproduce::Run;

constexpr std::size_t most_record = 64 << 20;
volatile std::sig_atomic_t stopped = 0;

base::Error wrong(std::string doing, std::string answer, std::string remedy) { return {base::Kind::usage, std::move(doing), std::move(answer), std::move(remedy), 0}; }

// A record, a folder that --keep left, or "-".
std::optional<Run> recorded(const std::string& name) {
  if (name == "-") return reproduce::run_of(std::string(std::istreambuf_iterator<char>(std::cin), {}));
  std::error_code none;
  const std::filesystem::path path = std::filesystem::is_directory(name, none) ? std::filesystem::path(name) / "run.json" : std::filesystem::path(name);
  if (!std::filesystem::is_regular_file(path, none)) return std::nullopt;
  return reproduce::run_of(reproduce::read_file(path.string(), most_record));
}

// One run of it: on the wanted server, or the first that it is for.
base::Result<Run> made(const std::string& name, const Options& options, const std::vector<std::string>& set) {
  TRY(scenario, reproduce::find_scenario(name, set));
  std::vector<Run> skipped;
  const std::vector<std::string> servers = reproduce::servers_for(scenario, options.servers, skipped);
  if (servers.empty()) return base::fail({base::Kind::missing, "running " + scenario.name, skipped.empty() ? "it is not for that server" : skipped.front().skipped, "", 0});
  const bool terminal = ::isatty(2) != 0;
  const auto watch = [&](std::size_t, const reproduce::Event& event) {
    if (terminal && event.what != "memory" && event.what != "queue" && event.what != "heartbeat") std::fprintf(stderr, "\r\033[K%s", progress_text(scenario.name, event).c_str());
  };
  std::vector<Run> runs = reproduce::run_jobs({{&scenario, servers.front(), {options.seed, options.scale, options.keep}}}, 1, watch, [] { return stopped != 0; });
  if (terminal) std::fprintf(stderr, "\r\033[K");
  if (runs.empty()) return base::fail({base::Kind::refused, "running " + scenario.name, "it was interrupted", "", 0});
  return std::move(runs.front());
}

bool is_html(const std::string& path) { return path.ends_with(".html") || path.ends_with(".htm"); }

int complain(const base::Error& error) { return fail(error, error.kind == base::Kind::missing || error.kind == base::Kind::refused ? 3 : 2); }
}  // namespace

int report(const Options& options) {
  for (const std::string& path : options.outputs)
    if (!is_html(path) && !path.ends_with(".md")) return complain(wrong("writing '" + path + "'", "its ending names no format", "give it the ending .md or .html"));
  if (!options.fix.empty() && !options.after.empty()) return complain(wrong("reading the command line", "--fix and --after both name the run with the fix", "give one of them"));
  for (const std::string& folder : reproduce::sweep_strays()) std::fprintf(stderr, "triage-repro: removed what a killed run had left: %s\n", base::printable(folder, 200).c_str());
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, [](int) { stopped = 1; });
  const std::string& name = options.scenarios.front();
  std::optional<Run> record = recorded(name);
  if (record && !options.fix.empty()) return complain(wrong("running the fix", "'" + name + "' is a record, which cannot be run again with another value", "name the scenario, or give the other run's record with --after"));
  base::Result<Run> run = record ? base::Result<Run>(std::move(*record)) : made(name, options, options.set);
  if (!run) return complain(run.error());
  std::optional<Run> after;
  if (!options.fix.empty() || !options.after.empty()) {
    std::vector<std::string> set = options.set;
    set.insert(set.end(), options.fix.begin(), options.fix.end());
    Options same = options;
    same.servers = {run->server};   // before and after on the same one
    record = options.after.empty() ? std::nullopt : recorded(options.after);
    if (!options.after.empty() && !record) return complain(wrong("reading '" + options.after + "'", "it is no record of a run", "triage repro run SCENARIO --format json writes one"));
    base::Result<Run> second = record ? base::Result<Run>(std::move(*record)) : made(name, same, set);
    if (!second) return complain(second.error());
    if (second->scenario != run->scenario) return complain(wrong("comparing '" + run->scenario + "'", "the run with the fix is of another scenario, '" + second->scenario + "'", "give two runs of one"));
    after = std::move(*second);
  }
  const Run* fixed = after ? &*after : nullptr;
  if (options.outputs.empty()) std::cout << reproduce::postmortem_markdown(*run, fixed);
  for (const std::string& path : options.outputs)
    if (!reproduce::write_file(path, is_html(path) ? reproduce::postmortem_html(*run, fixed) : reproduce::postmortem_markdown(*run, fixed))) return complain({base::Kind::refused, "writing '" + path + "'", "it cannot be written", "", 0});
  if (!run->skipped.empty() || !run->error.empty()) return 3;
  return run->passed() ? 0 : 1;
}

}  // namespace repro
