// What the application speaks against what the worker class does: an ASGI application on a WSGI worker answers every request with 500 (TypeError:
// missing 'send'), and the other way round.
#include <algorithm>

#include "base/text.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::LoadedApplication;
using model::Backend;
using model::Choice;
using model::Deployment;
using Speaks = LoadedApplication::Speaks;

// Subclasses may speak both: only uvicorn's own names count.
bool is_uvicorn(std::string_view name) {
  return name == "uvicorn.workers.UvicornWorker" || name == "uvicorn.workers.UvicornH11Worker" || name == "uvicorn_worker.UvicornWorker" || name == "uvicorn_worker.UvicornH11Worker";
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    const auto classes = server.settings.find("class");
    if (!server.application || classes == server.settings.end()) continue;
    const LoadedApplication& app = *server.application;
    for (const Choice& choice : classes->second) {
      // The class may stand in an environment that is not followed here: an env_file, a ConfigMap.
      const Choice* named = model::only_choice(server.settings, "worker_class");
      const bool elsewhere = named && named->from == model::From::built_in && std::ranges::any_of(all.files, [](const model::File& file) { return base::contains(file.text, "GUNICORN_CMD_ARGS"); });
      const std::string kind = choice.value.known() && !elsewhere ? choice.value.text : "";
      const bool threads = kind == "sync" || kind == "gthread" || kind == "gevent" || kind == "eventlet" || kind == "tornado";
      const Choice* written = model::only_choice(server.settings, "worker_class");
      const bool events = kind == "asgi" || (kind == "uvicorn" && written && is_uvicorn(written->value.text));
      if (app.speaks == Speaks::unknown || kind.empty()) {
        for (const char* rule : {"gunicorn.asgi-app-on-wsgi-worker", "gunicorn.wsgi-app-on-uvicorn-worker"}) drafts.push_back(lint_unknown(all, rule, choice.at, kind.empty() ? "the worker class" : "what " + app.module + ":" + app.attribute + " speaks"));
        break;
      }
      const char* rule = app.speaks == Speaks::asgi && threads ? "gunicorn.asgi-app-on-wsgi-worker" : app.speaks == Speaks::wsgi && events ? "gunicorn.wsgi-app-on-uvicorn-worker" : nullptr;
      if (!rule) continue;
      Draft draft = lint_draft(all, rule, choice.at, {{"value", kind}, {"name", app.made_by}, {"path", app.module + ":" + app.attribute}, {"under", choice.when.empty() ? "" : " when " + choice.when}});
      also(all, draft, app.made);
      drafts.push_back(std::move(draft));
    }
  }
}

}  // namespace

namespace lints_of {
extern const Lint app_interface = {"app_interface", {"gunicorn.asgi-app-on-wsgi-worker", "gunicorn.wsgi-app-on-uvicorn-worker"}, look};
}

}  // namespace rule
