#include "commands.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <unistd.h>

#include "base/text.hpp"
#include "reproduce/child.hpp"
#include "reproduce/compare.hpp"
#include "reproduce/library.hpp"
#include "reproduce/run.hpp"
#include "reproduce/shrink.hpp"
#include "show.hpp"

namespace repro {

namespace {

volatile std::sig_atomic_t stopped = 0;

void print(const std::string& text) { (void)std::fwrite(text.data(), 1, text.size(), stdout); }

// Signals end the runs in order; what an earlier run had to leave is given back first.
void prepare() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, [](int) { stopped = 1; });
  std::signal(SIGPIPE, SIG_IGN);
  for (const std::string& folder : reproduce::sweep_strays()) std::fprintf(stderr, "triage-repro: removed what a killed run had left: %s\n", base::printable(folder, 200).c_str());
}

std::vector<reproduce::Run> run_all(const Options& options, const std::vector<reproduce::Job>& jobs, int together) {
  const bool terminal = ::isatty(2) != 0 && !options.verbose && !options.quiet;
  std::size_t over = 0;
  const auto watch = [&](std::size_t job, const reproduce::Event& event) {
    over += event.what == "end";
    const std::string text = progress_text("[" + std::to_string(over) + "/" + std::to_string(jobs.size()) + "] " + jobs[job].scenario->name, event);
    if (options.verbose) std::fprintf(stderr, "%s\n", text.c_str());
    else if (terminal && event.what != "memory" && event.what != "queue" && event.what != "heartbeat") std::fprintf(stderr, "\r\033[K%s", text.c_str());
  };
  std::vector<reproduce::Run> runs = reproduce::run_jobs(jobs, together, watch, [] { return stopped != 0; });
  if (terminal) std::fprintf(stderr, "\r\033[K");
  return runs;
}

int code_of(const std::vector<reproduce::Run>& runs) {
  if (std::ranges::none_of(runs, [](const reproduce::Run& run) { return run.skipped.empty() && run.error.empty(); })) return 3;
  return std::ranges::any_of(runs, [](const reproduce::Run& run) { return run.skipped.empty() && !run.passed(); }) ? 1 : 0;
}

}  // namespace

int fail(const base::Error& error, int code) {
  std::fprintf(stderr, "triage-repro: %s\n", base::printable(base::sentence(error), 2000).c_str());
  return code;
}

int run(const Options& options, const std::vector<reproduce::Scenario>& scenarios) {
  prepare();
  std::vector<reproduce::Run> runs, skipped;
  std::vector<reproduce::Job> jobs;
  for (int i = 0; i < options.repeat; ++i) {
    skipped.clear();
    for (const reproduce::Scenario& one : scenarios)
      for (const std::string& server : reproduce::servers_for(one, options.servers, skipped)) jobs.push_back({&one, server, {options.seed + static_cast<std::uint64_t>(i), options.scale, options.keep}});
  }
  runs = run_all(options, jobs, options.jobs > 0 ? options.jobs : jobs.size() > 1 ? 6 : 1);
  runs.insert(runs.end(), skipped.begin(), skipped.end());
  if (runs.empty()) return fail({base::Kind::usage, "choosing scenarios", "none is left for these options", "`triage repro list` shows what runs on which server", 0}, 3);
  if (options.format == "junit") print(junit(runs));
  for (const reproduce::Run& one : runs) {
    if (options.format == "json") print(reproduce::json_of(one));
    else if (options.format == "jsonl") print(reproduce::json_line_of(one) + "\n");
    else if (options.format == "text" && (!options.quiet || (!one.passed() && one.skipped.empty()))) print(run_text(one, options.verbose));
  }
  if (options.format == "text") print(summary_text(runs));
  return code_of(runs);
}

int what_if(const Options& options) {
  const auto before = reproduce::find_scenario(options.scenarios.front()), after = reproduce::find_scenario(options.scenarios.front(), options.set);
  if (!before) return fail(before.error(), 2);
  if (!after) return fail(after.error(), 2);
  prepare();
  std::vector<reproduce::Run> skipped;
  std::vector<reproduce::Job> jobs;
  const std::vector<std::string> servers = reproduce::servers_for(*before, options.servers, skipped);
  // In turn, one at a time: what else the machine does meets both alike.
  for (const std::string& server : servers)
    for (int i = 0; i < options.repeat; ++i)
      for (const auto* scenario : {&*before, &*after}) jobs.push_back({scenario, server, {options.seed + static_cast<std::uint64_t>(i), options.scale, options.keep}});
  const std::vector<reproduce::Run> runs = run_all(options, jobs, 1);
  bool ran = false;
  for (std::size_t s = 0; s < servers.size(); ++s) {
    std::vector<reproduce::Run> first, second;
    for (std::size_t i = 0; i < runs.size(); ++i)
      if (jobs[i].server == servers[s]) {
        (jobs[i].scenario == &*before ? first : second).push_back(runs[i]);
        ran |= runs[i].error.empty();
        if (!runs[i].error.empty()) fail({base::Kind::refused, "running " + before->name + " on " + servers[s], runs[i].error, "", 0}, 3);
      }
    print(options.format == "json" ? what_if_json(first, second, options.set) : what_if_text(first, second, options.set));
  }
  return ran ? 0 : 3;
}

int shrink(const Options& options) {
  std::string file;
  auto root = reproduce::find_scenario_json(options.scenarios.front(), file);
  if (!root) return fail(root.error(), 2);
  const auto whole = reproduce::read_scenario(*root, file);
  if (!whole) return fail(whole.error(), 2);
  prepare();
  std::vector<reproduce::Run> skipped;
  const std::vector<std::string> servers = reproduce::servers_for(*whole, options.servers, skipped);
  if (servers.empty()) return fail({base::Kind::missing, "running " + whole->name, "none of its servers is installed here", "", 0}, 3);
  const auto holds = [&](const reproduce::Scenario& scenario) {
    std::vector<reproduce::Job> jobs;
    for (const std::string& server : servers) jobs.push_back({&scenario, server, {options.seed, options.scale, false}});
    return stopped == 0 && std::ranges::all_of(run_all(options, jobs, 2), &reproduce::Run::passed);
  };
  if (!holds(*whole)) return fail({base::Kind::refused, "shrinking " + whole->name, stopped != 0 ? "it was interrupted" : "it does not pass as it is", "triage repro run " + whole->name, 0}, 1);
  const auto tried = [](const std::string& what, bool stays) { std::fprintf(stderr, "%s %s\n", stays ? "left out:" : "needed:  ", base::printable(what, 100).c_str()); };
  const std::string text = reproduce::json_text(reproduce::shrink(std::move(*root), file, holds, tried));
  if (options.output.empty()) print(text);
  else if (!reproduce::write_file(options.output, text)) return fail({base::Kind::refused, "writing " + options.output, "it cannot be written", "", 0}, 3);
  return stopped != 0 ? 3 : 0;
}

}  // namespace repro
