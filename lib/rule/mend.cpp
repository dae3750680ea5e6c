#include "rule/mend.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.hpp"

namespace rule {

namespace {

struct Change {
  std::string key, value;            // of --set
  std::string was;
  double size = 0;                   // how far from what is there, as a share of it
};

std::string whole_text(double seconds) {
  const double up = std::ceil(seconds);
  return std::to_string(static_cast<long long>(up));
}

// What might mend a rule on a route: one setting, moved past the one that it is compared with.
void candidates(const std::string& rule, const model::Route& route, std::vector<Change>& out) {
  for (const model::Variant& variant : route.variants) {
    const model::Chain& chain = variant.chain;
    const double read = chain.proxy.read.seconds, worker = chain.server.worker.seconds, graceful = chain.server.graceful.seconds, idle = chain.server.idle.seconds, kept = chain.proxy.idle.seconds;
    const auto known = [](const model::Limit& limit) { return limit.known && limit.seconds != model::no_limit; };
    const auto add = [&](std::string key, double value, double was) {
      if (value <= 0 || value > 1e6) return;
      out.push_back({std::move(key), whole_text(value), model::seconds_text(was), std::abs(value - was) / std::max(was, 1.0)});
    };
    if (rule == "chain.ghost-work" && known(chain.proxy.read) && known(chain.server.worker) && read < worker) {
      add("server.timeout", std::floor(read) - 2 > 0 ? std::floor(read) - 2 : read, worker);
      add("nginx.read", worker + 2, read);
    } else if ((rule == "chain.keepalive-race" || rule == "chain.keepalive-race-by-upgrade") && known(chain.proxy.idle) && known(chain.server.idle) && kept >= idle) {
      add("server.keepalive", kept + 5, idle);
      if (idle >= 2) add("nginx.keepalive_timeout", idle - 1, kept);
      out.push_back({"nginx.keepalive", "0", "kept connections", 2});
    } else if (rule == "chain.lb-timeout" && known(chain.balancer) && known(chain.proxy.read) && read >= chain.balancer.seconds) {
      add("nginx.read", std::floor(chain.balancer.seconds) - 1, read);
    } else if (rule == "chain.retry-budget") {
      out.push_back({"nginx.next_upstream_tries", "1", "no limit", 1});
    } else if (rule == "chain.poison-amplification") {
      out.push_back({"nginx.next_upstream_tries", "1", "no limit", 1});
    } else if (rule == "chain.shutdown-chain" && known(chain.server.graceful) && known(chain.proxy.read) && read > graceful) {
      add("server.graceful_timeout", read, graceful);
      add("nginx.read", graceful, read);
    } else if (rule == "chain.backlog-overflow-mode" && chain.server.backlog > 0) {
      out.push_back({"server.backlog", "2048", std::to_string(chain.server.backlog), 2});
    } else if (rule == "nginx.read-timeout-zero" && chain.proxy.read.known && read == 0) {
      out.push_back({"nginx.read", "60", "0", 1});
    } else if (rule == "nginx.connect-timeout-large" && known(chain.proxy.connect) && chain.proxy.connect.seconds > 60) {
      add("nginx.connect", 5, chain.proxy.connect.seconds);
    } else if ((rule == "nginx.multi-peer-timeout-retry" || rule == "nginx.multi-peer-blackout") && chain.proxy.peers > 1) {
      out.push_back({"nginx.next_upstream", "error", "error timeout", 1});
    } else if (rule == "systemd.stop-timeout-below-graceful" || rule == "container.stop-grace-below-graceful" || rule == "container.supervisor-stopwait" || rule == "kubernetes.grace-below-prestop-plus-graceful") {
      // A longer wait of the supervisor costs nothing; a shorter graceful_timeout would cut more requests.
      if (known(chain.server.graceful) && known(chain.stop.kill) && chain.stop.kill.seconds < graceful + chain.stop.before + 5) add("stop.timeout", graceful + chain.stop.before + 5, chain.stop.kill.seconds);
    }
  }
}

std::set<std::string> places(const Findings& findings) {
  std::set<std::string> all;
  for (const Finding& finding : findings) all.insert(finding.rule + " " + finding.subject.where);
  return all;
}

}  // namespace

void mend(model::Deployment& deployment, const std::vector<model::Route>& routes, const Cards& cards, LintResult& result, std::size_t most) {
  std::set<std::string> rules;
  for (const Finding& finding : result.findings) rules.insert(finding.rule);
  const std::set<std::string> before = places(result.findings);
  for (const std::string& rule : rules) {
    std::vector<Change> all;
    for (const model::Route& route : routes) {
      candidates(rule, route, all);
      if (all.size() > 256) break;
    }
    std::stable_sort(all.begin(), all.end(), [](const Change& a, const Change& b) { return a.size < b.size; });
    std::set<std::string> tried;
    std::set<const Finding*> mended;
    std::string failed;                // the first change that only moved the trouble, and to where
    const auto wanting = [&] { return std::ranges::any_of(result.findings, [&](const Finding& one) { return one.rule == rule && !mended.contains(&one); }); };
    for (const Change& change : all) {
      if (most == 0 || !wanting()) break;
      const std::string assignment = change.key + "=" + change.value;
      if (!tried.insert(assignment).second) continue;
      --most;
      const model::Trial trial(deployment);
      if (!model::set_value(deployment, assignment)) continue;
      // Every rule that was asked is asked again: a change that only moves the trouble is none.
      const LintResult after = lint(deployment, cards, false);
      const std::set<std::string> left = places(after.findings);
      const auto fresh = std::ranges::find_if(after.findings, [&](const Finding& one) { return one.level != Level::note && !before.contains(one.rule + " " + one.subject.where); });
      if (fresh != after.findings.end()) {
        if (failed.empty()) failed = assignment + " brings " + fresh->rule;
        continue;
      }
      for (Finding& finding : result.findings) {
        if (finding.rule != rule || mended.contains(&finding) || left.contains(rule + " " + finding.subject.where)) continue;
        mended.insert(&finding);
        Step step;
        step.when = "then";
        step.text = change.key + " = " + change.value + " (was " + change.was + "): the smallest change of one value that mends it, tried on the model (--set " + assignment + ")";
        finding.fix.insert(finding.fix.begin(), std::move(step));
      }
    }
    for (Finding& finding : result.findings) {
      if (finding.rule != rule || mended.contains(&finding) || failed.empty()) continue;
      Step step;
      step.when = "then";
      step.text = "no change of one value that was tried on the model mends it alone: --set " + failed;
      finding.fix.insert(finding.fix.begin(), std::move(step));
    }
  }
}

}  // namespace rule
