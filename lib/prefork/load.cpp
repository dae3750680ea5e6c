#include "prefork/load.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <vector>

#include "base/near.hpp"
#include "base/text.hpp"
#include "prefork/built_in.hpp"

namespace prefork {
namespace {

Loaded refuse(int status, std::string type, std::string text) { return {nullptr, status, std::move(type), std::move(text)}; }

Loaded checked(const App* app, std::string_view symbol, const std::string& argument, bool start) {
  if (app->abi != app_abi) return refuse(4, "AppImportError", fmt::format("'{}' was compiled for interface {}, this server has {}", base::printable(symbol, 80), app->abi, app_abi));
  if (!app->handle) return refuse(4, "AppImportError", "Application object must be callable.");
  if (start && app->load)
    if (const int code = app->load(argument.c_str()); code != 0) return refuse(3, "RuntimeError", fmt::format("load({}) of the application returned {}", base::printable(argument, 200), code));
  return {app, 0, "", ""};
}

}  // namespace

Loaded load_app(std::string_view name, const std::string& argument, bool start) {
  if (name.empty()) return refuse(1, "", "No application module specified.");
  const auto colon = name.rfind(':');
  const std::string module(name.substr(0, colon)), symbol(colon == std::string_view::npos ? "application" : name.substr(colon + 1));
  if (module == "builtin") {
    if (const BuiltIn* found = built_in(symbol)) return checked(&found->app, symbol, argument, start);
    std::vector<std::string_view> known;
    for (const BuiltIn* one : apps()) known.push_back(one->name);
    return refuse(4, "AppImportError", fmt::format("Failed to find attribute '{}' in 'builtin'.{}", base::printable(symbol, 80), base::did_you_mean(symbol, known)));
  }
  if (symbol.empty()) return refuse(4, "AppImportError", fmt::format("Failed to parse '{}' as an attribute name or function call.", base::printable(symbol, 80)));
  std::string path = module.find('/') != std::string::npos || module.ends_with(".so") ? module : module + ".so";
  if (path.find('/') == std::string::npos) path = "./" + path;
  if (::access(path.c_str(), F_OK) != 0) {
    // gunicorn's own remedy for "gunicorn app.py" (util.py import_app).
    if (::access(module.c_str(), F_OK) == 0 && (module.ends_with(".cpp") || module.ends_with(".cc") || module.ends_with(".c")))
      return refuse(3, "ImportError", fmt::format("Failed to find application, did you mean '{}:{}'?", base::printable(module.substr(0, module.rfind('.')), 200), base::printable(symbol, 80)));
    return refuse(3, "ModuleNotFoundError", fmt::format("No module named '{}' ({} does not exist)", base::printable(module, 200), base::printable(path, 200)));
  }
  void* object = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!object) {
    const char* why = ::dlerror();
    return refuse(3, "ImportError", base::printable(why ? why : "dlopen failed", 400));
  }
  const auto* app = static_cast<const App*>(::dlsym(object, symbol.c_str()));
  if (!app) return refuse(4, "AppImportError", fmt::format("Failed to find attribute '{}' in '{}'.", base::printable(symbol, 80), base::printable(module, 200)));
  return checked(app, symbol, argument, start);
}

}  // namespace prefork
