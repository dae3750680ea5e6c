// gevent's two traps: what was imported before sockets were patched, and drivers in C that no patch reaches. gunicorn patches in the worker, after the
// fork (workers/ggevent.py init_process); with preload_app the application is imported before that, and the configuration file always is.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Deployment;
using model::Spot;
using parse::python::Import;
using parse::python::Module;
using parse::settings::Dialect;
using std::string_view_literals::operator""sv;

const parse::python::Call* patch_of(const Module& module) {
  for (const auto& call : module.calls)
    if (call.function.empty() && module.full(call.callee) == "gevent.monkey.patch_all") return &call;
  return nullptr;
}

// What opens sockets or takes locks and is bound to the unpatched ones by its import.
bool suffers(std::string_view module) {
  const std::string_view first = module.substr(0, module.find('.'));
  constexpr std::array names{"requests"sv, "urllib3"sv, "ssl"sv, "httplib2"sv, "boto3"sv, "botocore"sv, "redis"sv, "pymongo"sv, "flask"sv, "django"sv, "sqlalchemy"sv, "celery"sv, "kombu"sv, "grpc"sv, "httpx"sv};
  return std::ranges::find(names, first) != names.end();
}

const Import* first_victim(const Module& module, std::uint32_t before) {
  for (const Import& import : module.imports)
    if (import.function.empty() && import.at.line < before && suffers(import.module)) return &import;
  return nullptr;
}

void patches(const Deployment& all, const Backend& server, const Choice& kind, std::vector<Draft>& drafts) {
  constexpr auto rule = "gunicorn.gevent-late-patch";
  const auto say = [&](std::uint32_t file, const Import& import, const std::string& detail) {
    Draft draft = lint_draft(all, rule, {file, import.at.line, import.at.column, 0, 0}, {{"name", import.module}, {"detail", detail}});
    also(all, draft, kind.at);
    drafts.push_back(std::move(draft));
  };
  Module config;
  if (server.config != model::no_file) {
    config = parse::python::module_of(all.files[server.config].text);
    const auto* patch = patch_of(config);
    // ssl, and what imports it, recurses without end when it is patched after it was used; the others come from the application mostly.
    for (const Import& import : config.imports)
      if (import.function.empty() && (!patch || import.at.line < patch->at.line) && (import.module == "ssl" || import.module == "requests" || import.module == "urllib3" || import.module == "boto3")) { say(server.config, import, patch ? "before its own monkey.patch_all()" : "and gunicorn patches in the worker, later"); return; }
    if (patch) return;
  }
  const auto preload = server.settings.find("preload_app");
  if (preload == server.settings.end()) return;
  bool on = false, open = false;
  for (const Choice& choice : preload->second) { on = on || (choice.value.known() && choice.value.number != 0); open = open || !choice.value.known(); }
  if (!on) {
    if (open) drafts.push_back(lint_unknown(all, rule, kind.at, "preload_app"));
    return;
  }
  if (!server.application || server.application->source < 0) { drafts.push_back(lint_unknown(all, rule, kind.at, "the application's source")); return; }
  const model::Source& source = all.sources[static_cast<std::size_t>(server.application->source)];
  const auto* patch = patch_of(source.what);
  const Import* victim = first_victim(source.what, patch ? patch->at.line : UINT32_MAX);
  if (!victim) { if (!patch) drafts.push_back(lint_unknown(all, rule, kind.at, "what the application imports")); return; }
  if (!patch && std::ranges::any_of(server.application->imported, [&](int i) { return patch_of(all.sources[static_cast<std::size_t>(i)].what) != nullptr; })) { drafts.push_back(lint_unknown(all, rule, kind.at, "the order of the application's imports")); return; }
  say(source.file, *victim, patch ? "before monkey.patch_all()" : "before the fork (preload_app), and gunicorn patches after it");
}

void drivers(const Deployment& all, const Choice& kind, std::vector<Draft>& drafts) {
  constexpr auto rule = "gunicorn.gevent-blocking-driver";
  Spot at;
  std::string name;
  bool listed = false;
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (base::contains(file.text, "psycogreen") || base::contains(file.text, "set_wait_callback")) return;
    if (file.document.dialect != Dialect::requirements) continue;
    listed = true;
    for (const auto& entry : file.document.entries)
      if (entry.key == "psycopg2" || entry.key == "psycopg2-binary" || entry.key == "mysqlclient") {
        if (!at.known()) { at = {i, entry.key_at.line, entry.key_at.column, entry.key_at.at, entry.key_at.end}; name = entry.key; }
      }
  }
  if (!listed) { drafts.push_back(lint_unknown(all, rule, kind.at, "the packages that are installed")); return; }
  if (!at.known()) return;
  Draft draft = lint_draft(all, rule, at, {{"name", name}, {"value", kind.value.text}, {"better", name == "mysqlclient" ? "PyMySQL, or worker_class gthread" : "psycogreen's patch_psycopg(), psycopg 3, or worker_class gthread"}});
  also(all, draft, kind.at);
  drafts.push_back(std::move(draft));
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    const auto classes = server.settings.find("class");
    if (classes == server.settings.end()) continue;
    for (const Choice& choice : classes->second) {
      if (!choice.value.known()) { for (const char* rule : {"gunicorn.gevent-late-patch", "gunicorn.gevent-blocking-driver"}) drafts.push_back(lint_unknown(all, rule, choice.at, "the worker class")); continue; }
      if (choice.value.text == "gevent") patches(all, server, choice, drafts);
      if (choice.value.text == "gevent" || choice.value.text == "eventlet") drivers(all, choice, drafts);
    }
  }
}

}  // namespace

namespace lints_of {
extern const Lint app_gevent = {"app_gevent", {"gunicorn.gevent-late-patch", "gunicorn.gevent-blocking-driver"}, look};
}

}  // namespace rule
