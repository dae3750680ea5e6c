// An OOM kill beside the server: the victim was a child of a worker, or another process in the server's own cgroup. The kernel's task table,
// which lists the cgroup's processes by host pid, is the evidence.
#include <fmt/format.h>

#include <set>

#include "base/text.hpp"
#include "model/build.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

// The task table stands just before the victim's line in the same log.
std::set<int> table_before(const Look& look, FactId kill) {
  std::set<int> pids;
  const Fact& fact = look.evidence.facts[kill];
  for (FactId id = kill; id-- > 0;) {
    const Fact& other = look.evidence.facts[id];
    if (other.origin.source != fact.origin.source) continue;
    if (const auto* row = as<OomTask>(other)) pids.insert(row->tgid ? row->tgid : row->pid);
    else if (as<OomInvoked>(other) || as<OomKill>(other)) break;
  }
  return pids;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const model::Unjoined& unjoined : look.stack.unjoined) {
    const Fact& fact = look.evidence.facts[unjoined.fact];
    const auto* kill = as<OomKill>(fact);
    if (!kill || kill->forged) continue;
    const std::set<int> table = table_before(look, unjoined.fact);
    for (const Server& server : look.stack.servers) {
      std::size_t own = server.master && table.count(server.master) ? 1 : 0;
      for (const model::LifeId id : server.lives) {
        const Life& life = look.stack.lives[id];
        own += table.count(life.host_pid ? life.host_pid : life.pid);
      }
      // A global OOM lists every process of the host; only a cgroup's table tells whose child it is.
      if (own == 0 || kill->constraint != "memcg" || server.namespaced) continue;
      Draft draft = draft_about(look, "memory.child-oom", server);
      draft.subject.pid = draft.subject.host_pid = kill->tgid.value_or(kill->pid);
      draft.subject.role = "child";
      draft.when = fact.when;
      draft.sure = Confidence::likely;
      draft.sure_because = "the kernel's task table lists it beside this server's processes, and it is none of them";
      draft.values["pid"] = std::to_string(draft.subject.pid);
      draft.values["comm"] = base::printable(kill->comm, 20);
      if (kill->anon_rss) draft.values["anon_rss"] = base::bytes_text(kill->anon_rss);
      if (kill->limit) draft.values["limit"] = base::bytes_text(kill->limit);
      if (!kill->oom_memcg.empty()) draft.values["cgroup"] = base::printable(kill->oom_memcg, 120);
      draft.values["count"] = std::to_string(own);
      because(draft, unjoined.fact);
      draft.missing.push_back("its parent: triage watch sees who forks whom");
      drafts.push_back(std::move(draft));
      break;
    }
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check memory = {"memory", {"memory.child-oom"}, look_at};
}
}  // namespace rule
