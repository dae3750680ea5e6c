#include "parse/systemd/syntax.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"

namespace parse {

namespace {
constexpr std::size_t most_entries = 10'000, longest_value = 65'536;
constexpr std::string_view types[] = {".service", ".socket", ".slice", ".timer", ".path", ".target", ".scope", ".mount"};

bool is_unit(std::string_view name) {
  return std::any_of(std::begin(types), std::end(types), [&](std::string_view type) { return name.size() > type.size() && name.ends_with(type); });
}
}  // namespace

// man systemd.syntax: a backslash at the end of a line continues it, comments between are passed over.
std::vector<UnitEntry> unit_entries(std::string_view text, std::vector<UnitStray>* strays) {
  std::vector<UnitEntry> entries;
  std::string_view section;
  std::optional<UnitEntry> open;
  std::uint32_t number = 0;
  std::uint64_t offset = 0;
  for (const auto whole : base::split(text, '\n')) {
    const auto line = base::trim(whole);
    const auto from = offset;
    offset += whole.size() + 1;
    ++number;
    if (!line.empty() && (line.front() == '#' || line.front() == ';')) continue;
    const bool continued = line.ends_with("\\");
    const auto body = base::trim(continued ? line.substr(0, line.size() - 1) : line);
    if (open) {
      if (open->value.size() < longest_value && !body.empty()) {
        if (!open->value.empty()) open->value += ' ';
        open->value += body;
      }
    } else if (line.size() > 1 && line.front() == '[' && line.back() == ']') {
      section = line.substr(1, line.size() - 2);
      continue;
    } else if (!line.empty()) {
      const auto column = static_cast<std::uint32_t>(line.data() - whole.data()) + 1;
      const auto equals = body.find('=');
      if (equals == std::string_view::npos) {
        if (strays && strays->size() < most_entries) strays->push_back({number, column, line});
        continue;
      }
      if (entries.size() == most_entries) continue;
      const auto value = base::trim(body.substr(equals + 1));
      open = UnitEntry{section, base::trim(body.substr(0, equals)), std::string(value), number, column, value.empty() ? 0 : static_cast<std::uint32_t>(value.data() - whole.data()) + 1, from + column - 1, line};
    } else {
      continue;
    }
    if (!continued) { entries.push_back(std::move(*open)); open.reset(); }
  }
  if (open) entries.push_back(std::move(*open));
  return entries;
}

std::string_view unit_of_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const auto name = path.substr(slash + 1);
  if (is_unit(name)) return name;
  if (slash == std::string_view::npos || !name.ends_with(".conf")) return {};
  auto folder = path.substr(0, slash);
  folder = folder.substr(folder.rfind('/') + 1);
  if (!folder.ends_with(".d")) return {};
  folder.remove_suffix(2);
  return is_unit(folder) ? folder : std::string_view{};
}

std::string_view unit_command(std::string_view value) {
  const auto begin = value.find_first_not_of("@-:+!|");
  return begin == std::string_view::npos ? std::string_view{} : value.substr(begin);
}

}  // namespace parse
