// Lines of the application whose cause is known from their text; at most likely, for a text can be printed for other reasons too. The limits
// among them (descriptors, threads, processes) are what the kernel refused.
#include <fmt/format.h>

#include <map>
#include <set>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

bool ambiguous(std::string_view kind) { return kind.ends_with('?'); }

std::string rule_of(std::string_view kind) {
  if (ambiguous(kind)) kind.remove_suffix(1);
  static const std::map<std::string_view, std::string> rules{{"shared-connection", "fork.shared-connection"}, {"cuda-after-fork", "fork.cuda"},         {"too-many-files", "limit.descriptors"},
                                                             {"no-threads", "limit.threads"},                 {"memory-error", "memory.limit-in-process"}, {"fork-failed", "limit.processes"}};
  const auto found = rules.find(kind);
  return found == rules.end() ? "" : found->second;
}

// What an exception's type and text tell together. epoll answers EEXIST for a descriptor that another process put into the same set; an
// ASGI application called with WSGI's two arguments misses the third (and the other way round).
std::string rule_of(const AppFailed& failed) {
  if (failed.type == "FileExistsError" && (base::contains(failed.where, "selectors.py") || base::contains(failed.where, "epoll"))) return "fork.shared-epoll";
  if (failed.type == "TypeError" && base::contains(failed.message, "missing") && base::contains(failed.message, "'send'")) return "worker.class-mismatch";
  // uvicorn calls with three: __call__() takes 3 positional arguments but 4 were given, app() takes 2 ... but 3 were given.
  if (failed.type == "TypeError" && base::contains(failed.message, "positional arguments but ") && (base::contains(failed.message, "but 3 were given") || base::contains(failed.message, "but 4 were given")) &&
      (base::contains(failed.where, "uvicorn/") || base::contains(failed.where, "asgiref/"))) return "worker.class-mismatch";
  if (failed.type == "BlockingIOError" && base::contains(failed.message, "[Errno 11]") && (base::contains(failed.where, "subprocess.py") || base::contains(failed.where, "popen_fork.py"))) return "limit.processes";
  return "";
}

// What is usually meant by exceptions that are no fault of the line they come from. Said beside the note, as likely at most.
struct Meaning { std::string_view type, text, where, means, step; };
constexpr Meaning meanings[] = {
    {"RecursionError", "", "ssl.py", "gevent patched ssl after it was imported", "patch first: gevent.monkey.patch_all() before anything imports ssl, requests or urllib3 (top of gunicorn.conf.py)"},
    {"", "remaining connection slots are reserved", "", "the database is out of connections", "count them: workers x threads x pool size must stay below max_connections; or put a pooler (pgbouncer) between"},
    {"", "too many clients already", "", "the database is out of connections", "count them: workers x threads x pool size must stay below max_connections; or put a pooler (pgbouncer) between"},
    {"", "Too many connections", "", "the database is out of connections", "count them: workers x threads x pool size must stay below max_connections"},
    {"", "max number of clients reached", "", "redis is out of connections", "count the clients (redis-cli client list); raise maxclients, or bound the pool of each worker"},
    {"", "QueuePool limit of size", "", "every connection of this worker's pool is in use: they leak, or threads outnumber the pool", "pool_size + max_overflow at least the number of threads; close sessions when the request ends"},
    {"", "Temporary failure in name resolution", "", "DNS did not answer", "getent hosts NAME as the server's user; look at /etc/resolv.conf in its container"},
    {"", "Name or service not known", "", "the name does not exist for this host", "getent hosts NAME as the server's user; look at /etc/resolv.conf in its container"},
    {"", "No space left on device", "", "a disk or tmpfs is full, or out of inodes", "df -h and df -i for /tmp, the log folder and worker_tmp_dir"},
    {"", "Connection reset by peer", "", "the other side closed the connection", "retry once on a fresh connection; keep idle connections shorter than the other side does (pool_recycle, pool_pre_ping)"},
    {"", "server closed the connection unexpectedly", "", "the database ended the connection: restarted, failed over, or idle for too long", "look at the database's own log of that second; pool_pre_ping, pool_recycle"},
    {"", "SSL connection has been closed unexpectedly", "", "the database ended the connection: restarted, failed over, or idle for too long", "look at the database's own log of that second; pool_pre_ping, pool_recycle"},
    {"", "SSL SYSCALL error: EOF detected", "", "the database ended the connection: restarted, failed over, or idle for too long", "look at the database's own log of that second; pool_pre_ping, pool_recycle"},
    {"", "MySQL server has gone away", "", "the database ended an idle connection (wait_timeout), or restarted", "pool_recycle below wait_timeout, pool_pre_ping"},
    {"", "Lost connection to MySQL server", "", "the database ended the connection while it was used", "look at the database's own log of that second; max_allowed_packet, net_read_timeout"},
    {"", "another operation is in progress", "", "two tasks use one connection at the same time", "take one connection a task from a pool; make the pool in each worker, not at import"},
    {"", "another command is already in progress", "", "two threads use one connection at the same time", "take one connection a thread from a pool; make the pool in each worker, not at import"},
    {"", "database is locked", "", "SQLite lets one process write at a time", "another database for several workers, or a longer busy timeout"},
    {"", "Address already in use", "", "the application listens on a port of its own, and every worker tries to", "start that listener (metrics, debugger) in one process only, or give each worker a port"},
    {"", "Connection refused", "", "nobody listens where the application connects to", "is that service up, and is the address right inside this container"},
    {"RecursionError", "", "", "a function that calls itself without end, or very deep data", "read the repeating frames of the traceback"},
};

const Meaning* meaning_of(const AppFailed& failed) {
  for (const Meaning& one : meanings)
    if ((one.type.empty() || failed.type == one.type) && (one.text.empty() || base::contains(failed.message, one.text)) && (one.where.empty() || base::contains(failed.where, one.where))) return &one;
  return nullptr;
}

// nginx, or another proxy, at its own limit.
void refused_to_proxy(const Look& look, std::vector<Draft>& drafts) {
  for (const std::string_view kind : {"too-many-files", "too-many-connections"}) {
    std::vector<FactId> ids;
    for (const FactId id : look.evidence.ids_of<ProxyError>())
      if (const auto* row = as<ProxyError>(look.evidence.facts[id]); row && row->kind == kind) ids.push_back(id);
    if (ids.empty()) continue;
    Draft draft;
    draft.rule = "limit.descriptors";
    draft.sure = Confidence::certain;
    draft.sure_because = "the proxy's own line names it";
    draft.subject.server = "nginx";
    draft.subject.role = "server";
    draft.when = look.evidence.facts[ids.front()].when;
    draft.values["server"] = "nginx";
    draft.values["role"] = "worker";
    draft.values["count"] = std::to_string(ids.size());
    const bool connections = kind == "too-many-connections";
    draft.values["limit"] = connections ? ": worker_connections is used up, each of them one or two descriptors" : "";
    draft.first.push_back({"then", connections ? "raise worker_connections (events), and worker_rlimit_nofile to twice that" : "raise worker_rlimit_nofile (main context of nginx.conf), above twice worker_connections", "", "nothing: nginx -s reload",
                           connections ? "worker_connections 4096;" : "worker_rlimit_nofile 8192;"});
    draft.group = "proxy " + std::string(kind);
    because(draft, ids.front());
    if (ids.size() > 1) because(draft, ids.back());
    drafts.push_back(std::move(draft));
  }
}

// Which process ran out: the one whose pid the line carries. Standard error carries none.
void name_speaker(const Look& look, const Server& server, const Fact& line, Draft& draft) {
  const int pid = line.by ? line.by : line.about.pid;
  draft.values["detail"] = "a process";
  draft.subject.pid = pid;
  draft.subject.host_pid = 0;
  draft.subject.role = pid && pid == server.master ? "master" : "worker";
  if (pid && pid == server.master) draft.values["detail"] = "the master";
  for (const model::LifeId id : server.lives)
    if (pid && look.stack.lives[id].pid == pid) draft.values["detail"] = name_of(look.stack.lives[id]);
}

// A symptom of sharing after a fork needs something that was made before it: without preload_app the master imports nothing.
bool without_preload(const Server& server) {
  const auto preload = model::text_setting(server, "preload_app");
  return preload && *preload != "True" && *preload != "true";
}

// The kernel refused somebody something, and no server here says that it was refused: whether it was one of its own is not known.
void refused_by_kernel(const Look& look, std::vector<Draft>& drafts) {
  for (const FactId id : look.evidence.ids_of<KernelRefused>()) {
    const auto* refused = as<KernelRefused>(look.evidence.facts[id]);
    if (!refused || (refused->kind != "pids" && refused->kind != "file-max")) continue;
    bool told = false;
    for (const Server& server : look.stack.servers) told |= !server.symptoms.empty() || server.crashed != no_fact || !server.boot_refused.empty();
    if (told) return;
    Draft draft;
    draft.rule = refused->kind == "pids" ? "limit.processes" : "limit.descriptors";
    draft.truth = Truth::unknown;
    draft.level = Level::note;  // whoever it was, nothing here shows that it hurt
    draft.sure_because = "the kernel refused somebody; no server that is seen here says that it was refused";
    draft.subject.role = "server";
    draft.when = look.evidence.facts[id].when;
    draft.values["server"] = "a process on this host";
    if (refused->kind == "pids") draft.values["kind"] = "the pids limit of " + (refused->who.empty() ? std::string("its cgroup") : base::printable(refused->who, 80));
    draft.group = draft.rule;
    because(draft, id);
    draft.missing.push_back("who was refused: the server's own log of that moment, and pids.events of its cgroup");
    drafts.push_back(std::move(draft));
  }
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  refused_by_kernel(look, drafts);
  refused_to_proxy(look, drafts);
  for (const Server& server : look.stack.servers) {
    std::map<std::string, std::vector<FactId>> of_rule, weak;
    for (const FactId id : server.symptoms) {
      const std::string& kind = std::get<AppSymptom>(look.evidence.facts[id].what).kind;
      if (const auto rule = rule_of(kind); !rule.empty()) (ambiguous(kind) ? weak : of_rule)[rule].push_back(id);
    }
    // What is as usual for a database that went away counts beside a text that is not, and else only where something can be shared at all.
    const auto preload = model::text_setting(server, "preload_app");
    const bool preloads = preload && (*preload == "True" || *preload == "true");
    std::set<std::string> doubtful;
    for (auto& [rule, ids] : weak) {
      if (!of_rule.contains(rule) && !preloads) continue;
      if (!of_rule.contains(rule)) doubtful.insert(rule);
      auto& all = of_rule[rule];
      all.insert(all.end(), ids.begin(), ids.end());
    }
    for (const FactId id : server.failures)
      if (const auto rule = rule_of(*as<AppFailed>(look.evidence.facts[id])); !rule.empty()) of_rule[rule].push_back(id);
    // Before the first worker it is a failed boot, and the boot check has the words.
    const bool booted = !server.lives.empty() || !flavour::like_gunicorn(server.flavour);
    for (const auto& [rule, ids] : of_rule) {
      if ((!booted && rule != "worker.class-mismatch") || !server.boot_refused.empty() || (server.crashed != no_fact && base::starts_with(rule, "limit."))) continue;
      const Fact& first = look.evidence.facts[ids.front()];
      Draft draft = draft_about(look, rule, server);
      draft.sure = Confidence::likely;
      draft.sure_because = "this text has one usual cause; the log alone cannot prove it";
      draft.when = first.when;
      draft.values["count"] = std::to_string(ids.size());
      const auto* failed = as<AppFailed>(first);
      draft.values["message"] = draft.values["detail"] = base::printable(failed ? failed->type + ": " + failed->message : std::get<AppSymptom>(first.what).text, 160);
      if (failed && !failed->where.empty()) draft.values["where"] = base::printable(failed->where, 120);
      if (rule == "memory.limit-in-process") name_speaker(look, server, first, draft);
      // A master other than gunicorn's opens nothing while it runs: where the line names nobody, it was one of its workers.
      if (rule == "limit.descriptors" && !flavour::like_gunicorn(server.flavour)) {
        const int pid = first.by ? first.by : first.about.pid;
        const bool master = pid && pid == server.master;
        draft.subject.role = draft.values["role"] = master ? "master" : pid ? "worker" : "worker (which one is not said)";
        draft.subject.pid = pid;
        draft.subject.host_pid = 0;
        draft.values["pid"] = pid ? std::to_string(pid) : "";
        if (!pid) draft.subject.role = "worker";
      }
      if (rule == "worker.class-mismatch") draft.values["message"] = "the application speaks another protocol: " + draft.values["message"];
      for (const FactId id : ids)
        if (draft.because.size() < 3) because(draft, id);
      if (doubtful.contains(rule)) {
        draft.truth = Truth::unknown;
        draft.sure = Confidence::unknown;
        draft.sure_because = "preload_app is on, so something may be shared; but this text is as usual when the other side went away";
        draft.missing.push_back("the other side's own log of that second; and whether workers hold one socket: triage on the live host compares them");
      }
      if (base::starts_with(rule, "fork.") && without_preload(server)) {
        draft.truth = Truth::unknown;
        draft.sure = Confidence::unknown;
        draft.sure_because = "this text is usual for what is shared over a fork, but preload_app is off, so the master imports nothing that could be shared";
        draft.missing.push_back("whether the application forks by itself, or a hook opens it in the master: triage on the live host compares their sockets");
      }
      if (rule == "worker.class-mismatch" && server.worker_class.empty()) {
        draft.truth = Truth::unknown;
        draft.sure = Confidence::unknown;
        draft.sure_because = "this is how an ASGI application fails on a WSGI worker; which class runs is not known";
        draft.missing.push_back("the worker class: the start of the log, or the server's command line");
      }
      drafts.push_back(std::move(draft));
    }
    // Exceptions in requests: a note, grouped by type and place.
    std::map<std::string, std::vector<FactId>> by_place;
    for (const FactId id : server.failures) {
      const auto& failed = *as<AppFailed>(look.evidence.facts[id]);
      // The server's own way out at INT, QUIT or a timeout is no fault of the application.
      if (failed.type == "SystemExit" && base::contains(failed.where, "gunicorn/workers/")) continue;
      if (!failed.type.empty()) by_place[failed.type + " " + failed.where].push_back(id);
    }
    for (const auto& [place, ids] : by_place) {
      const Fact& first = look.evidence.facts[ids.front()];
      const auto& failed = *as<AppFailed>(first);
      Draft draft = draft_about(look, "app.exception", server);
      draft.subject.role = "worker";
      draft.subject.pid = first.by;
      draft.subject.host_pid = 0;
      draft.sure = Confidence::certain;
      draft.sure_because = "the application's own traceback";
      draft.when = first.when;
      draft.values["type"] = base::printable(failed.type, 60);
      draft.values["message"] = base::printable(failed.message, 160);
      draft.values["where"] = base::printable(failed.where, 120);
      if (!failed.uri.empty()) draft.values["uri"] = draft.values["request"] = base::printable((failed.method.empty() ? "" : failed.method + " ") + failed.uri, 120);
      draft.values["count"] = std::to_string(ids.size());
      draft.values["requests"] = failed.phase == "stdio" ? "the application printed, " + base::counted(ids.size(), "time") + ":" : base::counted(ids.size(), "request") + " failed with";
      because(draft, ids.front());
      if (const Meaning* const meaning = meaning_of(failed)) {
        draft.values["hint_note"] = "; usually: " + std::string(meaning->means);
        draft.first.push_back({"now", std::string(meaning->step), "", "nothing", ""});
      }
      drafts.push_back(std::move(draft));
      if (drafts.size() > 20) return drafts;
    }
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check symptoms = {"symptoms", {"fork.shared-connection", "fork.shared-epoll", "fork.cuda", "worker.class-mismatch", "limit.descriptors", "limit.threads", "limit.processes", "memory.limit-in-process", "app.exception"}, look_at};
}
}  // namespace rule
