// "module:name" against the module itself, where its source lies here: the name that gunicorn will look for (gunicorn/util.py import_app), and
// what it will call.
#include <algorithm>

#include "base/near.hpp"
#include "base/text.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::LoadedApplication;
using model::Backend;
using model::Choice;
using model::Deployment;
using model::Spot;
using parse::python::Name;

// Where the setting's text stands in a command or a file.
Spot text_spot(const Deployment& all, const Choice& app) {
  const Spot& at = app.at;
  if (!at.known() || at.file >= all.files.size() || at.end <= at.at) return at;
  const std::string& text = all.files[at.file].text;
  const std::string_view raw = std::string_view(text).substr(at.at, at.end - at.at);
  const auto found = raw.rfind(app.value.text);
  if (found == std::string_view::npos) return at;
  const auto place = parse::settings::place_at(text, at.at + found, at.at + found + app.value.text.size());
  return {at.file, place.line, place.column, place.at, place.end};
}

// A function that takes no request: gunicorn would call it with (environ, start_response).
bool is_factory(const Name& name) { return name.kind == Name::Kind::function && !name.decorated && !name.coroutine && !name.any_arguments && name.positional < 2; }

bool looks_like_app(const parse::python::Module& module, const Name& name) {
  for (const std::string_view usual : {"app", "application", "api", "create_app", "make_app"}) if (name.name == usual) return true;
  if (name.kind != Name::Kind::call) return false;
  const std::string made = module.full(name.of);
  for (const std::string_view maker : {"Flask", "FastAPI", "Starlette", "get_wsgi_application", "get_asgi_application", "create_app"}) if (made.ends_with(maker)) return true;
  return false;
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    if (!server.application) continue;
    const Choice* setting = model::only_choice(server.settings, "wsgi_app");
    if (!setting) continue;
    const LoadedApplication& app = *server.application;
    const Spot at = text_spot(all, *setting);
    const std::string whole = setting->value.text;
    if (app.missing) {
      drafts.push_back(lint_draft(all, "gunicorn.app-not-found", at, {{"value", whole}, {"detail", "the package has no module " + app.module}, {"better", "a module that is there"}}));
      continue;
    }
    if (app.source < 0) { drafts.push_back(lint_unknown(all, "gunicorn.app-not-found", at, "the source of " + app.module)); continue; }
    const model::Source& source = all.sources[static_cast<std::size_t>(app.source)];
    const auto bound = source.what.bound(app.attribute);
    const std::string& shown = all.files[source.file].shown;
    if (bound.empty()) {
      if (source.what.open || source.what.wrong_line != 0) { drafts.push_back(lint_unknown(all, "gunicorn.app-not-found", at, "the names that " + shown + " gets from elsewhere")); continue; }
      // A module of that name that holds no application is another one than the server loads.
      if (std::ranges::none_of(source.what.names, [&](const Name& name) { return name.function.empty() && looks_like_app(source.what, name); })) { drafts.push_back(lint_unknown(all, "gunicorn.app-not-found", at, "whether " + shown + " is the module that it loads")); continue; }
      std::vector<std::string_view> names;
      std::string likely;
      const Name* there = nullptr;
      for (const Name& name : source.what.names) {
        if (!name.function.empty()) continue;
        names.push_back(name.name);
        if (likely.empty() && looks_like_app(source.what, name)) { likely = name.name + (name.kind == Name::Kind::function ? "()" : ""); there = &name; }
      }
      if (likely.empty()) likely = base::nearest(app.attribute, names);
      Draft draft = lint_draft(all, "gunicorn.app-not-found", at, {{"value", whole}, {"detail", shown + " binds no name " + app.attribute}, {"better", likely.empty() ? "a name that it binds" : app.module + ":" + likely}});
      if (there) also(all, draft, {source.file, there->at.line, there->at.column, 0, 0});
      if (!likely.empty() && likely.find('(') == std::string::npos && at.end - at.at == whole.size()) edit(all, draft, at.file, at.at, at.end, app.module + ":" + likely, false);
      drafts.push_back(std::move(draft));
      continue;
    }
    if (app.called || !std::ranges::all_of(bound, [](const Name* name) { return is_factory(*name); })) continue;
    const Name& factory = *bound.front();
    Draft draft = lint_draft(all, "gunicorn.app-not-found", at, {{"value", whole}, {"detail", app.attribute + " in " + shown + " is a function that makes the application"}, {"better", "'" + app.module + ":" + app.attribute + "()'"}});
    also(all, draft, {source.file, factory.at.line, factory.at.column, 0, 0});
    drafts.push_back(std::move(draft));
  }
}

}  // namespace

namespace lints_of {
extern const Lint app_path = {"app_path", {"gunicorn.app-not-found"}, look};
}

}  // namespace rule
