// Settings from everywhere, in gunicorn's order: defaults (with WEB_CONCURRENCY and PORT) < file < GUNICORN_CMD_ARGS < command line (app/base.py).
#pragma once

#include <string>

#include "base/result.hpp"
#include "options.hpp"
#include "prefork/settings.hpp"

namespace server {

struct Sources {
  Options command_line, environment;
  std::string port, concurrency;     // PORT, WEB_CONCURRENCY
};

/// Reads the file anew; the rest stays as it was at the start.
base::Result<prefork::Settings> read_settings(const Sources& sources);

/// A file's text into settings. Unknown names are errors, with their place and the name that was meant.
base::Result<> apply_file(prefork::Settings& settings, const std::string& text, const std::string& file);

}  // namespace server
