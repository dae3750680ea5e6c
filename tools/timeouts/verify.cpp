#include "verify.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>
#include <unistd.h>

#include "base/text.hpp"
#include "verify_plans.hpp"

namespace timeouts {

namespace {

// Seconds a site takes are nearly all sleep; what the processors bear at once is starting servers.
int sites_at_once(const Verify& asked) {
  if (asked.jobs > 0) return asked.jobs;
  const long processors = ::sysconf(_SC_NPROCESSORS_ONLN);
  return static_cast<int>(std::clamp(processors * 2, 2L, 8L));
}

void print(const std::string& text) { std::fputs(text.c_str(), stdout); std::fflush(stdout); }

}  // namespace

int verify(const Options& options) {
  std::vector<std::string> folders;  // the servers run in folders of their own
  for (const std::string& given : options.verify.gunicorns) {
    std::string all;
    for (const std::string_view folder : base::split(given, ':')) all += (all.empty() ? "" : ":") + std::filesystem::absolute(folder).lexically_normal().string();
    folders.push_back(all);
  }
  const Tools tools = tools_here(folders);
  auto scratch = Scratch::make(options.verify.keep);
  if (!scratch) { std::fprintf(stderr, "triage-timeouts: %s\n", base::sentence(scratch.error()).c_str()); return 3; }
  if (options.verify.keep) print("files: " + scratch->path() + "\n");
  std::vector<Plan> plans = options.verify.random > 0 ? random_plans(tools, options.verify.random, options.verify.seed) : fixed_plans(tools);
  if (!options.verify.only.empty()) std::erase_if(plans, [&](const Plan& plan) { return !base::contains(plan.name, options.verify.only); });
  std::atomic<std::size_t> next = 0;
  std::mutex lock;
  std::size_t run = 0, wrong = 0, noisy = 0;
  double noise = 0;
  std::set<std::string> skipped;
  const double start = now_s();
  std::vector<std::thread> threads;
  for (int i = 0; i < sites_at_once(options.verify); ++i)
    threads.emplace_back([&] {
      for (std::size_t at = next++; at < plans.size(); at = next++) {
        const std::vector<Checked> all = run_site(plans[at], tools, scratch->path() + "/" + std::to_string(at));
        const std::lock_guard held(lock);
        for (const Checked& one : all) {
          if (!one.skipped.empty()) { if (skipped.insert(one.skipped).second) print("SKIPPED " + one.name + ": " + one.skipped + "\n"); continue; }
          ++run;
          wrong += !one.fits;
          noisy += one.by_noise;
          noise = std::max(noise, one.noise);
          const std::string mark = !one.fits ? "WRONG  " : one.by_noise ? "late   " : "ok     ";
          if (!options.quiet || !one.fits) print(mark + base::printable(one.name, 300) + "\n         said " + base::printable(one.said, 300) + "\n         saw  " + base::printable(one.saw, 800) + (one.by_noise || !one.fits ? "; the machine was up to " + model::seconds_text(one.noise) + " late" : "") + "\n");
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  char summary[300];
  std::snprintf(summary, sizeof summary, "%zu cases in %.0f s: %zu as predicted (%zu of them within the machine's measured lateness, at most %.2f s), %zu not\n", run, now_s() - start, run - wrong, noisy, noise, wrong);
  print(summary);
  return run == 0 ? 3 : wrong > 0 ? 1 : 0;
}

}  // namespace timeouts
