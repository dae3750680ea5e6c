#include "model/server_settings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "model/deployment.hpp"

namespace model {

using namespace evidence;

namespace {

// What a fact of a live look says of a process, or a file says that was given, may be this server's.
bool belongs(const Server& server, const Fact& fact) { return fact.about.pid == 0 || fact.about.pid == server.master || (server.host_master && fact.about.pid == server.host_master); }

// Seconds are kept as a bare number, whatever unit they were written in: "30s", "2m".
std::string value_of(std::string_view text, std::string_view unit) {
  if (unit != "s") return std::string(text);
  const auto seconds = span_seconds(text);
  return seconds ? fmt::format("{:g}", *seconds) : std::string(text);
}

// "5.6.5" before "7": by its numbers.
bool before(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const auto one = base::take_number(a), other = base::take_number(b);
    if (one.value_or(0) != other.value_or(0)) return one.value_or(0) < other.value_or(0);
    if (!one && !other) return false;
    if (a.starts_with('.')) a.remove_prefix(1);
    if (b.starts_with('.')) b.remove_prefix(1);
  }
  return false;
}

struct Start { std::string_view args; FactId because = no_fact; };

// Its own command, else the last one of its kind.
Start start_of(const Evidence& evidence, const Server& server, const flavour::Flavour& known) {
  Start found;
  bool own = false;
  for (const FactId id : evidence.ids_of<ServerCommand>()) {
    const Fact& fact = evidence.facts[id];
    const auto* how = as<ServerCommand>(fact);
    const bool mine = fact.about.pid != 0 && belongs(server, fact);
    if (!known.recognise(how->args) || (own && !mine)) continue;
    if (fact.about.pid != 0 && !mine && server.master) continue;
    found = {how->args, id};
    own = mine;
  }
  for (const FactId id : evidence.ids_of<ProcessSeen>()) {
    const auto* process = as<ProcessSeen>(evidence.facts[id]);
    const int pid = process->ns_pid ? process->ns_pid : evidence.facts[id].about.pid;
    if (found.args.empty() && server.master && pid == server.master && known.recognise(process->args)) found = {process->args, id};
  }
  return found;
}

void built_in(Server& server, const flavour::Flavour& known) {
  for (const flavour::Default& one : known.defaults) {
    const bool by_version = !one.since.empty() || !one.until.empty();
    if (by_version && (server.version.empty() || (!one.since.empty() && before(server.version, one.since)) || (!one.until.empty() && !before(server.version, one.until)))) continue;
    const flavour::Option* const option = flavour::option_named(known, one.name);
    const std::string name(option ? option->setting : one.name);
    server.settings[name] = {name, {{std::string(one.value), ""}}, std::string(one.unit), From::built_in, no_fact, known.name.empty() ? "" : std::string(known.name) + "'s default"};
  }
}

const Fact* changed_since(const Evidence& evidence, const Server& server, const std::string& file) {
  const std::optional<base::Instant> read_at = server.reloads.empty() ? server.first : evidence.facts[server.reloads.back()].when;
  if (!read_at) return nullptr;
  for (const FactId id : evidence.ids_of<FileChanged>()) {
    const Fact& fact = evidence.facts[id];
    if (as<FileChanged>(fact)->path == file && fact.when && fact.when->clock == read_at->clock && fact.when->at - fact.when->give > read_at->at + read_at->give) return &fact;
  }
  return nullptr;
}

// True when one of its files was read.
bool from_files(Stack& stack, const Evidence& evidence, Server& server, const flavour::Flavour& known) {
  const std::string start = std::string(known.name) + ".";
  std::map<std::string, std::vector<FactId>> reads;
  std::vector<std::string> conditions, changed;
  for (const FactId id : evidence.ids_of<SettingRead>()) {
    const Fact& fact = evidence.facts[id];
    const auto* read = as<SettingRead>(fact);
    if (read->from != "file" || !base::starts_with(read->name, start) || !belongs(server, fact)) continue;
    reads[read->name.substr(start.size())].push_back(id);
    if (std::find(conditions.begin(), conditions.end(), read->condition) == conditions.end()) conditions.push_back(read->condition);
  }
  const auto named_conditions = std::count_if(conditions.begin(), conditions.end(), [](const std::string& one) { return !one.empty(); });
  for (const auto& [name, ids] : reads) {
    Setting setting{name, {}, "", From::configured, ids.back(), ""};
    for (const FactId id : ids) {
      const Fact& fact = evidence.facts[id];
      const auto* read = as<SettingRead>(fact);
      const evidence::Source& source = evidence.source_of(fact);
      for (const flavour::Option& option : known.options)
        if (option.setting == name) setting.unit = std::string(option.unit);
      setting.where = source.name + ":" + std::to_string(fact.origin.line) + ":" + std::to_string(fact.origin.column);
      const std::string when = named_conditions == 1 ? std::string() : read->condition;
      std::erase_if(setting.values, [&](const Possible& earlier) { return earlier.when == when; });
      if (read->literal) setting.values.push_back({value_of(read->value, setting.unit), when});
      if (changed_since(evidence, server, source.name)) {
        setting.from = From::unknown;
        if (std::find(changed.begin(), changed.end(), source.name) == changed.end()) changed.push_back(source.name);
      }
    }
    // Two pools with one value are one value.
    const auto same = [&](const Possible& one) { return one.value == setting.values.front().value; };
    if (setting.values.size() > 1 && std::all_of(setting.values.begin(), setting.values.end(), same)) setting.values = {{setting.values.front().value, ""}};
    if (setting.from == From::unknown) setting.values.clear();
    server.settings[name] = std::move(setting);
  }
  for (const std::string& file : changed) stack.gaps.push_back({"settings of " + file, "the file was changed after the server read it", "a restart or reload reads what it says now", 1, {}});
  return !reads.empty();
}

}  // namespace

void read_server_settings(Stack& stack, const Evidence& evidence, Server& server) {
  const flavour::Flavour* const known = flavour::flavour(server.flavour);
  if (!known) return;
  if (server.version.empty())
    for (const FactId id : evidence.ids_of<SettingRead>())
      if (const auto* read = as<SettingRead>(evidence.facts[id]); read->name == server.flavour + ".version" && evidence.facts[id].about.pid && belongs(server, evidence.facts[id])) {
        server.version = read->value;
        server.family = known->family(server.version);
      }
  const Start start = start_of(evidence, server, *known);
  // Defaults hold where nothing can stand in a file that was not seen.
  const bool named = known->configs_named && !known->configs_named(start.args).empty();
  const bool none = start.because != no_fact && !named && known->config_defaults.empty();
  std::map<std::string, Setting> before_files = server.settings;
  built_in(server, *known);
  if (!from_files(stack, evidence, server, *known) && !none) server.settings = std::move(before_files);
  for (const flavour::OptionRead& read : flavour::options_of(*known, start.args)) {
    Setting& setting = server.settings[std::string(read.setting)];
    setting = {std::string(read.setting), {{std::string(read.value), ""}}, std::string(read.unit), From::configured, start.because, "command line"};
  }
}

}  // namespace model
