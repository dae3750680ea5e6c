// The fold from a server's own lines to its processes' lives. One state machine and therefore one file, past 300 lines: every kind of line has
// one short case, and what they share (finding the server and the life a line means) stands above them.
#include "model/build.hpp"

#include <algorithm>
#include <functional>
#include <queue>
#include <set>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "flavour/gunicorn_args.hpp"
#include "model/server_settings.hpp"
#include "model/settings.hpp"
#include "model/unit.hpp"

namespace model {

using namespace evidence;  // the words of facts: every case below names one

namespace {

bool server_words(SourceKind kind) {
  return kind == SourceKind::server_log || kind == SourceKind::stdio || kind == SourceKind::journal || kind == SourceKind::unknown;
}

// The log clock only: naive and wall times of one log are ordered as they stand.
std::optional<std::int64_t> order_of(const Fact& fact) {
  if (!fact.when || fact.when->clock == base::Clock::boot) return std::nullopt;
  return fact.when->at;
}

void heard_in(Server& server, const Voice& voice) {
  for (const Voice& known : server.voices)
    if (known.source == voice.source && known.unit == voice.unit) return;
  server.voices.push_back(voice);
}

bool told_in(const Server& server, const Voice& voice) {
  return std::any_of(server.voices.begin(), server.voices.end(), [&](const Voice& known) { return one_voice(known, voice); });
}

// Its logs tell of other events than this one does: the replica beside it, whose pids are the same.
bool strange_to(const Stack& stack, const Server& server, const Voice& voice) {
  return std::any_of(stack.strangers.begin(), stack.strangers.end(), [&](const Strangers& pair) {
    return (one_voice(pair.one, voice) && told_in(server, pair.other)) || (one_voice(pair.other, voice) && told_in(server, pair.one));
  });
}

Server& start_server(Stack& stack, const Fact& fact, int master) {
  Server server;
  server.master = master;
  server.source = fact.origin.source;
  server.voices.push_back(voice_of(fact));
  server.ident = fact.server;
  server.first = server.last = fact.when;
  stack.servers.push_back(std::move(server));
  return stack.servers.back();
}

std::size_t index_of(const Stack& stack, const Server& server) { return static_cast<std::size_t>(&server - stack.servers.data()); }

bool over(const Server& server) { return server.stopped != no_fact || server.crashed != no_fact; }

Life& start_life(Stack& stack, Server& server, int pid, Role role) {
  Life life;
  life.id = static_cast<LifeId>(stack.lives.size());
  life.role = role;
  life.server = index_of(stack, server);
  life.pid = pid;
  if (role == Role::worker) {
    server.lives.push_back(life.id);
    stack.by_pid[pid].push_back(life.id);
  }
  stack.lives.push_back(std::move(life));
  return stack.lives.back();
}

// The server whose master wrote the line, in its own log before another: the masters of two containers may have one pid. A log that begins in
// the middle has no "Starting" line: the first line of a master makes the server.
Server& server_of_master(Stack& stack, const Fact& fact) {
  const Voice voice = voice_of(fact);
  Server* elsewhere = nullptr;
  for (auto server = stack.servers.rbegin(); server != stack.servers.rend() && fact.by != 0; ++server) {
    if (server->master != fact.by || (server->stopped != no_fact && std::get_if<ServerStarted>(&fact.what))) continue;
    if (told_in(*server, voice)) return *server;
    if (!elsewhere && !strange_to(stack, *server, voice)) elsewhere = &*server;
  }
  if (elsewhere) {
    heard_in(*elsewhere, voice);
    return *elsewhere;
  }
  // Lines without pid, and workers seen before their master spoke: the latest server of this log.
  for (auto server = stack.servers.rbegin(); server != stack.servers.rend(); ++server) {
    if (!told_in(*server, voice)) continue;
    if (fact.by == 0) return *server;
    if (server->master == 0) {
      server->master = fact.by;
      return *server;
    }
  }
  if (fact.by == 0 && !stack.servers.empty()) return stack.servers.back();
  return start_server(stack, fact, fact.by);
}

// The server that a worker's line belongs to: the one that knows the worker, else the latest that still runs, first in its own log.
Server& server_of_worker(Stack& stack, const Fact& fact) {
  const Voice voice = voice_of(fact);
  Server* best = nullptr;
  for (auto server = stack.servers.rbegin(); server != stack.servers.rend() && !best; ++server)
    if (told_in(*server, voice) && !over(*server)) best = &*server;
  for (auto server = stack.servers.rbegin(); server != stack.servers.rend() && !best; ++server)
    if (told_in(*server, voice)) best = &*server;
  for (auto server = stack.servers.rbegin(); server != stack.servers.rend() && !best; ++server)
    if (!over(*server) && order_of(fact) && !strange_to(stack, *server, voice)) best = &*server;
  // stderr without pid or time comes after all that has one: it is the last server's, in whatever file it stands.
  if (!best && fact.by == 0 && fact.about.pid == 0 && !order_of(fact) && !stack.servers.empty()) best = &stack.servers.back();
  return best ? *best : start_server(stack, fact, 0);
}

bool open(const Life& life) { return !life.ended_known; }

// The latest life of this pid that its own log tells of, else one of a server that is not over or whose master wrote the line.
Life* life_of(Stack& stack, int pid, const Fact& fact) {
  const auto found = pid == 0 ? stack.by_pid.end() : stack.by_pid.find(pid);
  if (found == stack.by_pid.end()) return nullptr;
  const Voice voice = voice_of(fact);
  Life* elsewhere = nullptr;
  for (auto id = found->second.rbegin(); id != found->second.rend(); ++id) {
    Life& life = stack.lives[*id];
    const Server& server = stack.servers[life.server];
    if (told_in(server, voice)) return &life;
    if (!elsewhere && (!over(server) || server.master == fact.by) && !strange_to(stack, server, voice)) elsewhere = &life;
  }
  return elsewhere;
}

Life& life_or_new(Stack& stack, const Fact& fact, bool by_master) {
  const int pid = fact.about.pid ? fact.about.pid : fact.by;
  if (by_master && fact.by != 0) {
    Server& server = server_of_master(stack, fact);
    const std::vector<LifeId>& known = stack.by_pid[pid];
    for (auto id = known.rbegin(); id != known.rend(); ++id)
      if (stack.lives[*id].server == index_of(stack, server)) return stack.lives[*id];
    // Its "Booting" line went to the wrong server when two masters write one log (USR2): the master knows its own children.
    if (Life* const other = life_of(stack, pid, fact); other && open(*other) && same_log(stack.servers[other->server], server)) {
      Server& wrong = stack.servers[other->server];
      std::erase(wrong.lives, other->id);
      other->server = index_of(stack, server);
      server.lives.push_back(other->id);
      return *other;
    }
    return start_life(stack, server, pid, Role::worker);
  }
  if (Life* const known = life_of(stack, pid, fact)) return *known;
  return start_life(stack, by_master ? server_of_master(stack, fact) : server_of_worker(stack, fact), pid, Role::worker);
}

void witness(Life& life, FactId id) {
  if (std::find(life.witnesses.begin(), life.witnesses.end(), id) == life.witnesses.end()) life.witnesses.push_back(id);
}

void seen(Server& server, const Fact& fact) {
  if (!fact.when) return;
  if (!server.first) server.first = fact.when;
  if (!server.last || server.last->at <= fact.when->at) server.last = fact.when;
}

void happened(Server& server, std::string what, const Fact& fact, FactId id, LifeId life = no_life) { server.happenings.push_back({std::move(what), fact.when, id, life}); }

void ended(Life& life, const Fact& fact) {
  life.ended_known = true;
  life.ended = fact.when;
}

// A whole-second log and its journal copy tell the same birth twice.
bool same_birth(const Evidence& evidence, const Life& life, const Fact& fact) {
  if (life.booted == no_fact || !fact.when || !life.started) return false;
  return evidence.facts[life.booted].origin.source != fact.origin.source && std::abs(life.started->at - fact.when->at) <= 2 * base::second_ns;
}

// A fault's own words that name no process (Ruby's on stderr) are those of the next one that is seen to have ended.
void take_fault(Server& server, Life& life) {
  if (life.faulted != no_fact || server.faults.empty()) return;
  life.faulted = server.faults.front();
  witness(life, life.faulted);
  server.faults.erase(server.faults.begin());
}

bool others(const Server& server) { return !flavour::like_gunicorn(server.flavour); }

void worker_booted(Stack& stack, const Evidence& evidence, const Fact& fact, FactId id) {
  const int pid = fact.about.pid ? fact.about.pid : fact.by;
  if (Life* const known = life_of(stack, pid, fact); known && same_birth(evidence, *known, fact)) return witness(*known, id);
  Server& server = server_of_worker(stack, fact);
  // A pid that boots again while it was never seen to end: the old life is over. Only its own master puts another in its place; in a
  // container each run has the same pids, and what ended the run before ended its workers.
  if (Life* const known = life_of(stack, pid, fact); known && open(*known) && known->booted != no_fact) {
    known->ended_known = true;
    known->replaced = known->server == index_of(stack, server);
  }
  // Its place was another's: that one is gone, and nothing else told of it.
  const int place = std::get<WorkerBooted>(fact.what).place;
  for (auto before = server.lives.rbegin(); place >= 0 && before != server.lives.rend(); ++before) {
    Life& old = stack.lives[*before];
    if (old.place != place || !open(old)) continue;
    old.ended_known = true;
    old.replaced = old.asked == Asked::nobody && server.upgraded == no_fact;
    old.ended = fact.when;
    take_fault(server, old);
    witness(old, id);
    break;
  }
  Life& life = start_life(stack, server, pid, Role::worker);
  life.place = place;
  life.booted = id;
  life.started = fact.when;
  witness(life, id);
  seen(server, fact);
}

struct Step {
  Stack& stack;
  const Evidence& evidence;
  const Fact& fact;
  FactId id;

  void operator()(const ServerStarted& what) {
    // Only the name: a log of such a server, whose start is not in it.
    if (fact.by == 0 && what.version.empty()) {
      Server* known = nullptr;
      for (Server& server : stack.servers)
        if (told_in(server, voice_of(fact)) && !over(server)) known = &server;
      Server& server = known ? *known : start_server(stack, fact, 0);
      server.flavour = what.flavour;
      if (const flavour::Flavour* const one = flavour::flavour(server.flavour); one && server.family.empty()) server.family = one->family("");
      return;
    }
    // In a container every run has the same master pid: "Starting" always begins a new run, unless a copy of the log says it again.
    for (Server& server : stack.servers) {
      if (server.master != fact.by || !server.seen_start || told_in(server, voice_of(fact)) || strange_to(stack, server, voice_of(fact))) continue;
      if (server.first && fact.when && std::abs(server.first->at - fact.when->at) <= 2 * base::second_ns) return heard_in(server, voice_of(fact));
    }
    Server* adopted = nullptr;
    // stderr texts of this start may have been read before it.
    for (Server& server : stack.servers)
      if (told_in(server, voice_of(fact)) && server.master == 0 && !server.seen_start && server.lives.empty() && server.boot_refused.empty()) adopted = &server;
      // mod_wsgi's processes may speak before Apache's master does.
      else if (others(server) && server.flavour == what.flavour && told_in(server, voice_of(fact)) && server.master == 0 && !server.seen_start && !over(server) && server.boot_refused.empty()) adopted = &server;
    Server& server = adopted ? *adopted : start_server(stack, fact, fact.by);
    server.master = fact.by;
    server.flavour = what.flavour.empty() ? "gunicorn" : what.flavour;
    server.version = what.version;
    server.seen_start = true;
    if (const flavour::Flavour* const known = flavour::flavour(server.flavour)) server.family = known->family(server.version);
    seen(server, fact);
    happened(server, "start", fact, id);
  }
  void operator()(const ServerListening& what) {
    Server& server = server_of_master(stack, fact);
    server.listening = what.addresses;
    // A formatter without pid still has the master's in this line: "Listening at: http://127.0.0.1:8000 (450)".
    if (server.master == 0) server.master = fact.about.pid;
    seen(server, fact);
  }
  void operator()(const ServerUses& what) {
    Server& s = server_of_master(stack, fact);
    s.worker_class = what.worker_class == "threads" ? "gthread" : what.worker_class;  // sync with threads > 1: config.py worker_class_str@20.1.0
    seen(s, fact);
  }
  void operator()(const WorkerBooted&) { worker_booted(stack, evidence, fact, id); }
  void operator()(const WorkerReady&) { Life& life = life_or_new(stack, fact, false); life.ready = id; witness(life, id); }
  void operator()(const WorkerExiting&) {
    Life& life = life_or_new(stack, fact, false);
    if (life.exiting == no_fact) life.exiting = id;
    witness(life, id);
    if (!life.ended) life.ended = fact.when;
    life.ended_known = true;
    Server& server = stack.servers[life.server];
    seen(server, fact);
    if (server.stop_asked != no_fact || server.stopped != no_fact) { life.asked = Asked::stop; life.asked_by = server.stop_asked; }
  }
  void operator()(const WorkerTimedOut&) {
    Life& life = life_or_new(stack, fact, true);
    if (life.timed_out == no_fact) { life.timed_out = id; ended(life, fact); }
    witness(life, id);
    seen(stack.servers[life.server], fact);
  }
  void operator()(const WorkerReaped& what) {
    Life& life = life_or_new(stack, fact, true);
    if (life.reaped == no_fact || what.signal) life.reaped = id;
    if (what.either) life.told = what.signal;
    else if (what.signal) life.signal = what.signal;
    life.left |= what.left;
    if (what.exit_code) life.exit_code = what.exit_code;
    life.core |= what.core;
    life.hint |= what.says_out_of_memory;
    if (life.timed_out == no_fact) ended(life, fact);
    life.ended_known = true;
    witness(life, id);
    Server& server = stack.servers[life.server];
    seen(server, fact);
    if (life.signal == 6 || life.left) take_fault(server, life);
    if (server.stop_asked != no_fact && life.asked == Asked::nobody) { life.asked = Asked::stop; life.asked_by = server.stop_asked; }
    // A child that the log first names as it ends: one of those that the reload ends.
    if (others(server) && !server.reloads.empty() && life.booted == no_fact && life.asked == Asked::nobody)
      if (const auto& reload = evidence.facts[server.reloads.back()].when; reload && fact.when && fact.when->at - reload->at <= 10 * base::second_ns) { life.asked = Asked::reload; life.asked_by = server.reloads.back(); }
  }
  void operator()(const WorkerForced&) {
    Life& life = life_or_new(stack, fact, true);
    if (life.forced == no_fact) life.forced = id;
    witness(life, id);
    ended(life, fact);
    const Server& server = stack.servers[life.server];
    if (life.asked != Asked::nobody) return;
    const FactId stop = server.stop_asked, reload = server.reloads.empty() ? no_fact : server.reloads.back();
    life.asked = stop != no_fact ? Asked::stop : reload != no_fact ? Asked::reload : Asked::nobody;
    life.asked_by = stop != no_fact ? stop : reload;
  }
  void operator()(const WorkerFaulted&) {
    if (Life* const life = life_of(stack, fact.about.pid, fact)) {
      if (life->faulted == no_fact) life->faulted = id;
      witness(*life, id);
    } else if (fact.about.pid) {
      Life& born = life_or_new(stack, fact, false);
      born.faulted = id;
      witness(born, id);
    } else if (Server& server = server_of_worker(stack, fact); server.faults.size() < 64) {
      server.faults.push_back(id);
    }
  }
  void operator()(const WorkerBusy&) {
    if (Life* const life = life_of(stack, fact.about.pid, fact)) { life->busy = id; witness(*life, id); }
  }
  void operator()(const ServerSaturated&) {
    Server& server = server_of_master(stack, fact);
    seen(server, fact);
    server.saturated.push_back(id);
  }
  // nginx's own workers: a server only where one of them died, for its log speaks of other servers most of the time.
  void operator()(const ProxyEvent& what) {
    const bool killed = what.event == "worker-killed", left = what.event == "worker-exited" && what.child && (what.exit_code.value_or(0) != 0 || what.sender);
    if ((!killed && !left) || !what.child) return;
    Server* server = nullptr;
    for (Server& one : stack.servers)
      if (one.flavour == "nginx" && one.master == fact.by && told_in(one, voice_of(fact))) server = &one;
    if (!server) {
      server = &start_server(stack, fact, fact.by);
      server->flavour = "nginx";
      server->family = "1";
    }
    Life& life = start_life(stack, *server, *what.child, Role::worker);
    life.reaped = id;
    life.signal = what.signal;
    life.exit_code = what.exit_code;
    if (what.sender) life.signal = 15;
    ended(life, fact);
    witness(life, id);
    seen(*server, fact);
  }
  void operator()(const WorkerDraining& what) {
    Life& life = life_or_new(stack, fact, false);
    life.draining = id;
    witness(life, id);
    if (what.why == "max_requests" && life.asked == Asked::nobody) {
      life.asked = Asked::recycled;
      life.asked_by = id;
      happened(stack.servers[life.server], "recycle", fact, id, life.id);
    }
    if (!others(stack.servers[life.server]) || life.asked != Asked::nobody) return;
    if (what.why == "own-limit") life.asked = Asked::recycled;
    else if (what.why == "reload") life.asked = Asked::reload;
    else if (what.why == "fewer") life.asked = Asked::scaled_down;
    else if (what.why == "shutdown") life.asked = Asked::stop;
    else return;
    life.asked_by = id;
  }
  void operator()(const WorkerOrphaned&) {
    Life& life = life_or_new(stack, fact, false);
    life.orphaned = id;
    witness(life, id);
    ended(life, fact);
    seen(stack.servers[life.server], fact);
  }
  void operator()(const WorkerOverstayed&) { Life& life = life_or_new(stack, fact, false); life.overstayed = id; witness(life, id); }
  void operator()(const MasterSignalled& what) {
    Server& server = server_of_master(stack, fact);
    seen(server, fact);
    if (what.ignored) return;
    if (what.signal == "term" || what.signal == "int" || what.signal == "quit") {
      if (server.stop_asked == no_fact) server.stop_asked = id;
      happened(server, "stop", fact, id);
    } else if (what.signal == "ttou" || what.signal == "winch") {
      server.scaled_down.push_back(id);
      if (what.signal == "ttou") happened(server, "one worker fewer", fact, id);
    } else if (what.signal == "ttin") {
      server.scaled_up.push_back(id);
      happened(server, "one worker more", fact, id);
    } else if (what.signal == "usr2") {
      server.upgraded = id;
      happened(server, "upgrade", fact, id);
    }
  }
  void operator()(const MasterReloaded&) {
    Server& server = server_of_master(stack, fact);
    server.reloads.push_back(id);
    seen(server, fact);
    happened(server, "reload", fact, id);
    for (const LifeId old : server.lives) {
      Life& life = stack.lives[old];
      if (open(life)) { life.asked = Asked::reload; life.asked_by = id; }
    }
  }
  void operator()(const MasterStopped& what) {
    Server& server = server_of_master(stack, fact);
    seen(server, fact);
    if (!what.reason.empty()) server.reason = id;
    if (!what.name.empty() || server.stopped == no_fact) {
      server.stopped = server.stopped == no_fact ? id : server.stopped;
      if (!what.name.empty()) happened(server, "stopped", fact, id);
    }
  }
  void operator()(const MasterCrashed&) { Server& s = server_of_master(stack, fact); if (s.crashed == no_fact) s.crashed = id; seen(s, fact); }
  void operator()(const MasterHalted&) { Server& s = server_of_master(stack, fact); if (s.halted == no_fact) s.halted = id; }
  void operator()(const MasterPromoted&) { Server& s = server_of_master(stack, fact); s.promoted = id; seen(s, fact); happened(s, "promoted", fact, id); }
  void operator()(const AppFailed& what) {
    if (what.phase == "master" || what.phase == "stdio" || what.phase == "import") {
      Server& server = server_of_master(stack, fact);
      // What stands on stderr without a frame of the master while workers run is the application's: it logs what gunicorn never sees.
      if (what.phase == "import" && others(server)) server.boot_refused.push_back(id);  // its children import, and it starts them again for ever
      else if (server.flavour == "uwsgi" && server.lives.empty()) server.boot_refused.push_back(id);  // it goes on without an application
      else if (what.phase == "stdio" && !server.lives.empty()) server.failures.push_back(id);
      else server.master_exceptions.push_back(id);
      return;
    }
    Life* const life = life_of(stack, fact.about.pid ? fact.about.pid : fact.by, fact);
    Server& server = life ? stack.servers[life->server] : server_of_worker(stack, fact);
    if (life) witness(*life, id);
    if (what.phase == "boot") {
      if (life) life->boot_failed = id;
      server.boot_refused.push_back(id);
    } else if (what.by_abort) {
      if (life) life->aborted_in = id;
    } else {
      server.failures.push_back(id);
    }
  }
  void operator()(const BootRefused&) {
    // Where the line is a worker's own, its pid is no master's.
    const Life* const life = life_of(stack, fact.by, fact);
    (life ? stack.servers[life->server] : server_of_master(stack, fact)).boot_refused.push_back(id);
  }
  void operator()(const BindFailed&) { server_of_master(stack, fact).bind_failed.push_back(id); }
  void operator()(const ControlSocket&) { server_of_master(stack, fact).control_socket.push_back(id); }
  void operator()(const AppSymptom&) {
    if (Life* const life = life_of(stack, fact.about.pid ? fact.about.pid : fact.by, fact)) {
      witness(*life, id);
      stack.servers[life->server].symptoms.push_back(id);
    } else if (Server& server = server_of_worker(stack, fact); others(server)) {
      server.symptoms.push_back(id);
    } else {
      server_of_master(stack, fact).symptoms.push_back(id);
    }
  }
  template <class Other> void operator()(const Other&) {}
};

// Which lives a scale-down (TTOU, WINCH in a daemon) took: manage_workers ends the oldest first (arbiter.py:547@20.1.0).
void explain_scaling(Stack& stack, const Evidence& evidence, Server& server) {
  for (const FactId down : server.scaled_down) {
    const Fact& fact = evidence.facts[down];
    const bool all = std::get<MasterSignalled>(fact.what).signal == "winch";
    int left = all ? INT32_MAX : 1;
    for (const LifeId id : server.lives) {
      Life& life = stack.lives[id];
      if (left == 0 || life.asked != Asked::nobody || life.timed_out != no_fact) continue;
      // Only a quiet end, or the repeated SIGTERM at the end of an interpreter, is a worker that was told to go.
      const bool quiet = life.exiting != no_fact && (!life.signal || *life.signal == 15);
      if (!quiet || !life.ended || !fact.when || life.ended->at < fact.when->at) continue;
      if (all && life.ended->at - fact.when->at > 40 * base::second_ns) continue;
      if (all && life.started && fact.when && life.started->at > fact.when->at) continue;
      life.asked = Asked::scaled_down;
      life.asked_by = down;
      --left;
    }
  }
}

// How many workers it wants: set, else the first run of boots before anything ended. Between two spawns the master sleeps for up to 0.1 s
// (arbiter.py, spawn_workers), and whole-second stamps are up to a second apart.
std::size_t wanted_workers(const Stack& stack, const Server& server) {
  if (const auto set = number_setting(server, "workers"); set && *set >= 1) {
    const auto found = server.settings.find("workers");
    if (found->second.from != From::built_in) return static_cast<std::size_t>(*set);
  }
  std::size_t burst = 0;
  std::optional<std::int64_t> former, first_end;
  for (const LifeId id : server.lives) {
    const Life& life = stack.lives[id];
    if (life.ended && (!first_end || life.ended->at < *first_end)) first_end = life.ended->at;
  }
  for (const LifeId id : server.lives) {
    const Life& life = stack.lives[id];
    if (!life.started) continue;
    if (former && life.started->at - *former > base::second_ns) break;
    former = life.started->at;
    if (!first_end || life.started->at <= *first_end) ++burst;
  }
  return std::max<std::size_t>(burst, 1);
}

// Another run whose workers' lines stand in the same log at the same time.
bool shares_log(const Stack& stack, const Server& server) {
  return std::any_of(stack.servers.begin(), stack.servers.end(), [&](const Server& other) {
    if (&other == &server || !same_log(other, server)) return false;
    return !other.last || !server.first || !other.first || !server.last || (other.last->at >= server.first->at && other.first->at <= server.last->at);
  });
}

// A worker that was booted although enough seemed to live took the place of one that ended without a line. Which one is known when later
// lines show all the others alive.
void explain_silence(Stack& stack, const Evidence& evidence, Server& server) {
  if (!server.seen_start || server.crashed != no_fact || others(server)) return;
  const std::size_t wanted = wanted_workers(stack, server) + server.scaled_up.size();
  std::vector<LifeId> silent;
  // Births come in the order of the log; `ends` are those of the workers before, the earliest first.
  std::priority_queue<std::int64_t, std::vector<std::int64_t>, std::greater<>> ends;
  std::size_t gone = 0, before = 0;
  for (const LifeId id : server.lives) {
    const Life& born = stack.lives[id];
    if (born.booted != no_fact && born.started) {
      while (!ends.empty() && ends.top() <= born.started->at) { ends.pop(); ++gone; }
      bool explained = false;
      for (const FactId reload : server.reloads)
        if (const auto& when = evidence.facts[reload].when; when && when->at <= born.started->at && born.started->at - when->at <= 60 * base::second_ns) explained = true;
      if (!explained && before - gone >= wanted) silent.push_back(born.id);
    }
    ++before;
    // Who left because the server stopped lived until then.
    if (born.replaced) ++gone;
    else if (born.ended_known && born.asked != Asked::stop && born.ended) ends.push(born.ended->at);
  }
  // Without a stop nobody showed who still lives, only that one was replaced; and that only where every boot is surely this run's.
  if (server.stopped == no_fact && (!server.reloads.empty() || server.upgraded != no_fact || shares_log(stack, server))) return;
  std::set<int> alive;  // a live look sees who did not end
  for (const FactId id : evidence.ids_of<ProcessSeen>()) {
    const auto& seen = *as<ProcessSeen>(evidence.facts[id]);
    if (seen.state != "Z") alive.insert(seen.ns_pid ? seen.ns_pid : evidence.facts[id].about.pid);
  }
  for (const LifeId heir : silent) {
    const Life& born = stack.lives[heir];
    std::vector<LifeId> candidates;
    for (const LifeId id : server.lives) {
      const Life& life = stack.lives[id];
      if (id != heir && life.id < born.id && !life.ended_known && !alive.contains(life.pid)) candidates.push_back(id);
    }
    // With more candidates than silent ends nobody can tell which it was.
    if (candidates.size() > silent.size() && server.stopped == no_fact) server.heirs.push_back(heir);
    if (candidates.empty() || candidates.size() > silent.size()) continue;
    Life& life = stack.lives[candidates.front()];
    life.replaced = true;
    life.ended_known = true;
    life.ended = born.started;
    if (born.booted != no_fact) witness(life, born.booted);
  }
}

void finish_server(Stack& stack, const Evidence& evidence, Server& server) {
  explain_scaling(stack, evidence, server);
  explain_silence(stack, evidence, server);
  if (server.family.empty()) {
    // No "Starting" line: the wording of the ends tells the family (gunicorn facts, section 0).
    for (const LifeId id : server.lives) {
      const Life& life = stack.lives[id];
      if (life.reaped == no_fact) continue;
      const std::string& text = evidence.facts[life.reaped].text;
      if (base::contains(text, "was terminated due to signal")) server.family = "20.1";
    }
  }
}

}  // namespace

bool starts(const Server& server, const Evidence& evidence, const ServerCommand& command) {
  const std::string& log = evidence.sources[server.source].name;
  for (const SettingRead& setting : flavour::gunicorn_settings(command.args, command.environment)) {
    const std::string_view value = setting.value;
    if (setting.name == "errorlog" && !value.empty() && value != "-" && value.substr(value.rfind('/') + 1) == std::string_view(log).substr(log.rfind('/') + 1)) return true;
    if (setting.name == "bind" && !value.empty() && base::contains(server.listening, value)) return true;
  }
  return false;
}

namespace {

void read_settings(Stack& stack, const Evidence& evidence, Server& server) {
  if (others(server)) return read_server_settings(stack, evidence, server);
  std::vector<const Fact*> commands;
  for (const FactId id : evidence.ids_of<ServerCommand>()) commands.push_back(&evidence.facts[id]);
  // Several commands (two instances): those that name this server's log or address; where none does, any may be it.
  std::vector<const Fact*> own;
  for (const Fact* fact : commands)
    if ((server.master && fact->about.pid == server.master) || starts(server, evidence, std::get<ServerCommand>(fact->what))) own.push_back(fact);
  SettingsOf asked;
  asked.flavour = server.flavour;
  asked.version = server.version.empty() ? server.family : server.version;
  asked.master = server.master;
  asked.read_at = server.reloads.empty() ? server.first : evidence.facts[server.reloads.back()].when;
  if (commands.size() > 1 && !own.empty())
    asked.belongs = [own](const Fact& fact) { return !as<ServerCommand>(fact) || std::find(own.begin(), own.end(), &fact) != own.end(); };
  EffectiveSettings effective = effective_settings(evidence, asked);
  server.settings = std::move(effective.settings);
  for (Gap& gap : effective.gaps) stack.gaps.push_back(std::move(gap));
}

// The lowest level that its log shows: what is set, else what was seen. "Starting" is logged at INFO.
std::string log_level(const Evidence& evidence, const Server& server) {
  if (const auto set = text_setting(server, "loglevel"); set && server.settings.at("loglevel").from == From::configured) return *set;
  if (server.seen_start) return "info";
  bool info = false, warning = false;
  for (const Fact& fact : evidence.facts) {
    if (fact.origin.source != server.source) continue;
    if (fact.level == "INFO" || fact.level == "DEBUG") { info = true; break; }
    warning |= fact.level == "WARNING";
  }
  return info ? "info" : warning ? "warning" : "error";
}

// The master whose open files told of it; 0 when none or several did.
int writer_of(const Server& server, const Evidence& evidence) {
  int writer = 0;
  for (const Voice& voice : server.voices) {
    const int one = evidence.sources[voice.source].writer;
    if (one == 0) continue;
    if (writer != 0 && writer != one) return 0;
    writer = one;
  }
  return writer;
}

// A watched server whose log cannot be read (it goes to the journal, a pipe, a container's runtime) is one all the same: signals, wait statuses
// and counters tell how its workers end.
void add_silent(Stack& stack, const Evidence& evidence) {
  if (std::none_of(evidence.sources.begin(), evidence.sources.end(), [](const Source& source) { return source.kind == SourceKind::watch; })) return;
  struct Seen { const ProcessSeen* what; const Fact* fact; const flavour::Flavour* flavour; };
  std::map<int, Seen> processes;  // the watched servers' own, by host pid
  for (const FactId id : evidence.ids_of<ProcessSeen>()) {
    const Fact& fact = evidence.facts[id];
    const auto* const seen = as<ProcessSeen>(fact);
    for (const flavour::Flavour* const known : flavour::flavours())
      if (known->recognise && known->recognise(seen->args)) processes.insert_or_assign(fact.about.pid, Seen{seen, &fact, known});
  }
  for (const auto& [host, process] : processes) {
    if (processes.contains(process.what->ppid) || process.flavour->name == "nginx") continue;  // a worker, or the proxy
    const int own = process.what->ns_pid ? process.what->ns_pid : host;
    // A log that names no master may be this one's. Another silent one is another container's, whose master has the same pid inside.
    if (std::any_of(stack.servers.begin(), stack.servers.end(), [&](const Server& server) { 
          if (server.silent || (server.host_master && server.host_master != host)) return false;
          return server.master == host || server.master == own || server.master == 0;
        }))
      continue;
    Server server;
    server.flavour = process.flavour->name;
    server.master = own;
    server.host_master = host;
    server.source = process.fact->origin.source;
    server.silent = true;
    server.namespaced = own != host;
    stack.servers.push_back(std::move(server));
  }
}

// Whoever is the parent of a worker that was looked at, and no server's.
std::vector<int> unheard(const Stack& stack, const Evidence& evidence) {
  std::unordered_map<int, int> parents;
  for (const FactId id : evidence.ids_of<ProcessSeen>()) parents[evidence.facts[id].about.pid] = as<ProcessSeen>(evidence.facts[id])->ppid;
  std::set<int> masters;
  for (const FactId id : evidence.ids_of<ProcessWaits>())
    if (const auto parent = parents.find(evidence.facts[id].about.pid); parent != parents.end() && parents.contains(parent->second)) masters.insert(parent->second);
  for (const Server& server : stack.servers) {
    masters.erase(server.host_master ? server.host_master : server.master);
    if (server.master_life != no_life) masters.erase(stack.lives[server.master_life].host_pid);
  }
  return {masters.begin(), masters.end()};
}

// What a list of processes shows of servers whose log names no births: which process is the master, and its children.
void add_listed(Stack& stack, const Evidence& evidence) {
  struct Listed { const ProcessSeen* what; const Fact* fact; int pid; const flavour::Flavour* flavour; flavour::Kin kin; };
  std::map<int, Listed> all;
  for (const FactId id : evidence.ids_of<ProcessSeen>()) {
    const Fact& fact = evidence.facts[id];
    const auto* seen = as<ProcessSeen>(fact);
    const flavour::Flavour* known = nullptr;
    const flavour::Kin kin = flavour::kin_of(seen->args, known);
    all.insert_or_assign(fact.about.pid, Listed{seen, &fact, seen->ns_pid ? seen->ns_pid : fact.about.pid, known, kin});
  }
  for (Server& server : stack.servers) {
    if (!others(server)) continue;
    const auto mine = [&](const Listed& one) { return one.flavour && one.flavour->name == server.flavour; };
    const auto parent = [&](const Listed& one) { const auto found = all.find(one.what->ppid); return found == all.end() ? nullptr : &found->second; };
    if (server.master == 0) {
      std::vector<const Listed*> masters;
      for (const auto& [pid, one] : all)
        if (mine(one) && one.kin != flavour::Kin::aside && one.kin != flavour::Kin::worker && !(parent(one) && mine(*parent(one)))) masters.push_back(&one);
      const bool taken = masters.size() == 1 && std::any_of(stack.servers.begin(), stack.servers.end(), [&](const Server& other) { return other.master == masters.front()->pid; });
      if (masters.size() == 1 && !taken && !stack.by_pid.contains(masters.front()->pid)) server.master = masters.front()->pid;
    }
    if (server.master == 0) continue;
    for (const auto& [pid, one] : all) {
      const Listed* const above = parent(one);
      const bool child = above && above->pid == server.master;
      const bool titled = mine(one) && one.kin == flavour::Kin::worker && server.flavour == "passenger";  // its parent is the preloader
      if ((!child && !titled) || one.kin == flavour::Kin::aside || base::contains(one.what->args, "multiprocessing.resource_tracker") || stack.by_pid.contains(one.pid)) continue;
      Life& life = start_life(stack, server, one.pid, Role::worker);
      if (pid != one.pid) life.host_pid = pid;
    }
  }
}

void make_masters(Stack& stack, const Evidence& evidence) {
  for (Server& server : stack.servers) {
    if (server.master == 0) continue;
    Life life;
    life.id = static_cast<LifeId>(stack.lives.size());
    life.role = Role::master;
    life.server = index_of(stack, server);
    life.pid = server.master;
    life.started = server.first;
    for (const FactId id : {server.stopped, server.crashed, server.halted})
      if (id != no_fact) { life.ended_known = true; life.ended = evidence.facts[id].when; witness(life, id); }
    if (server.stop_asked != no_fact) { life.asked = Asked::stop; life.asked_by = server.stop_asked; }
    server.master_life = life.id;
    stack.lives.push_back(std::move(life));
  }
}

}  // namespace

std::vector<FactId> folding_order(const Evidence& evidence) {
  struct Row { std::int64_t at; bool timed; FactId id; };
  std::vector<Row> rows;
  std::vector<std::int64_t> latest(evidence.sources.size(), INT64_MIN);
  // A banner without time (Celery's) stands where its log begins, not behind all that has one.
  std::vector<const Fact*> first(evidence.sources.size());
  for (const Fact& fact : evidence.facts) {
    const Fact*& begun = first[fact.origin.source];
    const auto* start = begun ? as<ServerStarted>(*begun) : nullptr;
    if (!begun) begun = &fact;
    else if (start && !flavour::like_gunicorn(start->flavour) && latest[fact.origin.source] == INT64_MIN)
      if (const auto at = order_of(fact)) latest[fact.origin.source] = *at;
  }
  // A line without time (a traceback's continuation, stderr) stays behind the line before it in its own log.
  for (FactId id = 0; id < evidence.facts.size(); ++id) {
    const Fact& fact = evidence.facts[id];
    if (!server_words(evidence.source_of(fact).kind) && !as<ProxyEvent>(fact)) continue;
    auto& last = latest[fact.origin.source];
    const auto at = order_of(fact);
    if (at) last = *at;
    rows.push_back({last, at.has_value(), id});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.at < b.at; });
  std::vector<FactId> order;
  order.reserve(rows.size());
  for (const Row& row : rows)
    if (row.at != INT64_MIN) order.push_back(row.id);
  // stderr that carries no time at all is read after the logs that do, so that its texts find their server.
  for (const Row& row : rows)
    if (row.at == INT64_MIN) order.push_back(row.id);
  return order;
}

void step(Stack& stack, const Evidence& evidence, FactId id) {
  const Fact& fact = evidence.facts[id];
  std::visit([step = Step{stack, evidence, fact, id}](const auto& what) mutable { step(unboxed(what)); }, fact.what);
}

Stack build(const Evidence& evidence) {
  Stack stack;
  stack.strangers = strangers(evidence);
  for (const FactId id : folding_order(evidence)) step(stack, evidence, id);
  for (Server& server : stack.servers) server.host_master = writer_of(server, evidence);
  add_silent(stack, evidence);
  add_listed(stack, evidence);
  for (Server& server : stack.servers) {
    read_settings(stack, evidence, server);
    server.log_level = log_level(evidence, server);
    finish_server(stack, evidence, server);
  }
  make_masters(stack, evidence);
  join_witnesses(stack, evidence);
  if (!stack.servers.empty()) stack.unheard = unheard(stack, evidence);
  read_units(stack, evidence);
  for (std::size_t i = 0; i < stack.servers.size(); ++i) {
    const Server& server = stack.servers[i];
    Hop hop{"server", server.flavour, server.version, server.master, i, {}, SIZE_MAX};
    if (!server.listening.empty()) hop.listeners.push_back(server.listening);
    stack.hops.push_back(std::move(hop));
  }
  for (std::size_t i = 0; i < stack.units.size(); ++i) {
    Hop hop{"supervisor", "systemd", "", stack.units[i].master, SIZE_MAX, {}, i};
    if (const auto listen = text_setting(stack.units[i], "ListenStream")) hop.listeners.push_back(*listen);
    stack.hops.push_back(std::move(hop));
  }
  return stack;
}

}  // namespace model
