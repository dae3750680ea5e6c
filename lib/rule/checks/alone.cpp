// Logs from around a server and none of its own: a kernel log that names what it killed, a proxy's that says who hung up. What they name is
// said, with what would tell whose worker it was.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

// As the kernel prints names: fifteen bytes. Interpreters run servers too; what else died on that machine is not our business.
bool may_be_a_server(std::string_view comm) {
  constexpr std::array names{"python", "pypy", "ruby", "php", "uvicorn", "uwsgi", "puma", "unicorn", "celery", "[celeryd", "apache2", "httpd", "hypercorn", "granian", "Passenger"};
  if (std::any_of(names.begin(), names.end(), [&](const char* name) { return base::starts_with(comm, name); })) return true;
  return std::any_of(flavour::flavours().begin(), flavour::flavours().end(), [&](const flavour::Flavour* known) { return base::starts_with(comm, known->name); });
}

// "gunicorn: worke" is setproctitle's; any other name is a process's, whatever it does.
Draft about_process(const Fact& fact, std::string rule, std::string_view comm, int pid) {
  Draft draft;
  draft.rule = std::move(rule);
  const auto colon = comm.find(": ");
  const bool worker = colon != std::string_view::npos && base::starts_with(comm.substr(colon + 2), "worke"), master = colon != std::string_view::npos && base::starts_with(comm.substr(colon + 2), "maste");
  draft.subject.pid = draft.subject.host_pid = pid;
  draft.subject.role = worker ? "worker" : master ? "master" : "process";
  draft.values["server"] = base::printable(worker || master ? comm.substr(0, colon) : comm, 20);
  draft.values["role"] = draft.subject.role;
  draft.values["pid"] = draft.values["host_pid"] = std::to_string(pid);
  draft.values["comm"] = base::printable(comm, 20);
  draft.when = fact.when;
  draft.group = "alone " + std::string(comm);
  return draft;
}

const std::string whose = "whose worker it was, and what its server logged: give the server's error log beside this (its pids may be those of a container)";

std::optional<Draft> killed_for_memory(const Fact& fact, FactId id) {
  const auto* kill = as<OomKill>(fact);
  if (!kill || kill->forged || !may_be_a_server(kill->comm)) return std::nullopt;
  const bool cgroup = kill->constraint == "memcg" || (kill->constraint.empty() && (!kill->oom_memcg.empty() || base::contains(fact.text, "Memory cgroup")));
  Draft draft = about_process(fact, cgroup ? "death.oom-cgroup" : "death.oom-host", kill->comm, kill->tgid.value_or(kill->pid));
  draft.sure = Confidence::certain;
  draft.sure_because = "the kernel's own record names it";
  if (kill->anon_rss) draft.values["anon_rss"] = base::bytes_text(kill->anon_rss);
  if (kill->limit) draft.values["limit"] = base::bytes_text(kill->limit);
  const std::string& group = kill->oom_memcg.empty() ? kill->task_memcg : kill->oom_memcg;
  if (!group.empty()) draft.values["cgroup"] = base::printable(group, 120);
  because(draft, id);
  draft.missing.push_back(whose);
  rule_out(draft, "death.killed-by-other", "the kernel sent the SIGKILL, not another process");
  return draft;
}

std::optional<Draft> crashed(const Fact& fact, FactId id) {
  const auto* crash = as<KernelCrash>(fact);
  if (!crash || !may_be_a_server(crash->comm)) return std::nullopt;
  Draft draft = about_process(fact, "death.crashed", crash->comm, crash->tid);
  draft.sure = Confidence::likely;
  draft.sure_because = "the kernel's line names it; a program that handles the signal itself may live on, and the number is a thread's";
  draft.values["signal"] = crash->kind == "divide" ? "SIGFPE" : crash->kind == "invalid-opcode" ? "SIGILL" : crash->kind == "bus" ? "SIGBUS" : "SIGSEGV";
  if (!crash->library.empty()) draft.values["library"] = base::printable(crash->library, 60);
  if (!crash->address.empty()) draft.values["address"] = base::printable(crash->address, 40);
  because(draft, id);
  draft.missing.push_back(whose);
  return draft;
}

// The server hung up on a request: its worker was ended in the middle of it, or closed an idle connection as the request came.
std::optional<Draft> hung_up(const Fact& fact, FactId id) {
  const auto* error = as<ProxyError>(fact);
  if (!error || (error->kind != "closed-early" && error->kind != "reset")) return std::nullopt;
  Draft draft;
  draft.rule = "proxy.closed-early";
  // While the request is still being sent the server may have answered early and hung up (413); then the answer went to the client.
  const bool sending = error->phase.find("sending") != std::string::npos;
  draft.truth = sending ? Truth::unknown : Truth::yes;
  draft.sure = sending ? Confidence::unknown : Confidence::certain;
  draft.subject.role = "worker";
  draft.when = fact.when;
  draft.values["upstream"] = base::printable(error->upstream.empty() ? "the server" : error->upstream, 80);
  draft.group = error->upstream;
  draft.sure_because = sending ? "it hung up while the request was being sent, as a server does that answers early" : "nginx's own line; it cannot tell a worker killed for its timeout or for memory, one that crashed, and one that closed a kept connection";
  if (!error->uri.empty()) draft.was_doing.request = draft.values["request"] = base::printable((error->method.empty() ? "" : error->method + " ") + error->uri, 200);
  because(draft, id);
  draft.missing.push_back("why it did: the server's error log and the kernel log of that moment (triage --from both, or triage on that host)");
  return draft;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  if (!look.stack.servers.empty()) return drafts;
  const auto add = [&](const std::vector<FactId>& ids, auto told) {
    for (const FactId id : ids)
      // A live look's kernel log goes back to the boot: what it killed long ago is not what is wrong with this server, whose log is out of reach.
      if (look.evidence.source_of(look.evidence.facts[id]).live) continue;
      else if (auto draft = told(look.evidence.facts[id], id)) drafts.push_back(std::move(*draft));
  };
  add(look.evidence.ids_of<OomKill>(), killed_for_memory);
  add(look.evidence.ids_of<KernelCrash>(), crashed);
  add(look.evidence.ids_of<ProxyError>(), hung_up);
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check alone = {"alone", {"death.oom-cgroup", "death.oom-host", "death.crashed", "proxy.closed-early"}, look_at};
}
}  // namespace rule
