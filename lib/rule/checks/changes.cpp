// What changed just before the first death, and logs that are written into nothing.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
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

Draft changed(const Look& look, const Server& server, const std::optional<base::Instant>& when, double before_s) {
  Draft draft = draft_about(look, "change.before-fault", server);
  draft.sure = Confidence::certain;
  draft.when = when;
  draft.group.clear();
  if (when) draft.values["when"] = base::clock_text(*when);
  draft.values["since"] = base::duration_text(static_cast<std::int64_t>(before_s * 1e9));
  return draft;
}

// This run took the place of another one in the same log.
void restarted(const Look& look, const Server& server, const std::optional<base::Instant>& death, std::vector<Draft>& drafts) {
  const auto before = server.seen_start ? seconds_between(server.first, death) : std::nullopt;
  if (!before || *before < 0 || *before > just_before_s) return;
  const Server* former = nullptr;
  for (const Server& other : look.stack.servers)
    if (&other < &server && model::same_log(other, server) && other.seen_start && !other.lives.empty()) former = &other;
  FactId start = no_fact;
  for (const model::Happening& happening : server.happenings)
    if (happening.what == "start") start = happening.because;
  if (!former || start == no_fact || server.promoted != no_fact || former->upgraded != no_fact) return;
  Draft draft = changed(look, server, server.first, *before);
  draft.sure_because = "the server's own line; that it is the cause is not said";
  draft.values["kind"] = "restart";
  draft.values["detail"] = former->version != server.version && !former->version.empty() && !server.version.empty() ? "restart, from " + server_text(*former) + " to " + server.version : "restart";
  because(draft, start);
  drafts.push_back(std::move(draft));
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const Server& server : look.stack.servers) {
    const auto death = first_death(look, server);
    if (!death) continue;
    restarted(look, server, death, drafts);
    // The last one before the death says most.
    const model::Happening* last = nullptr;
    std::optional<double> distance_of_last;
    for (const model::Happening& happening : server.happenings) {
      if (happening.what != "reload" && happening.what != "upgrade" && happening.what != "promoted" && happening.what != "one worker more" && happening.what != "one worker fewer") continue;
      const auto before = seconds_between(happening.when, death);
      if (!before || *before < 0 || *before > just_before_s) continue;
      last = &happening;
      distance_of_last = before;
    }
    if (last) {
      Draft draft = changed(look, server, last->when, *distance_of_last);
      draft.sure_because = "the server's own line; that it is the cause is not said";
      draft.values["kind"] = draft.values["detail"] = last->what == "promoted" ? "the new master took over" : last->what;
      because(draft, last->because);
      drafts.push_back(std::move(draft));
    }
    std::optional<Draft> packages;   // one upgrade changes many: they are one change
    std::vector<std::string> names;
    for (const FactId id : look.evidence.ids_of<FileChanged>()) {
      const Fact& fact = look.evidence.facts[id];
      const auto* file = as<FileChanged>(fact);
      if (!file || !fact.when || fact.when->clock == base::Clock::boot || death->clock == base::Clock::boot) continue;
      // Quarter hours tie two records of one event; here they would call any time just before. Without a zone both are taken to be of one.
      const double before = static_cast<double>(death->at - fact.when->at) / 1e9;
      if (before < 0 || before > just_before_s) continue;
      const bool one_clock = fact.when->clock == death->clock;
      const bool package = file->kind == "package";
      Draft draft = changed(look, server, fact.when, before);
      if (!one_clock) draft.sure = Confidence::likely;
      draft.sure_because = !one_clock ? "one of the two logs names no time zone; both are taken to be of the same (--tz tells it)" : package ? "the package manager's own line; that it is the cause is not said" : "the file's own time; that it is the cause is not said";
      draft.values["kind"] = base::printable(file->kind, 40);
      draft.values["path"] = draft.values["file"] = base::printable(file->path, 160);
      draft.values["detail"] = draft.values["kind"] + " " + draft.values["path"];
      because(draft, id);
      if (!package) { drafts.push_back(std::move(draft)); continue; }
      if (std::find(names.begin(), names.end(), draft.values["path"]) == names.end()) names.push_back(draft.values["path"]);
      if (!packages || !packages->when || packages->when->at < draft.when->at) {
        if (packages) for (const FactId earlier : packages->because) because(draft, earlier);
        packages = std::move(draft);
      } else because(*packages, id);
    }
    if (packages) {
      std::string& detail = packages->values["detail"];
      if (names.size() > 1) detail = "packages";
      for (std::size_t i = 0; i < names.size() && names.size() > 1 && i < 3; ++i) detail += (i ? ", " : " ") + names[i];
      if (names.size() > 3) detail += " and " + std::to_string(names.size() - 3) + " more";
      drafts.push_back(std::move(*packages));
    }
  }
  for (const FactId id : look.evidence.ids_of<LogDeleted>()) {
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
