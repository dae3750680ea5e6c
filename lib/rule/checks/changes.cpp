// What changed just before the first death, and logs that are written into nothing.
#include <fmt/format.h>

#include "base/text.hpp"
#include "model/timeline.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

constexpr double just_before_s = 3600;

std::optional<base::Instant> first_death(const Look& look, const Server& server) {
  std::optional<base::Instant> first;
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    const bool died = life.timed_out != no_fact || life.oom != no_fact || (life.signal && *life.signal != 15) || (life.exit_code && *life.exit_code != 0);
    if (died && life.asked == model::Asked::nobody && life.ended && (!first || life.ended->at < first->at)) first = life.ended;
  }
  return first;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const Server& server : look.stack.servers) {
    const auto death = first_death(look, server);
    if (!death) continue;
    for (const model::Happening& happening : server.happenings) {
      if (happening.what != "reload" && happening.what != "upgrade") continue;
      const auto before = seconds_between(happening.when, death);
      if (!before || *before < 0 || *before > just_before_s) continue;
      Draft draft = draft_about(look, "change.before-fault", server);
      draft.sure = Confidence::certain;
      draft.sure_because = "the server's own line; that it is the cause is not said";
      draft.when = happening.when;
      draft.values["kind"] = happening.what;
      if (happening.when) draft.values["when"] = base::clock_text(*happening.when);
      draft.values["since"] = base::duration_text(static_cast<std::int64_t>(*before * 1e9));
      draft.values["detail"] = happening.what;
      because(draft, happening.because);
      drafts.push_back(std::move(draft));
      break;
    }
    for (FactId id = 0; id < look.evidence.facts.size(); ++id) {
      const Fact& fact = look.evidence.facts[id];
      const auto* changed = as<FileChanged>(fact);
      const auto distance = changed ? model::distance_between(look.stack, look.evidence, fact, death) : std::nullopt;
      if (!distance) continue;
      const double before = -static_cast<double>(distance->ns) / 1e9;
      if (before < 0 || before > just_before_s) continue;
      Draft draft = draft_about(look, "change.before-fault", server);
      draft.sure = Confidence::certain;
      draft.sure_because = "the file's own time; that it is the cause is not said";
      draft.when = fact.when;
      draft.values["kind"] = changed->kind;
      if (fact.when) draft.values["when"] = base::clock_text(*fact.when);
      draft.values["path"] = draft.values["file"] = base::printable(changed->path, 120);
      draft.values["detail"] = draft.values["kind"] + " " + draft.values["path"];
      draft.values["since"] = base::duration_text(static_cast<std::int64_t>(before * 1e9));
      because(draft, id);
      drafts.push_back(std::move(draft));
    }
  }
  for (FactId id = 0; id < look.evidence.facts.size(); ++id) {
    const Fact& fact = look.evidence.facts[id];
    const auto* deleted = as<LogDeleted>(fact);
    if (!deleted) continue;
    Draft draft;
    draft.rule = "log.deleted";
    draft.sure = Confidence::certain;
    draft.sure_because = "the open descriptor has no name any more";
    draft.subject.pid = draft.subject.host_pid = fact.about.pid;
    draft.subject.role = "server";
    draft.subject.where = base::printable(deleted->path, 120);
    draft.values["path"] = draft.values["file"] = draft.subject.where;
    draft.values["pid"] = std::to_string(fact.about.pid);
    because(draft, id);
    drafts.push_back(std::move(draft));
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check changes = {"changes", {"change.before-fault", "log.deleted"}, look_at};
}
}  // namespace rule
