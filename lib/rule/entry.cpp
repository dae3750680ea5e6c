#include "rule/entry.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/text.hpp"

namespace rule {

model::Spot spot_of(std::uint32_t file, const parse::settings::Place& at) { return {file, at.line, at.column, at.at, at.end}; }

std::string plain_key(std::string_view key) {
  std::string out(key);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

const parse::settings::Entry* entry_of(const model::File& file, std::string_view section, std::initializer_list<std::string_view> keys) {
  for (const auto& entry : file.document.entries)
    if (entry.section == section && std::ranges::find(keys, plain_key(entry.key)) != keys.end()) return &entry;
  return nullptr;
}

std::vector<model::File> sections_of(const model::File& file) {
  std::vector<model::File> out;
  std::unordered_map<std::string_view, std::size_t> known;
  for (const auto& entry : file.document.entries) {
    const auto [at, fresh] = known.emplace(entry.section, out.size());
    if (fresh) out.emplace_back().document.dialect = file.document.dialect;
    out[at->second].document.entries.push_back(entry);
  }
  return out;
}

bool switched_on(const parse::settings::Entry* entry) { return entry && entry->value != "false" && entry->value != "0" && entry->value != "no"; }

void add_line(const model::Deployment& all, Draft& draft, const model::Spot& beside, std::string_view section_mark, const std::string& line) {
  const std::string& text = all.files[beside.file].text;
  const auto end = std::min(text.find('\n', beside.end), text.size());
  if (base::contains(text, section_mark) && base::trim(std::string_view(text).substr(beside.end, end - beside.end)).starts_with("=")) edit(all, draft, beside.file, end, end, "\n" + line);
}

const model::Choice* command_of(const model::Holder& holder) {
  for (const std::string_view key : {"exec_start", "command", "args", "cmd", "entrypoint"})
    if (const model::Choice* line = model::only_choice(holder.settings, key)) return line;
  return nullptr;
}

}  // namespace rule
