// The command lines that start a server, wherever they stand, and what they set, each value with its place in the text.
#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/gunicorn_args.hpp"
#include "flavour/gunicorn_settings.hpp"
#include "model/deployment.hpp"
#include "model/gunicorn_value.hpp"

namespace model {

namespace {

using parse::settings::Dialect;
using parse::settings::Entry;

// Where an option of this setting stands in the command's text: the last one, for it is the one that counts.
Spot option_spot(const File& file, const Spot& command, std::string_view setting) {
  const std::string_view text = std::string_view(file.text).substr(command.at, command.end - command.at);
  Spot found = command;
  std::size_t best = std::string_view::npos;
  for (const auto& row : flavour::gunicorn_settings_table()) {
    if (row.name != setting) continue;
    for (const std::string_view option : base::split(row.options, ' ')) {
      if (option.empty()) continue;
      for (auto at = text.find(option); at != std::string_view::npos; at = text.find(option, at + 1)) {
        const char before = at == 0 ? ' ' : text[at - 1], after = at + option.size() < text.size() ? text[at + option.size()] : ' ';
        const bool starts = before == ' ' || before == '\t' || before == '\n' || before == '"' || before == '\'' || before == '[' || before == ',';
        const bool ends = std::isalpha(static_cast<unsigned char>(after)) == 0 && after != '-' && after != '_';
        if (!starts || (option.size() > 2 && !ends) || (best != std::string_view::npos && at < best)) continue;
        best = at;
        const auto place = parse::settings::place_at(file.text, command.at + at, command.at + at + option.size());
        found = {command.file, place.line, place.column, place.at, place.end};
      }
    }
  }
  return found;
}

// ["gunicorn", "-w", "4"] as a shell line; other text as it is.
std::string shell_form(std::string_view value) {
  if (!base::starts_with(value, "[")) return std::string(value);
  const auto file = parse::settings::read_yaml(value);  // JSON is YAML
  if (!file.wrong.empty() || file.documents.empty() || file.documents.front().shape != parse::settings::Yaml::Shape::list) return std::string(value);
  std::string line;
  for (const auto& item : file.documents.front().items) {
    if (!line.empty()) line += ' ';
    line += item.text.find_first_of(" \t\n'\"\\") == std::string::npos && !item.text.empty() ? item.text : item.text.find('\'') == std::string::npos ? "'" + item.text + "'" : "\"" + item.text + "\"";
  }
  return line;
}

class Commands {
 public:
  Commands(Deployment& all, const Targets& targets) : all_(all), targets_(targets) {}

  void add(int holder, const std::string& command, const Spot& at, const std::string& environment) {
    const std::string_view started = flavour::gunicorn_started(command);
    if (started.empty()) return;
    Backend server;
    server.flavour = started;
    server.command = command;
    server.at = at;
    server.holder = holder;
    server.version = targets_.gunicorn;
    const auto read = flavour::gunicorn_settings(command, environment);
    if (std::ranges::any_of(read, [](const auto& one) { return one.name == "check_config"; })) {
      all_.check_runs.push_back(at);
      return;
    }
    if (std::ranges::any_of(read, [](const auto& one) { return one.name == "print_config"; })) return;
    const std::string config = flavour::gunicorn_config(read);
    server.config_named = !config.empty();
    for (const auto& one : read) {
      if (one.from == "environment-default") { weak_.push_back(one); continue; }
      Choices choices = gunicorn_choices(one.name, one.value);
      for (Choice& choice : choices) {
        choice.at = at.known() ? option_spot(all_.files[at.file], at, one.name) : at;
        choice.from = From::configured;
      }
      server.settings.insert_or_assign(one.name, std::move(choices));
    }
    for (const auto& one : weak_) {
      Choices choices = gunicorn_choices(one.name, one.value);
      for (Choice& choice : choices) { choice.at = at; choice.from = From::inherited; }
      server.settings.emplace("environment:" + one.name, std::move(choices));
    }
    weak_.clear();
    all_.servers.push_back(std::move(server));
  }

 private:
  Deployment& all_;
  const Targets& targets_;
  std::vector<evidence::SettingRead> weak_;
};

// A script named by a command, by its file name.
std::uint32_t script_of(const Deployment& all, std::string_view command) {
  for (const std::string& word : base::shell_words(command)) {
    const auto name = base::file_name(word);
    if (name.empty()) continue;
    for (std::uint32_t i = 0; i < all.files.size(); ++i)
      if (all.files[i].document.dialect == Dialect::script && base::file_name(all.files[i].path) == name) return i;
  }
  return no_file;
}

}  // namespace

void add_commands(Deployment& all, const Targets& targets) {
  Commands commands(all, targets);
  std::vector<int> script_holder(all.files.size(), -1);
  const std::size_t holders = all.holders.size();
  for (std::size_t h = 0; h < holders; ++h) {
    const Holder& holder = all.holders[h];
    const auto value = [&](std::string_view name) -> const Choice* { return only_choice(holder.settings, name); };
    const auto text = [&](std::string_view name) { const Choice* found = value(name); return found ? found->value.text : std::string(); };
    const int index = static_cast<int>(h);
    switch (holder.kind) {
      case Holder::Kind::unit: {
        const File& file = all.files[holder.at.file];
        std::string environment;
        for (const Entry& entry : file.document.entries)
          if (entry.section == "Service" && entry.key == "Environment") for (const auto& word : base::shell_words(entry.value)) environment += word + "\n";
        for (const Entry& entry : file.document.entries) {
          if (entry.section != "Service" || entry.key != "ExecStart") continue;
          const auto begin = entry.value.find_first_not_of("@-:+!|");
          if (begin == std::string::npos) continue;
          commands.add(index, entry.value.substr(begin), {holder.at.file, entry.value_at.line, entry.value_at.column, entry.value_at.at, entry.value_at.end}, environment);
        }
        break;
      }
      case Holder::Kind::image: {
        const File& file = all.files[holder.at.file];
        std::string environment;
        for (const Entry& entry : file.document.entries)
          if (entry.key == "ENV") {
            const auto words = base::shell_words(entry.value);
            if (words.size() >= 2 && !base::is_assignment(words.front())) environment += words.front() + "=" + entry.value.substr(entry.value.find_first_of(" \t") + 1) + "\n";
            else for (const auto& word : words) environment += word + "\n";
          }
        const Choice *entry = value("entrypoint"), *cmd = value("cmd");
        const bool exec_entry = entry && base::starts_with(entry->value.text, "[");
        std::string line = entry ? shell_form(entry->value.text) : "";
        Spot at = entry ? entry->at : Spot{};
        if (cmd && (!entry || exec_entry)) {
          const std::string words = shell_form(cmd->value.text);
          // An entrypoint script that ends in exec "$@" runs the CMD as it is.
          if (entry && !flavour::starts_gunicorn(line) && flavour::starts_gunicorn(words)) { line = words; at = cmd->at; }
          else {
            line += (line.empty() ? "" : " ") + words;
            if (!at.known()) at = cmd->at;
            else if (flavour::starts_gunicorn(line)) at.end = std::max(at.end, cmd->at.end);
          }
        }
        commands.add(index, line, at, environment);
        if (!flavour::starts_gunicorn(line))
          if (const auto script = script_of(all, line); script != no_file) script_holder[script] = index;
        break;
      }
      case Holder::Kind::service: {
        const Choice *entry = value("entrypoint"), *command = value("command");
        const Choice* from = command && flavour::starts_gunicorn(command->value.text) ? command : entry;
        if (from && flavour::starts_gunicorn(from->value.text)) commands.add(index, from->value.text, from->at, text("environment"));
        else if (command)
          if (const auto script = script_of(all, command->value.text); script != no_file) script_holder[script] = index;
        break;
      }
      case Holder::Kind::pod: {
        const Choice* from = value("command") ? value("command") : value("args");
        if (from) commands.add(index, from->value.text, from->at, text("environment"));
        break;
      }
      case Holder::Kind::process:
      case Holder::Kind::program: {
        if (const Choice* from = value("command")) {
          std::string environment = text("environment");
          std::replace(environment.begin(), environment.end(), ',', '\n');
          commands.add(index, from->value.text, from->at, environment);
          if (!flavour::starts_gunicorn(from->value.text))
            if (const auto script = script_of(all, from->value.text); script != no_file) script_holder[script] = index;
        }
        break;
      }
      case Holder::Kind::script: break;
    }
  }
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    if (all.files[i].document.dialect != Dialect::script || !all.files[i].template_language.empty()) continue;
    const std::vector<Entry> entries = all.files[i].document.entries;
    for (const Entry& entry : entries) {
      if (!flavour::starts_gunicorn(entry.value)) continue;
      Holder script;
      script.kind = Holder::Kind::script;
      script.name = all.files[i].shown;
      script.at = {i, entry.value_at.line, entry.value_at.column, entry.value_at.at, entry.value_at.end};
      script.settings["exec"] = {{truth_value(entry.key == "exec"), "", script.at, From::configured}};
      int holder = i < script_holder.size() ? script_holder[i] : -1;
      if (holder < 0) { holder = static_cast<int>(all.holders.size()); all.holders.push_back(script); }
      commands.add(holder, entry.value, script.at, "");
    }
  }
  // A service that builds an image and gives no command of its own runs the image's.
  for (Backend& server : all.servers) {
    if (server.holder < 0 || all.holders[static_cast<std::size_t>(server.holder)].kind != Holder::Kind::image) continue;
    const std::string& dockerfile = all.files[all.holders[static_cast<std::size_t>(server.holder)].at.file].path;
    std::size_t users = 0;
    int user = -1;
    for (std::size_t h = 0; h < all.holders.size(); ++h) {
      const Holder& service = all.holders[h];
      if (service.kind != Holder::Kind::service || service.settings.contains("command") || service.settings.contains("entrypoint")) continue;
      const Choice* build = only_choice(service.settings, "build");
      if (!build || build->value.items.size() != 2) continue;
      const std::string& compose = all.files[service.at.file].path;
      std::string folder = compose.substr(0, compose.rfind('/') + 1), context = build->value.items[0], name = build->value.items[1];
      while (base::starts_with(context, "./")) context.erase(0, 2);
      if (context == "." || context.empty()) context = "";
      else if (!context.ends_with("/")) context += "/";
      if (folder + context + (name.empty() ? "Dockerfile" : name) == dockerfile) { ++users; user = static_cast<int>(h); }
    }
    if (users == 1) server.holder = user;
  }
}

}  // namespace model
