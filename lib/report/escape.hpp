// One function for each language that outside text is put into. What comes in is raw bytes of a log, a path or a command line; what
// comes out cannot end the string, the tag or the line that it stands in, and moves no terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace report {

/// At most this many bytes of one outside text are shown in a machine format; base::printable has the same bound.
constexpr std::size_t text_limit = 4096;

/// Valid UTF-8 for any bytes: letters of every script stay (paths must match the file), control characters, bidirectional marks, line
/// separators and invalid bytes become \xNN or \u{N}. For JSON and for GitHub's log, whose readers want the true path.
std::string utf8(std::string_view raw, std::size_t most = text_limit);
/// ASCII, and & < > " ' as entities: for element text and for quoted attributes.
std::string html(std::string_view raw);
/// As html, written with the entities that XML knows by itself. No character that XML 1.0 forbids is left.
std::string xml(std::string_view raw);
/// ASCII, with everything that Markdown could take for a mark put behind a backslash, and | so that it may stand in a table. For the
/// inside of a line, not its front.
std::string markdown(std::string_view raw);
/// A message of a GitHub workflow command: % and line ends as %25, %0A, %0D.
std::string github_text(std::string_view raw);
/// A property of one: : and , as well.
std::string github_property(std::string_view raw);
/// A path as a URI reference: everything but unreserved characters and / as %NN, byte by byte, so that any path survives; absolute paths
/// become file:///.
std::string uri(std::string_view path);

}  // namespace report
