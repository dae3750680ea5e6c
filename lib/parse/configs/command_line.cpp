// How a server was started, kept in a file: one shell line or several (comments between), or a copy of /proc/PID/cmdline with its NULs.
#include <vector>

#include "base/text.hpp"
#include "parse/command/words.hpp"
#include "parse/format.hpp"

namespace parse {
namespace {

constexpr std::size_t most_lines = 200;
constexpr std::size_t longest_line = 65'536;

bool from_proc(std::string_view text) { return text.size() > 2 && text.find('\0') != std::string_view::npos && text.find('\n') == std::string_view::npos && text.front() != '\0'; }

std::string line_of_proc(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  for (const auto word : base::split(text.substr(0, longest_line), '\0')) words.emplace_back(word);
  return command::shell_line(words);
}

int sure(std::string_view, std::string_view head) {
  if (from_proc(head)) return command::read_command(line_of_proc(head)) ? 80 : 0;
  if (head.find('\0') != std::string_view::npos) return 0;
  std::size_t commands = 0;
  const auto lines = base::split(head, '\n');
  for (std::size_t i = 0; i < lines.size() && i < most_lines; ++i) {
    const std::string_view line = base::trim(lines[i]);
    if (line.empty() || line.front() == '#') continue;
    if (i + 1 == lines.size() && i > 0 && head.size() >= 4096) break;  // cut by the head's end
    if (!command::read_command(line)) return 0;
    ++commands;
  }
  return commands > 0 ? 75 : 0;
}

void read(std::string_view text, Sink& sink) {
  std::string proc;
  if (from_proc(text)) {
    proc = line_of_proc(text);
    text = proc;
  }
  std::uint32_t number = 0;
  std::uint64_t offset = 0;
  for (const auto whole : base::split(text, '\n')) {
    ++number;
    const std::string_view line = base::trim(whole.substr(0, longest_line));
    auto command = number <= most_lines && !line.empty() && line.front() != '#' ? command::read_command(line) : std::nullopt;
    if (command) {
      // The excerpt is what is kept: the assignments in front may be secrets.
      const std::string excerpt = command->args;
      Record record;
      record.line = record.text = excerpt;
      record.origin.line = number;
      record.origin.column = 1;
      record.origin.offset = offset;
      sink.add(std::move(*command), {}, record);
    }
    offset += whole.size() + 1;
  }
}

}  // namespace

namespace configs_of {
extern const Document command_line = {"a server's command line", evidence::SourceKind::command, sure, read};
}

}  // namespace parse
