// gunicorn's configuration files, joined to the commands that name them; a file that no command names is a server of its own. Precedence:
// defaults, WEB_CONCURRENCY and PORT, the file, GUNICORN_CMD_ARGS, the command line (app/base.py:152-200@20.1.0).
#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/flavour.hpp"
#include "flavour/gunicorn_settings.hpp"
#include "model/deployment.hpp"
#include "model/gunicorn_value.hpp"
#include "parse/python/bindings.hpp"

namespace model {

namespace {

using parse::settings::Dialect;
using Settings = std::map<std::string, Choices, std::less<>>;

// End of the logical line: enough to show and to replace a one-line assignment.
Spot line_spot(const File& file, std::uint32_t index, parse::python::Place at) {
  std::size_t offset = 0;
  for (std::uint32_t line = 1; line < at.line && offset != std::string::npos; ++line) {
    offset = file.text.find('\n', offset);
    if (offset != std::string::npos) ++offset;
  }
  if (offset == std::string::npos) return {index, at.line, at.column, 0, 0};
  std::size_t from = offset, column = 1;
  while (column < at.column && from < file.text.size()) { ++from; while (from < file.text.size() && (static_cast<unsigned char>(file.text[from]) & 0xC0) == 0x80) ++from; ++column; }
  std::size_t end = from;
  while (end < file.text.size() && (std::isalnum(static_cast<unsigned char>(file.text[end])) != 0 || file.text[end] == '_')) ++end;
  return {index, at.line, static_cast<std::uint32_t>(from - offset) + 1, from, end};
}

Settings settings_of(File& file, std::uint32_t index) {
  Settings settings;
  const auto bindings = parse::python::bindings_of(file.text);
  if (bindings.wrong_line) file.unreadable = true;
  for (const auto& binding : bindings.names) {
    if (!flavour::gunicorn_knows(binding.name)) continue;
    Choices choices;
    for (const auto& bound : binding.values) {
      Choice choice;
      choice.when = bound.condition;
      choice.at = line_spot(file, index, bound.absent ? binding.values.front().at : bound.at);
      if (bound.absent) { choice.value = gunicorn_default(binding.name, ""); choice.from = From::built_in; }
      else { choice.value = gunicorn_value(binding.name, bound.value); choice.from = From::configured; }
      choices.push_back(std::move(choice));
    }
    settings.insert_or_assign(binding.name, std::move(choices));
  }
  if (!bindings.star_imports.empty()) settings["*"] = {};  // names may come from elsewhere
  return settings;
}

// triage-server.json; what it refuses stands in the document's own complaints.
Settings settings_of_reference(const File& file, std::uint32_t index) {
  Settings settings;
  for (const auto& entry : file.document.entries) {
    Choices choices = gunicorn_choices(entry.key, entry.value);
    for (Choice& choice : choices) {
      choice.at = {index, entry.key_at.line, entry.key_at.column, entry.key_at.at, entry.key_at.end};
      choice.from = From::configured;
    }
    settings.insert_or_assign(entry.key, std::move(choices));
  }
  return settings;
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

std::string normal(std::string path) {
  while (base::starts_with(path, "./")) path.erase(0, 2);
  if (base::starts_with(path, "python:")) {
    path.erase(0, 7);
    std::replace(path.begin(), path.end(), '.', '/');
    path += ".py";
  }
  return path;
}

// The file that -c names: the longest agreement from the end of the path wins; ties are no answer.
std::uint32_t config_of(const Deployment& all, const Backend& server, const std::vector<std::uint32_t>& configs, bool& guess) {
  const Choice* named = only_choice(server.settings, "config");
  const flavour::Flavour& known = *flavour::flavour(server.flavour);
  const std::string wanted = normal(named ? named->value.text : std::string(known.config_file));
  const std::string folder = server.at.known() ? folder_of(all.files[server.at.file].path) : "";
  std::uint32_t best = no_file;
  std::size_t best_score = 0;
  bool tie = false;
  for (const std::uint32_t i : configs) {
    const std::string& path = all.files[i].path;
    if (base::file_name(path) != base::file_name(wanted)) continue;
    if ((all.files[i].document.dialect == Dialect::reference) != (server.flavour == "reference")) continue;
    std::size_t score = 1;
    if (path == folder + wanted) score = 1000;
    else {
      std::size_t same = 0;
      while (same < path.size() && same < wanted.size() && path[path.size() - 1 - same] == wanted[wanted.size() - 1 - same]) ++same;
      score += same;
    }
    tie = score == best_score;
    if (score > best_score) { best = i; best_score = score; }
  }
  if (tie || (best != no_file && !named && best_score < 1000 && configs.size() > 1)) return no_file;
  guess = best_score < 1000;
  return best;
}

// WEB_CONCURRENCY is the default of workers: platforms that run a Procfile set it, and an environment file or a container may.
bool environment_is_seen(const Deployment& all, const Backend& server) {
  if (server.holder < 0) return server.command.empty();
  const Holder& holder = all.holders[static_cast<std::size_t>(server.holder)];
  if (holder.kind == Holder::Kind::unit) return !holder.settings.contains("environment_file");
  return holder.kind == Holder::Kind::program;
}

void fill_defaults(const Deployment& all, Backend& server, bool other_names) {
  for (const auto& row : flavour::flavour(server.flavour)->defaults) {
    if (server.settings.contains(std::string(row.name))) continue;
    Choice choice;
    choice.from = From::built_in;
    choice.at = server.at;
    choice.value = other_names || server.config_missing ? unknown_value() : server.flavour == "gunicorn" ? gunicorn_default(row.name, server.version) : gunicorn_choices(row.name, std::string(row.value)).front().value;
    if (other_names || server.config_missing) choice.from = From::unknown;
    if (row.name == "workers" && !environment_is_seen(all, server)) choice.value = unknown_value();
    server.settings.emplace(std::string(row.name), Choices{std::move(choice)});
  }
}

// triage-server: its own first version, or that of the gunicorn which --like names.
std::string like_version(const Backend& server) {
  const Choice* like = only_choice(server.settings, "like");
  if (!like || like->from != From::configured) return "0.1.0";
  return base::starts_with(like->value.text, "gunicorn-") ? like->value.text.substr(9) : "";
}

void effective_class(Backend& server) {
  Choices out;
  const auto& classes = server.settings["worker_class"];
  const auto& threads = server.settings["threads"];
  for (const Choice& one : classes)
    for (const Choice& other : threads) {
      if (out.size() >= 16) break;
      Choice choice = one;
      std::string kind = one.value.known() ? class_kind(one.value.text) : "";
      if (server.flavour == "reference" && one.value.known() && kind.empty()) kind = one.value.text == "threads" ? "gthread" : one.value.text;   // event
      choice.when = one.when.empty() ? "" : one.when;
      if (kind == "sync" && other.value.known() && other.value.number > 1) { kind = "gthread"; if (other.from == From::configured) choice.at = other.at; }
      // With an unknown number of threads sync may be gthread.
      if (kind == "sync" && !other.value.known()) kind = "";
      if (kind == "sync" || kind == "gthread") { if (!other.when.empty() && choice.when.find(other.when) == std::string::npos) choice.when += (choice.when.empty() ? "" : " and ") + other.when; }
      choice.value = kind.empty() ? unknown_value() : text_value(kind);
      out.push_back(std::move(choice));
    }
  server.settings.insert_or_assign("class", std::move(out));
}

std::string version_in(const Deployment& all) {
  std::string version;
  for (const File& file : all.files) {
    if (file.document.dialect != Dialect::requirements) continue;
    for (std::size_t i = 0; i < file.document.entries.size(); ++i) {
      const auto& entry = file.document.entries[i];
      if (entry.key != "gunicorn") continue;
      std::string_view rest = entry.value;
      if (base::starts_with(rest, "[")) rest = rest.substr(std::min(rest.find(']') + 1, rest.size()));
      if (!base::starts_with(rest, "==")) continue;
      const std::string found(base::trim(rest.substr(2, rest.find_first_of(" ;#\"'", 2) - 2)));
      version = version.empty() || version == found ? found : "?";
    }
  }
  return version == "?" ? "" : version;
}

}  // namespace

void add_configs(Deployment& all, const Targets& targets) {
  const std::string version = targets.gunicorn.empty() ? version_in(all) : targets.gunicorn;
  std::vector<std::uint32_t> configs;
  std::map<std::uint32_t, Settings> settings;
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    File& file = all.files[i];
    if (file.document.dialect != Dialect::gunicorn && file.document.dialect != Dialect::reference) continue;
    configs.push_back(i);
    if (file.document.dialect == Dialect::reference) settings.emplace(i, settings_of_reference(file, i));
    else if (file.template_language.empty()) settings.emplace(i, settings_of(file, i));
    else { file.unreadable = true; settings.emplace(i, Settings{{"*", {}}}); }
  }
  std::vector<std::uint32_t> used;
  for (Backend& server : all.servers) {
    server.version = server.flavour == "gunicorn" ? version : "";
    bool guess = false;
    const std::uint32_t config = config_of(all, server, configs, guess);
    bool other_names = false;
    if (config != no_file) {
      server.config = config;
      server.config_guess = guess;
      used.push_back(config);
      for (const auto& [name, choices] : settings[config]) {
        if (name == "*") { other_names = true; continue; }
        const auto stronger = server.settings.find(name);
        if (stronger != server.settings.end()) server.shadowed.emplace(name, choices);
        else server.settings.emplace(name, choices);
      }
      other_names = other_names || all.files[config].unreadable;
    } else server.config_missing = server.config_named;
    for (const std::string_view weak : {"workers", "bind"}) {
      const auto found = server.settings.find("environment:" + std::string(weak));
      if (found == server.settings.end()) continue;
      Choices choices = found->second;
      server.settings.erase(found);
      if (!server.config_missing) server.settings.emplace(std::string(weak), std::move(choices));
    }
    fill_defaults(all, server, other_names);
    effective_class(server);
  }
  for (const std::uint32_t i : configs) {
    if (std::ranges::find(used, i) != used.end() || !all.files[i].template_language.empty()) continue;
    Backend server;
    server.flavour = all.files[i].document.dialect == Dialect::reference ? "reference" : "gunicorn";
    server.at = {i, 1, 1, 0, 0};
    server.config = i;
    server.version = server.flavour == "gunicorn" ? version : "";
    const bool other_names = settings[i].contains("*") || all.files[i].unreadable;
    server.settings = settings[i];
    server.settings.erase("*");
    fill_defaults(all, server, other_names);
    effective_class(server);
    all.servers.push_back(std::move(server));
  }
  for (Backend& server : all.servers)
    if (server.flavour == "reference") server.version = like_version(server);
}

}  // namespace model
