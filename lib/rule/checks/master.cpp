// Why a master is no more: halted for a worker's exit code, by a reload that broke, by its own exception, or gone without a word. Its death
// by a named killer (OOM, a signal that was seen) is the death check's.
#include <fmt/format.h>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "model/build.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

const std::string& reason_of(const Look& look, const Server& server) {
  static const std::string none;
  if (server.reason == no_fact) return none;
  const auto* stopped = as<MasterStopped>(look.evidence.facts[server.reason]);
  return stopped ? stopped->reason : none;
}

bool halted(const Look& look, const Server& server) { return server.halted != no_fact || base::contains(reason_of(look, server), "failed to"); }

// Did a worker that was born after this fail to boot? Then the reload brought what broke.
FactId failed_after(const Look& look, const Server& server, FactId reload) {
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    if (life.boot_failed != no_fact && life.boot_failed > reload) return life.boot_failed;
  }
  for (const FactId id : server.boot_refused)
    if (id > reload || look.evidence.facts[id].origin.source != look.evidence.facts[reload].origin.source) return id;
  return no_fact;
}

bool orphans(const Look& look, const Server& server) {
  for (const model::LifeId id : server.lives)
    if (look.stack.lives[id].orphaned != no_fact) return true;
  return false;
}

bool named_killer(const Look& look, const Server& server) {
  if (server.master_life == model::no_life) return false;
  const Life& master = look.stack.lives[server.master_life];
  return master.oom != no_fact || master.sent != no_fact || master.userspace_kill != no_fact || master.unit_kill != no_fact || master.signal.has_value();
}

void failure_values(const Look& look, Draft& draft, FactId id) {
  if (id == no_fact) return;
  const Fact& fact = look.evidence.facts[id];
  if (const auto* failed = as<AppFailed>(fact)) {
    draft.values["type"] = base::printable(failed->type, 60);
    draft.values["message"] = base::printable(failed->message, 160);
    draft.values["detail"] = draft.values["type"] + (failed->message.empty() ? "" : ": " + draft.values["message"]);
    if (!failed->where.empty()) draft.values["where"] = base::printable(failed->where, 120);
  } else if (const auto* refused = as<BootRefused>(fact)) {
    draft.values["detail"] = base::printable(refused->detail, 200);
  }
  because(draft, id);
}

std::optional<Draft> by_reload(const Look& look, const Server& server) {
  if (server.reloads.empty()) return std::nullopt;
  const FactId reload = server.reloads.back();
  if (halted(look, server)) {
    const FactId failure = failed_after(look, server, reload);
    if (failure == no_fact) return std::nullopt;
    Draft draft = draft_about(look, "master.halted-by-reload", server);
    draft.sure = Confidence::certain;
    draft.sure_because = "the reload is followed by workers that cannot boot, and the master says that it shuts down for that";
    because(draft, reload);
    failure_values(look, draft, failure);
    because(draft, server.reason);
    because(draft, server.halted);
    draft.values["kind"] = "application";
    return draft;
  }
  if (server.stopped != no_fact || server.crashed != no_fact || named_killer(look, server)) return std::nullopt;
  // A configuration that fails ends the master at once; the reason is on stderr only (gunicorn app/base.py:113).
  FactId config = no_fact;
  for (const FactId id : server.boot_refused)
    if (const auto* refused = as<BootRefused>(look.evidence.facts[id]); refused && (refused->kind == "config" || refused->kind == "usage" || refused->kind == "user" || refused->kind == "log" || refused->kind == "pidfile")) config = id;
  const bool last_word = [&] {
    for (const model::LifeId id : server.lives)
      if (look.stack.lives[id].booted != no_fact && look.stack.lives[id].booted > reload) return false;
    return orphans(look, server);
  }();
  if (!last_word && !(config != no_fact && orphans(look, server))) return std::nullopt;
  Draft draft = draft_about(look, "master.halted-by-reload", server);
  draft.values["kind"] = "configuration";
  draft.sure = config != no_fact ? Confidence::certain : Confidence::likely;
  draft.sure_because = config != no_fact ? "its stderr names the configuration that failed, and its workers lost their parent" : "the reload is the master's last line: no new worker was booted and the old ones lost their parent";
  because(draft, reload);
  failure_values(look, draft, config);
  for (const model::LifeId id : server.lives) because(draft, look.stack.lives[id].orphaned);
  if (config == no_fact) draft.missing.push_back("the reason: gunicorn prints it on stderr only (journal, container log, or the terminal)");
  return draft;
}

std::optional<Draft> by_exit_code(const Look& look, const Server& server) {
  if (!halted(look, server) || server.stop_asked != no_fact) return std::nullopt;
  if (!server.boot_refused.empty()) return std::nullopt;
  const Life* culprit = nullptr;
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    if (life.boot_failed != no_fact) return std::nullopt;
    if (life.exit_code && (*life.exit_code == 3 || *life.exit_code == 4)) culprit = &life;
  }
  const bool four = base::contains(reason_of(look, server), "failed to load");
  std::optional<double> age;
  if (culprit) age = seconds_between(culprit->started, culprit->ended);
  else if (server.first) age = seconds_between(server.first, when_of(look, server.reason));
  // "App failed to load." right after the start is what it says; its human text went to a stderr that we do not have.
  if (four && (!age || *age < 10)) return std::nullopt;
  Draft draft = draft_about(look, "master.halted-by-exit-code", server);
  draft.sure = culprit ? Confidence::certain : Confidence::likely;
  draft.sure_because = culprit ? "a running worker exited with a code that gunicorn reads as a failed boot" : "the master halts for a failed boot, but no worker logged one: an exit code 3 or 4 of the application does that";
  draft.values["exit_code"] = culprit ? std::to_string(*culprit->exit_code) : four ? "4" : "3";
  if (culprit) draft.values["worker"] = std::to_string(culprit->pid);
  draft.caused_by_rule = "death.exited";
  if (culprit) because(draft, culprit->reaped);
  because(draft, server.reason);
  because(draft, server.halted);
  rule_out(draft, "boot.import-error", "no worker logged \"Exception in worker process\"");
  return draft;
}

std::optional<Draft> by_crash(const Look& look, const Server& server) {
  if (server.crashed == no_fact) return std::nullopt;
  // Before its first worker it is a failed boot, and the boot check has the words.
  bool any = false;
  for (const model::LifeId id : server.lives) any |= look.stack.lives[id].booted != no_fact;
  if (!any) return std::nullopt;
  Draft draft = draft_about(look, "master.crashed", server);
  draft.caused_by_rule = "limit.";
  draft.sure = Confidence::certain;
  draft.sure_because = "the master's own line and traceback";
  because(draft, server.crashed);
  for (const FactId id : server.master_exceptions) failure_values(look, draft, id);
  rule_out(draft, "death.oom-cgroup", "an exception of its own ended it");
  return draft;
}

// Its workers lost their parent, or its log just stops and another run begins.
std::optional<Draft> by_absence(const Look& look, const Server& server) {
  if (server.stopped != no_fact || server.crashed != no_fact || server.halted != no_fact || server.promoted != no_fact || named_killer(look, server)) return std::nullopt;
  bool restarted = false;
  for (const Server& next : look.stack.servers) {
    if (&next <= &server || !model::same_log(next, server) || !next.seen_start || server.upgraded != no_fact || !server.seen_start) continue;
    const auto later = seconds_between(server.last, next.first);
    if (later && *later >= 0) restarted = true;
  }
  const bool lost = orphans(look, server);
  if (!lost && !restarted) return std::nullopt;
  // A server that failed to boot and was started again stopped for a reason that boot names.
  if (!lost && (server.lives.empty() || !server.boot_refused.empty() || !server.bind_failed.empty())) return std::nullopt;
  Draft draft = draft_about(look, "master.gone", server);
  for (const model::LifeId id : server.lives) because(draft, look.stack.lives[id].orphaned);
  const bool covered = model::covering_kernel_log(look.stack, look.evidence, server.last).has_value();
  if (lost) {
    draft.sure = Confidence::likely;
    draft.sure_because = covered ? "its workers lost their parent, it left no last word, and the kernel log names no kill of it: killed from outside" : "its workers lost their parent and it left no last word: it was killed";
  } else {
    draft.truth = Truth::unknown;
    draft.sure_because = "its log just stops and another run begins; it left no last word";
  }
  if (flavour::like_gunicorn(server.flavour)) {
    rule_out(draft, "master.crashed", "no \"Unhandled exception in main loop\" in its log");
    rule_out(draft, "master.halted-by-exit-code", "no \"Shutting down\" in its log");
  }
  if (covered) rule_out(draft, "death.oom-cgroup", "the kernel log covers this moment without a hole and names no kill of it");
  draft.missing.push_back("who killed it: triage watch sees the sender of a signal; systemctl status and the journal name the wait status");
  return draft;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const Server& server : look.stack.servers)
    for (const auto cause : {by_reload, by_exit_code, by_crash, by_absence})
      if (auto draft = cause(look, server)) {
        drafts.push_back(std::move(*draft));
        break;
      }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check master = {"master", {"master.gone", "master.crashed", "master.halted-by-exit-code", "master.halted-by-reload"}, look_at};
}
}  // namespace rule
