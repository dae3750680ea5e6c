// Workers that live while their master does not.
#include <fmt/format.h>

#include "base/text.hpp"
#include "rule/live.hpp"

namespace rule {

using namespace evidence;

namespace {

// The lives of a worker by its pid on the host.
std::vector<model::LifeId> lives_of(const Look& look, int host_pid) {
  std::vector<model::LifeId> found;
  for (const Life& life : look.stack.lives)
    if (life.role == model::Role::worker && (life.host_pid ? life.host_pid : life.pid) == host_pid) found.push_back(life.id);
  return found;
}

// Workers that live while their master does not: they serve on until they notice, and hold its socket.
void orphaned(const Look& look, const LiveServer& live, std::vector<Draft>& drafts) {
  if (live.master.pid != 0 || live.workers.empty()) return;
  const Server* run = nullptr;
  for (const LiveProcess& worker : live.workers) {
    for (const model::LifeId id : lives_of(look, worker.pid))
      if (look.stack.lives[id].server != SIZE_MAX) run = &look.stack.servers[look.stack.lives[id].server];
  }
  if (run) {
    for (const model::LifeId id : run->lives)
      if (look.stack.lives[id].orphaned != no_fact) return;  // its log tells of it: the check of the master
    if (run->crashed != no_fact || run->halted != no_fact) return;
  }
  Draft draft = run ? draft_about(look, "master.gone", *run) : Draft{};
  draft.rule = "master.gone";
  draft.subject.server = run ? run->flavour : live.flavour;
  draft.subject.role = "master";
  draft.values["server"] = draft.subject.server;
  draft.values["pid"] = run && run->master ? std::to_string(run->master) : "";
  draft.sure = Confidence::certain;
  draft.sure_because = "its workers live, and their parent is another process";
  std::string pids;
  for (const LiveProcess& worker : live.workers) {
    pids += (pids.empty() ? "" : " ") + std::to_string(worker.pid);
    if (draft.because.size() < 2) because(draft, worker.seen);
  }
  const flavour::Flavour* const known = flavour::flavour(draft.subject.server);
  const auto does = known ? flavour::kind_of(*known, run ? run->worker_class : "").on_master_death : flavour::OnMasterDeath::unknown;
  const bool one = live.workers.size() == 1, serve = does == flavour::OnMasterDeath::workers_serve;
  draft.values["detail"] = fmt::format("{} {} on without it{}", base::counted(live.workers.size(), "worker"), serve ? one ? "serves" : "serve" : one ? "lives" : "live", live.listeners.empty() ? "" : one ? " and holds its socket" : " and hold its socket");
  draft.values["reason"] = "nobody is left to say why";
  draft.when = look.evidence.facts[live.workers.front().seen].when;
  for (const FactId id : live.listeners)
    if (draft.because.size() < 3) because(draft, id);
  for (const FactId id : look.evidence.ids_of<PidFileSeen>())
    if (const auto* file = as<PidFileSeen>(look.evidence.facts[id]); file && file->state == "dead" && look.evidence.facts[id].about.pid == live.workers.front().pid) because(draft, id, "its pid file was left behind");
  // TERM ends a worker of gunicorn, uvicorn and hypercorn when its request is over; of the others it is QUIT that does, or nothing.
  const bool quits = known && (known->name == "php-fpm" || known->name == "unicorn" || known->name == "nginx");
  const bool cuts = known && (known->name == "uwsgi" || known->name == "apache");
  draft.first.push_back({"now", fmt::format("end the orphans, then start the server anew: kill -{} {}", quits ? "QUIT" : "TERM", pids), "", cuts ? "their running requests" : "their running requests are finished first", ""});
  if (serve) draft.first.push_back({"then", fmt::format("workers of {} never notice that their master is gone: let the service manager end the whole group with it (KillMode=mixed or control-group)", draft.subject.server), "", "nothing", ""});
  draft.missing.push_back("who ended the master: the kernel log of that moment, and the shell or unit that it was started from");
  drafts.push_back(std::move(draft));
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const LiveServer& live : live_servers(look)) orphaned(look, live, drafts);
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check orphans = {"orphans", {"master.gone"}, look_at};
}
}  // namespace rule
