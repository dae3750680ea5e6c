#include "rule/family.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "flavour/flavour.hpp"

namespace rule {

using namespace evidence;

namespace {

bool gunicorn(const ProcessSeen& process) {
  if (base::starts_with(process.comm, "gunicorn: ")) return true;
  const auto flavours = flavour::flavours();
  return std::any_of(flavours.begin(), flavours.end(), [&](const flavour::Flavour* known) { return known->like_gunicorn && known->recognise(process.args); });
}

// Of another server: its workers are those of its children that serve, by their title, their master's command line or as multiprocessing spawned
// them.
void add_others(const Look& look, Seen& seen);

const Server* server_of(const Look& look, int master) {
  for (const Server& server : look.stack.servers) {
    if (server.stopped != no_fact || server.crashed != no_fact) continue;
    const int host = server.master_life == model::no_life ? 0 : look.stack.lives[server.master_life].host_pid;
    if (master == (host ? host : server.namespaced ? 0 : server.master)) return &server;
  }
  return nullptr;
}

void add_others(const Look& look, Seen& seen) {
  struct Told { const flavour::Flavour* flavour = nullptr; flavour::Kin kin = flavour::Kin::none; };
  const auto told = [&](int pid) {
    Told one;
    if (const auto row = seen.rows.find(pid); row != seen.rows.end()) one.kin = flavour::kin_of(row->second.what->args, one.flavour);
    return one;
  };
  for (const auto& [pid, row] : seen.rows) {
    const Told master = told(pid);
    if (!master.flavour || master.flavour->like_gunicorn || master.flavour->name == "nginx" || (master.kin != flavour::Kin::master && master.kin != flavour::Kin::either)) continue;
    const auto parent = seen.rows.find(row.what->ppid);
    if (const Told above = told(row.what->ppid); above.flavour == master.flavour && above.kin != flavour::Kin::aside && parent->second.what->args == row.what->args) continue;
    Family family{pid, server_of(look, pid), {}, master.flavour->name};
    for (const int child : seen.children[pid]) {
      const Told one = told(child);
      const bool serves = one.flavour == master.flavour && (one.kin == flavour::Kin::worker || (one.kin == flavour::Kin::either && seen.rows.at(child).what->args == row.what->args));
      const std::string& args = seen.rows.at(child).what->args;
      if (serves || (!one.flavour && base::contains(args, "multiprocessing.spawn") && base::contains(args, "spawn_main"))) family.workers.push_back(child);
    }
    if (!family.workers.empty()) seen.families.push_back(std::move(family));
  }
}

}  // namespace

Seen seen_in(const Look& look) {
  Seen seen;
  for (const FactId id : look.evidence.ids_of<ProcessSeen>())
    if (const auto* row = as<ProcessSeen>(look.evidence.facts[id])) seen.rows[look.evidence.facts[id].about.pid] = {id, row};
  for (const auto& [pid, row] : seen.rows) seen.children[row.what->ppid].push_back(pid);
  for (const auto& [pid, row] : seen.rows) {
    const auto parent = seen.rows.find(row.what->ppid);
    if (!gunicorn(*row.what) || (parent != seen.rows.end() && gunicorn(*parent->second.what))) continue;
    Family family{pid, server_of(look, pid), {}};
    for (const int child : seen.children[pid])
      if (gunicorn(*seen.rows.at(child).what)) family.workers.push_back(child);
    seen.families.push_back(std::move(family));
  }
  add_others(look, seen);
  return seen;
}

char state_of(const Row& row) { return row.what->state.empty() ? '?' : row.what->state[0]; }

Draft draft_about(const Look& look, std::string rule, const Family& family, const Row& row, int pid, std::string role) {
  Draft draft = family.server ? draft_about(look, rule, *family.server) : Draft{};
  draft.rule = std::move(rule);
  draft.subject.server = family.server ? family.server->flavour : std::string(family.flavour);
  if (!family.server) draft.values["server"] = draft.subject.server;
  draft.subject.role = std::move(role);
  draft.subject.pid = row.what && row.what->ns_pid ? row.what->ns_pid : pid;
  draft.subject.host_pid = pid;
  draft.was_doing = {};
  draft.values["pid"] = std::to_string(draft.subject.pid);
  draft.values["host_pid"] = std::to_string(pid);
  draft.values["role"] = draft.subject.role;
  draft.group = draft.rule + std::to_string(family.master);
  if (row.id != no_fact) {
    draft.when = look.evidence.facts[row.id].when;
    because(draft, row.id);
  }
  return draft;
}

}  // namespace rule
