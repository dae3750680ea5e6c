#include "probe/settings.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "flavour/gunicorn_args.hpp"
#include "flavour/systemd.hpp"

namespace probe {

namespace {

// The words of Environment=, with the quotes taken off; nothing is expanded.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote) {
      if (c == quote) quote = 0;
      else if (c == '\\' && quote == '"' && i + 1 < line.size()) word += line[++i];
      else word += c;
    } else if (c == '"' || c == '\'') { quote = c; open = true; }
    else if (c == '\\' && i + 1 < line.size()) { word += line[++i]; open = true; }
    else if (c == ' ' || c == '\t' || c == '\n') {
      if (open) words.push_back(std::move(word));
      word.clear();
      open = false;
    } else { word += c; open = true; }
  }
  if (open) words.push_back(std::move(word));
  return words;
}

// The last ExecStart= that starts a server, and the kept names of Environment=.
void read_unit(std::string_view text, const std::string& path, Command& command) {
  std::uint32_t number = 0, begun = 0;
  std::string whole;
  for (auto line : base::split(text, '\n')) {
    ++number;
    if (whole.empty()) begun = number;
    line = base::trim(line);
    if (!line.empty() && line.back() == '\\') { whole += std::string(line.substr(0, line.size() - 1)) + " "; continue; }
    whole += line;
    const std::size_t equals = whole.find('=');
    const auto key = base::trim(std::string_view(whole).substr(0, equals == std::string::npos ? 0 : equals));
    auto value = equals == std::string::npos ? std::string_view() : base::trim(std::string_view(whole).substr(equals + 1));
    if (key == "ExecStart") {
      while (!value.empty() && std::string_view("@-:+!").find(value[0]) != std::string_view::npos) value.remove_prefix(1);
      if (value.empty()) { command.args.clear(); }  // an empty assignment takes back what stood before
      else if (flavour::starts_gunicorn(value)) { command.args = std::string(value); command.from = path; command.line = begun; }
    } else if (key == "Environment") {
      for (const auto& word : words_of(value)) {
        const std::size_t at = word.find('=');
        if (at == std::string::npos) continue;
        const std::string name = word.substr(0, at);
        if (name == "GUNICORN_CMD_ARGS" || name == "WEB_CONCURRENCY" || name == "PORT") command.environment[name] = word.substr(at + 1);
      }
    }
    whole.clear();
  }
}

}  // namespace

Command command_of(const source::Host& host, const FoundServer& server) {
  Command command;
  command.environment = server.environment;
  if (!server.title) { command.args = server.args; return command; }
  if (!server.cgroup.unit.empty())
    for (const auto& path : unit_files(host, server.cgroup.unit))
      if (const auto text = host.read(path, 1 << 18)) read_unit(*text, path, command);
  return command;
}

std::vector<evidence::SettingRead> settings_of(const Command& command) {
  std::string environment;
  for (const auto& [name, value] : command.environment) environment += name + "=" + value + std::string(1, '\0');
  return flavour::gunicorn_settings(command.args, environment);
}

std::string config_path(const source::Host& host, const FoundServer& server, const std::vector<evidence::SettingRead>& settings) {
  std::string path = flavour::gunicorn_config(settings);
  if (base::starts_with(path, "python:")) return {};
  const flavour::Flavour* const known = flavour::flavour(server.flavour);
  if (path.empty() && known && !known->config_file.empty() && host.stat(server.path(known->config_file))) path = known->config_file;
  return path;
}

std::vector<std::string> unit_files(const source::Host& host, const std::string& unit, const std::string& root) {
  std::vector<std::string> files;
  if (unit.empty() || unit.find('/') != std::string::npos) return files;
  const auto drop_ins = flavour::drop_in_folders(unit);
  for (const auto folder : flavour::unit_folders()) {
    const std::string at = root + std::string(folder) + "/";
    // /lib is /usr/lib on most machines, and then nothing of its own.
    if (folder == "/lib/systemd/system")
      if (const auto here = host.stat(root + "/lib/systemd"), there = host.stat(root + "/usr/lib/systemd"); here && there && here->inode == there->inode && here->device == there->device) continue;
    for (const auto& name : flavour::unit_names(unit))
      if (host.stat(at + name)) files.push_back(at + name);
    for (const auto& name : drop_ins) {
      const auto entries = host.list(at + name);
      if (!entries) continue;
      for (const auto& entry : *entries)
        if (entry.name.ends_with(".conf") && files.size() < 200) files.push_back(at + name + "/" + entry.name);
    }
  }
  return flavour::files_of_unit(files, unit);
}

}  // namespace probe
