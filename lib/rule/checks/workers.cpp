// The workers as a whole: none at all, or deaf to SIGTERM.
#include <fmt/format.h>

#include "base/text.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

// `-w 0`, or WINCH to a daemon: the master lives, listens, and nobody serves (gunicorn facts 3.3).
std::optional<Draft> none(const Look& look, const Server& server) {
  if (!server.seen_start || server.listening.empty() || server.stopped != no_fact || server.crashed != no_fact || !server.boot_refused.empty()) return std::nullopt;
  const auto wanted = model::number_setting(server, "workers");
  if (server.lives.empty() && wanted && *wanted == 0) {
    Draft draft = draft_about(look, "worker.none", server);
    draft.sure = Confidence::certain;
    draft.sure_because = "workers is set to 0";
    draft.values["where"] = server.settings.at("workers").where;
    because(draft, server.settings.at("workers").because);
    return draft;
  }
  return std::nullopt;
}

// The same, where the server was stopped afterwards: the log shows that no worker was ever booted.
std::optional<Draft> never(const Look& look, const Server& server) {
  if (!server.seen_start || server.listening.empty() || !server.lives.empty() || server.crashed != no_fact || !server.boot_refused.empty() || server.reason != no_fact) return std::nullopt;
  const auto wanted = model::number_setting(server, "workers");
  if (!wanted || *wanted != 0) return std::nullopt;
  Draft draft = draft_about(look, "worker.none", server);
  draft.sure = Confidence::certain;
  draft.sure_because = "workers is set to 0 and none was booted";
  draft.values["where"] = server.settings.at("workers").where;
  because(draft, server.settings.at("workers").because);
  return draft;
}

// It listens, its log goes on to nothing, and no worker was ever booted: none were wanted, or the log was cut there.
std::optional<Draft> unseen(const Look& look, const Server& server) {
  if (!server.seen_start || server.listening.empty() || !server.lives.empty() || server.stopped != no_fact || server.crashed != no_fact || !server.boot_refused.empty() || server.reason != no_fact) return std::nullopt;
  if (server.log_level == "warning" || server.log_level == "error" || server.log_level == "critical") return std::nullopt;
  for (const Server& next : look.stack.servers)
    if (&next > &server && model::same_log(next, server)) return std::nullopt;
  Draft draft = draft_about(look, "worker.none", server);
  draft.truth = Truth::unknown;
  draft.sure_because = "it listens, and its log has no worker; whether any was wanted, or the log was cut, is not known";
  draft.missing.push_back("how many workers there should be (command line, configuration), and how many there are: ps --ppid MASTER");
  return draft;
}

// WINCH to a daemon ends every worker and keeps the master (arbiter.py handle_winch); HUP or TTIN brings them back. At an upgrade by USR2 it is
// how the old master hands over.
std::optional<Draft> sent_away(const Look& look, const Server& server) {
  if (server.upgraded != no_fact || server.stopped != no_fact || server.stop_asked != no_fact || server.crashed != no_fact) return std::nullopt;
  FactId winch = no_fact;
  for (const FactId id : server.scaled_down)
    if (const auto* signal = as<MasterSignalled>(look.evidence.facts[id]); signal && signal->signal == "winch") winch = id;
  if (winch == no_fact) return std::nullopt;
  for (const std::vector<FactId>* later : {&server.reloads, &server.scaled_up})
    for (const FactId id : *later)
      if (id > winch) return std::nullopt;
  std::size_t gone = 0;
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    if (life.booted != no_fact && life.booted > winch) return std::nullopt;
    gone += life.asked == model::Asked::scaled_down || life.exiting != no_fact;
  }
  if (gone == 0) return std::nullopt;
  Draft draft = draft_about(look, "worker.none", server);
  draft.sure = Confidence::certain;
  draft.sure_because = "the master says that it stops its workers, and no worker was booted after it";
  draft.values["reason"] = "WINCH sent them away";
  draft.when = when_of(look, winch);
  because(draft, winch);
  return draft;
}

// Every worker was silent at the stop, which took the whole graceful timeout: SIGTERM does not reach them (a handler of the application's own).
std::optional<Draft> deaf(const Look& look, const Server& server) {
  const auto graceful = model::number_setting(server, "graceful_timeout");
  const auto waited = seconds_between(when_of(look, server.stop_asked), when_of(look, server.stopped));
  if (!graceful || !waited || *waited + 1 < *graceful || server.lives.size() < 2) return std::nullopt;
  std::size_t silent = 0;
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    if (life.ended_known && life.signal != 9 && life.exiting == no_fact) continue;
    if (life.exiting != no_fact || request_of(look, life)) return std::nullopt;
    ++silent;
  }
  if (silent < 2) return std::nullopt;
  Draft draft = draft_about(look, "worker.ignores-term", server);
  draft.sure = Confidence::likely;
  draft.sure_because = fmt::format("all {} workers outlived SIGTERM until the graceful timeout, and none had a request that we know of", silent);
  draft.values["count"] = std::to_string(silent);
  because(draft, server.stop_asked);
  because(draft, server.stopped);
  return draft;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const Server& server : look.stack.servers)
    for (const auto cause : {none, never, sent_away, unseen, deaf})
      if (auto draft = cause(look, server)) {
        drafts.push_back(std::move(*draft));
        break;
      }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check workers = {"workers", {"worker.none", "worker.ignores-term"}, look_at};
}
}  // namespace rule
