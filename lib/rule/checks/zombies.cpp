// Children that ended and that nobody waits for: of a worker, which started them, or of PID 1 in a container, which inherits every orphan there.
#include <fmt/format.h>

#include "base/text.hpp"
#include "rule/family.hpp"

namespace rule {

using namespace evidence;

namespace {

// Children of workers that ended and that nobody waits for. One may be between its end and the wait.
void zombies(const Look& look, const Seen& seen, const Family& family, std::vector<Draft>& drafts) {
  for (const int worker : family.workers) {
    const auto found = seen.children.find(worker);
    if (found == seen.children.end()) continue;
    std::vector<int> dead;
    for (const int child : found->second)
      if (state_of(seen.rows.at(child)) == 'Z') dead.push_back(child);
    if (dead.empty()) continue;
    const Row& row = seen.rows.at(worker);
    Draft draft = draft_about(look, "worker.zombies", family, row, worker, "worker");
    draft.values["count"] = base::counted(dead.size(), "zombie");
    draft.values["comm"] = base::printable(seen.rows.at(dead.front()).what->comm, 20);
    draft.sure = Confidence::likely;
    draft.sure_because = "several children ended and nobody waits for them";
    if (dead.size() == 1) {
      draft.truth = Truth::unknown;
      draft.sure = Confidence::unknown;
      draft.sure_because = "one zombie may be just between its end and the wait for it";
      draft.missing.push_back("a second look: does the same pid still stand there as <defunct>");
    }
    for (const int child : dead)
      if (draft.because.size() < 4) because(draft, seen.rows.at(child).id);
    drafts.push_back(std::move(draft));
  }
}

// The kernel gives orphans to PID 1 of their namespace; a shell or an application in that place may never ask for them.
void unreaped(const Look& look, const Seen& seen, std::vector<Draft>& drafts) {
  for (const FactId id : look.evidence.ids_of<Unreaped>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* what = as<Unreaped>(fact);
    if (!what) continue;
    const Family* family = nullptr;
    for (const Family& one : seen.families)
      if (one.server && (!family || one.master == fact.about.pid)) family = &one;
    Draft draft = family ? draft_about(look, "worker.zombies", *family, {}, fact.about.pid, "process") : Draft{};
    draft.rule = "worker.zombies";
    draft.subject.server = "gunicorn";
    draft.subject.role = "process";
    draft.subject.pid = what->ns_pid;
    draft.subject.host_pid = fact.about.pid;
    draft.when = fact.when;
    draft.values["server"] = "the container of gunicorn:";
    draft.values["role"] = "PID";
    draft.values["pid"] = fmt::format("{} ({})", what->ns_pid, base::printable(what->comm, 20));
    draft.values["host_pid"] = std::to_string(fact.about.pid);
    draft.values["count"] = base::counted(what->count, "zombie");
    draft.values["comm"] = base::printable(what->children, 80);
    draft.group = "unreaped" + std::to_string(fact.about.pid);
    draft.sure = Confidence::likely;
    draft.sure_because = what->ignores ? "several children of it ended, nobody waits for them, and it has no handler for SIGCHLD" : "several children of it ended and nobody waits for them";
    if (what->count == 1) {
      draft.truth = Truth::unknown;
      draft.sure = Confidence::unknown;
      draft.sure_because = "one zombie may be just between its end and the wait for it";
      draft.missing.push_back("a second look: does the same pid still stand there as <defunct>");
    }
    because(draft, id);
    draft.first.push_back({"then", "PID 1 should reap what it inherits: docker run --init, `init: true` in compose, tini or dumb-init before the command; in Kubernetes shareProcessNamespace", "", "a restart", ""});
    drafts.push_back(std::move(draft));
  }
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  const Seen seen = seen_in(look);
  for (const Family& family : seen.families) zombies(look, seen, family, drafts);
  unreaped(look, seen, drafts);
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check zombies = {"zombies", {"worker.zombies"}, look_at};
}
}  // namespace rule
