// Workers that passed a limit of their own server: replaced for their memory, or warned for their time. gunicorn has neither; its max_requests
// is an event, not a finding.
#include <fmt/format.h>

#include <map>

#include "base/text.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

std::string amount(const LimitPassed& passed, double value) {
  return passed.kind == "memory" ? base::bytes_text(static_cast<std::uint64_t>(value)) : base::duration_text(static_cast<std::int64_t>(value * 1e9));
}

// Did the kernel kill this very pid for memory? Then the server's own words came second.
bool killed_by_kernel(const Look& look, int pid) {
  for (const FactId id : look.evidence.ids_of<OomKill>())
    if (const auto& kill = *as<OomKill>(look.evidence.facts[id]); !kill.forged && kill.tgid.value_or(kill.pid) == pid) return true;
  return false;
}

bool told_by_server(const Look& look, const std::string& task) {
  for (const FactId id : look.evidence.ids_of<LimitPassed>())
    if (const auto& passed = *as<LimitPassed>(look.evidence.facts[id]); passed.kind == "soft-time" && passed.detail == task) return true;
  return false;
}

// uWSGI's worker says only that its work is done; which limit it was the command line tells, where it sets one of memory and no other.
void recycled_by_itself(const Look& look, std::vector<Draft>& drafts) {
  static constexpr const char* memory[] = {"reload-on-rss", "reload-on-as", "reload-on-uss", "reload-on-pss"};
  for (const Life& life : look.stack.lives) {
    const auto* draining = life.draining == no_fact ? nullptr : as<WorkerDraining>(look.evidence.facts[life.draining]);
    if (!draining || draining->why != "own-limit" || life.server == SIZE_MAX || life.oom != no_fact) continue;
    const Server& server = look.stack.servers[life.server];
    if (server.settings.contains("max_requests") || server.settings.contains("max-worker-lifetime")) continue;
    const char* set = nullptr;
    for (const char* name : memory)
      if (server.settings.contains(name)) set = name;
    if (!set) continue;
    Draft draft = draft_about(look, "death.recycled", life);
    draft.sure = Confidence::likely;
    draft.sure_because = fmt::format("it ended by itself after a request, and {} is the only limit that its command line sets", set);
    draft.values["limit"] = *model::text_setting(server, set) + " MiB";
    draft.values["setting"] = set;
    because(draft, life.draining);
    because(draft, server.settings.at(set).because);
    drafts.push_back(std::move(draft));
  }
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  recycled_by_itself(look, drafts);
  std::map<int, std::size_t> recycled;  // one death, one finding
  for (const FactId id : look.evidence.ids_of<LimitPassed>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* passed = as<LimitPassed>(fact);
    if (!passed) continue;
    const int pid = fact.about.pid;
    const bool memory = passed->kind == "memory";
    if (memory && recycled.contains(pid)) {
      because(drafts[recycled[pid]], id);
      continue;
    }
    Draft draft;
    draft.rule = memory ? "death.recycled" : "worker.soft-timeout";
    draft.sure = Confidence::certain;
    draft.sure_because = memory ? "the server's own line says that it ends this worker for its memory" : "the server's own line";
    draft.subject.server = base::printable(passed->flavour, 40);
    draft.subject.role = "worker";
    draft.subject.pid = pid;
    draft.when = fact.when;
    draft.values["server"] = draft.subject.server;
    draft.values["role"] = "worker";
    if (pid) draft.values["pid"] = std::to_string(pid);
    if (passed->limit > 0) draft.values["limit"] = amount(*passed, passed->limit);
    if (passed->usage > 0) draft.values["usage"] = amount(*passed, passed->usage);
    if (!memory && (passed->usage > 0 || passed->limit > 0)) draft.values["detail"] = passed->usage > 0 ? "it ran for " + amount(*passed, passed->usage) : "of " + amount(*passed, passed->limit);
    if (!passed->detail.empty()) draft.values[memory ? "setting" : "request"] = base::printable(passed->detail, 120);
    if (!memory && !passed->detail.empty()) draft.was_doing.request = draft.values["request"];
    draft.group = draft.rule + passed->flavour + (memory ? "" : passed->detail);
    because(draft, id);
    if (memory && killed_by_kernel(look, pid)) {
      draft.truth = Truth::unknown;
      draft.sure = Confidence::unknown;
      draft.sure_because = "the server meant to end it for its memory, and the kernel killed this pid for memory too: which came first is not known";
      draft.missing.push_back("the order of the two: a server log with times (uWSGI: log-date)");
    } else if (memory) {
      rule_out(draft, "death.oom-cgroup", "no kernel log here names a kill of it; the server ended it for a limit of its own");
      if (passed->killed) rule_out(draft, "death.killed-by-other", "its own master sent the SIGKILL");
      recycled[pid] = drafts.size();
    }
    if (passed->kind == "soft-time-raised") {
      if (told_by_server(look, passed->detail)) continue;
      draft.truth = Truth::unknown;
      draft.sure = Confidence::unknown;
      draft.sure_because = "the exception of a soft limit, but not the server's own line about it: the application may raise it itself";
      draft.missing.push_back("the main process's line \"Soft time limit (N s) exceeded\": the worker's log at level warning");
    }
    if (!memory && pid == 0) draft.missing.push_back("the process: the line names the task only");
    drafts.push_back(std::move(draft));
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check limits = {"limits", {"death.recycled", "worker.soft-timeout"}, look_at};
}
}  // namespace rule
