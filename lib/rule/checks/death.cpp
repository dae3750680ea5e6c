// Why a process of a server died. One thought and therefore one file past 300 lines: an ordered list of causes, the most direct witness first,
// each a function from a life to a draft; the first that answers names the cause, so that a death never has two.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "model/build.hpp"
#include "model/timeline.hpp"
#include "rule/stuck.hpp"
#include "rule/supervisor.hpp"

namespace rule {

using namespace evidence;
using model::Asked;
using model::Join;
using model::LifeId;
using model::Role;

namespace {

struct Case {
  const Look& look;
  const Life& life;
  const Server& server;
};

const Fact& fact_of(const Case& c, FactId id) { return c.look.evidence.facts[id]; }

bool gunicorn(const Case& c) { return flavour::like_gunicorn(c.server.flavour); }

bool is_fault(int signal) { return signal == 4 || signal == 5 || signal == 6 || signal == 7 || signal == 8 || signal == 11 || signal == 31; }

std::string seconds_text(double seconds) { return base::duration_text(static_cast<std::int64_t>(seconds * 1e9)); }

std::string hint_note(const Case& c) { return c.life.hint ? "\"Perhaps out of memory?\" is printed for every SIGKILL (gunicorn 21 and later)" : ""; }

void own_lines(Draft& draft, const Case& c) {
  because(draft, c.life.timed_out);
  because(draft, c.life.reaped);
  because(draft, c.life.exiting);
  because(draft, c.life.aborted_in);
  if (const auto request = request_of(c.look, c.life)) because(draft, request->because);
}

// Does the server's own cgroup count kills, and are there none? `which` is then the fact that says so.
bool counters_clear(const Case& c, FactId& which) {
  which = c.look.clear_counters[c.life.server];
  return which != no_fact;
}

// ---- what is ruled out, and by which witness's words or silence ------------------------------------------------------

// The log begins in the moment of this end (rotated, or cut): what its master said right before it need not stand here.
bool cut_before(const Case& c) {
  constexpr double just_before_s = 2;
  if (c.server.seen_start || c.life.reaped == no_fact || !c.life.ended) return false;
  const auto since = seconds_between(c.look.evidence.source_of(fact_of(c, c.life.reaped)).first, c.life.ended);
  return since && *since <= just_before_s;
}

void exclude_timeout(Draft& draft, const Case& c) {
  if (c.life.timed_out != no_fact || c.life.role == Role::master || cut_before(c)) return;
  if (!would_log(c.server, flavour::Ending::timeout_abort).value_or(false)) return;
  const flavour::Flavour* const known = flavour::flavour(c.server.flavour);
  if (!known || known->gave_up_line.empty()) return;
  std::string why = gunicorn(c) ? fmt::format("the server's log has no \"WORKER TIMEOUT (pid:{})\"", c.life.pid) : fmt::format("the server's log has no \"{}\" for it", known->gave_up_line);
  const auto age = seconds_between(c.life.started, c.life.ended);
  const auto limit = model::number_setting(c.server, "timeout");
  if (age && limit && *age >= 0 && *age + 1 < *limit) why += fmt::format("; it lived {}, the limit is {:g} s", seconds_text(*age), *limit);
  rule_out(draft, "death.timeout", std::move(why));
}

// The counter of OOM kills of the cgroup that the server was seen in.
FactId own_counter(const Case& c) {
  const std::string cgroup = model::cgroup_of(c.look.stack, c.look.evidence, c.server);
  FactId found = no_fact;
  for (const FactId id : c.look.evidence.ids_of<evidence::CgroupMemory>())
    if (const auto* memory = as<evidence::CgroupMemory>(c.look.evidence.facts[id]); memory && memory->oom_kills && !cgroup.empty() && memory->path == cgroup) found = id;
  return found;
}

// In a container, with its host pid unknown: one of the kills that the kernel tells of may be this one.
bool may_be_a_kill(const Case& c) {
  if (!c.server.namespaced || c.life.host_pid != 0) return false;
  if (const FactId counter = own_counter(c); counter != no_fact && *std::get<evidence::CgroupMemory>(fact_of(c, counter).what).oom_kills == 0) return false;
  const std::string cgroup = model::cgroup_of(c.look.stack, c.look.evidence, c.server);
  return std::any_of(c.look.stack.unjoined.begin(), c.look.stack.unjoined.end(), [&](const model::Unjoined& other) {
    const auto* kill = as<OomKill>(fact_of(c, other.fact));
    return kill && model::plausible_comm(c.server, kill->comm) && (cgroup.empty() || kill->task_memcg.empty() || kill->task_memcg == cgroup);
  });
}

void exclude_oom(Draft& draft, const Case& c) {
  if (c.life.oom != no_fact || may_be_a_kill(c)) return;
  FactId counter = no_fact;
  if (counters_clear(c, counter)) {
    const auto before = std::get<evidence::CgroupMemory>(fact_of(c, counter).what).oom_kills_before.value_or(0);
    rule_out(draft, "death.oom-cgroup", before ? fmt::format("the cgroup's oom_kill counter stayed at {}", before) : "the cgroup's oom_kill counter is 0");
  }
  else if (model::covering_kernel_log(c.look.stack, c.look.evidence, c.life.ended)) rule_out(draft, "death.oom-cgroup", "the kernel log covers this moment without a hole and names no kill of it");
  for (const model::Unjoined& other : c.look.stack.unjoined) {
    const auto* kill = as<OomKill>(fact_of(c, other.fact));
    if (!kill || c.server.namespaced || !model::plausible_comm(c.server, kill->comm)) continue;
    rule_out(draft, "death.oom-host", fmt::format("the kernel killed {} ({}), which is not this process", kill->tgid.value_or(kill->pid), base::printable(kill->comm, 20)));
  }
}

void exclude_others(Draft& draft, const Case& c) {
  exclude_timeout(draft, c);
  exclude_oom(draft, c);
  if (c.life.role == Role::worker && c.life.signal == 9 && c.server.seen_start && c.life.asked == Asked::nobody && c.life.timed_out == no_fact)
    rule_out(draft, "death.stopped-by-master", "the master was not told to stop before it");
  if (c.life.signal && !is_fault(*c.life.signal)) rule_out(draft, "death.crashed", fmt::format("it ended by {}, not by a fault", base::signal_text(*c.life.signal)));
}

// ---- the causes, the most direct witness first ----------------------------------------------------------------------

// What it was in as it was ended for taking too long, and what follows from that.
void name_cause(Draft& draft, const Case& c) {
  if (c.life.role != Role::worker || c.life.draining != no_fact) return;
  const auto cause = cause_at_death(c.look, c.life, gunicorn(c));
  if (!cause) return;
  draft.values["hint_note"] += "; " + cause->text;
  draft.first.insert(draft.first.end(), cause->steps.begin(), cause->steps.end());
}

void memory_values(Draft& draft, const OomKill& kill) {
  if (kill.anon_rss) draft.values["anon_rss"] = base::bytes_text(kill.anon_rss);
  if (kill.limit) draft.values["limit"] = base::bytes_text(kill.limit);
  if (kill.usage) draft.values["usage"] = base::bytes_text(kill.usage);
  const std::string& cgroup = kill.oom_memcg.empty() ? kill.task_memcg : kill.oom_memcg;
  if (!cgroup.empty()) draft.values["cgroup"] = base::printable(cgroup, 120);
  draft.values["comm"] = base::printable(kill.comm, 20);
  if (!kill.constraint.empty()) draft.values["constraint"] = kill.constraint;
  if (kill.group) draft.values["detail"] = "memory.oom.group killed the whole cgroup";
}

// The one constraint of all OOM kills within two seconds of this mark; empty where there is none, or they differ.
std::string constraint_near(const Case& c, const Fact& mark) {
  std::string found;
  for (const FactId id : c.look.evidence.ids_of<OomKill>()) {
    const Fact& fact = c.look.evidence.facts[id];
    const auto* kill = as<OomKill>(fact);
    if (kill->forged || kill->constraint.empty()) continue;
    const auto distance = model::distance_between(c.look.stack, c.look.evidence, fact, mark.when);
    if (!distance || std::abs(distance->ns) > 2 * base::second_ns + distance->give) continue;
    if (!found.empty() && found != kill->constraint) return "";
    found = kill->constraint;
  }
  return found;
}

// Where the limit is set, when the group is a unit's own.
void name_limit(Draft& draft, const Case& c, std::string_view group) {
  const model::Unit* const unit = unit_of(c.look, c.server);
  const std::string key = unit && unit->settings.contains("MemoryMax") && unit->settings.at("MemoryMax").because != no_fact ? "MemoryMax" : "MemoryLimit";
  if (!unit || !memory_max(*unit) || !group.ends_with("/" + unit->name) || !stood_then(c.look, *unit, key, c.life.ended)) return;
  because(draft, unit->settings.at(key).because, "the limit is set here");
  draft.first.push_back({"then", fmt::format("the limit is {}: raise it there (systemctl edit {}), or run fewer workers", set_at(c.look, *unit, key), base::printable(unit->name, 80)), "", "a restart", ""});
  const Ended ended = ended_by_systemd(c.look, unit->name, c.life.ended ? std::optional(base::Instant{c.life.ended->clock, c.life.ended->at + 2 * base::second_ns, c.life.ended->give}) : std::nullopt);
  const auto policy = model::text_setting(*unit, "OOMPolicy");
  if (ended.oom == no_fact || policy == "continue") return;
  because(draft, ended.oom, policy ? "" : "systemd then stops the whole unit (OOMPolicy=stop is its default)");
  draft.first.push_back({"then", fmt::format("let the other workers go on when one is killed: OOMPolicy=continue in {}", base::printable(unit->name, 80)), "", "nothing", "[Service]\nOOMPolicy=continue"});
}

std::optional<Draft> by_oom(const Case& c) {
  if (c.life.oom == no_fact) return std::nullopt;
  const Fact& fact = fact_of(c, c.life.oom);
  const auto* kill = as<OomKill>(fact);
  const auto* marked = as<OomMarked>(fact);
  const std::string constraint = kill ? kill->constraint : marked ? marked->constraint : "";
  // A process that shares the victim's memory is killed without a line of its own: what the kernel says of the victims of that moment holds for it.
  const std::string shared = marked && constraint.empty() ? constraint_near(c, fact) : "";
  const bool told = !marked || !constraint.empty() || !shared.empty();
  const bool cgroup = !told || constraint == "memcg" || shared == "memcg" || (kill && constraint.empty() && (!kill->oom_memcg.empty() || base::contains(fact.text, "Memory cgroup")));
  Draft draft = draft_about(c.look, cgroup ? "death.oom-cgroup" : "death.oom-host", c.life);
  if (!draft.when) draft.when = fact.when;
  if (c.life.role == Role::master) {
    draft.group += " master";
    draft.values["hint_note"] = "; without its master the server is down";
  }
  if (marked && !marked->cgroup.empty()) draft.values["cgroup"] = base::printable(marked->cgroup, 120);
  if (kill) memory_values(draft, *kill);
  // A pod's or a slice's limit: the victim was the largest in it, not always the one that ate.
  if (cgroup && kill && !kill->oom_memcg.empty() && kill->task_memcg.starts_with(kill->oom_memcg + "/")) {
    draft.values["hint_note"] += "; the limit is of a group around its own (" + base::printable(kill->task_memcg.substr(kill->oom_memcg.size() + 1), 80) + "), so others count, too";
    draft.first.push_back({"now", "see who else took from that limit: the kernel's list of tasks above its kill line (dmesg; rss is in pages), or systemd-cgtop -m: the kernel takes the largest, which need not be who ate", "", "nothing", ""});
  }
  because(draft, c.life.oom);
  if (cgroup && kill) name_limit(draft, c, kill->oom_memcg.empty() ? kill->task_memcg : kill->oom_memcg);
  because(draft, c.life.reaped, c.server.family == "20.1" ? "gunicorn 20.1 names no cause" : "");
  if (c.life.reaped == no_fact) because(draft, c.life.timed_out);
  if (c.life.oom_join == Join::by_elimination) {
    draft.sure = Confidence::likely;
    draft.sure_because = "the kernel killed as many processes of this kind, in one cgroup, as workers here died by SIGKILL; their pids cannot be compared (pid namespace)";
    draft.missing.push_back("a map from the container's pids to host pids: triage watch, or triage while they live");
  } else {
    draft.sure = told ? Confidence::certain : Confidence::unknown;
    draft.truth = told ? Truth::yes : Truth::unknown;
    if (!told) draft.missing.push_back("the kernel log of that moment: whether a cgroup or the whole machine ran out stands in its oom-kill line (constraint=)");
    draft.sure_because = !told                      ? "the kernel marked it as a victim of the OOM killer; whether its cgroup or the whole machine ran out is not told"
                         : marked                   ? "the kernel marked it as a victim of the OOM killer"
                         : c.life.oom_join == Join::by_map ? "the kernel log names it, and its two pids were seen together" : c.life.reaped != no_fact ? "the kernel log and the server's log name the same pid" : "the kernel log names its pid";
  }
  if (!told) rule_out(draft, "death.timeout", "the kernel killed it, not its master");
  else if (cgroup) rule_out(draft, "death.oom-host", "the kernel's constraint was this cgroup, not the machine");
  else rule_out(draft, "death.oom-cgroup", "the kernel's constraint was the machine, not a cgroup's limit");
  rule_out(draft, "death.killed-by-other", "the kernel sent the SIGKILL, not another process");
  exclude_timeout(draft, c);
  if (const auto request = request_of(c.look, c.life)) because(draft, request->because);
  return draft;
}

std::string sender_text(const SignalSent& sent) { return fmt::format("pid {} ({})", sent.sender, base::printable(sent.sender_exe.empty() ? sent.sender_comm : sent.sender_exe, 60)); }

void sender_values(Draft& draft, const SignalSent& sent) {
  draft.values["sender"] = sender_text(sent);
  draft.values["sender_pid"] = std::to_string(sent.sender);
  draft.values["sender_comm"] = base::printable(sent.sender_comm, 20);
}

int master_host_pid(const Case& c) {
  if (c.server.master_life == model::no_life) return 0;
  const Life& master = c.look.stack.lives[c.server.master_life];
  return master.host_pid ? master.host_pid : master.pid;
}

// A worker handles SIGTERM, SIGINT, SIGQUIT and SIGABRT and then exits: with 0, and with 1 after SIGABRT (workers/base.py, init_signals). Who
// signals the master as well stops the whole server; a Ctrl-C comes from the kernel.
std::optional<Draft> by_handled_signal(const Case& c) {
  if (!gunicorn(c) || c.life.role != Role::worker || !c.life.exit_code || c.life.asked != Asked::nobody || c.life.timed_out != no_fact) return std::nullopt;
  const int master = master_host_pid(c);
  if (!master) return std::nullopt;
  const SignalSent* sent = nullptr;
  FactId sent_id = no_fact;
  for (const FactId id : c.life.witnesses) {
    const auto* other = as<SignalSent>(fact_of(c, id));
    if (!other || other->how != "user") continue;
    const bool leaves = other->signal == 15 || other->signal == 2 || other->signal == 3;
    if (!(leaves && *c.life.exit_code == 0) && !(other->signal == 6 && *c.life.exit_code == 1)) continue;
    if (other->sender == master) return std::nullopt;
    sent = other;
    sent_id = id;
  }
  if (!sent) return std::nullopt;
  for (const FactId id : c.look.evidence.ids_of<SignalSent>()) {
    const auto* other = as<SignalSent>(fact_of(c, id));
    const auto apart = seconds_between(when_of(c.look, sent_id), when_of(c.look, id));
    if (fact_of(c, id).about.pid == master && other->signal == sent->signal && (!apart || std::abs(*apart) <= 3)) return std::nullopt;
  }
  Draft draft = draft_about(c.look, "death.signalled", c.life);
  draft.sure = Confidence::certain;
  draft.sure_because = fmt::format("the signal was seen as it was sent, and the worker's handler exits with {}", *c.life.exit_code);
  draft.values["signal"] = base::signal_text(sent->signal);
  if (sent->signal == 15) draft.values["detail"] = "it let its request finish first";  // handle_exit only says that it is to end: workers/base.py
  sender_values(draft, *sent);
  because(draft, sent_id);
  because(draft, c.life.exited);
  own_lines(draft, c);
  exclude_timeout(draft, c);
  return draft;
}

// Another server's master was seen sending the signal by which it ends workers that timed out, and nobody had asked it to stop or reload.
std::optional<Draft> by_watched_timeout(const Case& c, const SignalSent* deadly, FactId id, bool from_master) {
  const flavour::Flavour* const known = flavour::flavour(c.server.flavour);
  if (gunicorn(c) || !known || !from_master || known->timeout.scope == flavour::Scope::none || deadly->signal != known->timeout.signal) return std::nullopt;
  if (c.life.timed_out != no_fact || c.life.forced != no_fact || c.life.asked != Asked::nobody || c.server.stop_asked != no_fact || !c.server.reloads.empty()) return std::nullopt;
  Draft draft = draft_about(c.look, "death.timeout", c.life);
  draft.sure = Confidence::likely;
  draft.sure_because = fmt::format("its master was seen sending it {}, as {} does to a worker that timed out, and no stop or reload was seen", base::signal_text(deadly->signal), c.server.flavour);
  draft.values["gave_up"] = known->gave_up;
  sender_values(draft, *deadly);
  because(draft, id);
  own_lines(draft, c);
  draft.missing.push_back("the server's own line about it");
  rule_out(draft, "death.oom-cgroup", "the master sent the signal, not the kernel");
  name_cause(draft, c);
  return draft;
}

// The watcher saw who sent the signal: nothing is more direct.
std::optional<Draft> by_watch(const Case& c) {
  const SignalSent *deadly = nullptr, *abort = nullptr;
  FactId deadly_id = no_fact, abort_id = no_fact;
  const int master = master_host_pid(c);
  for (const FactId id : c.life.witnesses) {
    const auto* sent = as<SignalSent>(fact_of(c, id));
    if (!sent) continue;
    if (sent->signal == 6 && master && sent->sender == master && !abort) { abort = sent; abort_id = id; }
    if (c.life.signal && sent->signal == *c.life.signal) { deadly = sent; deadly_id = id; }
  }
  const bool from_master = deadly && deadly->how == "user" && master && deadly->sender == master && c.life.role == Role::worker;
  if (auto told = by_watched_timeout(c, deadly, deadly_id, from_master)) return told;
  if (gunicorn(c) && abort && (from_master || !c.life.signal)) {
    Draft draft = draft_about(c.look, "death.timeout", c.life);
    draft.sure = Confidence::certain;
    draft.sure_because = "its master was seen sending it SIGABRT, gunicorn's first stage of a timeout";
    because(draft, abort_id);
    because(draft, deadly_id);
    own_lines(draft, c);
    sender_values(draft, *abort);
    if (c.life.hint) rule_out(draft, "death.oom-cgroup", "the hint \"Perhaps out of memory?\" is false here: the master sent that SIGKILL itself");
    name_cause(draft, c);
    return draft;
  }
  if (!deadly) return by_handled_signal(c);
  if (deadly->how == "fault" || deadly->how == "self") return std::nullopt;
  if (deadly->how == "kernel" && !deadly->cpu_limit && !deadly->namespace_ended) return std::nullopt;
  if (from_master) {
    if (deadly->signal == 15 || c.life.timed_out != no_fact) return std::nullopt;
    Draft draft = draft_about(c.look, "death.stopped-by-master", c.life);
    draft.sure = Confidence::certain;
    draft.sure_because = "its master was seen sending it SIGKILL, and no timeout came before";
    because(draft, deadly_id);
    own_lines(draft, c);
    sender_values(draft, *deadly);
    return draft;
  }
  Draft draft = draft_about(c.look, deadly->signal == 9 ? "death.killed-by-other" : "death.signalled", c.life);
  draft.sure = Confidence::certain;
  draft.sure_because = "the signal was seen as it was sent";
  sender_values(draft, *deadly);
  if (deadly->cgroup_kill) draft.values["sender"] = "a write to cgroup.kill by " + sender_text(*deadly);
  if (deadly->parent_death) draft.values["sender"] = "the kernel, because its parent died (PR_SET_PDEATHSIG)";
  if (deadly->cpu_limit) draft.values["sender"] = "the kernel, because it used up RLIMIT_CPU";
  if (deadly->namespace_ended) draft.values["sender"] = "the kernel, because the container's init (pid 1) ended";
  static constexpr std::array killers{"systemd-oomd", "earlyoom", "oomd", "kubelet"};
  for (const char* killer : killers)
    if (base::starts_with(deadly->sender_comm, killer) && deadly->signal == 9) { draft.rule = "death.oom-userspace"; draft.values["reason"] = killer; }
  because(draft, deadly_id);
  because(draft, c.life.exited);
  own_lines(draft, c);
  if (c.life.hint) draft.notes[c.life.reaped] = hint_note(c);
  rule_out(draft, "death.oom-cgroup", "the sender was a process or another part of the kernel, not the OOM killer");
  exclude_timeout(draft, c);
  return draft;
}

// What "timeout" means depends on the worker class and on what the worker was at, and so does the cure.
void advise_on_timeout(Draft& draft, const Case& c) {
  if (!gunicorn(c)) return;   // flavour::Flavour::advice
  const auto request = request_of(c.look, c.life);
  const std::string& kind = c.server.worker_class;
  const bool loop = base::contains(kind, "uvicorn") || base::contains(kind, "asgi") || base::contains(kind, "gevent") || base::contains(kind, "eventlet") || base::contains(kind, "tornado");
  if (c.life.draining != no_fact) {
    draft.own_steps = true;
    draft.first.push_back({"then", "let the drain end before the timeout does: graceful_timeout below timeout; max_requests_jitter, so that not all workers drain at once", "", "requests that last longer than that", fmt::format("graceful_timeout = {:g}", std::max(1.0, std::floor(model::number_setting(c.server, "timeout").value_or(30) * 2 / 3)))});
    draft.first.push_back({"then", "give long requests a deadline of their own below that", "", "the slow requests fail early, with an error of yours", ""});
  } else if (request && request->idle) {
    draft.own_steps = true;
    draft.first.push_back({"now", "see who connects and sends nothing: ss -tn at the listener's port (browsers that connect in advance, health checks, a balancer)", "", "nothing", ""});
    draft.first.push_back({"then", "put a proxy that reads the whole request first in front (nginx), or use gthread, where an idle connection holds no worker", "", "a restart", "threads = 4"});
  } else if (loop) {
    draft.own_steps = true;
    draft.first.push_back({"now", "see what blocks the loop of those that live: triage stacks PID", "", "nothing", ""});
    draft.first.push_back({"then", base::contains(kind, "gevent") || base::contains(kind, "eventlet")
                                       ? "the loop of this worker class was blocked, however short each request is: find the call that does not yield (C code, a driver that is not patched, CPU work) and take it out of the worker"
                                       : "the event loop was blocked, however short each request is: find the call without await and run it in a thread (asyncio.to_thread)",
                           "", "nothing", ""});
    if (base::contains(kind, "uvicorn")) draft.notes[c.life.timed_out] = "this class beats only every timeout/2: a block of little more than half the timeout is enough";
  }
}

// What the limit was, in the server's own words.
void say_limit(Draft& draft, const Case& c) {
  const flavour::Flavour* const known = flavour::flavour(c.server.flavour);
  const auto& line = std::get<WorkerTimedOut>(fact_of(c, c.life.timed_out).what);
  std::string text = known && !gunicorn(c) ? std::string(known->gave_up) : "it gave no heartbeat for " + (draft.values["timeout"].empty() ? std::string("longer than its timeout") : draft.values["timeout"]);
  if (line.boot) text = "it was not ready within its boot timeout";
  if (line.request == "deadlock") text = "no thread of it took the interpreter's lock within deadlock-timeout";
  if (line.limit_s > 0) text += fmt::format(" ({:g} s)", line.limit_s);
  else if (line.took_s > 0) text += fmt::format("; it ran for {:.2g} s", line.took_s);
  else if (!gunicorn(c) && !draft.values["timeout"].empty()) text += fmt::format(" ({})", draft.values["timeout"]);
  draft.values["gave_up"] = std::move(text);
}

std::optional<Draft> by_timeout(const Case& c) {
  if (c.life.timed_out == no_fact) return std::nullopt;
  Draft draft = draft_about(c.look, "death.timeout", c.life);
  draft.sure = Confidence::certain;
  draft.sure_because = "the master's own line says that it gave up on this worker";
  say_limit(draft, c);
  because(draft, c.life.timed_out);
  because(draft, c.life.reaped, !gunicorn(c) || c.life.signal != 9 ? "" : c.life.hint ? "the master's own second stage; the hint about memory is false here" : "the master's own second stage");
  because(draft, c.life.aborted_in);
  if (c.life.draining != no_fact) {
    because(draft, c.life.draining, gunicorn(c) ? "it was draining, not serving: no heartbeat while it drains" : "it was told to leave");
    if (gunicorn(c)) draft.values["detail"] = "it was finishing old requests before its restart";
  } else if (gunicorn(c) && c.life.signal == 9) {
    draft.values["detail"] = "SIGABRT did not end it, so SIGKILL followed";
  }
  if (const auto request = request_of(c.look, c.life)) because(draft, request->because);
  advise_on_timeout(draft, c);
  name_cause(draft, c);
  // Several workers that time out in one second point away from the application: the machine stood still, or they wait for one thing.
  std::size_t together = 0;
  if (const auto when = when_of(c.look, c.life.timed_out)) {
    const auto& moments = c.look.timeouts[c.life.server];
    constexpr std::int64_t near_ns = 1'500'000'000;
    together = static_cast<std::size_t>(std::upper_bound(moments.begin(), moments.end(), when->at + near_ns) - std::lower_bound(moments.begin(), moments.end(), when->at - near_ns));
  }
  if (together > 1) {
    draft.first.push_back({"now", gunicorn(c) ? "look for what they share: the machine stood still (docker pause, a snapshot, a clock step up to 21), the disk under the heartbeat files stalled, or one dependency hangs" : "look for what they share: one dependency that hangs (database, upstream, lock), or a machine that stood still (docker pause, a snapshot)", "", "nothing", ""});
    draft.values["count"] = std::to_string(together);
    draft.values["hint_note"] += fmt::format("; {} workers timed out within a second", together);
    const std::size_t hints = c.look.false_hints[c.life.server];
    if (hints > 0 && !c.life.hint)
      rule_out(draft, "death.oom-cgroup", fmt::format("\"Perhaps out of memory?\" is printed for {} of them and is false: the master sent those SIGKILLs itself, after WORKER TIMEOUT", hints));
  }
  if (c.life.hint) rule_out(draft, "death.oom-cgroup", "the hint \"Perhaps out of memory?\" is false here: the master sent that SIGKILL itself, after WORKER TIMEOUT");
  else if (c.life.signal == 9 && gunicorn(c)) rule_out(draft, "death.oom-cgroup", "the SIGKILL was the master's own second stage, after WORKER TIMEOUT");
  else if (c.life.signal == 9) rule_out(draft, "death.oom-cgroup", "the SIGKILL was its master's own, by that line");
  exclude_oom(draft, c);
  if (c.life.signal == 9) rule_out(draft, "death.killed-by-other", "the master had already decided to kill it");
  return draft;
}

std::optional<Draft> by_userspace(const Case& c) {
  if (c.life.userspace_kill == no_fact) return std::nullopt;
  const auto& kill = std::get<UserspaceKill>(fact_of(c, c.life.userspace_kill).what);
  const bool memory = kill.killer != "kubelet" || base::contains(kill.why, "vict");
  Draft draft = draft_about(c.look, memory ? "death.oom-userspace" : "death.killed-by-probe", c.life);
  draft.sure = Confidence::certain;
  draft.sure_because = base::printable(kill.killer, 40) + "'s own line names this pid";
  draft.values["reason"] = draft.values["sender"] = base::printable(kill.killer, 40);
  if (!kill.why.empty()) draft.values["detail"] = base::printable(kill.why, 160);
  because(draft, c.life.userspace_kill);
  own_lines(draft, c);
  return draft;
}

// Why systemd killed it: the time that the unit gives to a stop, and what began that stop.
void explain_stop(Draft& draft, const Case& c, const std::string& name) {
  const Ended ended = ended_by_systemd(c.look, name, when_of(c.look, c.life.unit_kill));
  if (ended.stop_timeout == no_fact) return;
  because(draft, ended.stop_timeout);
  draft.values["sender"] = fmt::format("{}, because the stop of {} took longer than {}", manager_of(name), base::printable(name, 80), manager_of(name) == "systemd" ? "TimeoutStopSec=" : "its stopwaitsecs (10 s unless set)");
  const model::Unit* const unit = unit_of(c.look, c.server);
  const double stop = unit && unit->name == name ? model::number_setting(*unit, "TimeoutStopSec").value_or(-1) : -1;  // -1: not known
  const auto graceful = model::number_setting(c.server, "graceful_timeout");
  if (stop >= 0 && stood_then(c.look, *unit, "TimeoutStopSec", c.life.ended ? c.life.ended : when_of(c.look, c.life.unit_kill))) {
    const std::string at = set_at(c.look, *unit, "TimeoutStopSec");
    const std::string said = at.empty() ? fmt::format("TimeoutStopSec={:g} s, systemd's default,", stop) : at;
    draft.values["sender"] = fmt::format("systemd, which gave {} {} to stop", base::printable(name, 80), seconds_text(stop));
    if (graceful && stop < *graceful) {
      because(draft, unit->settings.at("TimeoutStopSec").because, fmt::format("shorter than graceful_timeout {:g} s", *graceful));
      draft.caused_by_rule = "systemd.stop-timeout-below-graceful";
      draft.first.push_back({"then", fmt::format("{} is shorter than graceful_timeout {:g} s: give it more (systemctl edit {}), then systemctl daemon-reload", said, *graceful, base::printable(name, 80)), "", "slower stops when a worker hangs",
                             fmt::format("[Service]\nTimeoutStopSec={:g}", std::ceil(*graceful + 5))});
    } else {
      because(draft, unit->settings.at("TimeoutStopSec").because);
    }
  }
  if (ended.oom == no_fact) return;
  because(draft, ended.oom, "systemd stops the whole unit for it (OOMPolicy=stop)");
  draft.caused_by_rule = "death.oom-cgroup";
}

std::optional<Draft> by_supervisor(const Case& c) {
  if (c.life.unit_kill == no_fact) return std::nullopt;
  Draft draft = draft_about(c.look, "death.killed-by-other", c.life);
  draft.sure = Confidence::certain;
  const std::string& name = fact_of(c, c.life.unit_kill).about.unit;
  draft.sure_because = fmt::format("{}'s own line names this pid and the signal", manager_of(name));
  draft.values["sender"] = manager_of(name);
  draft.values["unit"] = base::printable(name, 80);
  because(draft, c.life.unit_kill);
  explain_stop(draft, c, name);
  own_lines(draft, c);
  exclude_timeout(draft, c);
  return draft;
}

// Its handler of the fault spoke, and then it ended by exit or SIGABRT: uWSGI's, Ruby's (servers.md 1.5). Whether a text without pid was this
// process's own is told by the order of the lines only.
std::optional<Draft> by_last_words(const Case& c) {
  if (c.life.faulted == no_fact || (c.life.signal && !is_fault(*c.life.signal))) return std::nullopt;
  const Fact& fact = fact_of(c, c.life.faulted);
  const auto& said = std::get<WorkerFaulted>(fact.what);
  Draft draft = draft_about(c.look, "death.crashed", c.life);
  const bool named = fact.about.pid == c.life.pid;
  draft.sure = named ? Confidence::certain : Confidence::likely;
  draft.sure_because = named ? "its own last words, from its handler of the fault" : "the fault's own words, and no other process of the server ended after them";
  draft.values["signal"] = base::signal_text(said.signal);
  because(draft, c.life.faulted);
  because(draft, c.life.reaped);
  because(draft, c.life.exited);
  draft.missing.push_back("the kernel's line with address and library: a process that handles the signal itself leaves none");
  exclude_timeout(draft, c);
  rule_out(draft, "death.oom-cgroup", "a killed process says nothing");
  return draft;
}

// Killed by its master because it had not left in time: at a reload it is what the configuration says, so no warning.
std::optional<Draft> by_force(const Case& c) {
  if (c.life.forced == no_fact) return std::nullopt;
  Draft draft = draft_about(c.look, "death.stopped-by-master", c.life);
  draft.sure = Confidence::certain;
  draft.sure_because = "the master's own line says that it does not wait any longer";
  if (c.life.asked == Asked::reload) draft.level = Level::note;
  draft.values["gave_up"] = "it had not left in the time that its server gives for that";
  because(draft, c.life.asked_by);
  because(draft, c.life.forced);
  because(draft, c.life.reaped);
  rule_out(draft, "death.oom-cgroup", "the SIGKILL was its master's own");
  if (const auto request = request_of(c.look, c.life)) because(draft, request->because);
  return draft;
}

// uWSGI tells signals from exits, but neither the code nor whether SIGTERM was sent to the worker itself: its handler exits too.
std::optional<Draft> by_leave_untold(const Case& c) {
  if (!c.life.left || c.life.exit_code || c.life.asked != Asked::nobody) return std::nullopt;
  const bool busy = c.life.busy != no_fact;
  Draft draft = draft_about(c.look, busy ? "death.exited" : "death.unknown", c.life);
  draft.values["detail"] = "with a code that its log does not tell";
  because(draft, c.life.reaped);
  because(draft, c.life.busy, "the count of requests goes on from one that was never answered");
  if (busy) {
    draft.sure = Confidence::likely;
    draft.sure_because = "no signal ended it, and it was in a request: the application, or what it calls, ended the process";
  } else {
    draft.truth = Truth::unknown;
    draft.sure_because = "no signal ended it; an exit of the application and a SIGTERM sent to the worker itself read the same in this log";
    draft.missing.push_back("its wait status and who sends signals: triage watch");
  }
  exclude_timeout(draft, c);
  rule_out(draft, "death.oom-cgroup", "the kernel kills with SIGKILL, and the log says that no signal ended it");
  return draft;
}

// "Child process [N] died", "no longer exists": of some servers' log that is all, or a number that may be a signal or a code.
std::optional<Draft> by_bare_word(const Case& c) {
  // An end that the log gives to nobody is another life's, where one is known to have ended.
  if (c.life.pid == 0 && std::any_of(c.server.lives.begin(), c.server.lives.end(), [&](LifeId id) { const Life& other = c.look.stack.lives[id]; return other.pid && (other.ended_known || other.oom != no_fact || other.crash != no_fact); }))
    return std::nullopt;
  if (gunicorn(c) || c.life.reaped == no_fact || c.life.signal || c.life.exit_code || c.life.left || c.life.asked != Asked::nobody || c.life.exiting != no_fact) return std::nullopt;
  Draft draft = draft_about(c.look, "death.unknown", c.life);
  draft.truth = Truth::unknown;
  draft.sure_because = c.life.told ? fmt::format("the log calls {0} a signal; an exit with {0} reads the same (mod_wsgi takes a code for a signal)", *c.life.told)
                                   : fmt::format("{} says only that it ended: a kill for memory, kill -9, a crash and an exit read the same", server_text(c.server));
  because(draft, c.life.reaped);
  draft.missing.push_back("the kernel log of that moment: journalctl -k, or dmesg");
  draft.missing.push_back("its wait status: triage watch");
  exclude_oom(draft, c);
  return draft;
}

std::optional<Draft> by_fault(const Case& c) {
  const bool fault = (c.life.signal && is_fault(*c.life.signal)) || (c.life.told && is_fault(*c.life.told) && c.life.crash != no_fact);
  // Without the server's word (<= 20.0 prints none) the kernel's line about this very pid is enough, if the worker did not go on.
  if (!fault && (c.life.signal || c.life.crash_join != Join::by_pid || c.life.exiting != no_fact)) return std::nullopt;
  Draft draft = draft_about(c.look, "death.crashed", c.life);
  const bool own_abort_unseen = c.life.signal == 6 && c.life.crash == no_fact && c.life.exited == no_fact;
  draft.sure = own_abort_unseen ? Confidence::likely : Confidence::certain;
  draft.sure_because = c.life.crash != no_fact && c.life.reaped != no_fact ? "the server's log and the kernel log agree"
                       : own_abort_unseen                                  ? "the master's own line names the signal; abort() of its own raises it, and so does kill -ABRT"
                       : c.life.reaped != no_fact                          ? "the master's own line names the signal"
                       : c.life.exited != no_fact                          ? "its wait status names the signal"
                                                                           : "the kernel log names its pid";
  because(draft, c.life.reaped);
  because(draft, c.life.exited);
  because(draft, c.life.crash, c.life.crash_join == Join::by_elimination ? "the kernel prints the thread's id; the only such crash" : "");
  const auto* crash = c.life.crash == no_fact ? nullptr : as<KernelCrash>(fact_of(c, c.life.crash));
  if (crash && !crash->library.empty()) draft.values["library"] = base::printable(crash->library, 60);
  if (crash && !crash->address.empty()) draft.values["address"] = base::printable(crash->address, 40);
  if (!c.life.signal) draft.values["signal"] = base::signal_text(c.life.told.value_or(11));
  if (!crash) draft.missing.push_back("the kernel's line with address and library: a process that handles the signal itself (faulthandler) leaves none");
  exclude_timeout(draft, c);
  if (const auto request = request_of(c.look, c.life)) because(draft, request->because);
  return draft;
}

// At a stop the master waits for graceful_timeout and then kills (arbiter.py, stop()); its SIGKILL and a worker's silence both show it.
std::optional<Draft> by_stop(const Case& c) {
  if (c.life.role != Role::worker || c.server.stop_asked == no_fact || c.life.replaced) return std::nullopt;
  const bool silent = !c.life.signal && !c.life.exit_code && c.life.exiting == no_fact && c.server.stopped != no_fact;
  if (!silent && c.life.signal != 9) return std::nullopt;
  auto graceful = model::number_setting(c.server, "graceful_timeout");
  const auto asked = when_of(c.look, c.server.stop_asked), stopped = when_of(c.look, c.server.stopped);
  const auto waited = seconds_between(asked, silent ? stopped : c.life.ended);
  // The setting not seen: the default of 30 s (config.py, GracefulTimeout) counts when the master lived on and went right after the kill; who
  // stops a container or a unit by force takes the master too.
  if (const auto lived_on = seconds_between(c.life.ended, stopped); gunicorn(c) && !graceful && !silent && lived_on && *lived_on >= 0 && *lived_on <= 2) graceful = 30;
  // Killed long before the graceful timeout ran out: not by the master's own rule, as far as the settings are known.
  if (!waited || !graceful || *waited + 1.0 < *graceful || *waited > *graceful + 3) return std::nullopt;
  Draft draft = draft_about(c.look, "death.stopped-by-master", c.life);
  draft.caused_by_rule = "worker.ignores-term";
  draft.values["gave_up"] = fmt::format("it had not left after graceful_timeout ({:g} s)", *graceful);
  if (!draft.when) draft.when = stopped;
  draft.sure = Confidence::likely;
  draft.sure_because = silent ? fmt::format("it never said that it exits, and the stop took {}: the graceful timeout", seconds_text(*waited))
                              : fmt::format("SIGKILL came {} after the stop began, when the graceful timeout of {:g} s was over", seconds_text(*waited), *graceful);
  because(draft, c.server.stop_asked);
  because(draft, c.life.reaped, hint_note(c));
  because(draft, c.server.stopped);
  if (c.life.hint) rule_out(draft, "death.oom-cgroup", "\"Perhaps out of memory?\" is printed for every SIGKILL; this one was the master's own");
  exclude_timeout(draft, c);
  if (const auto request = request_of(c.look, c.life)) because(draft, request->because);
  return draft;
}

// Was its own master seen sending it this signal?
bool sent_by_master(const Case& c, int signal) {
  const int master = master_host_pid(c);
  return master && std::any_of(c.life.witnesses.begin(), c.life.witnesses.end(), [&](FactId id) {
    const auto* sent = as<SignalSent>(fact_of(c, id));
    return sent && sent->signal == signal && sent->sender == master;
  });
}

// Of a server whose log cannot be read, some ends look alike from outside: a stop that the master asked for and a stranger's SIGTERM, the exit of
// a timeout's first stage (1) or of a boot that failed (3, 4) and one of the application's own. Where signals are seen (BPF) the first two are told
// apart.
std::optional<Draft> by_unheard(const Case& c) {
  if (!c.server.silent || c.life.role != Role::worker || c.life.exited == no_fact) return std::nullopt;
  const bool signals_seen = as<ProcessExited>(fact_of(c, c.life.exited))->by == "bpf";
  const bool stop = c.life.signal && *c.life.signal == 15 && !signals_seen;
  const int code = c.life.exit_code.value_or(0);
  if (!stop && !(code == 1 && !signals_seen) && code != 3 && code != 4) return std::nullopt;
  Draft draft = draft_about(c.look, "death.unknown", c.life);
  draft.truth = Truth::unknown;
  draft.sure_because = stop        ? "it ended by SIGTERM, which its master sends at a stop or a reload, and anybody else may have sent"
                       : code == 1 ? "it exited with 1, as after its master's SIGABRT (a timeout), and as an application may by itself"
                                   : fmt::format("it exited with {}, as a worker that failed to boot does, and as an application may by itself", code);
  draft.missing.push_back("the server's own log, which says which");
  if (!signals_seen) draft.missing.push_back("who sends signals: triage watch with BPF");
  because(draft, c.life.exited);
  rule_out(draft, "death.oom-cgroup", "the kernel kills for memory with SIGKILL");
  return draft;
}

// In a container whose pids nothing maps: the kernel killed processes of this kind, and the server's own cgroup counts a kill for each of its deaths
// by SIGKILL. The counter is as old as the cgroup, and what else runs in it counts, too: an indirect witness.
std::optional<Draft> by_container(const Case& c) {
  if (c.life.signal != 9 || c.life.timed_out != no_fact || c.life.asked != Asked::nobody || !may_be_a_kill(c)) return std::nullopt;
  const FactId counter = own_counter(c);
  if (counter == no_fact) return std::nullopt;
  const auto& memory = std::get<evidence::CgroupMemory>(fact_of(c, counter).what);
  const auto killed = std::count_if(c.look.stack.lives.begin(), c.look.stack.lives.end(), [&](const Life& other) { return other.server == c.life.server && other.signal == 9 && other.timed_out == no_fact && other.asked == Asked::nobody; });
  if (memory.limit == 0 || *memory.oom_kills < static_cast<std::uint64_t>(killed)) return std::nullopt;
  Draft draft = draft_about(c.look, "death.oom-cgroup", c.life);
  draft.sure = Confidence::likely;
  draft.sure_because = fmt::format("its cgroup counts {} and it lost {} by SIGKILL; the kernel's line is there, but names the pids of outside", base::counted(*memory.oom_kills, "OOM kill"), base::counted(static_cast<std::uint64_t>(killed), "worker"));
  draft.values["cgroup"] = base::printable(memory.path, 120);
  draft.values["limit"] = base::bytes_text(memory.limit);
  because(draft, counter);
  because(draft, c.life.reaped, hint_note(c));
  draft.missing.push_back("the host pid of this worker: triage watch on the host");
  exclude_timeout(draft, c);
  return draft;
}

std::optional<Draft> by_signal(const Case& c) {
  if (!c.life.signal || *c.life.signal == 9 || is_fault(*c.life.signal) || sent_by_master(c, *c.life.signal)) return std::nullopt;
  // manage_workers repeats SIGTERM, and the second one may meet the interpreter at its end (gunicorn PR #2908): the worker had been asked,
  // or had said goodbye.
  if (*c.life.signal == 15 && (c.life.asked != Asked::nobody || c.life.exiting != no_fact)) return std::nullopt;
  Draft draft = draft_about(c.look, "death.signalled", c.life);
  draft.sure = Confidence::certain;
  draft.sure_because = c.life.reaped != no_fact ? "the master's own line names the signal; who sent it is not known" : "its wait status names the signal";
  // nginx says whom a signal came from.
  const auto* event = c.life.reaped == no_fact ? nullptr : as<ProxyEvent>(fact_of(c, c.life.reaped));
  if (event && event->sender) {
    draft.values["sender"] = fmt::format("pid {}", event->sender);
    draft.sure_because = "the worker's own line names the signal and the pid it came from";
  }
  because(draft, c.life.reaped);
  because(draft, c.life.exited);
  draft.missing.push_back("the sender: triage watch sees who sends a signal");
  if (const auto* known = flavour::flavour(c.server.flavour); known && !gunicorn(c) && known->timeout.signal == *c.life.signal && known->timeout.scope != flavour::Scope::none && cut_before(c)) {
    draft.rule = "death.unknown";
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = fmt::format("its own timeout ends a worker by {} too, and the log begins right here: the line before it is not in it", base::signal_text(*c.life.signal));
    draft.missing.push_back("the log before it was rotated or cut");
  }
  exclude_timeout(draft, c);
  return draft;
}

// Without the kernel's log: the server's cgroup has a limit, and since the watch attached it counted as many OOM kills as processes of the server
// died by SIGKILL. It counts every process in it, so it is an indirect witness, and says nothing where it counts fewer.
std::optional<Draft> by_counter(const Case& c) {
  const FactId counter = c.look.moved_counters[c.life.server];
  if (c.life.signal != 9 || counter == no_fact || c.life.exited == no_fact || c.life.timed_out != no_fact || c.life.asked != Asked::nobody) return std::nullopt;
  if (model::covering_kernel_log(c.look.stack, c.look.evidence, c.life.ended)) return std::nullopt;
  const auto& memory = std::get<evidence::CgroupMemory>(fact_of(c, counter).what);
  const auto killed = std::count_if(c.look.stack.lives.begin(), c.look.stack.lives.end(), [&](const Life& other) { return other.server == c.life.server && other.signal == 9 && other.exited != no_fact; });
  const std::uint64_t counted = *memory.oom_kills - *memory.oom_kills_before;
  if (memory.limit == 0 || counted < static_cast<std::uint64_t>(killed)) return std::nullopt;
  Draft draft = draft_about(c.look, "death.oom-cgroup", c.life);
  draft.sure = Confidence::likely;
  draft.sure_because = fmt::format("SIGKILL without a timeout, and the cgroup counts {} since the watch attached; the kernel's line, which would name the pid, was not seen", base::counted(counted, "OOM kill"));
  draft.values["cgroup"] = base::printable(memory.path, 120);
  draft.values["limit"] = base::bytes_text(memory.limit);
  because(draft, counter);
  because(draft, c.life.exited);
  because(draft, c.life.reaped);
  draft.missing.push_back("the kernel log of that moment: journalctl -k, or dmesg");
  exclude_timeout(draft, c);
  return draft;
}

std::optional<Draft> by_sigkill(const Case& c) {
  if (c.life.signal != 9) return std::nullopt;
  Draft draft = draft_about(c.look, "death.killed-by-other", c.life);
  because(draft, c.life.reaped, hint_note(c));
  because(draft, c.life.exited);
  draft.values["sender"] = "an operator, the service manager or the container runtime";
  const bool covered = model::covering_kernel_log(c.look.stack, c.look.evidence, c.life.ended).has_value();
  FactId counter = no_fact;
  const bool clear = counters_clear(c, counter);
  const bool timeout_seen = c.life.role == Role::master || cut_before(c) ? c.life.role == Role::master : would_log(c.server, flavour::Ending::timeout_abort).value_or(false);
  const bool possible_oom = may_be_a_kill(c);
  if ((covered || clear) && timeout_seen && !possible_oom) {
    draft.sure = Confidence::likely;
    draft.sure_because = covered ? "SIGKILL without a timeout, and the kernel log covers this moment without a hole and names no kill of it" : "SIGKILL without a timeout, and the cgroup counts no OOM kill";
    because(draft, counter);
  } else {
    draft.rule = "death.unknown";
    draft.truth = Truth::unknown;
    draft.sure_because = possible_oom ? "the kernel killed processes of this kind for memory, but nothing maps the container's pids to the kernel's"
                                      : "SIGKILL leaves no word of its sender in the server's log, and no kernel log covers this moment";
    draft.missing.push_back(possible_oom ? "the host pid of this worker: triage watch on the host" : "the kernel log of that moment: journalctl -k, or dmesg; oom_kill in the cgroup's memory.events");
    draft.missing.push_back("the sender of the signal: triage watch");
  }
  exclude_others(draft, c);
  return draft;
}

// A boot failure is the server's, and the boot check has the words; a code of 3 or 4 without the exception that a failed boot logs is the
// application's own (gunicorn facts 1.1-3).
bool failed_boot(const Case& c) {
  if (c.life.boot_failed != no_fact) return true;
  if (!gunicorn(c) && c.life.exit_code && c.life.ready == no_fact && (!c.server.boot_refused.empty() || never_ready(c.look, c.server) >= 2)) return true;
  if (!c.life.exit_code || (*c.life.exit_code != 3 && *c.life.exit_code != 4) || c.life.ready != no_fact) return false;
  const auto age = seconds_between(c.life.started, c.life.ended);
  return *c.life.exit_code == 4 && gunicorn(c) ? !age || *age < 10 : !c.server.boot_refused.empty();
}

// Before 26.1 a master that is pid 1 reports every reparented orphan as its worker; a worker's birth stands in the log, an orphan's does not.
bool never_a_worker(const Case& c) { return c.life.role == Role::worker && c.life.booted == no_fact && c.server.seen_start && c.server.master == 1; }

std::optional<Draft> by_exit(const Case& c) {
  if (!c.life.exit_code || *c.life.exit_code == 0 || failed_boot(c) || never_a_worker(c)) return std::nullopt;
  Draft draft = draft_about(c.look, "death.exited", c.life);
  draft.values["detail"] = fmt::format("with code {}", *c.life.exit_code);
  draft.sure = Confidence::certain;
  draft.sure_because = c.life.reaped != no_fact && !c.life.left ? "the master's own line names the exit code" : "its wait status names the exit code";
  because(draft, c.life.reaped);
  because(draft, c.life.exited);
  exclude_timeout(draft, c);
  if (*c.life.exit_code == 3 || *c.life.exit_code == 4) rule_out(draft, "boot.app-not-found", "no worker logged an exception while it booted; the code is the application's own");
  rule_out(draft, "death.oom-cgroup", "it exited with a code; a killed process has none");
  return draft;
}

// "terminated normally, exit code 0" (mod_wsgi) and nobody had asked it to.
std::optional<Draft> by_plain_exit(const Case& c) {
  if (gunicorn(c) || c.life.role != Role::worker || c.life.reaped == no_fact || c.life.exit_code != 0 || c.life.asked != Asked::nobody || c.life.exiting != no_fact || c.life.draining != no_fact) return std::nullopt;
  Draft draft = draft_about(c.look, "death.exited", c.life);
  draft.values["detail"] = "with code 0";
  draft.sure = Confidence::likely;
  draft.sure_because = "the master's own line says that no signal ended it, and nothing asked it to stop";
  because(draft, c.life.reaped);
  exclude_timeout(draft, c);
  rule_out(draft, "death.oom-cgroup", "the kernel kills with SIGKILL, and the log says that no signal ended it");
  return draft;
}

// "Shutdown requested" is what mod_wsgi's process says at SIGTERM or SIGINT. At a stop or a restart its master asks; here it started another one.
std::optional<Draft> by_own_handler(const Case& c) {
  const auto* draining = c.life.draining == no_fact ? nullptr : as<WorkerDraining>(fact_of(c, c.life.draining));
  if (!draining || draining->why != "signal" || c.life.asked != Asked::nobody || c.life.reaped == no_fact || c.life.signal || c.life.exit_code.value_or(0) != 0 || c.life.timed_out != no_fact) return std::nullopt;
  Draft draft = draft_about(c.look, "death.signalled", c.life);
  draft.values["signal"] = "SIGTERM or SIGINT";
  draft.sure = Confidence::likely;
  draft.sure_because = "its own handler of the signal spoke, and its master neither stopped nor restarted";
  because(draft, c.life.draining);
  because(draft, c.life.reaped);
  draft.missing.push_back("the sender: triage watch sees who sends a signal");
  exclude_timeout(draft, c);
  rule_out(draft, "death.oom-cgroup", "a killed process says nothing");
  return draft;
}

// Code 0 and no "Worker exiting", which gunicorn prints at INFO for every end but os._exit and a signal's default action (arbiter.py:605@20.1.0,
// :770@26.2.2). Only a watcher sees the code: no version logs a 0.
bool left_without_a_word(const Case& c) {
  const Life& life = c.life;
  if (life.role != Role::worker || life.exited == no_fact || life.exit_code != 0 || life.booted == no_fact || !flavour::like_gunicorn(c.server.flavour)) return false;
  if (life.asked != Asked::nobody || life.exiting != no_fact || life.draining != no_fact || life.orphaned != no_fact || life.timed_out != no_fact || life.boot_failed != no_fact) return false;
  if (c.server.stop_asked != no_fact || c.server.stopped != no_fact || c.server.halted != no_fact || c.server.crashed != no_fact) return false;
  if (c.server.log_level != "info" && c.server.log_level != "debug") return false;
  return std::none_of(life.witnesses.begin(), life.witnesses.end(), [&](FactId id) { return as<SignalSent>(fact_of(c, id)) != nullptr; });
}

std::optional<Draft> by_quiet_exit(const Case& c) {
  if (!left_without_a_word(c)) return std::nullopt;
  Draft draft = draft_about(c.look, "death.exited", c.life);
  draft.values["exit_code"] = "0";
  draft.values["detail"] = "with code 0";
  draft.sure = Confidence::likely;
  draft.sure_because = "its wait status is 0, nobody asked it to stop, and it skipped gunicorn's own \"Worker exiting\", as os._exit does";
  because(draft, c.life.exited);
  because(draft, c.life.booted);
  exclude_timeout(draft, c);
  rule_out(draft, "death.oom-cgroup", "it exited with a code; a killed process has none");
  rule_out(draft, "death.recycled", "its log has no \"Autorestarting worker\"");
  return draft;
}

// The server halted for an exit code of 3 or 4 that this version does not log: the worker that said nothing had it, or the one that left first.
std::optional<Draft> by_halt(const Case& c) {
  if (c.life.role != Role::worker || c.server.reason == no_fact || c.life.signal || c.life.exit_code || !c.server.boot_refused.empty() || c.server.stop_asked != no_fact) return std::nullopt;
  const std::string& reason = std::get<MasterStopped>(fact_of(c, c.server.reason).what).reason;
  const bool three = base::contains(reason, "failed to boot"), four = base::contains(reason, "failed to load");
  if (!three && !four) return std::nullopt;
  LifeId culprit = model::no_life;
  std::size_t silent = 0;
  FactId earliest = no_fact;
  for (const LifeId id : c.server.lives) {
    const Life& other = c.look.stack.lives[id];
    if (other.boot_failed != no_fact || other.exit_code) return std::nullopt;
    if (other.exiting == no_fact && other.timed_out == no_fact && !other.replaced) { culprit = id; ++silent; }
    else if (silent == 0 && other.exiting < earliest) { earliest = other.exiting; culprit = id; }
  }
  if (silent > 1 || culprit != c.life.id) return std::nullopt;
  // Exit 4 comes from an application that could not be found, unless the worker had served for a while.
  const auto age = seconds_between(c.life.started, when_of(c.look, c.server.reason));
  if (four && (!age || *age < 10)) return std::nullopt;
  Draft draft = draft_about(c.look, "death.exited", c.life);
  draft.sure = Confidence::likely;
  draft.sure_because = fmt::format("the master halted for an exit code {}, no worker logged a failed boot, and this worker {}", three ? 3 : 4, silent ? "is the only one that never said goodbye" : "left first");
  draft.values["exit_code"] = three ? "3" : "4";
  draft.values["detail"] = three ? "with code 3" : "with code 4";
  if (!draft.when) draft.when = when_of(c.look, c.server.reason);
  because(draft, c.server.reason);
  because(draft, c.life.exiting);
  rule_out(draft, "boot.app-not-found", "no worker logged \"Exception in worker process\"");
  return draft;
}

bool tells_nothing(const Server& server) {
  const flavour::Flavour* const known = flavour::flavour(server.flavour);
  return known && known->tells != flavour::Tells::status;
}

std::optional<Draft> by_silence(const Case& c) {
  if (c.life.role != Role::worker || !c.life.replaced || c.life.signal || c.life.exit_code) return std::nullopt;
  const bool kill = would_log(c.server, flavour::Ending::signal_kill).value_or(false), code = would_log(c.server, flavour::Ending::exit_nonzero).value_or(false);
  Draft draft = draft_about(c.look, "death.exited", c.life);
  for (const FactId id : c.life.witnesses) because(draft, id);
  if (kill && !tells_nothing(c.server)) {
    draft.sure = Confidence::likely;
    draft.sure_because = code ? fmt::format("{} would have logged a signal or a non-zero code; it was replaced without a line, so it exited with 0", server_text(c.server))
                              : fmt::format("{} logs every signal but no exit code; it was replaced without a line, so it exited by itself", server_text(c.server));
    if (code) draft.values["exit_code"] = "0";
    draft.values["detail"] = code ? "with code 0" : "with a code that this version does not log";
    rule_out(draft, "death.killed-by-other", "this version logs every death by a signal at this level");
  } else {
    draft.rule = "death.unknown";
    draft.truth = Truth::unknown;
    draft.sure_because = fmt::format("{} logs no ends of workers: only the next boot shows that it is gone", server_text(c.server));
    draft.missing.push_back("its wait status: triage watch");
  }
  exclude_timeout(draft, c);
  return draft;
}

// "Worker exiting" with nobody asking: sys.exit in the application, or a SIGTERM sent to the worker itself. Its own line does not say which.
std::optional<Draft> by_leaving(const Case& c) {
  const Life& life = c.life;
  if (life.role != Role::worker || life.exiting == no_fact || life.asked != Asked::nobody || life.orphaned != no_fact || life.boot_failed != no_fact || life.signal || life.timed_out != no_fact) return std::nullopt;
  if (!c.server.seen_start || c.server.halted != no_fact) return std::nullopt;
  // Workers leave when their master crashes or halts; only one that left well before that left on its own.
  const FactId end = c.server.crashed != no_fact ? c.server.crashed : c.server.stopped;
  if (end != no_fact) {
    const auto before = seconds_between(life.ended, when_of(c.look, end));
    if (!before || *before < 3) return std::nullopt;
  }
  Draft draft = draft_about(c.look, "death.unknown", life);
  draft.truth = Truth::unknown;
  draft.sure_because = "it left in good order, but nobody asked it to in this log: the application called sys.exit, or somebody sent SIGTERM to the worker itself";
  because(draft, life.exiting);
  draft.missing.push_back("who asked it to leave: triage watch sees signals and exit codes");
  rule_out(draft, "death.oom-cgroup", "a killed process says nothing");
  exclude_timeout(draft, c);
  return draft;
}

void advise_upgrade(Draft& draft, const Server& server) {
  if (server.flavour == "gunicorn" && (server.family.empty() || base::starts_with(server.family, "20"))) draft.values["upgrade"] = "move to gunicorn 21 or later: it logs signals by name and exit codes";
}

// One of several was replaced without a line: the new boot is the only trace.
Draft by_heir(const Look& look, const Server& server, const Life& heir) {
  std::vector<std::string> pids;
  for (const LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    if (id < heir.id && !life.ended_known) pids.push_back(std::to_string(life.pid));
  }
  Draft draft = draft_about(look, "death.unknown", server);
  draft.truth = Truth::unknown;
  draft.subject.pid = draft.subject.host_pid = 0;
  draft.subject.role = draft.values["role"] = "worker";
  draft.when = heir.started;
  if (pids.size() <= 4) {
    draft.values["pid"] = pids.front();
    for (std::size_t i = 1; i < pids.size(); ++i) draft.values["pid"] += (i + 1 == pids.size() ? " or " : ", ") + pids[i];
  } else {
    draft.values["pid"] = fmt::format("(one of {})", pids.size());
  }
  draft.subject.also = std::move(pids);
  const bool kill = would_log(server, flavour::Ending::signal_kill).value_or(false), code = would_log(server, flavour::Ending::exit_nonzero).value_or(false);
  draft.sure_because = fmt::format("worker {} was booted while enough seemed to live; {} {}", heir.pid, server_text(server),
                                   code   ? "logs every signal and every code but 0, so one exited with 0 by itself"
                                   : kill ? "logs signals but no exit codes, so one exited by itself"
                                          : "logs no ends of workers");
  draft.group = "heirs of " + std::to_string(&server - look.stack.servers.data());
  if (draft.when) draft.values["when"] = base::clock_text(*draft.when);
  advise_upgrade(draft, server);
  because(draft, heir.booted);
  draft.missing.push_back("which one, and how it ended: triage watch sees every exit");
  return draft;
}

// What this server makes of a worker's end, and of the signal that its master ended by: what else is to be done about it.
void say_consequences(Draft& draft, const Case& c) {
  const flavour::Flavour* const known = flavour::flavour(c.server.flavour);
  if (!known || gunicorn(c) || draft.level == Level::note) return;
  if (c.life.role == Role::worker) {
    const auto then = flavour::on_worker_death(*known, c.server.family);
    if (then == flavour::OnWorkerDeath::left_dead)
      draft.first.push_back({"now", fmt::format("start the server anew: {} puts no other worker in the place of one that ended", server_text(c.server)), "", "running requests", ""});
    else if (then == flavour::OnWorkerDeath::ends_server)
      draft.first.push_back({"then", fmt::format("let the service manager start it again whatever its exit status: {} stops as a whole when one worker ends", server_text(c.server)), "", "nothing", "[Service]\nRestart=always"});
    return;
  }
  if (c.life.role != Role::master || !c.life.signal) return;
  const std::string name = base::signal_text(*c.life.signal);   // "SIGHUP"
  const flavour::Kind kind = flavour::kind_of(*known, c.server.worker_class);
  const flavour::Meaning* const meaning = flavour::meaning_of(kind.signals, std::string_view(name).substr(name.starts_with("SIG") ? 3 : 0));
  if (meaning && !meaning->pitfall.empty()) draft.first.push_back({"then", fmt::format("know what {} makes of {}: it {}; {}", c.server.flavour, name, meaning->does, meaning->pitfall), "", "nothing", ""});
  if (kind.on_master_death == flavour::OnMasterDeath::workers_serve)
    draft.first.push_back({"now", fmt::format("look for its workers: those of {} serve on without it and hold its socket (triage finds them; end them, then start it anew)", c.server.flavour), "", "their running requests", ""});
}

using Cause = std::optional<Draft> (*)(const Case&);
constexpr Cause causes[] = {by_oom, by_watch, by_timeout, by_force, by_userspace, by_supervisor, by_last_words, by_fault, by_leave_untold, by_own_handler, by_stop, by_unheard, by_signal, by_counter, by_container, by_sigkill, by_exit, by_plain_exit, by_quiet_exit, by_halt, by_silence, by_bare_word, by_leaving};

// A master's end without a direct witness of a killer is the business of the master check, which reads its last words.
bool left_to_master_check(const Life& life) {
  return life.role == Role::master && life.oom == no_fact && life.sent == no_fact && life.userspace_kill == no_fact && life.unit_kill == no_fact && life.signal != 9 && !(life.signal && is_fault(*life.signal));
}

// What the dead of one cause were doing, where most of them did the same: "17 of 19 were in GET /report".
void tell_requests(std::vector<Draft>& drafts) {
  std::map<std::string, std::map<std::string, std::size_t>> counts;
  std::map<std::string, std::size_t> sizes;
  const auto key = [](const Draft& draft) { return draft.rule + " " + draft.group; };
  for (const Draft& draft : drafts) {
    ++sizes[key(draft)];
    const auto request = draft.values.find("request");       // was_doing says more of it: how long, from whom
    if (request != draft.values.end()) ++counts[key(draft)][request->second.substr(0, request->second.find('?'))];
  }
  for (Draft& draft : drafts) {
    const auto& of_group = counts[key(draft)];
    if (sizes[key(draft)] < 2 || of_group.empty()) continue;
    const auto most = std::max_element(of_group.begin(), of_group.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most->second < 2) continue;
    draft.was_doing.requests = draft.values["requests"] = fmt::format("{} of {} were in {}", most->second, sizes[key(draft)], base::printable(most->first, 80));
  }
}

// Its master said just before that it kills it for its memory (uWSGI's evil-reload): checks/limits.cpp has that finding.
bool killed_for_a_limit(const Look& look, const Life& life) {
  if (life.signal != 9 || life.oom != no_fact) return false;
  const auto& ids = look.evidence.ids_of<LimitPassed>();
  return std::ranges::any_of(ids, [&](FactId id) {
    const Fact& fact = look.evidence.facts[id];
    if (fact.about.pid != life.pid || !as<LimitPassed>(fact)->killed) return false;
    return !fact.when || !life.ended || fact.when->clock != life.ended->clock || (fact.when->at <= life.ended->at && life.ended->at - fact.when->at <= 60 * base::second_ns);
  });
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const Life& life : look.stack.lives) {
    if (life.server == SIZE_MAX || left_to_master_check(life) || killed_for_a_limit(look, life)) continue;
    const Case c{look, life, look.stack.servers[life.server]};
    for (const Cause cause : causes) {
      if (auto draft = cause(c)) {
        advise_upgrade(*draft, c.server);
        say_consequences(*draft, c);
        drafts.push_back(std::move(*draft));
        break;
      }
    }
  }
  for (const Server& server : look.stack.servers)
    for (const LifeId heir : server.heirs) drafts.push_back(by_heir(look, server, look.stack.lives[heir]));
  tell_requests(drafts);
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check death = {"death",
                            {"death.timeout", "death.oom-cgroup", "death.oom-host", "death.oom-userspace", "death.killed-by-probe", "death.killed-by-other", "death.stopped-by-master", "death.crashed",
                             "death.exited", "death.signalled", "death.unknown"},
                            look_at};
}
}  // namespace rule
