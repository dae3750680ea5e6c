// Why a server does not start: what it prints about it, wherever it prints it. After a reload the same words are master.halted-by-reload's.
// Past 300 lines by a few: a table of the words and one function for each kind of failure.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "model/timeline.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

std::string rule_of_kind(std::string_view kind) {
  static const std::map<std::string_view, std::string> rules{
      {"app-not-found", "boot.app-not-found"}, {"import-error", "boot.import-error"}, {"worker-class", "boot.worker-class"}, {"dependency", "boot.dependency"},
      {"config", "boot.config"},               {"usage", "boot.config"},              {"user", "boot.config"},               {"log", "boot.config"},
      {"pidfile", "boot.config"},              {"bind", "boot.bind"},                 {"permission", "boot.permission"},     {"address-in-use", "socket.address-in-use"},
      {"tmp", "boot.permission"},              {"descriptors", "limit.descriptors"},  {"processes", "limit.processes"},      {"threads", "limit.threads"}};
  const auto found = rules.find(kind);
  return found == rules.end() ? "boot.config" : found->second;
}

// An exception while a worker imports the application.
std::string rule_of_exception(const AppFailed& failed) {
  if (base::contains(failed.message, "Too many open files")) return "limit.descriptors";
  if (base::contains(failed.message, "can't start new thread")) return "limit.threads";
  if (base::contains(failed.message, "did you mean") || base::contains(failed.message, "Failed to find")) return "boot.app-not-found";
  if (failed.type == "PermissionError") return "boot.permission";
  if (failed.type == "LoadError" && base::contains(failed.message, "cannot load such file")) return "boot.dependency";
  if (base::contains(failed.type, "ModuleNotFoundError") || (failed.type == "ImportError" && base::contains(failed.message, "No module named"))) return "boot.dependency";
  return "boot.import-error";
}

std::string rule_of_bind(const BindFailed& failed) {
  if (base::contains(failed.reason, "in use")) return "socket.address-in-use";
  if (base::contains(failed.reason, "Permission denied") || base::contains(failed.reason, "not permitted")) return "boot.permission";
  return "boot.bind";
}

void exception_values(Draft& draft, const AppFailed& failed) {
  draft.values["type"] = base::printable(failed.type, 60);
  draft.values["message"] = base::printable(failed.message, 200);
  draft.values["detail"] = draft.values["type"] + (failed.message.empty() ? "" : ": " + draft.values["message"]);
  if (!failed.where.empty()) draft.values["where"] = base::printable(failed.where, 120);
}

Draft start(const Look& look, const std::string& rule, const Server& server) {
  Draft draft = draft_about(look, rule, server);
  draft.subject.role = "server";
  draft.sure = Confidence::certain;
  draft.sure_because = "the server's own words";
  return draft;
}

std::optional<Draft> refused(const Look& look, const Server& server) {
  if (!server.reloads.empty()) return std::nullopt;
  const Fact* chosen = nullptr;
  FactId chosen_id = no_fact;
  // The first exception that names a cause says more than the summary after it.
  for (const FactId id : server.boot_refused) {
    const Fact& fact = look.evidence.facts[id];
    const bool exception = as<AppFailed>(fact) != nullptr;
    if (!chosen || (exception && !as<AppFailed>(*chosen))) { chosen = &fact; chosen_id = id; }
  }
  if (!chosen) return std::nullopt;
  const auto* failed = as<AppFailed>(*chosen);
  const auto* text = as<BootRefused>(*chosen);
  // A worker that fails to boot while others serve (a respawn) halts the server just the same; without a halt it is not over.
  Draft draft = start(look, failed ? rule_of_exception(*failed) : rule_of_kind(text->kind), server);
  if (failed) {
    exception_values(draft, *failed);
    if (chosen->by && chosen->by != server.master) {
      draft.values["role"] = "worker";
      draft.values["pid"] = std::to_string(chosen->by);
    }
  } else {
    draft.values["detail"] = draft.values["message"] = base::printable(text->detail, 200);
  }
  for (const FactId id : server.boot_refused)
    if (draft.because.size() < 4) because(draft, id, flavour::like_gunicorn(server.flavour) && look.evidence.source_of(look.evidence.facts[id]).kind == SourceKind::stdio ? "printed on stderr only" : "");
  because(draft, chosen_id);
  because(draft, server.reason);
  because(draft, server.crashed);
  because(draft, server.halted);
  if (server.halted != no_fact || server.reason != no_fact) rule_out(draft, "master.halted-by-exit-code", "a worker's failed boot is on record");
  // Whoever starts it again and again fails for the same reason: one story.
  draft.group = fmt::format("boot {} {}", chosen->origin.source, draft.values["message"].empty() ? draft.values["detail"] : draft.values["message"]);
  return draft;
}

// The master's loop ended before any worker was booted.
std::optional<Draft> crashed_at_start(const Look& look, const Server& server) {
  if (server.crashed == no_fact || !server.boot_refused.empty()) return std::nullopt;
  for (const model::LifeId id : server.lives)
    if (look.stack.lives[id].booted != no_fact) return std::nullopt;
  const AppFailed* failed = nullptr;
  FactId why = no_fact;
  for (const FactId id : server.master_exceptions)
    if (const auto* one = as<AppFailed>(look.evidence.facts[id])) { failed = one; why = id; }
  std::string rule = "boot.config";
  if (failed) {
    const std::string& message = failed->message;
    if (base::contains(message, "Too many open files")) rule = "limit.descriptors";
    else if (base::contains(message, "not callable")) rule = "boot.worker-class";
    else if (failed->type == "PermissionError" || base::contains(message, "temporary directory") || base::contains(message, "Read-only file system")) rule = "boot.permission";
    else if (base::contains(message, "temporarily unavailable")) rule = "limit.processes";
  }
  Draft draft = start(look, rule, server);
  if (failed) exception_values(draft, *failed);
  because(draft, server.crashed);
  because(draft, why);
  return draft;
}

std::optional<Draft> cannot_bind(const Look& look, const Server& server) {
  if (server.bind_failed.empty() || !server.lives.empty()) return std::nullopt;
  // Retries that ended in a socket are no failure.
  if (!server.listening.empty()) return std::nullopt;
  std::string rule = "boot.bind";
  std::string reason, address;
  bool last = false;
  for (const FactId id : server.bind_failed) {
    const auto& failed = std::get<BindFailed>(look.evidence.facts[id].what);
    const std::string named = rule_of_bind(failed);
    if (named != "boot.bind") rule = named;
    if (!failed.reason.empty()) reason = failed.reason;
    if (!failed.address.empty()) address = failed.address;
    last |= failed.last;
  }
  Draft draft = start(look, rule, server);
  if (!last && server.bind_failed.size() < 5) {
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "the log ends while it still tries" + std::string(flavour::like_gunicorn(server.flavour) ? ": it gives up after the fifth" : "");
    draft.missing.push_back("what came after: the rest of the log, or whether it listens now (ss -ltnx)");
  }
  draft.values["address"] = base::printable(address, 120);
  draft.values["reason"] = reason.empty() ? server.flavour == "gunicorn" ? "this version hides the errno at level DEBUG" : "not said" : base::printable(reason, 160);
  draft.values["detail"] = draft.values["reason"];
  // Workers that outlive their master keep its address until their next loop.
  if (rule == "socket.address-in-use") draft.caused_by_rule = "master.";
  because(draft, server.bind_failed.front());
  because(draft, server.bind_failed.back());
  if (reason.empty() && server.flavour == "gunicorn") draft.missing.push_back("the errno: gunicorn before 23 prints it at level debug only (--log-level debug)");
  return draft;
}

// "App failed to load." or "Worker failed to boot." and nothing else: the true reason went to a stderr that is not here.
std::optional<Draft> reason_elsewhere(const Look& look, const Server& server) {
  if (!server.boot_refused.empty() || server.reason == no_fact || !server.reloads.empty()) return std::nullopt;
  const std::string& reason = std::get<MasterStopped>(look.evidence.facts[server.reason].what).reason;
  if (!base::contains(reason, "failed to load")) return std::nullopt;
  const auto age = seconds_between(server.first, when_of(look, server.reason));
  if (age && *age >= 10) return std::nullopt;
  Draft draft = start(look, "boot.app-not-found", server);
  draft.sure = Confidence::likely;
  draft.sure_because = "exit code 4 right after the start is how gunicorn ends when it finds no application; its text is on stderr only";
  because(draft, server.reason);
  draft.missing.push_back("the text: gunicorn prints it on stderr only, not in the error log");
  return draft;
}

// <= 21 counts the import against the worker timeout: every worker is killed at that age and none ever serves (gunicorn facts 3.1).
std::optional<Draft> boot_loop(const Look& look, const Server& server) {
  const auto limit = model::number_setting(server, "timeout");
  std::size_t killed = 0, others = 0;
  std::vector<FactId> lines;
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    const auto age = seconds_between(life.started, when_of(look, life.timed_out));
    const bool at_age = life.timed_out != no_fact && life.ready == no_fact && life.aborted_in == no_fact && age && limit && *age + 1.0 >= *limit && *age <= *limit + 2.5;
    if (at_age) { ++killed; lines.push_back(life.timed_out); }
    else if (life.ended_known && life.asked == model::Asked::nobody) ++others;
  }
  const bool counts_import = server.family == "20.0" || server.family == "20.1" || server.family == "21";
  // Those that replaced the first ones must have died the same way: workers that are hung by one wave of requests just after the start look
  // alike, but come only once.
  std::optional<base::Instant> first_kill;
  bool again = false;
  for (const model::LifeId id : server.lives)
    if (const auto when = when_of(look, look.stack.lives[id].timed_out); when && (!first_kill || when->at < first_kill->at)) first_kill = when;
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    again |= life.timed_out != no_fact && life.started && first_kill && life.started->at >= first_kill->at;
  }
  if (!counts_import || killed < 2 || others > 0 || !again) return std::nullopt;
  Draft draft = start(look, "boot.loop", server);
  draft.sure = Confidence::likely;
  draft.sure_because = fmt::format("{} workers were killed at just the age of the timeout, none after a request", killed);
  draft.values["count"] = std::to_string(killed);
  for (const FactId id : lines)
    if (draft.because.size() < 4) because(draft, id);
  return draft;
}

// Servers that say when a worker is ready: none ever was, and each that was started exited, with no word of why.
std::optional<Draft> exits_at_boot(const Look& look, const Server& server) {
  const std::size_t exited = never_ready(look, server);
  if (exited < 2 || !server.boot_refused.empty()) return std::nullopt;
  Draft draft = start(look, "boot.loop", server);
  std::optional<base::Instant> first, last;
  std::optional<int> code;
  bool one_code = true;
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    if (!life.exit_code || *life.exit_code == 0) continue;
    one_code &= !code || code == life.exit_code;
    code = life.exit_code;
    if (!first) first = life.started;
    last = life.ended;
    if (draft.because.size() < 4) because(draft, life.reaped);
  }
  draft.sure_because = fmt::format("its own lines: {} workers exited{}, and none ever said that it was ready", exited, one_code && code ? fmt::format(" with code {}", *code) : "");
  draft.values["count"] = std::to_string(exited);
  if (const auto took = seconds_between(first, last); took && *took >= 0) draft.values["age"] = base::duration_text(static_cast<std::int64_t>(*took * 1e9));
  draft.missing.push_back("why: what the application prints when it is loaded by itself, on its standard error");
  rule_out(draft, "death.oom-cgroup", "they exited with a code; a killed process has none");
  return draft;
}

// The server holds back the next one, for those before it died as they started.
std::optional<Draft> respawns_too_fast(const Look& look, const Server& server) {
  if (!server.boot_refused.empty()) return std::nullopt;
  FactId said = no_fact;
  std::size_t times = 0;
  for (const FactId id : server.symptoms)
    if (const auto* symptom = as<AppSymptom>(look.evidence.facts[id]); symptom && symptom->kind == "respawn-loop") { ++times; if (said == no_fact) said = id; }
  if (said == no_fact) return std::nullopt;
  Draft draft = start(look, "boot.loop", server);
  draft.values["count"] = times > 1 ? std::to_string(times) + " times it waited before the next one" : "";
  // It says so as well of workers that it recycles quickly (max-requests).
  std::size_t died = 0;
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    if (life.asked == model::Asked::recycled || life.busy != no_fact) return std::nullopt;
    died += life.reaped != no_fact;
    if (life.reaped != no_fact && draft.because.size() < 3) because(draft, life.reaped);
  }
  if (died < 2) return std::nullopt;
  because(draft, said);
  draft.missing.push_back("why: what the application prints when it is loaded by itself, on its standard error");
  return draft;
}

// Started, and started again, with no worker and no word between: what ends a server before its log is open it prints on stderr.
std::optional<Draft> starts_again(const Look& look, const Server& server) {
  if (!server.seen_start || !server.lives.empty() || !server.boot_refused.empty() || !server.bind_failed.empty() || server.stopped != no_fact || server.crashed != no_fact || server.reason != no_fact) return std::nullopt;
  const Server* next = nullptr;
  for (const Server& other : look.stack.servers)
    if (&other > &server && model::same_log(other, server) && other.seen_start && !next) next = &other;
  const auto apart = next ? seconds_between(server.last, next->first) : std::nullopt;
  if (!apart || *apart < 0 || *apart > 120) return std::nullopt;
  Draft draft = start(look, "boot.loop", server);
  draft.truth = Truth::unknown;
  draft.sure = Confidence::unknown;
  draft.sure_because = "it was started again without a word between; what ends it so early is printed on stderr only";
  draft.group = "again " + std::to_string(server.source);
  draft.missing.push_back("its stderr: journalctl -u UNIT, docker logs, or the terminal");
  return draft;
}

constexpr double slow_boot_s = 10;

// From fork to "Application startup complete.": only workers that say when they are ready (uvicorn's) show it in a log.
void slow(const Look& look, const Server& server, std::vector<Draft>& drafts) {
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    Draft draft = draft_about(look, "boot.slow", life);
    draft.group = "slow" + draft.group;
    draft.was_doing = {};
    const auto took = seconds_between(life.started, when_of(look, life.ready));
    if (life.booted != no_fact && took && *took >= slow_boot_s) {
      draft.when = when_of(look, life.ready);
      draft.sure = Confidence::certain;
      draft.sure_because = "its own lines: forked, and ready only so much later";
      draft.values["age"] = base::duration_text(static_cast<std::int64_t>(*took * 1e9));
      because(draft, life.booted);
      because(draft, life.ready);
      drafts.push_back(std::move(draft));
    }
  }
}

// systemd gave up waiting for "ready". With preload_app the whole import lies before the first line of gunicorn's log.
void start_timeouts(const Look& look, std::vector<Draft>& drafts) {
  for (const FactId id : look.evidence.ids_of<UnitEvent>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* event = as<UnitEvent>(fact);
    if (!event || event->event != "start-timeout" || !base::contains(fact.about.unit, "gunicorn")) continue;
    bool started = false;
    for (const Server& server : look.stack.servers) {
      const auto distance = model::distance_between(look.stack, look.evidence, fact, server.first);
      started |= server.seen_start && distance && distance->ns > 0 && distance->ns < 600 * base::second_ns;
    }
    Draft draft;
    draft.rule = "boot.slow";
    draft.subject.server = "gunicorn";
    draft.subject.role = "master";
    draft.when = fact.when;
    draft.values["server"] = "gunicorn";
    draft.values["role"] = "master";
    draft.values["unit"] = base::printable(fact.about.unit, 80);
    draft.group = "start " + fact.about.unit;
    draft.sure = started ? Confidence::unknown : Confidence::likely;
    draft.sure_because = started ? "systemd waited for a word that did not come; the server's log says that it had started" : "systemd waited for its start until the limit, and the server's log has no start";
    if (started) {
      draft.truth = Truth::unknown;
      draft.missing.push_back("the unit's Type: gunicorn says READY=1 only where it is Type=notify, and Type=forking needs --daemon and a PIDFile");
    }
    because(draft, id);
    drafts.push_back(std::move(draft));
  }
}

std::optional<Draft> control_socket(const Look& look, const Server& server) {
  for (const FactId id : server.control_socket) {
    const auto& control = std::get<ControlSocket>(look.evidence.facts[id].what);
    if (control.problem.empty()) continue;
    Draft draft = start(look, "boot.control-socket", server);
    draft.values["path"] = base::printable(control.path, 120);
    draft.values["detail"] = draft.values["message"] = base::printable(control.problem, 160);
    because(draft, id);
    return draft;
  }
  return std::nullopt;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const Server& server : look.stack.servers) {
    for (const auto cause : {refused, crashed_at_start, cannot_bind, reason_elsewhere, boot_loop, exits_at_boot, respawns_too_fast, starts_again})
      if (auto draft = cause(look, server)) {
        drafts.push_back(std::move(*draft));
        break;
      }
    if (auto draft = control_socket(look, server)) drafts.push_back(std::move(*draft));
    if (std::none_of(drafts.begin(), drafts.end(), [](const Draft& draft) { return draft.rule == "boot.loop"; })) slow(look, server, drafts);
  }
  start_timeouts(look, drafts);
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check boot = {"boot",
                           {"boot.app-not-found", "boot.import-error", "boot.worker-class", "boot.dependency", "boot.config", "boot.bind", "boot.permission", "boot.loop", "boot.control-socket", "boot.slow",
                            "socket.address-in-use", "limit.descriptors", "limit.processes", "limit.threads"},
                           look_at};
}
}  // namespace rule
