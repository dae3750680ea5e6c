// Witnesses from outside the server's own log, joined to lives: by pid where the namespaces are one, by a pid map where one was seen, and only
// where exactly one death and one witness fit each other by elimination. Time refutes a join; it never makes one.
// Past 300 lines: the witnesses are joined in one order, each pass taking from what the passes before it left.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "model/build.hpp"
#include "model/timeline.hpp"

namespace model {

using namespace evidence;

namespace {

void witness(Life& life, FactId id) {
  if (std::find(life.witnesses.begin(), life.witnesses.end(), id) == life.witnesses.end()) life.witnesses.push_back(id);
}

// Host pid to the pid inside, as any witness saw the two together.
std::map<int, int> pid_map(const Evidence& evidence) {
  std::map<int, int> inner;
  const auto learn = [&](const std::vector<FactId>& ids, auto inside) {
    for (const FactId id : ids)
      if (const int pid = inside(evidence.facts[id])) inner[evidence.facts[id].about.pid] = pid;
  };
  learn(evidence.ids_of<ProcessSeen>(), [](const Fact& fact) { return as<ProcessSeen>(fact)->ns_pid; });
  learn(evidence.ids_of<ProcessForked>(), [](const Fact& fact) { return as<ProcessForked>(fact)->ns_pid; });
  learn(evidence.ids_of<ProcessExited>(), [](const Fact& fact) { return as<ProcessExited>(fact)->ns_pid; });
  return inner;
}

// Host pid to its parent's, as any witness saw it.
std::map<int, int> parents(const Evidence& evidence) {
  std::map<int, int> of;
  for (const FactId id : evidence.ids_of<ProcessExited>()) of[evidence.facts[id].about.pid] = as<ProcessExited>(evidence.facts[id])->parent;
  for (const FactId id : evidence.ids_of<ProcessForked>()) of[evidence.facts[id].about.pid] = as<ProcessForked>(evidence.facts[id])->parent;
  for (const FactId id : evidence.ids_of<ProcessSeen>()) of[evidence.facts[id].about.pid] = as<ProcessSeen>(evidence.facts[id])->ppid;
  return of;
}

// Host-side names of a server's processes prove that its log speaks of host pids: a task table, a process list, a watcher.
void tell_namespaces(Stack& stack, const Evidence& evidence, const std::map<int, int>& inner) {
  const std::map<int, int> parent = parents(evidence);
  std::set<int> masters;
  for (const Server& server : stack.servers)
    if (server.host_master) masters.insert(server.host_master);
  std::map<int, std::uint64_t> space;   // the pid namespaces, where a look saw them
  for (const FactId id : evidence.ids_of<ProcessSeen>())
    if (const std::uint64_t inode = as<ProcessSeen>(evidence.facts[id])->pid_namespace) space[evidence.facts[id].about.pid] = inode;
  // In containers side by side the pids inside are the same: a process of another server's master, or of another namespace, is none of this one's.
  const auto of_another = [&](const Server& server, int host) {
    const auto ours = space.find(server.host_master), its = space.find(host);
    if (ours != space.end() && its != space.end() && ours->second != its->second) return true;
    const auto above = parent.find(host);
    const int master = masters.contains(host) ? host : above != parent.end() && masters.contains(above->second) ? above->second : 0;
    return server.host_master && master && master != server.host_master;
  };
  for (Server& server : stack.servers) {
    std::set<int> own;
    if (server.master) own.insert(server.master);
    for (const LifeId id : server.lives) own.insert(stack.lives[id].pid);
    for (const FactId id : evidence.ids_of<OomTask>()) {
      const auto& row = *as<OomTask>(evidence.facts[id]);
      if (own.count(row.tgid ? row.tgid : row.pid) && plausible_comm(server, row.comm)) server.host_pids = true;
    }
    for (const FactId id : evidence.ids_of<KernelCrash>()) {
      const auto& crash = *as<KernelCrash>(evidence.facts[id]);
      if (own.count(crash.tid) && plausible_comm(server, crash.comm)) server.host_pids = true;
    }
    for (const auto& [host, in] : inner) {
      if (host == in || of_another(server, host)) continue;
      if (own.count(in)) {
        server.namespaced = true;
        for (const LifeId id : server.lives)
          if (stack.lives[id].pid == in) stack.lives[id].host_pid = host;
        if (server.master == in && server.master_life != no_life) stack.lives[server.master_life].host_pid = host;
      }
    }
    // A container's first processes: no host runs a server as one of its first twenty processes.
    if (!server.host_pids && server.master > 0 && server.master <= 20) server.namespaced = true;
    if (server.host_pids) server.namespaced = false;
  }
}

bool died_of(const Life& life, int signal) { return life.signal && *life.signal == signal; }

bool could_be_sigkill(const Life& life) {
  if (life.signal) return *life.signal == 9;
  if (life.exit_code) return *life.exit_code == 137;
  return true;
}

enum class Fit { no, maybe, yes };

// Does the witness's moment fit the end of the life? Only clocks that are tied can refute.
Fit fits_in_time(const Stack& stack, const Evidence& evidence, const Life& life, const Fact& fact) {
  const auto distance = distance_between(stack, evidence, fact, life.ended);
  if (!distance) return Fit::maybe;
  // Around the server's own line: before it by a poll or a slow log, after it where the line is the timeout's first stage. dmesg -T drifts by
  // the time the machine slept (util-linux dmesg(1)), so only a clear contradiction counts.
  return std::abs(distance->ns) <= distance->give + 65 * base::second_ns ? Fit::yes : Fit::no;
}

bool fits_life(const Stack& stack, const Evidence& evidence, const Life& life, const Fact& fact) {
  if (const auto distance = distance_between(stack, evidence, fact, life.started); distance && distance->ns < -(distance->give + 5 * base::second_ns)) return false;
  if (!life.ended) return true;
  return fits_in_time(stack, evidence, life, fact) != Fit::no;
}

constexpr std::array<int, 6> faults{4, 5, 6, 7, 8, 11};

bool died_of_fault(const Life& life) {
  const std::optional<int> signal = life.signal ? life.signal : life.told;
  return signal && std::find(faults.begin(), faults.end(), *signal) != faults.end();
}

// What the log only calls a signal (mod_wsgi: an exit code as well) is one where it is the one that the kernel's line is about.
bool may_be(const Life& life, const KernelCrash& crash) {
  if (life.signal || !life.told) return true;
  const int number = crash.kind == "divide" ? 8 : crash.kind == "invalid-opcode" ? 4 : crash.kind == "bus" ? 7 : 11;
  return *life.told == number;
}

// By elimination time must agree wherever the clocks are tied: seconds, not a minute.
bool near_in_time(const Stack& stack, const Evidence& evidence, const Life& life, const Fact& fact) {
  const auto distance = distance_between(stack, evidence, fact, life.ended);
  return !distance || std::abs(distance->ns) <= distance->give + 3 * base::second_ns;
}

struct Kill { FactId id; const OomKill* what; };

// One kill may be told by several logs (dmesg and journal) and, with memory.oom.group, twice by one.
std::vector<Kill> distinct_kills(const Evidence& evidence) {
  std::vector<Kill> kills;
  std::map<std::tuple<int, std::string, std::uint64_t, std::uint64_t>, SourceId> told;
  for (const FactId id : evidence.ids_of<OomKill>()) {
    const Fact& fact = evidence.facts[id];
    const auto* kill = as<OomKill>(fact);
    if (kill->forged) continue;
    const auto [known, first] = told.try_emplace({kill->pid, kill->comm, kill->anon_rss, kill->total_vm}, fact.origin.source);
    if (first || known->second == fact.origin.source) kills.push_back({id, kill});
  }
  return kills;
}

bool names(const OomKill& kill, int pid) { return pid != 0 && (kill.pid == pid || (kill.tgid && *kill.tgid == pid)); }

std::string unjoined_why(const Server* server, const OomKill& kill) {
  if (!server) return "no server's log names this pid";
  if (server->namespaced) return "the server counts its own pids (a container); nothing maps them to host pids";
  return "pid " + std::to_string(kill.pid) + " is none of the server's processes";
}

void join_oom(Stack& stack, const Evidence& evidence) {
  const std::vector<Kill> kills = distinct_kills(evidence);
  std::vector<Kill> rest;
  for (const Kill& kill : kills) {
    const Fact& fact = evidence.facts[kill.id];
    std::vector<Life*> fitting;
    for (Life& life : stack.lives) {
      if (life.server == SIZE_MAX || life.oom != no_fact) continue;
      const Server& server = stack.servers[life.server];
      const bool mapped = life.host_pid != 0;
      if (mapped ? !names(*kill.what, life.host_pid) : server.namespaced || !names(*kill.what, life.pid)) continue;
      // Its own end contradicts: this pid is another process's at that moment.
      if (life.role == Role::worker && !could_be_sigkill(life)) continue;
      const bool tied = fits_in_time(stack, evidence, life, fact) == Fit::yes;
      if (!plausible_comm(server, kill.what->comm) && !(kill.what->tgid && *kill.what->tgid != kill.what->pid) && !tied) continue;
      if (!fits_life(stack, evidence, life, fact)) continue;
      fitting.push_back(&life);
    }
    // A reused pid: the life that ended by SIGKILL without a timeout is the one; if that still leaves two, nobody can tell.
    if (fitting.size() > 1) {
      std::vector<Life*> better;
      for (Life* life : fitting)
        if (died_of(*life, 9) && life->timed_out == no_fact) better.push_back(life);
      if (better.size() == 1) fitting = better;
    }
    if (fitting.size() > 1) {
      std::vector<Life*> better;
      for (Life* life : fitting)
        if (fits_in_time(stack, evidence, *life, fact) == Fit::yes) better.push_back(life);
      if (better.size() == 1) fitting = better;
    }
    if (fitting.size() == 1) {
      Life& life = *fitting.front();
      life.oom = kill.id;
      life.oom_join = life.host_pid ? Join::by_map : Join::by_pid;
      life.ended_known = true;
      if (!life.signal) life.signal = 9;
      witness(life, kill.id);
      if (!life.host_pid) stack.servers[life.server].host_pids = true;
      tie_by_pair(stack, evidence, fact, life.ended);
      continue;
    }
    if (fitting.size() > 1) {
      stack.unjoined.push_back({kill.id, "several lives of this pid fit it"});
      continue;
    }
    rest.push_back(kill);
  }
  // In a container the log's pids are not the kernel's. One server there, as many unexplained SIGKILLs as kills of its kind in one cgroup:
  // they are each other's, in order. Anything less exact stays unjoined.
  for (Server& server : stack.servers) {
    if (!server.namespaced) continue;
    std::vector<Life*> deaths;
    for (const LifeId id : server.lives) {
      Life& life = stack.lives[id];
      if (died_of(life, 9) && life.timed_out == no_fact && life.oom == no_fact && life.asked == Asked::nobody && life.host_pid == 0) deaths.push_back(&life);
    }
    // Seen running, it has a cgroup, and kills in others are none of its own.
    const std::string cgroup = cgroup_of(stack, evidence, server);
    std::vector<Kill> own;
    std::set<std::string> cgroups;
    for (const Kill& kill : rest) {
      if (!plausible_comm(server, kill.what->comm)) continue;
      if (!cgroup.empty() && !kill.what->task_memcg.empty() && kill.what->task_memcg != cgroup) continue;  // many at once, and the kernel prints no cgroup
      own.push_back(kill);
      cgroups.insert(kill.what->task_memcg);
    }
    if (deaths.empty() || own.size() != deaths.size() || cgroups.size() != 1) continue;
    std::sort(deaths.begin(), deaths.end(), [](const Life* a, const Life* b) { return (a->ended ? a->ended->at : 0) < (b->ended ? b->ended->at : 0); });
    std::sort(own.begin(), own.end(), [&](const Kill& a, const Kill& b) {
      const auto& left = evidence.facts[a.id].when;
      const auto& right = evidence.facts[b.id].when;
      return (left ? left->at : 0) < (right ? right->at : 0);
    });
    bool contradicted = false;
    for (std::size_t i = 0; i < own.size(); ++i) contradicted |= !near_in_time(stack, evidence, *deaths[i], evidence.facts[own[i].id]);
    if (contradicted) continue;
    for (std::size_t i = 0; i < own.size(); ++i) {
      deaths[i]->oom = own[i].id;
      deaths[i]->oom_join = Join::by_elimination;
      deaths[i]->host_pid = own[i].what->tgid ? *own[i].what->tgid : own[i].what->pid;
      witness(*deaths[i], own[i].id);
      std::erase_if(rest, [&](const Kill& kill) { return kill.id == own[i].id; });
    }
  }
  for (const Kill& kill : rest) {
    const Server* nearest = nullptr;
    for (const Server& server : stack.servers)
      if (plausible_comm(server, kill.what->comm)) nearest = &server;
    stack.unjoined.push_back({kill.id, unjoined_why(nearest, *kill.what)});
  }
}

void attach_crash(Stack& stack, const Evidence& evidence, Life& life, FactId id, Join join) {
  life.crash = id;
  life.crash_join = join;
  witness(life, id);
  if (join == Join::by_pid) tie_by_pair(stack, evidence, evidence.facts[id], life.ended);
}

void join_crashes(Stack& stack, const Evidence& evidence) {
  std::vector<FactId> rest;
  for (const FactId id : evidence.ids_of<KernelCrash>()) {
    const Fact& fact = evidence.facts[id];
    const auto* crash = as<KernelCrash>(fact);
    Life* exact = nullptr;
    for (Life& life : stack.lives) {
      if (life.server == SIZE_MAX || life.crash != no_fact || (life.signal && !died_of_fault(life))) continue;
      const Server& server = stack.servers[life.server];
      const int host = life.host_pid ? life.host_pid : server.namespaced ? 0 : life.pid;
      if (host == crash->tid && plausible_comm(server, crash->comm) && fits_life(stack, evidence, life, fact)) exact = &life;
    }
    if (exact) attach_crash(stack, evidence, *exact, id, Join::by_pid);
    else rest.push_back(id);
  }
  // The kernel prints the thread's id. A thread is younger than its process, and only one death of that kind may be left for it.
  for (const FactId id : rest) {
    const Fact& fact = evidence.facts[id];
    const auto& crash = std::get<KernelCrash>(fact.what);
    std::vector<Life*> fitting;
    for (Life& life : stack.lives) {
      if (life.server == SIZE_MAX || life.crash != no_fact || !died_of_fault(life) || !may_be(life, crash)) continue;
      const Server& server = stack.servers[life.server];
      const int host = life.host_pid ? life.host_pid : server.namespaced ? 0 : life.pid;
      const bool own_thread = host == 0 || (crash.tid > host && crash.tid - host < 4096);
      if (own_thread && plausible_comm(server, crash.comm) && near_in_time(stack, evidence, life, fact)) fitting.push_back(&life);
    }
    if (fitting.size() == 1) attach_crash(stack, evidence, *fitting.front(), id, Join::by_elimination);
  }
}

// The latest life of every host pid.
using ByHost = std::unordered_map<int, LifeId>;

ByHost lives_by_host_pid(const Stack& stack) {
  ByHost lives;
  for (const Life& life : stack.lives) {
    if (life.server == SIZE_MAX) continue;
    const int host = life.host_pid ? life.host_pid : stack.servers[life.server].namespaced ? 0 : life.pid;
    if (host != 0) lives[host] = life.id;
  }
  return lives;
}

Life* life_by_host_pid(Stack& stack, const ByHost& lives, int pid) {
  const auto found = lives.find(pid);
  return pid == 0 || found == lives.end() ? nullptr : &stack.lives[found->second];
}

// Lines and events that name a host pid: the service manager, user-space killers, the watcher.
void join_named(Stack& stack, const Evidence& evidence) {
  const ByHost by_host = lives_by_host_pid(stack);
  for (FactId id = 0; id < evidence.facts.size(); ++id) {
    const Fact& fact = evidence.facts[id];
    if (const auto* unit = as<UnitEvent>(fact)) {
      if (unit->event != "killing" && unit->event != "main-exited" && unit->event != "oom-kill") continue;
      Life* const life = life_by_host_pid(stack, by_host, unit->pid.value_or(fact.about.pid));
      if (!life || !fits_life(stack, evidence, *life, fact)) continue;
      witness(*life, id);
      if (unit->event == "killing" && unit->signal == 9) life->unit_kill = id;
      if (unit->event == "main-exited" && life->role == Role::master) {
        life->exited = id;
        life->ended_known = true;
        if (unit->signal) life->signal = unit->signal;
        if (unit->status && !unit->signal) life->exit_code = unit->status;
      }
    } else if (const auto* kill = as<UserspaceKill>(fact)) {
      Life* const life = life_by_host_pid(stack, by_host, kill->pid.value_or(fact.about.pid));
      if (!life || !could_be_sigkill(*life) || !fits_life(stack, evidence, *life, fact)) continue;
      life->userspace_kill = id;
      witness(*life, id);
    } else if (const auto* exited = as<ProcessExited>(fact)) {
      Life* life = life_by_host_pid(stack, by_host, fact.about.pid);
      if (!life) continue;
      life->exited = id;
      life->ended_known = true;
      if (!life->ended) life->ended = fact.when;
      if (!exited->unknown) {
        if (exited->status & 0x7f) life->signal = exited->status & 0x7f; else life->exit_code = exited->status >> 8 & 0xff;
        life->core |= (exited->status & 0x80) != 0;
      }
      witness(*life, id);
    } else if (as<ThreadStack>(fact) || as<RequestServed>(fact) || as<TimeBlocked>(fact)) {
      Life* const life = life_by_host_pid(stack, by_host, fact.about.pid);
      if (!life) continue;
      if (as<ThreadStack>(fact)) life->stacks.push_back(id);
      else if (as<TimeBlocked>(fact)) life->blocked.push_back(id);
      else life->requests.push_back(id);
    } else if (as<SignalSent>(fact) || as<OomMarked>(fact)) {
      Life* life = life_by_host_pid(stack, by_host, fact.about.pid);
      if (!life) continue;
      witness(*life, id);
      if (as<OomMarked>(fact)) {
        if (life->oom == no_fact) { life->oom = id; life->oom_join = Join::by_pid; }
      } else {
        life->sent = id;
      }
    }
  }
}

// A watched process that no log names is a life too: deaths must not need a log line (gunicorn 20.0 prints none).
void lives_from_watch(Stack& stack, const Evidence& evidence) {
  const ByHost by_host = lives_by_host_pid(stack);
  std::map<int, LifeId> masters;
  for (const Server& server : stack.servers)
    if (server.master_life != no_life) {
      const Life& life = stack.lives[server.master_life];
      masters[life.host_pid ? life.host_pid : life.pid] = life.id;
    }
  std::map<int, std::pair<int, int>> children;  // host pid -> parent, inner pid
  for (const FactId id : evidence.ids_of<ProcessForked>()) {
    const auto& forked = *as<ProcessForked>(evidence.facts[id]);
    children[evidence.facts[id].about.pid] = {forked.parent, forked.ns_pid};
  }
  for (const FactId id : evidence.ids_of<ProcessExited>())
    if (const auto& exited = *as<ProcessExited>(evidence.facts[id]); exited.parent) children.try_emplace(evidence.facts[id].about.pid, exited.parent, exited.ns_pid);
  for (const auto& [pid, about] : children) {
    const auto master = masters.find(about.first);
    if (master == masters.end() || life_by_host_pid(stack, by_host, pid)) continue;
    const std::size_t server = stack.lives[master->second].server;
    Life life;
    life.id = static_cast<LifeId>(stack.lives.size());
    life.server = server;
    life.pid = about.second ? about.second : pid;
    life.host_pid = pid;
    stack.servers[server].lives.push_back(life.id);
    stack.lives.push_back(std::move(life));
  }
}

}  // namespace

std::string cgroup_of(const Stack& stack, const Evidence& evidence, const Server& server) {
  std::string found;
  for (const FactId id : evidence.ids_of<ProcessSeen>()) {
    const Fact& fact = evidence.facts[id];
    const int host = fact.about.pid;
    const bool own = (server.host_master && host == server.host_master) || std::any_of(server.lives.begin(), server.lives.end(), [&](LifeId life) { return stack.lives[life].host_pid == host; });
    const std::string& cgroup = as<ProcessSeen>(fact)->cgroup;
    if (own && cgroup.size() > 1) found = cgroup;
  }
  return found;
}

bool plausible_comm(const Server& server, std::string_view comm) {
  if (const flavour::Flavour* const known = flavour::flavour(server.flavour); known && !known->comms.empty()) {
    if (std::any_of(known->comms.begin(), known->comms.end(), [&](std::string_view name) { return base::starts_with(comm, name); })) return true;
  } else if (base::starts_with(comm, "gunicorn") || base::starts_with(comm, "python") || base::starts_with(comm, "uvicorn") || base::starts_with(comm, "pypy")) {
    return true;
  }
  if (const auto name = text_setting(server, "proc_name"); name && !name->empty() && base::starts_with(comm, std::string_view(*name).substr(0, 15))) return true;
  return base::starts_with(comm, server.flavour);
}

void join_witnesses(Stack& stack, const Evidence& evidence) {
  stack.kernel_logs = kernel_logs(evidence);
  const std::map<int, int> inner = pid_map(evidence);
  tell_namespaces(stack, evidence, inner);
  lives_from_watch(stack, evidence);
  join_oom(stack, evidence);
  join_crashes(stack, evidence);
  join_named(stack, evidence);
}

}  // namespace model
