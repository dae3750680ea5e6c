// How a server was started: one shell line, or the words of /proc/PID/cmdline. Only enough of a shell to find where the program begins.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/fact.hpp"

namespace parse::command {

/// A word with its quotes undone, and where it began.
struct Word { std::string text; std::size_t at = 0; };
/// At most `most` words; a quote without its end reaches to the end.
std::vector<Word> words(std::string_view line, std::size_t most = 4096);
/// The words as one line that a shell would take apart in the same way.
std::string shell_line(const std::vector<std::string>& words);

/// "GUNICORN_CMD_ARGS=...", "WEB_CONCURRENCY=...", "PORT=...": the assignments that may be kept. All others may be secrets.
bool keeps(std::string_view assignment);

/// The line's command when it starts a server that is known here: assignments before the program go to `environment` (the kept ones, a line
/// each), wrappers (env, exec, sudo -u x) are left out of `args`.
std::optional<evidence::ServerCommand> read_command(std::string_view line);

}  // namespace parse::command
