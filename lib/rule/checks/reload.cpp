// A reload that changes nothing: with preload_app the application stays as the master imported it (gunicorn facts 3.4); with a stale pid file the
// signal goes elsewhere.
#include <fmt/format.h>

#include "base/text.hpp"
#include "rule/live.hpp"

namespace rule {

using namespace evidence;

namespace {

// `kill -HUP $(cat PIDFILE)` with a pid that is not the master's: nothing is reloaded, or another process is hit.
std::optional<Draft> by_pid_file(const Look& look, const LiveServer& live) {
  for (const FactId id : look.evidence.ids_of<PidFileSeen>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* file = as<PidFileSeen>(fact);
    if (!file || live.master.pid == 0 || fact.about.pid != live.master.pid || file->state == "right" || file->state == "unseen") continue;
    const std::string path = base::printable(file->path, 160), master = std::to_string(live.master.pid), named = std::to_string(file->named);
    Draft draft = draft_about(look, "reload.stale-code", live);
    draft.subject.where = path;
    draft.own_steps = true;
    draft.sure = Confidence::certain;
    draft.sure_because = "the file and the processes, read at one moment";
    draft.values["detail"] = "is not reached by a reload through its pid file";
    draft.values["path"] = path;
    if (file->state == "dead") draft.values["reason"] = fmt::format("{} names {}, and no such process lives; its master is {}", path, named, master);
    else if (file->state == "other") draft.values["reason"] = fmt::format("{} names {}, which is another process ({}) and gets the signal; its master is {}", path, named, base::printable(file->comm, 20), master);
    else if (file->state == "missing") draft.values["reason"] = fmt::format("{} is not there any more; its master is {}", path, master);
    else draft.values["reason"] = fmt::format("there is no pid in {}; its master is {}", path, master);
    because(draft, id);
    draft.first.push_back({"now", "reload the master itself: kill -HUP " + master, "", "nothing", ""});
    draft.first.push_back({"then", "let the service manager know the pid (ExecReload=/bin/kill -HUP $MAINPID) and drop --pid; or one pid file for each instance, in a folder that only it writes", "", "a restart", ""});
    return draft;
  }
  return std::nullopt;
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const LiveServer& live : live_servers(look))
    if (auto draft = by_pid_file(look, live)) drafts.push_back(std::move(*draft));
  for (const Server& server : look.stack.servers) {
    if (server.reloads.empty()) continue;
    const auto preload = model::text_setting(server, "preload_app");
    // Set to something that only running the file could tell: then a reload may or may not have brought the new code.
    const auto set = server.settings.find("preload_app");
    const bool depends = !preload && set != server.settings.end() && set->second.from == model::From::configured;
    if (!depends && (!preload || (*preload != "True" && *preload != "true"))) continue;
    Draft draft = draft_about(look, "reload.stale-code", server);
    draft.sure = Confidence::likely;
    draft.sure_because = "preload_app is set: workers forked after a reload run the code that the master imported at its start";
    if (depends) {
      draft.truth = Truth::unknown;
      draft.sure = Confidence::unknown;
      draft.sure_because = "preload_app is not set to a plain value; with it, workers forked after a reload run the old code";
      draft.missing.push_back("the value of preload_app while it runs: gunicorn --print-config in the server's environment");
    }
    draft.when = when_of(look, server.reloads.front());
    draft.values["setting"] = "preload_app";
    const auto& setting = server.settings.at("preload_app");
    draft.values["where"] = setting.where;
    draft.values["count"] = std::to_string(server.reloads.size());
    because(draft, server.reloads.front());
    because(draft, setting.because);
    drafts.push_back(std::move(draft));
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check reload = {"reload", {"reload.stale-code"}, look_at};
}
}  // namespace rule
