// A command line as its words, the way a shell or shlex splits it. Text that people wrote or that ps printed is seldom whole: nothing here
// fails, an open quote runs to the end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace base {

/// The most words that are kept; what follows is left out.
constexpr std::size_t most_words = 4096;

/// Blanks separate; '...' and "..." group, a backslash takes the next character as it is, a backslash before a newline joins lines. With NUL
/// between the words (/proc/PID/cmdline) nothing is quoted. Variables and substitutions stay as they are written.
std::vector<std::string> shell_words(std::string_view text);

/// True for NAME=value with a name that a shell accepts.
bool is_assignment(std::string_view word);

/// The last part of a path.
std::string_view file_name(std::string_view path);

}  // namespace base
