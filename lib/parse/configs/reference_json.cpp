// triage-server.json, the reference server's settings (docs/server.md).
#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/flavour.hpp"
#include "parse/format.hpp"
#include "parse/settings/document.hpp"

namespace parse {
namespace {

// Its own name, or an object whose keys are mostly its settings: "workers" alone stands in many a file.
int sure(std::string_view path, std::string_view head) {
  const std::string_view begin = base::trim(head);
  if (begin.empty() || (begin.front() != '{' && !base::starts_with(begin, "//"))) return 0;
  int known = 0, other = 0;
  for (const auto line : base::split(head, '\n')) {
    const auto text = base::trim(line);
    const auto close = text.find("\":");
    if (!base::starts_with(text, "\"") || close == std::string_view::npos) continue;
    (flavour::knows("reference", text.substr(1, close - 1)) ? known : other) += 1;
  }
  if (base::contains(base::file_name(path), "triage-server")) return 95;
  return known >= 3 && known > 2 * other ? 70 : 0;
}

void read(std::string_view text, Sink& sink) {
  const auto document = settings::read_reference(text);
  for (const settings::Entry& entry : document.entries) {
    Record record;
    record.origin.line = entry.key_at.line;
    record.origin.column = entry.key_at.column;
    record.origin.offset = entry.key_at.at;
    const std::string_view rest = text.substr(std::min(entry.key_at.at, text.size()));
    record.line = base::trim(rest.substr(0, entry.key == "raw_env" ? rest.find(':') : rest.find('\n')));
    sink.add(evidence::SettingRead{entry.key, entry.value, "file", "", true}, {}, record);
  }
  for (const settings::Wrong& wrong : document.wrong)
    sink.gap({"settings of " + sink.source().name, "line " + std::to_string(wrong.at.line) + ", column " + std::to_string(wrong.at.column) + ": " + wrong.what, "triage-server --check-config says what it makes of it", 1, {}});
}

}  // namespace

namespace configs_of {

extern const Document reference_json = {.name = "triage-server configuration", .kind = evidence::SourceKind::config, .sure = sure, .read = read};

}  // namespace configs_of
}  // namespace parse
