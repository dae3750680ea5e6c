// A reload that went well and changed nothing: with preload_app the application stays as the master imported it (gunicorn facts 3.4).
#include "base/text.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
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
