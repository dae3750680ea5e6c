#include "rule/repair.hpp"

#include <cctype>
#include <cmath>

#include "base/text.hpp"

namespace rule {

namespace {

using model::Choice;
using model::Deployment;
using model::File;
using model::Spot;
using parse::settings::Dialect;

std::size_t line_start(std::string_view text, std::size_t at) {
  const auto newline = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  return newline == std::string_view::npos ? 0 : newline + 1;
}
std::size_t line_end(std::string_view text, std::size_t at) { return std::min(text.find('\n', at), text.size()); }
std::string_view indent_of(std::string_view text, std::size_t at) {
  const std::string_view line = text.substr(at, line_end(text, at) - at);
  return line.substr(0, std::min(line.find_first_not_of(" \t"), line.size()));
}

// "graceful_timeout + 5", "max_requests / 10", else the text itself.
std::optional<std::string> value_of(const Card::Repair& repair, const Held& held) {
  double total = 0;
  bool numbers = true;
  for (const auto part : base::split(repair.to, '+')) {
    std::string_view term = base::trim(part);
    double over = 1;
    if (const auto slash = term.find('/'); slash != std::string_view::npos) {
      const auto number = base::read_number(base::trim(term.substr(slash + 1)));
      if (!number || *number <= 0) return repair.to;
      over = static_cast<double>(*number);
      term = base::trim(term.substr(0, slash));
    }
    if (const auto number = base::read_number(term)) { total += static_cast<double>(*number); continue; }
    const Choice* choice = term.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos ? held(term) : nullptr;
    if (!choice) { numbers = false; break; }
    if (choice->value.kind != model::Value::Kind::number || choice->value.number > 1e9) return std::nullopt;
    total += choice->value.number / over;
  }
  if (!numbers) return repair.to;
  return std::to_string(static_cast<long long>(std::ceil(std::max(total, 1.0)))) + repair.unit;
}

bool of_a_value(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == ':' || c == '/' || c == '@' || c == '-'; }

// The bytes of the value that a place names: behind an option, behind "name =", or the place itself.
std::optional<std::pair<std::size_t, std::size_t>> written(const File& file, const Spot& spot) {
  const std::string_view text = file.text, named = text.substr(spot.at, spot.end - spot.at);
  if (base::starts_with(named, "-")) {
    std::size_t from = spot.end;
    if (from < text.size() && text[from] == '=') ++from;
    else while (from < text.size() && (text[from] == ' ' || text[from] == '"' || text[from] == '\'' || text[from] == ',')) ++from;
    std::size_t end = from;
    while (end < text.size() && of_a_value(text[end])) ++end;
    return end == from || text[from] == '-' ? std::nullopt : std::optional(std::pair(from, end));
  }
  std::size_t equals = spot.end;
  while (equals < text.size() && (text[equals] == ' ' || text[equals] == '\t')) ++equals;
  const bool key = (file.document.dialect == Dialect::gunicorn || file.document.dialect == Dialect::systemd) && equals < text.size() && text[equals] == '=';
  if (!key) return spot.end > spot.at ? std::optional(std::pair(spot.at, spot.end)) : std::nullopt;
  const std::size_t stop = line_end(text, equals);
  std::string_view value = text.substr(equals + 1, stop - equals - 1);
  if (file.document.dialect == Dialect::gunicorn) value = value.substr(0, value.find('#'));
  value = base::trim(value);
  // Of Python only what is one short literal or name; what continues belongs to more lines than this.
  if (value.empty() || value.ends_with("\\") || (file.document.dialect == Dialect::gunicorn && value.find_first_of("([{,") != std::string_view::npos)) return std::nullopt;
  const auto from = static_cast<std::size_t>(value.data() - text.data());
  return std::pair(from, from + value.size());
}

// An option without a value is taken out, with the blank or the comma in front of it.
std::optional<Edit> without_option(const File& file, const Spot& spot) {
  const std::string_view text = file.text;
  std::size_t from = spot.at, end = spot.end;
  const bool quoted = from > 0 && (text[from - 1] == '"' || text[from - 1] == '\'') && end < text.size() && text[end] == text[from - 1];
  if (quoted) {
    --from;
    ++end;
    std::size_t comma = from;
    while (comma > 0 && (text[comma - 1] == ' ' || text[comma - 1] == '\n')) --comma;
    if (comma == 0 || text[comma - 1] != ',') return std::nullopt;
    from = comma - 1;
  } else {
    while (from > 0 && text[from - 1] == ' ') --from;
  }
  return Edit{file.path, from, end, "", true};
}

// A line of its own for a setting that is not written.
std::optional<Edit> added(const Deployment& all, const Card::Repair& repair, const std::string& value, const Choice& at, const Spot& start, const Held& held) {
  Spot beside = start;
  if (!repair.beside.empty()) {
    const Choice* choice = held(repair.beside);
    if (!choice || choice->from != model::From::configured) return std::nullopt;
    beside = choice->at;
  }
  if (beside.file >= all.files.size()) return std::nullopt;
  const File& file = all.files[beside.file];
  const std::string_view text = file.text;
  if (beside.end > text.size() || text.empty()) return std::nullopt;
  const auto below = [&](std::size_t offset, std::string line) { return Edit{file.path, line_end(text, offset), line_end(text, offset), "\n" + std::move(line), true}; };
  if (!repair.beside.empty() && base::starts_with(text.substr(beside.at), "-")) {
    // A command: the new option stands behind the value of the one beside it.
    const auto found = written(file, beside);
    if (!found) return std::nullopt;
    std::string option = "--" + repair.key;
    for (char& c : option) if (c == '_') c = '-';
    const char quote = beside.at > 0 ? text[beside.at - 1] : ' ';
    if (quote != '"' && quote != '\'') return Edit{file.path, found->second, found->second, " " + option + " " + value, true};
    if (found->second >= text.size() || text[found->second] != quote) return std::nullopt;
    return Edit{file.path, found->second + 1, found->second + 1, ", " + (quote + option) + quote + ", " + quote + value + quote, true};
  }
  switch (file.document.dialect) {
    case Dialect::systemd:
    case Dialect::supervisor: {
      if (!repair.beside.empty()) return std::nullopt;
      const std::size_t last = std::max(beside.at, beside.end > 0 ? beside.end - 1 : 0);
      const std::string_view line = base::trim(text.substr(line_start(text, last), line_end(text, last) - line_start(text, last)));
      return line.ends_with("\\") ? std::nullopt : std::optional(below(last, repair.key + "=" + value));
    }
    case Dialect::gunicorn: {
      const std::size_t line = line_start(text, beside.at);
      if (!written(file, beside)) return std::nullopt;
      return below(beside.at, std::string(indent_of(text, line)) + repair.key + " = " + value);
    }
    case Dialect::compose: {
      // Beside the service's other keys, as deep as the first of them: `start` may lie in a list below one, the default's place is the name.
      const std::size_t name = line_start(text, at.at.at), next = line_end(text, name) + 1;
      if (at.at.file != beside.file || next >= text.size() || !base::trim(text.substr(at.at.end, line_end(text, name) - at.at.end)).starts_with(":")) return std::nullopt;
      const std::string_view indent = indent_of(text, next);
      if (indent.size() <= indent_of(text, name).size() || base::trim(text.substr(at.at.end + 1, line_end(text, name) - at.at.end - 1)).size() > 0) return std::nullopt;
      return below(name, std::string(indent) + repair.key + ": " + value);
    }
    case Dialect::kubernetes: {
      const auto containers = text.substr(0, beside.at).rfind("containers:\n");
      if (containers == std::string_view::npos) return std::nullopt;
      const std::size_t line = line_start(text, containers);
      if (!base::trim(text.substr(line, containers - line)).empty()) return std::nullopt;
      return Edit{file.path, line, line, std::string(indent_of(text, line)) + repair.key + ": " + value + "\n", true};
    }
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<Edit> repaired(const Deployment& all, const Card::Repair& repair, const Choice& at, const Spot& start, const Held& held) {
  const auto value = value_of(repair, held);
  if (!value) return std::nullopt;
  std::optional<Edit> edit;
  if (at.from == model::From::configured && repair.beside.empty()) {
    if (!at.at.known() || at.at.file >= all.files.size() || at.at.end > all.files[at.at.file].text.size() || at.at.end <= at.at.at) return std::nullopt;
    const File& file = all.files[at.at.file];
    if (repair.to == "False" && base::starts_with(std::string_view(file.text).substr(at.at.at), "-")) edit = without_option(file, at.at);
    else if (const auto bytes = written(file, at.at)) edit = Edit{file.path, bytes->first, bytes->second, *value, true};
  } else if (!repair.key.empty()) {
    edit = added(all, repair, *value, at, start, held);
  }
  if (edit) edit->safe = repair.safe;
  return edit;
}

}  // namespace rule
