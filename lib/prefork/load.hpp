// Finding the application that `module:symbol` names.
#pragma once

#include <string>
#include <string_view>

#include "prefork/app.hpp"

namespace prefork {

struct Loaded {
  const App* app = nullptr;      // lives as long as the process: a shared object is never unloaded
  int status = 0;                // without an app: 3 it could not be imported, 4 it is no application; gunicorn's exit codes
  std::string type, text;        // of the exception that Python would have raised
};

/// "app:application", "./dir/app.so:symbol", "app" (symbol `application`), "builtin:hello". A module is a path if it holds a slash or ends in .so;
/// else NAME.so in the working directory. dlopen runs the object's constructors. `argument` goes to its load() when `start` is true.
Loaded load_app(std::string_view name, const std::string& argument, bool start);

}  // namespace prefork
