#include "parse/settings/server.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

namespace {

constexpr std::size_t longest_value = 256;

bool literal(std::string_view value) {
  if (value.empty()) return true;
  if (value.find("ENV") != std::string_view::npos || value.find("$(") != std::string_view::npos || value.find("${") != std::string_view::npos || value.find("%(") != std::string_view::npos || value.find("<%") != std::string_view::npos) return false;
  return value.find('(') == std::string_view::npos;
}

std::string plain(std::string_view value) {
  value = base::trim(value);
  if (value.size() > 1 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front()) value = value.substr(1, value.size() - 2);
  return std::string(value.substr(0, longest_value));
}

}  // namespace

bool read_server(std::string_view flavour, std::string_view text, Document& out) {
  if (flavour == "uwsgi") out = read_uwsgi(text);
  else if (flavour == "php-fpm") out = read_ini(text, Dialect::phpfpm);
  else if (flavour == "puma") out = read_ruby(text, Dialect::puma);
  else if (flavour == "unicorn") out = read_ruby(text, Dialect::unicorn);
  else if (flavour == "apache") out = read_apache(text);
  else return false;
  return true;
}

bool add_server_settings(std::string_view flavour, std::string_view text, evidence::Subject about, Sink& sink) {
  Document document;
  const flavour::Flavour* const known = flavour::flavour(flavour);
  if (!known || !read_server(flavour, text, document)) return false;
  std::size_t added = 0;
  for (const Entry& entry : document.entries) {
    std::string_view key = entry.key;
    const bool flag = key.ends_with("!");   // puma: preload_app!
    if (flag) key.remove_suffix(1);
    const flavour::Option* const option = flavour::option_named(*known, key);
    if (!option || ++added > 500) continue;
    evidence::SettingRead read;
    read.name = std::string(flavour) + "." + std::string(option->setting);
    read.value = flag && entry.value.empty() ? "True" : plain(entry.value);
    // "threads 1, 5": the most counts.
    if (flavour == "puma" && option->setting == "threads") read.value = plain(std::string_view(read.value).substr(read.value.rfind(',') == std::string::npos ? 0 : read.value.rfind(',') + 1));
    read.from = "file";
    read.literal = literal(read.value);
    if (!read.literal) read.value.clear();
    if (flavour == "php-fpm" && entry.section != "global" && !entry.section.empty()) read.condition = "pool " + entry.section.substr(0, 60);
    else if ((flavour == "apache" || flavour == "puma" || flavour == "unicorn") && !entry.section.empty()) read.condition = entry.section.substr(0, 60);
    Record record;
    record.origin = {sink.source_id(), entry.value_at.line ? entry.value_at.line : entry.key_at.line, entry.value_at.line ? entry.value_at.column : entry.key_at.column, entry.value_at.at};
    const std::string shown = entry.key + (entry.value.empty() ? "" : " = " + read.value);
    record.line = record.text = shown;
    sink.add(std::move(read), about, record);
  }
  sink.source().lines = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  sink.source().understood += added;
  return true;
}

std::vector<std::string> server_includes(std::string_view flavour, std::string_view text) {
  std::vector<std::string> found;
  Document document;
  if ((flavour != "php-fpm" && flavour != "apache" && flavour != "uwsgi") || !read_server(flavour, text, document)) return found;
  for (const Entry& entry : document.entries) {
    const bool names = flavour == "php-fpm" ? entry.key == "include" : flavour == "uwsgi" ? entry.key == "ini" || entry.key == "include" || entry.key == "inherit" : entry.key == "Include" || entry.key == "IncludeOptional";
    if (names && !entry.value.empty() && found.size() < 32) found.push_back(plain(entry.value));
  }
  return found;
}

}  // namespace parse::settings
