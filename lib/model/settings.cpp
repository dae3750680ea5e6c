#include "model/settings.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/flavour.hpp"
#include "flavour/gunicorn_args.hpp"
#include "flavour/gunicorn_settings.hpp"

namespace model {

namespace {

using evidence::Evidence;
using evidence::Fact;
using evidence::ServerCommand;
using evidence::SettingRead;
using evidence::SourceKind;
using Layer = std::map<std::string, Setting>;

bool belongs(const SettingsOf& asked, const Fact& fact) { return !asked.belongs || asked.belongs(fact); }

// A running process's own arguments say more than what a file says it is started with.
int weight(const Evidence& evidence, const SettingsOf& asked, const Fact& fact) {
  if (asked.master && fact.about.pid == asked.master) return 3;
  const auto kind = evidence.source_of(fact).kind;
  return kind == SourceKind::proc || kind == SourceKind::process_list ? 2 : kind == SourceKind::config ? 0 : 1;
}

std::vector<FactId> commands_of(const Evidence& evidence, const SettingsOf& asked) {
  std::vector<FactId> best;
  int most = -1;
  std::set<std::string> seen;
  for (const FactId id : evidence.ids_of<ServerCommand>()) {
    const Fact& fact = evidence.facts[id];
    const auto* const command = evidence::as<ServerCommand>(fact);
    if (!belongs(asked, fact) || !flavour::starts_gunicorn(command->args)) continue;
    const int here = weight(evidence, asked, fact);
    if (here < most) continue;
    if (here > most) { best.clear(); seen.clear(); }
    most = here;
    if (seen.insert(command->args + '\n' + command->environment).second && best.size() < 8) best.push_back(id);
  }
  return best;
}

std::string both(const std::string& a, const std::string& b) { return a.empty() ? b : b.empty() ? a : a + " and " + b; }

void built_in(Layer& settings, const std::string& flavour, const std::string& version) {
  const auto known = flavour::read_version(version);
  for (const auto& row : flavour::flavour(flavour)->defaults) {
    if (!flavour::holds_for(row.since, row.until, known)) continue;
    Setting& setting = settings[std::string(row.name)];
    setting.name = row.name;
    setting.unit = row.unit;
    setting.from = From::built_in;
    setting.where = known.known() ? "default of " + version : "default";
    std::string when;
    if (!known.known() && !row.since.empty() && !setting.values.empty()) when = "gunicorn " + std::string(row.since) + " or later";
    if (!known.known() && !row.until.empty()) when = "gunicorn before " + std::string(row.until);
    setting.values.push_back({std::string(row.value), when});
  }
}

void set(Layer& settings, const SettingRead& read, FactId because, std::string where) {
  Setting& setting = settings[read.name];
  setting.name = read.name;
  setting.unit = flavour::gunicorn_unit(read.name);
  setting.values = {{read.value, ""}};
  setting.from = From::configured;
  setting.because = because;
  setting.where = std::move(where);
}

// ---- the configuration file ----

std::string_view without_dot(std::string_view path) {
  while (base::starts_with(path, "./")) path.remove_prefix(2);
  return path;
}

// `name` as the evidence has it may stand under a folder that the server does not know of: a bundle, a copy.
bool same_file(std::string_view name, std::string_view path) {
  name = without_dot(name);
  path = without_dot(path);
  if (path.empty() || name == path) return name == path && !path.empty();
  if (!name.ends_with(path)) return false;
  return path.front() == '/' || name[name.size() - path.size() - 1] == '/';
}

// The reads of one configuration file, by setting, in the order of the file.
struct File {
  std::string name;
  std::map<std::string, std::vector<FactId>> reads;
};

std::vector<File> files_of(const Evidence& evidence, const SettingsOf& asked) {
  std::map<evidence::SourceId, File> files;
  for (const FactId id : evidence.ids_of<SettingRead>()) {
    const Fact& fact = evidence.facts[id];
    const auto* const read = evidence::as<SettingRead>(fact);
    if ((read->from != "file" && read->from != "default") || !belongs(asked, fact) || !flavour::knows(asked.flavour, read->name)) continue;
    File& file = files[fact.origin.source];
    file.name = evidence.source_of(fact).name;
    file.reads[read->name].push_back(id);
  }
  std::vector<File> all;
  for (auto& [source, file] : files) all.push_back(std::move(file));
  return all;
}

// Whether a condition speaks of a variable whose state the command's environment tells: "PORT is set", "PORT is not set".
struct KnownVariable { std::string name; bool set = false; };

std::vector<KnownVariable> variables_of(const Evidence& evidence, FactId command) {
  if (command == evidence::no_fact) return {};
  const auto& started = *evidence::as<ServerCommand>(evidence.facts[command]);
  // /proc/PID/environ is the whole environment; a start line shows only what it sets.
  const bool whole = evidence.source_of(evidence.facts[command]).kind == SourceKind::proc && !started.environment.empty();
  std::vector<KnownVariable> known;
  for (const char* name : {"WEB_CONCURRENCY", "PORT", "GUNICORN_CMD_ARGS"}) {
    const bool set = base::contains("\n" + started.environment, std::string("\n") + name + "=") || base::contains(" " + started.environment, std::string(" ") + name + "=");
    if (set || whole) known.push_back({name, set});
  }
  return known;
}

// The condition without what is known to hold; nullopt when it is known not to.
std::optional<std::string> remaining(std::string condition, const std::vector<KnownVariable>& variables) {
  for (const auto& variable : variables) {
    const std::string yes = variable.name + " is set", no = variable.name + " is not set";
    if (condition == (variable.set ? no : yes)) return std::nullopt;
    if (condition == (variable.set ? yes : no)) condition.clear();
  }
  return condition;
}

void apply_file(Layer& settings, const Evidence& evidence, const File& file, FactId command) {
  const auto variables = variables_of(evidence, command);
  for (const auto& [name, reads] : file.reads) {
    const Setting below = settings[name];
    Setting setting = below;
    setting.name = name;
    setting.unit = flavour::gunicorn_unit(name);
    setting.values.clear();
    bool told = false;
    for (const FactId id : reads) {
      const Fact& fact = evidence.facts[id];
      const auto& read = *evidence::as<SettingRead>(fact);
      const auto when = remaining(read.condition, variables);
      if (!when) continue;
      if (read.from == "default") {
        for (const Possible& possible : below.values) setting.values.push_back({possible.value, both(*when, possible.when)});
        continue;
      }
      told |= !read.value.empty() || read.literal;
      setting.values.push_back({read.value, *when});
      if (setting.because == below.because) {
        setting.because = id;
        setting.where = file.name + ":" + std::to_string(fact.origin.line) + ":" + std::to_string(fact.origin.column);
        setting.from = From::configured;
      }
    }
    if (setting.values.empty()) continue;
    if (setting.values.size() == 1) setting.values.front().when.clear();
    if (!told && setting.values.size() == 1) setting.values.clear();
    settings[name] = std::move(setting);
  }
}

// Nothing that is weaker than the command line can be told.
void forget(Layer& settings, const std::string& why) {
  for (auto& [name, setting] : settings) setting = {name, {}, setting.unit, From::unknown, evidence::no_fact, why};
}

// The file that is in force for a start command, and why not when it is known to be one that was not seen.
const File* file_in_force(const std::vector<File>& files, const std::string& named, std::string_view usual, bool commanded, EffectiveSettings& out) {
  std::vector<const File*> fitting;
  for (const File& file : files) {
    if (named.empty() ? (base::file_name(file.name) == usual || !commanded) : same_file(file.name, named)) fitting.push_back(&file);
  }
  // A copy may have lost its folders: the name alone will do where only one has it.
  if (fitting.empty() && !named.empty())
    for (const File& file : files)
      if (base::file_name(file.name) == base::file_name(named)) fitting.push_back(&file);
  if (fitting.size() == 1) return fitting.front();
  const std::string wanted = "settings of " + (named.empty() ? std::string(usual) : named);
  if (fitting.size() > 1) out.gaps.push_back({wanted, std::to_string(fitting.size()) + " files may be meant: " + fitting[0]->name + ", " + fitting[1]->name, "give only the one of this server", 1, {}});
  else if (!named.empty()) out.gaps.push_back({wanted, "the start command names this file, and it was not given", "give " + named + " too", 1, {}});
  return nullptr;
}

// The file was written after the server read it: what it says now need not be what the server does.
const Fact* changed_since(const Evidence& evidence, const SettingsOf& asked, const File& file) {
  if (!asked.read_at) return nullptr;
  for (const FactId id : evidence.ids_of<evidence::FileChanged>()) {
    const Fact& fact = evidence.facts[id];
    const auto* const changed = evidence::as<evidence::FileChanged>(fact);
    if (!fact.when || fact.when->clock != asked.read_at->clock || !belongs(asked, fact)) continue;
    if (!same_file(changed->path, file.name) && !same_file(file.name, changed->path)) continue;
    if (fact.when->at - fact.when->give > asked.read_at->at + asked.read_at->give) return &fact;
  }
  return nullptr;
}

// threads > 1 makes a thread worker of sync: config.py:113-120@20.1.0.
void threads_make_gthread(Layer& settings) {
  const auto threads = settings.find("threads"), worker_class = settings.find("worker_class");
  if (threads == settings.end() || worker_class == settings.end()) return;
  const auto& count = threads->second;
  if (count.from == From::unknown || count.values.size() != 1 || worker_class->second.from == From::unknown) return;
  if (base::read_number(count.values.front().value).value_or(0) <= 1) return;
  for (Possible& possible : worker_class->second.values) {
    if (possible.value != "sync" && !possible.value.ends_with("SyncWorker")) continue;
    possible.value = "gthread";
    worker_class->second.from = From::inherited;
    worker_class->second.because = count.because;
    worker_class->second.where = "threads = " + count.values.front().value + " at " + count.where;
  }
}

EffectiveSettings resolve(const Evidence& evidence, const SettingsOf& asked, FactId command, const std::vector<File>& files) {
  EffectiveSettings out;
  built_in(out.settings, asked.flavour, asked.version);
  std::vector<SettingRead> started;
  if (command != evidence::no_fact) {
    const auto& how = *evidence::as<ServerCommand>(evidence.facts[command]);
    started = flavour::gunicorn_settings(how.args, how.environment);
  } else {
    forget(out.settings, "the start command was not seen");
    out.gaps.push_back({"start command", "nothing shows how the server was started", "give its command line (ps -ef, the unit file) too", 1, {}});
  }
  for (const SettingRead& read : started)
    if (read.from == "environment-default") set(out.settings, read, command, read.name == "workers" ? "environment WEB_CONCURRENCY" : "environment PORT");

  const std::string named = flavour::gunicorn_config(started);
  const File* const file = file_in_force(files, named, flavour::flavour(asked.flavour)->config_file, command != evidence::no_fact, out);
  const bool unseen = !file && !out.gaps.empty() && command != evidence::no_fact;
  if (unseen) forget(out.settings, out.gaps.back().wanted.substr(std::string_view("settings of ").size()) + " was not seen");
  if (file) {
    out.config = file->name;
    apply_file(out.settings, evidence, *file, command);
    if (changed_since(evidence, asked, *file)) {
      for (const auto& [name, reads] : file->reads) out.settings[name] = {name, {}, out.settings[name].unit, From::unknown, reads.front(), file->name + " was changed after the server read it"};
      out.gaps.push_back({"settings of " + file->name, "the file was changed after the server read it", "gunicorn --print-config shows what a restart would use", 1, {}});
    }
  }
  for (const SettingRead& read : started) {
    if (read.from == "environment") set(out.settings, read, command, "GUNICORN_CMD_ARGS");
    if (read.from == "command-line") set(out.settings, read, command, "command line");
  }
  threads_make_gthread(out.settings);
  return out;
}

// Several start commands that fit: what they agree on holds, the rest depends on which it was.
void merge(EffectiveSettings& into, EffectiveSettings&& other, const std::string& first, const std::string& when) {
  for (auto& [name, setting] : other.settings) {
    Setting& mine = into.settings[name];
    const auto same = [](const Possible& a, const Possible& b) { return a.value == b.value; };
    if (mine.from == setting.from && std::ranges::equal(mine.values, setting.values, same)) continue;
    if (mine.name.empty()) { mine = std::move(setting); continue; }
    if (mine.from == From::unknown || setting.from == From::unknown) { mine.from = From::unknown; mine.values.clear(); continue; }
    for (Possible& possible : mine.values)
      if (possible.when.empty()) possible.when = first;
    for (const Possible& possible : setting.values) mine.values.push_back({possible.value, both(when, possible.when)});
  }
  for (auto& gap : other.gaps) into.gaps.push_back(std::move(gap));
  if (into.config != other.config) into.config.clear();
}

}  // namespace

EffectiveSettings effective_settings(const Evidence& evidence, const SettingsOf& asked) {
  if (!flavour::like_gunicorn(asked.flavour)) return {};
  const auto commands = commands_of(evidence, asked);
  const auto files = files_of(evidence, asked);
  if (commands.empty()) return resolve(evidence, asked, evidence::no_fact, files);
  EffectiveSettings all = resolve(evidence, asked, commands.front(), files);
  const auto started_as = [&](FactId id) { return "started as: " + base::printable(evidence::as<ServerCommand>(evidence.facts[id])->args, 80); };
  for (std::size_t i = 1; i < commands.size(); ++i) merge(all, resolve(evidence, asked, commands[i], files), started_as(commands.front()), started_as(commands[i]));
  if (commands.size() > 1) all.gaps.push_back({"start command", std::to_string(commands.size()) + " start commands fit this server", "give only its own", 1, {}});
  return all;
}

}  // namespace model
