// What a start command of gunicorn sets: its argv or shell line as argparse reads it, GUNICORN_CMD_ARGS, and the two environment variables that
// are defaults. In the flavour room, for the model needs it and a live look as well.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/fact.hpp"

namespace flavour {

/// The index of the first argument after `gunicorn` in a start command: behind VAR=value, an interpreter (`python -m gunicorn`), a wrapper
/// (env, exec, sudo, unshare...). nullopt when it does not start gunicorn.
std::optional<std::size_t> gunicorn_arguments(const std::vector<std::string>& words);

/// True when the shell line, argv or `sh -c '...'` starts gunicorn or a server like it, also through a wrapper (Flavour::recognise is for the
/// process itself).
bool starts_gunicorn(std::string_view args);
/// Which one: "gunicorn", "reference"; "" when none.
std::string_view gunicorn_started(std::string_view args);

/// `args`: a shell line, or words separated by NUL. `environment`: GUNICORN_CMD_ARGS, WEB_CONCURRENCY, PORT as assignments separated by NUL,
/// newline or blanks; assignments in front of the command win over it. From the weakest on, `from` is "environment-default" (WEB_CONCURRENCY,
/// PORT), "environment" (GUNICORN_CMD_ARGS), "command-line"; values that repeat are joined by commas where gunicorn adds them, else the last
/// is given. The reference server's own options are read where the command starts that one. Of -e NAME=value only the name is given, for the value may be a secret. The application is "wsgi_app". Options that no version knows and those without their value are left out.
std::vector<evidence::SettingRead> gunicorn_settings(std::string_view args, std::string_view environment);

/// The configuration file that these settings name: the command line's -c, else that of GUNICORN_CMD_ARGS, else "" (./gunicorn.conf.py).
/// Without the prefix "file:"; "python:module" is left as it is.
std::string gunicorn_config(const std::vector<evidence::SettingRead>& settings);

}  // namespace flavour
