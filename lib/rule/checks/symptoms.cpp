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

// What an exception's type and text tell together. epoll answers EEXIST for a descriptor that another process put into the same set; an
// ASGI application called with WSGI's two arguments misses the third (and the other way round).
std::string rule_of(const AppFailed& failed) {
  if (failed.type == "FileExistsError" && (base::contains(failed.where, "selectors.py") || base::contains(failed.where, "epoll"))) return "fork.shared-epoll";
  if (failed.type == "TypeError" && base::contains(failed.message, "missing") && base::contains(failed.message, "'send'")) return "worker.class-mismatch";
  return "";
}

// A symptom of sharing after a fork needs something that was made before it: without preload_app the master imports nothing.
bool without_preload(const Server& server) {
  const auto preload = model::text_setting(server, "preload_app");
  return preload && *preload != "True" && *preload != "true";
}

// The kernel refused somebody something, and no server here says that it was refused: whether it was one of its own is not known.
void refused_by_kernel(const Look& look, std::vector<Draft>& drafts) {
  for (FactId id = 0; id < look.evidence.facts.size(); ++id) {
    const auto* refused = as<KernelRefused>(look.evidence.facts[id]);
    if (!refused || (refused->kind != "pids" && refused->kind != "file-max")) continue;
    bool told = false;
    for (const Server& server : look.stack.servers) told |= !server.symptoms.empty() || server.crashed != no_fact || !server.boot_refused.empty();
    if (told) return;
    Draft draft;
    draft.rule = refused->kind == "pids" ? "limit.processes" : "limit.descriptors";
    draft.truth = Truth::unknown;
    draft.sure_because = "the kernel refused somebody; no server that is seen here says that it was refused";
    draft.subject.role = "server";
    draft.when = look.evidence.facts[id].when;
    draft.values["kind"] = base::printable(refused->detail.empty() ? refused->kind : refused->detail, 120);
    draft.group = draft.rule;
    because(draft, id);
    draft.missing.push_back("who was refused: the server's own log of that moment, and pids.events of its cgroup");
    drafts.push_back(std::move(draft));
  }
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  refused_by_kernel(look, drafts);
  for (const Server& server : look.stack.servers) {
    std::map<std::string, std::vector<FactId>> of_rule;
    for (const FactId id : server.symptoms)
      if (const auto rule = rule_of(std::get<AppSymptom>(look.evidence.facts[id].what).kind); !rule.empty()) of_rule[rule].push_back(id);
    for (const FactId id : server.failures)
      if (const auto rule = rule_of(std::get<AppFailed>(look.evidence.facts[id].what)); !rule.empty()) of_rule[rule].push_back(id);
    // Before the first worker it is a failed boot, and the boot check has the words.
    const bool booted = !server.lives.empty();
    for (const auto& [rule, ids] : of_rule) {
      if ((!booted && rule != "worker.class-mismatch") || !server.boot_refused.empty() || (server.crashed != no_fact && base::starts_with(rule, "limit."))) continue;
      const Fact& first = look.evidence.facts[ids.front()];
      Draft draft = draft_about(look, rule, server);
      draft.sure = Confidence::likely;
      draft.sure_because = "this text has one usual cause; the log alone cannot prove it";
      draft.when = first.when;
      draft.values["count"] = std::to_string(ids.size());
      const auto* failed = as<AppFailed>(first);
      draft.values["message"] = draft.values["detail"] = base::printable(failed ? failed->type + ": " + failed->message : std::get<AppSymptom>(first.what).text, 160);
      for (const FactId id : ids)
        if (draft.because.size() < 3) because(draft, id);
      if (base::starts_with(rule, "fork.") && without_preload(server)) {
        draft.truth = Truth::unknown;
        draft.sure = Confidence::unknown;
        draft.sure_because = "this text is usual for what is shared over a fork, but preload_app is off, so the master imports nothing that could be shared";
        draft.missing.push_back("whether the application forks by itself, or a hook opens it in the master: triage on the live host compares their sockets");
      }
      if (rule == "worker.class-mismatch" && server.worker_class.empty()) {
        draft.truth = Truth::unknown;
        draft.sure = Confidence::unknown;
        draft.sure_because = "this is how an ASGI application fails on a WSGI worker; which class runs is not known";
        draft.missing.push_back("the worker class: the start of the log, or the server's command line");
      }
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
extern const Check symptoms = {"symptoms", {"fork.shared-connection", "fork.shared-epoll", "fork.cuda", "worker.class-mismatch", "limit.descriptors", "limit.threads", "limit.processes", "memory.limit-in-process", "app.exception"}, look_at};
}
}  // namespace rule
