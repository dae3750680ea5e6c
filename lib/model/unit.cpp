#include "model/unit.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>

#include "base/text.hpp"
#include "flavour/systemd.hpp"

namespace model {

namespace {

using namespace evidence;
using FileReads = std::map<std::string, std::vector<FactId>>;  // SettingRead facts of systemd's own keys by the name of their source, in the file's order

constexpr std::string_view prefix = "systemd.";

// What systemd 252 takes where nothing is set. LimitNOFILE= is the manager's own: 1024 soft (man systemd-system.conf).
struct BuiltIn { std::string_view name, value, manager_key; };
constexpr std::array<BuiltIn, 9> built_ins{{{"TimeoutStopSec", "90", "DefaultTimeoutStopSec"}, {"TimeoutStartSec", "90", "DefaultTimeoutStartSec"}, {"LimitNOFILE", "1024:524288", "DefaultLimitNOFILE"}, {"KillMode", "control-group", ""}, {"KillSignal", "SIGTERM", ""},
                                            {"SendSIGKILL", "yes", ""}, {"PrivateTmp", "no", ""}, {"Restart", "no", ""}, {"MemoryMax", "infinity", ""}}};

FileReads reads_of(const Evidence& evidence) {
  FileReads files;
  for (const FactId id : evidence.ids_of<SettingRead>())
    if (const auto* read = as<SettingRead>(evidence.facts[id]); read && base::starts_with(read->name, prefix)) files[evidence.source_of(evidence.facts[id]).name].push_back(id);
  return files;
}

std::string place_of(const Evidence& evidence, FactId id) {
  const Fact& fact = evidence.facts[id];
  return evidence.source_of(fact).name + ":" + std::to_string(fact.origin.line) + ":" + std::to_string(fact.origin.column);
}

std::string_view unit_of(std::string_view key) { return key.ends_with("Sec") ? "s" : base::starts_with(key, "Memory") ? "bytes" : ""; }

std::string number_text(double value) {
  std::array<char, 40> text{};
  const auto [end, failure] = std::to_chars(text.data(), text.data() + text.size(), value);
  return failure == std::errc() ? std::string(text.data(), end) : std::string();
}

// In the unit's own measure where the text has one: "5min" -> "300".
std::string plain(std::string_view key, const std::string& text) {
  if (unit_of(key) == "s") {
    const auto seconds = flavour::systemd_seconds(text);
    // "a timeout of 0" means none there (config_parse_sec_fix_0 in load-fragment.c).
    if (seconds && *seconds == 0 && (key == "TimeoutStopSec" || key == "TimeoutStartSec")) return "infinity";
    return !seconds ? text : std::isinf(*seconds) ? "infinity" : number_text(*seconds);
  }
  if (unit_of(key) == "bytes") {
    const auto bytes = flavour::systemd_bytes(text);
    return !bytes ? text : *bytes == UINT64_MAX ? "infinity" : std::to_string(*bytes);
  }
  return text;
}

bool is_list(std::string_view key) {
  for (const std::string_view one : {"ListenStream", "RuntimeDirectory", "SupplementaryGroups", "Environment", "EnvironmentFile", "JoinsNamespaceOf", "Sockets"})
    if (key == one) return true;
  return false;
}

void set(Unit& unit, const std::string& key, const std::string& value, FactId because, std::string where, From from) {
  Setting& setting = unit.settings[key];
  const bool more = is_list(key) && setting.values.size() == 1;
  setting.name = key;
  setting.unit = unit_of(key);
  setting.values = {{more ? setting.values.front().value + " " + plain(key, value) : plain(key, value), ""}};
  setting.from = from;
  setting.because = because;
  setting.where = std::move(where);
}

void apply(Unit& unit, const Evidence& evidence, const std::vector<FactId>& reads, bool changed) {
  for (const FactId id : reads) {
    const auto& read = std::get<SettingRead>(evidence.facts[id].what);
    const std::string key = read.name.substr(prefix.size());
    std::vector<std::string> keys{key};
    if (key == "TimeoutSec") keys = {"TimeoutStartSec", "TimeoutStopSec"};
    for (const auto& one : keys) {
      if (changed) {
        unit.settings[one] = {one, {}, std::string(unit_of(one)), From::unknown, id, place_of(evidence, id) + ", changed after the unit was started"};
      } else if (read.value.empty()) {
        unit.settings.erase(one);  // takes back what stood before
      } else if (const auto now = unit.settings.find(one); now == unit.settings.end() || now->second.from != From::unknown || !is_list(one)) {
        set(unit, one, read.value, id, place_of(evidence, id), From::configured);
      }
    }
  }
}

bool same_path(std::string_view a, std::string_view b) { return a == b || (a.size() > b.size() && b.starts_with('/') && a.ends_with(b)) || (b.size() > a.size() && a.starts_with('/') && b.ends_with(a)); }

bool changed_since(const Evidence& evidence, const std::string& file, const std::optional<base::Instant>& started) {
  if (!started) return false;
  return std::any_of(evidence.facts.begin(), evidence.facts.end(), [&](const Fact& fact) {
    const auto* changed = as<FileChanged>(fact);
    return changed && fact.when && fact.when->clock == started->clock && same_path(changed->path, file) && fact.when->at - fact.when->give > started->at + started->give;
  });
}

// What the manager gives to all units, where its own files say it.
void apply_defaults(Unit& unit, const Evidence& evidence, const FileReads& files) {
  std::map<std::string, FactId> of_manager;
  std::vector<const FileReads::value_type*> ordered;
  for (const auto& file : files) ordered.push_back(&file);
  const auto name = [](const std::string& path) { return std::string_view(path).substr(path.rfind('/') + 1); };
  // system.conf comes first, whatever the names of its drop-ins.
  std::stable_sort(ordered.begin(), ordered.end(), [&](const auto* a, const auto* b) {
    const bool first = name(a->first) == "system.conf", second = name(b->first) == "system.conf";
    return first != second ? first : name(a->first) < name(b->first);
  });
  for (const auto* file : ordered)
    for (const FactId id : file->second) {
      const auto& read = std::get<SettingRead>(evidence.facts[id].what);
      if (base::starts_with(read.name, "systemd.Default")) of_manager[read.name.substr(prefix.size())] = id;
    }
  for (const BuiltIn& row : built_ins) {
    const auto set_by = of_manager.find(std::string(row.manager_key));
    if (set_by != of_manager.end()) set(unit, std::string(row.name), std::get<SettingRead>(evidence.facts[set_by->second].what).value, set_by->second, place_of(evidence, set_by->second), From::inherited);
    else set(unit, std::string(row.name), std::string(row.value), no_fact, "systemd's default", From::built_in);
  }
}

std::string socket_of(const Evidence& evidence, const FileReads& files, const std::string& unit) {
  for (const auto& [file, reads] : files)
    for (const FactId id : reads) {
      const auto& read = std::get<SettingRead>(evidence.facts[id].what);
      if (read.name == "systemd.Service" && read.value == unit && evidence.facts[id].about.unit.ends_with(".socket")) return evidence.facts[id].about.unit;
    }
  return unit.substr(0, unit.rfind('.')) + ".socket";
}

void read_files(Stack& stack, const Evidence& evidence, Unit& unit, const FileReads& files, const std::optional<base::Instant>& started) {
  std::vector<std::string> paths;
  for (const auto& [path, reads] : files) paths.push_back(path);
  if (unit.files.empty()) {
    unit.files = flavour::files_of_unit(paths, unit.name);
    for (auto& path : flavour::files_of_unit(paths, socket_of(evidence, files, unit.name))) unit.files.push_back(std::move(path));
  }
  if (unit.files.empty()) return;
  apply_defaults(unit, evidence, files);
  for (const auto& path : unit.files) {
    const auto reads = files.find(path);
    if (reads == files.end()) continue;
    const bool changed = changed_since(evidence, path, started);
    apply(unit, evidence, reads->second, changed);
    // What an empty assignment took back is systemd's own again.
    for (const BuiltIn& row : built_ins)
      if (!unit.settings.contains(std::string(row.name))) set(unit, std::string(row.name), std::string(row.value), no_fact, "systemd's default", From::built_in);
    if (changed)
      stack.gaps.push_back({"settings of " + path, "the file was changed after " + unit.name + " was started; whether systemd was told (daemon-reload) is not known",
                            "systemctl show " + unit.name + " says what is in force", 1, {}});
  }
}

// ---- which server is whose ----

int host_pid(const Stack& stack, const Server& server) {
  const int joined = server.master_life == no_life ? 0 : stack.lives[server.master_life].host_pid;
  return joined ? joined : server.master;
}

std::set<std::string> named_in_log(const Evidence& evidence, const Server& server) {
  std::set<std::string> names;
  for (const Fact& fact : evidence.facts)
    if (fact.origin.source == server.source && fact.about.unit.ends_with(".service") && (fact.by == server.master || fact.about.pid == server.master)) names.insert(fact.about.unit);
  return names;
}

std::size_t unit_for(const Stack& stack, const Evidence& evidence, const Server& server, const std::map<std::string, std::vector<FactId>>& commands) {
  if (stack.units.empty()) return SIZE_MAX;
  for (std::size_t i = 0; i < stack.units.size(); ++i)
    if (stack.units[i].master && stack.units[i].master == host_pid(stack, server)) return i;
  const auto named = named_in_log(evidence, server);
  std::size_t only = SIZE_MAX, candidates = 0, starting = SIZE_MAX, starters = 0;
  for (std::size_t i = 0; i < stack.units.size(); ++i) {
    if (named.contains(stack.units[i].name)) return i;
    if (stack.units[i].master) continue;  // it started another
    only = i;
    ++candidates;
    const auto found = commands.find(stack.units[i].name);
    if (found == commands.end()) continue;
    if (std::any_of(found->second.begin(), found->second.end(), [&](FactId id) { return starts(server, evidence, std::get<ServerCommand>(evidence.facts[id].what)); })) { starting = i; ++starters; }
  }
  if (!named.empty()) return SIZE_MAX;
  return starters == 1 ? starting : candidates == 1 ? only : SIZE_MAX;
}

}  // namespace

void read_units(Stack& stack, const Evidence& evidence) {
  const FileReads files = reads_of(evidence);
  std::map<std::string, std::vector<FactId>> commands;  // of units that start servers, by unit
  std::set<std::string> live;
  for (const FactId id : evidence.ids_of<UnitSeen>()) {
    const Fact& fact = evidence.facts[id];
    const auto* seen = as<UnitSeen>(fact);
    Unit unit;
    unit.name = fact.about.unit;
    unit.manager = seen->manager;
    unit.master = fact.about.pid;
    unit.seen = id;
    for (const auto path : base::split(seen->files, ' '))
      if (!path.empty()) unit.files.emplace_back(path);
    live.insert(unit.name);
    read_files(stack, evidence, unit, files, fact.when);
    stack.units.push_back(std::move(unit));
  }
  for (const FactId id : evidence.ids_of<ServerCommand>()) {
    const Fact& fact = evidence.facts[id];
    if (fact.about.unit.ends_with(".service") && evidence.source_of(fact).kind == SourceKind::config) commands[fact.about.unit].push_back(id);
  }
  const std::size_t seen = stack.units.size();
  for (const auto& [name, starts_by] : commands) {
    const bool known = std::any_of(live.begin(), live.end(), [&](const std::string& one) {
      const auto names = flavour::unit_names(one);
      return std::find(names.begin(), names.end(), name) != names.end();
    });
    if (known) continue;
    Unit unit;
    unit.name = name;
    stack.units.push_back(std::move(unit));
  }
  for (Server& server : stack.servers) server.unit = unit_for(stack, evidence, server, commands);
  // Earlier runs in the log of one whose unit is known.
  for (Server& server : stack.servers)
    for (const Server& other : stack.servers)
      if (server.unit == SIZE_MAX && other.unit != SIZE_MAX && same_log(other, server)) server.unit = other.unit;
  for (std::size_t i = seen; i < stack.units.size(); ++i) {
    const auto of = std::find_if(stack.servers.begin(), stack.servers.end(), [&](const Server& server) { return server.unit == i; });
    read_files(stack, evidence, stack.units[i], files, of == stack.servers.end() ? std::nullopt : of->first);
  }
}

}  // namespace model
