#include "probe/settings.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "flavour/gunicorn_args.hpp"
#include "flavour/systemd.hpp"
#include "parse/settings/server.hpp"

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
void read_unit(std::string_view text, const std::string& path, const flavour::Flavour* known, Command& command) {
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
      else if (known ? known->recognise(value) : flavour::starts_gunicorn(value)) { command.args = std::string(value); command.from = path; command.line = begun; }
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

// Null for gunicorn and for what is started as it is.
const flavour::Flavour* other(const FoundServer& server) { return flavour::like_gunicorn(server.flavour) ? nullptr : flavour::flavour(server.flavour); }

// "pool.d/*.conf" below its folder: one star in the last part.
void expand(const source::Host& host, const std::string& pattern, std::vector<std::string>& files) {
  const std::size_t slash = pattern.rfind('/');
  const std::size_t star = pattern.find('*', slash == std::string::npos ? 0 : slash);
  if (star == std::string::npos || slash == std::string::npos) {
    if (pattern.find('*') == std::string::npos && host.stat(pattern)) files.push_back(pattern);
    return;
  }
  const std::string folder = pattern.substr(0, slash), before = pattern.substr(slash + 1, star - slash - 1), after = pattern.substr(star + 1);
  const auto entries = host.list(folder);
  if (!entries) return;
  std::vector<std::string> found;
  for (const auto& entry : *entries)
    if (base::starts_with(entry.name, before) && entry.name.ends_with(after) && entry.name.size() >= before.size() + after.size()) found.push_back(folder + "/" + entry.name);
  std::sort(found.begin(), found.end());
  files.insert(files.end(), found.begin(), found.end());
}

bool digit(char c) { return c >= '0' && c <= '9'; }

// "uvicorn-0.17.6.egg-info", "uvicorn-0.32.0.dist-info"
std::string distribution_in(const source::Host& host, const std::string& folder, std::string_view name) {
  const auto entries = host.list(folder);
  if (!entries) return {};
  for (const auto& entry : *entries) {
    if (!base::starts_with(entry.name, name) || entry.name.size() <= name.size() + 1 || entry.name[name.size()] != '-') continue;
    const std::string_view rest = std::string_view(entry.name).substr(name.size() + 1);
    for (const std::string_view ending : {".dist-info", ".egg-info"})
      if (rest.ends_with(ending) && digit(rest[0])) {
        const std::string_view version = rest.substr(0, rest.size() - ending.size());
        return std::string(version.substr(0, version.find('-')));   // "0.17.6-py3.11"
      }
  }
  return {};
}

}  // namespace

Command command_of(const source::Host& host, const FoundServer& server) {
  Command command;
  command.environment = server.environment;
  if (!server.title) { command.args = server.args; return command; }
  if (!server.cgroup.unit.empty())
    for (const auto& path : unit_files(host, server.cgroup.unit))
      if (const auto text = host.read(path, 1 << 18)) read_unit(*text, path, other(server), command);
  // A title that goes on with the arguments (Unicorn's), or names the file (php-fpm's).
  if (command.args.empty() && other(server)) command.args = server.args;
  return command;
}

std::vector<evidence::SettingRead> settings_of(const FoundServer& server, const Command& command) {
  if (other(server)) return {};
  std::string environment;
  for (const auto& [name, value] : command.environment) environment += name + "=" + value + std::string(1, '\0');
  return flavour::gunicorn_settings(command.args, environment);
}

std::string config_path(const source::Host& host, const FoundServer& server, const std::vector<evidence::SettingRead>& settings) {
  if (other(server)) return {};
  std::string path = flavour::gunicorn_config(settings);
  if (base::starts_with(path, "python:")) return {};
  const flavour::Flavour* const known = flavour::flavour(server.flavour);
  if (path.empty() && known && !known->config_file.empty() && host.stat(server.path(known->config_file))) path = known->config_file;
  return path;
}

std::vector<std::string> server_files(const source::Host& host, const FoundServer& server, const Command& command) {
  std::vector<std::string> files;
  const flavour::Flavour* const known = other(server);
  if (!known) return files;
  if (known->configs_named)
    for (const auto& name : known->configs_named(command.args)) files.push_back(server.path(name));
  for (const std::string_view name : known->config_defaults) {
    const std::string path = server.path(name);
    if (!files.empty()) break;
    if (host.stat(path)) files.push_back(path);
  }
  for (std::size_t i = 0; i < files.size() && i < 32; ++i) {
    const auto text = host.read(files[i], 256 << 10);
    if (!text) continue;
    const std::string folder = files[i].substr(0, files[i].rfind('/') == std::string::npos ? 0 : files[i].rfind('/'));
    for (const auto& pattern : parse::settings::server_includes(server.flavour, *text)) {
      std::vector<std::string> more;
      expand(host, pattern[0] == '/' ? server.root + pattern : folder + "/" + pattern, more);
      for (auto& path : more)
        if (files.size() < 32 && std::find(files.begin(), files.end(), path) == files.end()) files.push_back(std::move(path));
    }
  }
  return files;
}

std::string version_of(const source::Host& host, const FoundServer& server, const Command& command, std::string& where) {
  const flavour::Flavour* const known = other(server);
  if (!known) return {};
  // "puma 5.6.5 (tcp://127.0.0.1:9292) [app]"
  std::string_view title = server.args;
  if (base::starts_with(title, "puma ") && title.size() > 5 && digit(title[5])) {
    title.remove_prefix(5);
    where = "its title";
    return std::string(title.substr(0, title.find(' ')));
  }
  // /usr/sbin/php-fpm8.2
  if (server.flavour == "php-fpm") {
    const std::string_view exe = server.master.exe;
    const std::size_t at = exe.rfind("php-fpm");
    if (at == std::string_view::npos || at + 7 >= exe.size() || !digit(exe[at + 7])) return {};
    where = server.master.exe;
    return std::string(exe.substr(at + 7));
  }
  if (known->distribution.empty()) return {};
  std::vector<std::string> roots;
  for (const auto word : base::split(command.args, ' '))
    if (const std::size_t at = word.rfind("/bin/"); at != std::string_view::npos && roots.size() < 4) roots.emplace_back(word.substr(0, at));
  roots.insert(roots.end(), {"/usr/local", "/usr"});
  for (const std::string& root : roots) {
    std::vector<std::string> folders;
    if (const auto entries = host.list(server.root + root + "/lib"))
      for (const auto& entry : *entries)
        if (base::starts_with(entry.name, "python3"))
          for (const char* inner : {"/site-packages", "/dist-packages"}) folders.push_back(server.root + root + "/lib/" + entry.name + inner);
    for (const auto& folder : folders)
      if (std::string version = distribution_in(host, folder, known->distribution); !version.empty()) {
        where = folder;
        return version;
      }
  }
  return {};
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
