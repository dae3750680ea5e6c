// Lines of the application whose cause is known from their text; at most likely, for a text can be printed for other reasons too. The limits
// among them (descriptors, threads, processes) are what the kernel refused.
#include <fmt/format.h>

#include <map>

#include "base/text.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

std::string rule_of(std::string_view kind) {
  static const std::map<std::string_view, std::string> rules{{"shared-connection", "fork.shared-connection"}, {"cuda-after-fork", "fork.cuda"},         {"too-many-files", "limit.descriptors"},
                                                             {"no-threads", "limit.threads"},                 {"memory-error", "memory.limit-in-process"}, {"fork-failed", "limit.processes"}};
  const auto found = rules.find(kind);
  return found == rules.end() ? "" : found->second;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const Server& server : look.stack.servers) {
    std::map<std::string, std::vector<FactId>> of_rule;
    for (const FactId id : server.symptoms)
      if (const auto rule = rule_of(std::get<AppSymptom>(look.evidence.facts[id].what).kind); !rule.empty()) of_rule[rule].push_back(id);
    // Before the first worker it is a failed boot, and the boot check has the words.
    const bool booted = !server.lives.empty();
    for (const auto& [rule, ids] : of_rule) {
      if (!booted || !server.boot_refused.empty() || (server.crashed != no_fact && base::starts_with(rule, "limit."))) continue;
      const Fact& first = look.evidence.facts[ids.front()];
      Draft draft = draft_about(look, rule, server);
      draft.sure = Confidence::likely;
      draft.sure_because = "this text has one usual cause; the log alone cannot prove it";
      draft.when = first.when;
      draft.values["count"] = std::to_string(ids.size());
      draft.values["message"] = draft.values["detail"] = base::printable(std::get<AppSymptom>(first.what).text, 160);
      for (const FactId id : ids)
        if (draft.because.size() < 3) because(draft, id);
      drafts.push_back(std::move(draft));
    }
    // Exceptions in requests: a note, grouped by type and place.
    std::map<std::string, std::vector<FactId>> by_place;
    for (const FactId id : server.failures) {
      const auto& failed = std::get<AppFailed>(look.evidence.facts[id].what);
      if (!failed.type.empty()) by_place[failed.type + " " + failed.where].push_back(id);
    }
    for (const auto& [place, ids] : by_place) {
      const Fact& first = look.evidence.facts[ids.front()];
      const auto& failed = std::get<AppFailed>(first.what);
      Draft draft = draft_about(look, "app.exception", server);
      draft.subject.role = "worker";
      draft.subject.pid = first.by;
      draft.subject.host_pid = 0;
      draft.sure = Confidence::certain;
      draft.sure_because = "the application's own traceback";
      draft.when = first.when;
      draft.values["type"] = base::printable(failed.type, 60);
      draft.values["message"] = base::printable(failed.message, 160);
      draft.values["where"] = base::printable(failed.where, 120);
      if (!failed.uri.empty()) draft.values["uri"] = draft.values["request"] = base::printable((failed.method.empty() ? "" : failed.method + " ") + failed.uri, 120);
      draft.values["count"] = std::to_string(ids.size());
      because(draft, ids.front());
      drafts.push_back(std::move(draft));
      if (drafts.size() > 20) return drafts;
    }
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check symptoms = {"symptoms", {"fork.shared-connection", "fork.cuda", "limit.descriptors", "limit.threads", "limit.processes", "memory.limit-in-process", "app.exception"}, look_at};
}
}  // namespace rule
