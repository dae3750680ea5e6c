// triage-repro: makes an incident happen again, and says whether it did.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <unistd.h>

#include "base/text.hpp"
#include "options.hpp"
#include "reproduce/library.hpp"
#include "reproduce/run.hpp"
#include "show.hpp"

namespace {

volatile std::sig_atomic_t stopped = 0;

int fail(const base::Error& error, int code) {
  std::fprintf(stderr, "triage-repro: %s\n", base::printable(base::sentence(error), 2000).c_str());
  return code;
}

void print(const std::string& text) { (void)std::fwrite(text.data(), 1, text.size(), stdout); }

int code_of(const std::vector<reproduce::Run>& runs) {
  if (std::ranges::any_of(runs, [](const reproduce::Run& run) { return run.skipped.empty() && !run.passed(); })) return 1;
  return std::ranges::all_of(runs, [](const reproduce::Run& run) { return !run.skipped.empty(); }) ? 3 : 0;
}

int run(const repro::Options& options, const std::vector<reproduce::Scenario>& scenarios) {
  for (const std::string& folder : reproduce::sweep_strays()) std::fprintf(stderr, "triage-repro: removed what a killed run had left: %s\n", base::printable(folder, 200).c_str());
  std::vector<reproduce::Run> runs;
  std::vector<reproduce::Job> jobs;
  for (const reproduce::Scenario& one : scenarios)
    for (const std::string& server : reproduce::servers_for(one, options.server, runs))
      for (int i = 0; i < options.repeat; ++i) jobs.push_back({&one, server, {options.seed + static_cast<std::uint64_t>(i), options.scale, options.keep}});
  const bool terminal = ::isatty(2) != 0 && !options.verbose && !options.quiet;
  const auto watch = [&](std::size_t job, const reproduce::Event& event) {
    const std::string text = repro::progress_text(jobs[job].scenario->name, event);
    if (options.verbose) std::fprintf(stderr, "%s\n", text.c_str());
    else if (terminal && event.what != "memory" && event.what != "queue") std::fprintf(stderr, "\r\033[K%s", text.c_str());
  };
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, [](int) { stopped = 1; });
  const int together = options.jobs > 0 ? options.jobs : jobs.size() > 1 ? 6 : 1;
  std::vector<reproduce::Run> done = reproduce::run_jobs(jobs, together, watch, [] { return stopped != 0; });
  if (terminal) std::fprintf(stderr, "\r\033[K");
  runs.insert(runs.begin(), std::make_move_iterator(done.begin()), std::make_move_iterator(done.end()));
  if (options.format == "junit") print(repro::junit(runs));
  for (const reproduce::Run& one : runs) {
    if (options.format == "json") print(reproduce::json_of(one));
    else if (options.format == "jsonl") print(reproduce::json_line_of(one) + "\n");
    else if (options.format == "text" && (!options.quiet || !one.passed())) print(repro::run_text(one, options.verbose));
  }
  if (options.format == "text") print(repro::summary_text(runs));
  return runs.empty() ? 3 : code_of(runs);
}

}  // namespace

int main(int count, char** words) {
  const repro::Asked asked = repro::read_options(count, words);
  if (!asked.options) {
    std::fputs(asked.text.c_str(), asked.code == 0 ? stdout : stderr);
    return asked.code;
  }
  const repro::Options& options = *asked.options;
  std::vector<reproduce::Scenario> scenarios;
  std::vector<std::string> names = options.scenarios;
  if (names.empty()) names = reproduce::scenario_names();
  for (const std::string& name : names) {
    if (name.find(options.only) == std::string::npos) continue;
    auto scenario = reproduce::find_scenario(name, options.set);
    if (!scenario) return fail(scenario.error(), 2);
    scenarios.push_back(std::move(*scenario));
  }
  if (options.command == repro::Command::list) {
    print(options.format == "json" ? repro::list_json(scenarios) : repro::list_text(scenarios));
    return 0;
  }
  return run(options, scenarios);
}
