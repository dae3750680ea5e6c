// The applications that servers load: their modules are looked for where the command, its configuration or its folder stands, read and never run.
// What is not here is no finding: a repository may hold the configuration and not the code.
#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "base/words.hpp"
#include "model/code_folders.hpp"

namespace model {

namespace {

using parse::python::Module;
using parse::python::Name;
using Speaks = LoadedApplication::Speaks;

constexpr std::size_t most_sources = 400, most_imported = 32, largest = 1 << 20;
constexpr int deepest = 6, most_steps = 500;

struct Maker { std::string_view name; Speaks speaks; };
// What makes an application, by the name that its package gives it. Wrappers count as what they speak to the server.
constexpr std::array makers{
    Maker{"fastapi.FastAPI", Speaks::asgi}, Maker{"fastapi.applications.FastAPI", Speaks::asgi}, Maker{"starlette.applications.Starlette", Speaks::asgi}, Maker{"quart.Quart", Speaks::asgi},
    Maker{"litestar.Litestar", Speaks::asgi}, Maker{"litestar.app.Litestar", Speaks::asgi}, Maker{"blacksheep.Application", Speaks::asgi}, Maker{"django.core.asgi.get_asgi_application", Speaks::asgi},
    Maker{"channels.routing.ProtocolTypeRouter", Speaks::asgi}, Maker{"asgiref.wsgi.WsgiToAsgi", Speaks::asgi}, Maker{"a2wsgi.WSGIMiddleware", Speaks::asgi}, Maker{"falcon.asgi.App", Speaks::asgi},
    Maker{"socketio.ASGIApp", Speaks::asgi}, Maker{"starlette.middleware.wsgi.WSGIMiddleware", Speaks::asgi},
    Maker{"flask.Flask", Speaks::wsgi}, Maker{"flask.app.Flask", Speaks::wsgi}, Maker{"bottle.Bottle", Speaks::wsgi}, Maker{"bottle.default_app", Speaks::wsgi}, Maker{"falcon.App", Speaks::wsgi}, Maker{"falcon.API", Speaks::wsgi},
    Maker{"django.core.wsgi.get_wsgi_application", Speaks::wsgi}, Maker{"a2wsgi.ASGIMiddleware", Speaks::wsgi}, Maker{"whitenoise.WhiteNoise", Speaks::wsgi}, Maker{"socketio.WSGIApp", Speaks::wsgi},
    Maker{"werkzeug.middleware.proxy_fix.ProxyFix", Speaks::wsgi}, Maker{"werkzeug.middleware.dispatcher.DispatcherMiddleware", Speaks::wsgi}};

class Sources {
 public:
  Sources(Deployment& all, const source::Host& host, const parse::nginx::Locate& locate) : all_(all), host_(host), locate_(locate) {}

  void add(Backend& server) {
    const Choice* setting = only_choice(server.settings, "wsgi_app");
    if (!setting || setting->from != From::configured || setting->value.kind != Value::Kind::text) return;
    const auto read = read_name(setting->value.text);
    if (!read) return;
    LoadedApplication application = *read;
    // The same module in two of the folders that it may be loaded from tells nothing, unless the first is the server's own.
    std::vector<std::pair<std::string, std::string>> found;  // folder, path
    for (const std::string& folder : code_folders(all_, server)) {
      const std::string path = module_path(folder, application.module);
      if (!path.empty() && std::ranges::none_of(found, [&](const auto& one) { return one.second == path; })) found.emplace_back(folder, path);
    }
    if (found.empty() && !own_folder(all_, server).empty()) {
      const auto dot = application.module.find('.');
      application.missing = dot != std::string::npos && is_file(own_folder(all_, server) + application.module.substr(0, dot) + "/__init__.py");
    }
    steps_ = 0;
    if (found.size() == 1 || (!found.empty() && found.front().first == own_folder(all_, server))) {
      application.source = source(found.front().first, application.module, found.front().second);
      if (application.source >= 0) {
        follow(application);
        const auto made = made_of(static_cast<std::size_t>(application.source), application.attribute, application.called, 0);
        application.speaks = made.speaks;
        application.made_by = made.name;
        application.made = made.at;
      }
    }
    server.application = std::move(application);
  }

 private:
  struct Made { Speaks speaks = Speaks::unknown; std::string name; Spot at; };

  // gunicorn/util.py import_app: "module:name", "module:name(...)"; without a colon the name is "application".
  static std::optional<LoadedApplication> read_name(const std::string& text) {
    LoadedApplication out;
    const auto colon = text.find(':');
    out.module = text.substr(0, colon);
    out.attribute = colon == std::string::npos ? "application" : text.substr(colon + 1);
    if (const auto open = out.attribute.find('('); open != std::string::npos) {
      out.called = true;
      out.attribute.resize(open);
    }
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
    if (out.module.empty() || out.attribute.empty() || !std::ranges::all_of(out.attribute, plain) || !std::ranges::all_of(out.module, [&](char c) { return plain(c) || c == '.'; })) return std::nullopt;
    return out;
  }

  bool is_file(const std::string& path) const {
    const std::string here = locate_ ? locate_(path) : path;
    if (here.empty()) return false;
    const auto about = host_.stat(here);
    return about && about->kind == source::EntryKind::file;
  }

  std::string module_path(const std::string& folder, std::string name) const {
    std::replace(name.begin(), name.end(), '.', '/');
    if (name.empty() || base::contains(name, "//") || name.front() == '/') return {};
    for (const std::string_view ending : {".py", "/__init__.py"})
      if (is_file(folder + name + std::string(ending))) return folder + name + std::string(ending);
    return {};
  }

  int source(const std::string& folder, const std::string& module, const std::string& path) {
    for (std::size_t i = 0; i < all_.sources.size(); ++i)
      if (all_.files[all_.sources[i].file].path == path) return static_cast<int>(i);
    if (all_.sources.size() >= most_sources) return -1;
    auto text = host_.read(locate_ ? locate_(path) : path, largest);
    if (!text || text->size() >= largest) return -1;
    Source one;
    one.module = module;
    one.folder = folder;
    const auto dot = module.rfind('.');
    one.package = path.ends_with("/__init__.py") ? module : dot == std::string::npos ? "" : module.substr(0, dot);
    one.what = parse::python::module_of(*text);
    const auto known = std::ranges::find(all_.files, path, &File::path);
    one.file = static_cast<std::uint32_t>(known - all_.files.begin());
    if (known == all_.files.end()) {
      File file;
      file.path = path;
      // As the files around it are shown.
      file.shown = shown_path(all_, path);
      file.text = std::move(*text);
      all_.files.push_back(std::move(file));
    }
    all_.sources.push_back(std::move(one));
    return static_cast<int>(all_.sources.size() - 1);
  }

  // The absolute name of an import, "" for one that leads out of the package.
  static std::string absolute(const Source& from, const std::string& module) {
    std::size_t dots = 0;
    while (dots < module.size() && module[dots] == '.') ++dots;
    if (dots == 0) return module;
    std::string package = from.package;
    for (std::size_t i = 1; i < dots; ++i) {
      const auto dot = package.rfind('.');
      if (dot == std::string::npos && package.empty()) return {};
      package = dot == std::string::npos ? "" : package.substr(0, dot);
    }
    const std::string rest = module.substr(dots);
    return package.empty() ? rest : rest.empty() ? package : package + "." + rest;
  }

  int import(std::size_t from, const std::string& module, const std::string& item, bool* is_module = nullptr) {
    const Source& source_of = all_.sources[from];
    const std::string name = absolute(source_of, module), folder = source_of.folder;
    if (name.empty() && item.empty()) return -1;
    if (!item.empty()) {
      const std::string whole = name.empty() ? item : name + "." + item;
      if (const std::string path = module_path(folder, whole); !path.empty()) {
        if (is_module) *is_module = true;
        return source(folder, whole, path);
      }
    }
    const std::string path = name.empty() ? "" : module_path(folder, name);
    return path.empty() ? -1 : source(folder, name, path);
  }

  void follow(LoadedApplication& application) {
    application.imported.push_back(application.source);
    for (std::size_t i = 0; i < application.imported.size() && application.imported.size() < most_imported; ++i) {
      const auto from = static_cast<std::size_t>(application.imported[i]);
      const auto imports = all_.sources[from].what.imports;  // a copy: sources grow below
      for (const auto& one : imports) {
        if (!one.function.empty()) continue;
        const int found = import(from, one.module, one.item == "*" ? "" : one.item);
        if (found >= 0 && application.imported.size() < most_imported && std::ranges::find(application.imported, found) == application.imported.end()) application.imported.push_back(found);
      }
    }
  }

  // What a name of a module holds in the end, followed through factories and imports.
  Made made_of(std::size_t from, const std::string& attribute, bool called, int depth) {
    if (depth > deepest || ++steps_ > most_steps) return {};
    const auto bound = all_.sources[from].what.bound(attribute);
    std::vector<Name> names;
    for (const Name* one : bound) names.push_back(*one);
    Made out;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const Made one = called && names[i].kind == Name::Kind::function ? returned_by(from, names[i], depth + 1) : made_by(from, names[i], called, depth + 1);
      if (i > 0 && one.speaks != out.speaks) return {};
      out = one;
    }
    return out;
  }

  Made made_by(std::size_t from, const Name& name, bool called, int depth) {
    Spot at{all_.sources[from].file, name.at.line, name.at.column, 0, 0};
    if (name.kind == Name::Kind::function && !called) {
      // An application that is written by hand: (environ, start_response) or async (scope, receive, send).
      if (name.coroutine && name.positional == 3) return {Speaks::asgi, "async def " + name.name, at};
      if (!name.coroutine && name.positional == 2) return {Speaks::wsgi, "def " + name.name, at};
      return {};
    }
    if (name.kind == Name::Kind::import) {
      const auto colon = name.of.find(':');
      bool is_module = false;
      const int found = import(from, name.of.substr(0, colon), name.of.substr(colon + 1), &is_module);
      return found < 0 || is_module || colon + 1 >= name.of.size() ? Made{} : made_of(static_cast<std::size_t>(found), name.of.substr(colon + 1), called, depth);
    }
    if (called) return {};
    if (name.kind == Name::Kind::call) return call(from, name.of, name.function, at, depth);
    if (name.kind == Name::Kind::alias && name.of.find('.') == std::string::npos && name.of != name.name) return made_of(from, name.of, false, depth);
    return {};
  }

  Made call(std::size_t from, const std::string& callee, const std::string& function, const Spot& at, int depth) {
    const Module& module = all_.sources[from].what;
    const std::string full = module.full(callee);
    for (const Maker& maker : makers)
      if (full == maker.name) return {maker.speaks, full, at};
    (void)function;
    return callee.find('.') == std::string::npos ? made_of(from, callee, true, depth) : Made{};
  }

  Made returned_by(std::size_t from, const Name& function, int depth) {
    if (function.coroutine) return {};
    const auto returns = all_.sources[from].what.returns;
    Made out;
    bool first = true;
    for (const auto& one : returns) {
      if (one.function != function.name) continue;
      Made made;
      Spot at{all_.sources[from].file, function.at.line, function.at.column, 0, 0};
      if (one.call) made = call(from, one.of, function.name, at, depth);
      else {
        std::vector<Name> names;
        for (const Name* name : all_.sources[from].what.bound(one.of, function.name)) names.push_back(*name);
        for (std::size_t i = 0; i < names.size(); ++i) {
          const Made each = made_by(from, names[i], false, depth);
          made = i > 0 && each.speaks != made.speaks ? Made{} : each;
        }
        if (names.empty() && !one.of.empty() && one.of.find('.') == std::string::npos) made = made_of(from, one.of, false, depth);
      }
      if (++steps_ > most_steps) return {};
      if (!first && made.speaks != out.speaks) return {};
      out = made;
      first = false;
    }
    return out;
  }

  Deployment& all_;
  const source::Host& host_;
  const parse::nginx::Locate& locate_;
  int steps_ = 0;
};

// uwsgi names the module in `module = app:app`, `wsgi = app`, or as a file: `wsgi-file = app.py` with `callable = app`.
std::optional<Backend> uwsgi_backend(const File& file, std::uint32_t index) {
  if (file.document.dialect != parse::settings::Dialect::uwsgi || !file.template_language.empty()) return std::nullopt;
  Backend server;
  server.flavour = "uwsgi";
  server.config = index;
  std::string module, callable;
  const auto put = [&](std::string_view name, std::string value, const Spot& at) { server.settings.insert_or_assign(std::string(name), Choices{{text_value(std::move(value)), "", at, From::configured}}); };
  for (const auto& entry : file.document.entries) {
    const Spot at{index, entry.value_at.line, entry.value_at.column, entry.value_at.at, entry.value_at.end};
    if (entry.section != "uwsgi") continue;
    if (entry.key == "module" || entry.key == "wsgi" || entry.key == "wsgi-file" || entry.key == "wsgi_file") {
      module = entry.value;
      if (const auto slash = module.rfind('/'); module.ends_with(".py") && base::starts_with(module, "/")) {
        put("chdir", module.substr(0, slash), at);
        module.erase(0, slash + 1);
      }
      if (module.ends_with(".py")) { module.resize(module.size() - 3); std::replace(module.begin(), module.end(), '/', '.'); }
      server.at = at;
    } else if (entry.key == "callable") callable = entry.value;
    else if (entry.key == "chdir" || entry.key == "pythonpath") put(entry.key, entry.value, at);
  }
  if (module.empty()) return std::nullopt;
  if (!callable.empty() && module.find(':') == std::string::npos) module += ":" + callable;
  put("wsgi_app", module, server.at);
  return server;
}

}  // namespace

void add_applications(Deployment& all, const source::Host& host, const parse::nginx::Locate& locate) {
  Sources sources(all, host, locate);
  for (Backend& server : all.servers) sources.add(server);
  for (std::uint32_t i = 0, last = static_cast<std::uint32_t>(all.files.size()); i < last; ++i)
    if (auto server = uwsgi_backend(all.files[i], i)) {
      sources.add(*server);
      all.others.push_back(std::move(*server));
    }
}

}  // namespace model
