#include "flavour/gunicorn_args.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/flavour.hpp"
#include "flavour/gunicorn_settings.hpp"

namespace flavour {

namespace {

using evidence::SettingRead;
using Words = std::vector<std::string>;

constexpr std::string_view reference_program = "triage-server";

bool is_program(std::string_view word) {
  const auto name = base::file_name(word);
  constexpr std::string_view module = "/gunicorn/__main__.py";  // what `python -m gunicorn` becomes after USR2
  return name == "gunicorn" || name == "gunicorn3" || name == reference_program || (word.size() > module.size() && word.substr(word.size() - module.size()) == module);
}

// Programs that take a service's or a process's name: theirs is no start command.
bool only_names_it(std::string_view program) {
  constexpr std::string_view names[] = {"systemctl", "service", "supervisorctl", "journalctl", "pkill", "killall", "pgrep", "pidof", "grep", "tail", "which", "pip", "pip3", "apt", "apt-get"};
  return std::ranges::find(names, base::file_name(program)) != std::end(names);
}

bool ends_command(std::string_view word) {
  return word == "&&" || word == "||" || word == ";" || word == "|" || word == "&" || (!word.empty() && word.find('>') < 2 && !base::contains(word, "="));
}

// One option of the table and the setting it sets.
struct Known { std::string_view text; const GunicornSetting* setting = nullptr; };

// `--worker-c` is good when all that begin so set the same: argparse's allow_abbrev. What a later version made ambiguous (--con, since there is
// --control-socket) it refuses to start with, so that the settings of all versions decide.
Known find_option(std::string_view text) {
  const bool is_long = base::starts_with(text, "--");
  Known exact, begun, lasting;
  bool ambiguous = false, lasting_ambiguous = false;
  for (const GunicornSetting& row : gunicorn_settings_table()) {
    for (const auto option : base::split(row.options, ' ')) {
      if (option.empty()) continue;
      if (option == text) exact = {option, &row};
      else if (is_long && text.size() > 2 && base::starts_with(option, text)) {
        ambiguous |= begun.setting && begun.setting->name != row.name;
        begun = {option, &row};
        if (!row.since.empty() || !row.until.empty()) continue;
        lasting_ambiguous |= lasting.setting && lasting.setting->name != row.name;
        lasting = {option, &row};
      }
    }
  }
  if (exact.setting) return exact;
  if (!ambiguous) return begun;
  return lasting_ambiguous ? Known{} : lasting;
}

bool negative_number(std::string_view word) {
  return word.size() > 1 && std::all_of(word.begin() + 1, word.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

// argparse's _parse_optional: a word that begins with a dash is an option, but "-" alone and negative numbers are values, and so are words
// with a blank that begin with no option it knows.
bool looks_like_option(std::string_view word) {
  if (word.size() < 2 || word.front() != '-' || negative_number(word)) return false;
  if (!base::contains(word, " ")) return true;
  return find_option(base::starts_with(word, "--") ? word.substr(0, word.find('=')) : word.substr(0, 2)).setting != nullptr;
}

class Reading {
 public:
  explicit Reading(std::string_view from, const Flavour* own = nullptr) : from_(from), own_(own) {}

  void set(const GunicornSetting& setting, std::string_view value) {
    if (setting.name == "raw_env") value = value.substr(0, value.find('='));  // what it is set to may be a secret
    for (SettingRead& read : settings_) {
      if (read.name != setting.name) continue;
      if (setting.takes == Takes::many) read.value += "," + std::string(value);
      else read.value = value;
      return;
    }
    add(setting.name, value);
  }
  void add(std::string_view name, std::string_view value) { settings_.push_back({std::string(name), std::string(value), from_, "", true}); }

  void read(const Words& words, std::size_t at) {
    bool only_positional = false;
    for (; at < words.size(); ++at) {
      const std::string_view word = words[at];
      if (!only_positional && ends_command(word)) break;
      if (only_positional || !looks_like_option(word)) {
        if (positional_.empty()) positional_ = word;
        continue;
      }
      if (word == "--") only_positional = true;
      else if (base::starts_with(word, "--")) at = read_long(words, at);
      else at = read_short(words, at);
    }
  }

  const std::string& positional() const { return positional_; }
  std::vector<SettingRead>& settings() { return settings_; }

 private:
  // Sets from words[at + 1] where the option takes a value that did not come glued to it; the index of the last word it used.
  std::size_t take(const GunicornSetting& setting, std::optional<std::string_view> glued, const Words& words, std::size_t at) {
    switch (setting.takes) {
      case Takes::flag_true: set(setting, "True"); return at;
      case Takes::flag_false: set(setting, "False"); return at;
      case Takes::maybe: {
        // Before 24 it was a flag, so that what follows may be the application: only its own words are its value.
        constexpr std::string_view own[] = {"off", "v1", "v2", "auto"};
        if (!glued && at + 1 < words.size() && std::ranges::find(own, words[at + 1]) != std::end(own)) glued = words[++at];
        set(setting, glued ? *glued : "True");
        return at;
      }
      case Takes::nothing:
      case Takes::hook: return at;
      default: break;
    }
    if (glued) set(setting, *glued);
    else if (at + 1 < words.size() && !looks_like_option(words[at + 1])) set(setting, words[++at]);
    return at;
  }

  std::size_t read_long(const Words& words, std::size_t at) {
    const std::string_view word = words[at];
    const auto equals = word.find('=');
    const Known option = find_option(word.substr(0, equals));
    if (option.setting) return take(*option.setting, equals == std::string_view::npos ? std::nullopt : std::optional(word.substr(equals + 1)), words, at);
    if (!own_) return at;
    for (const flavour::Option& mine : own_->options) {
      if (mine.text != word.substr(0, equals)) continue;
      if (equals != std::string_view::npos) add(mine.setting, word.substr(equals + 1));
      else if (at + 1 < words.size()) add(mine.setting, words[++at]);
      break;
    }
    return at;
  }

  // -w4, -w 4, -w=4, and flags together: -DR.
  std::size_t read_short(const Words& words, std::size_t at) {
    std::string_view rest = std::string_view(words[at]).substr(1);
    while (!rest.empty()) {
      const std::string text{'-', rest.front()};
      rest.remove_prefix(1);
      const Known option = find_option(text);
      if (!option.setting) return at;
      if (option.setting->takes == Takes::flag_true) { set(*option.setting, "True"); continue; }
      if (base::starts_with(rest, "=")) rest.remove_prefix(1);
      return take(*option.setting, rest.empty() ? std::nullopt : std::optional(rest), words, at);
    }
    return at;
  }

  std::string from_;
  const Flavour* own_;   // of a server that is like gunicorn and has options of its own
  std::string positional_;
  std::vector<SettingRead> settings_;
};

// The three variables that matter, each as the last assignment gives it.
struct Environment {
  std::optional<std::string> command_args, concurrency, port;

  std::optional<std::string>* of(std::string_view name) {
    if (name == "GUNICORN_CMD_ARGS") return &command_args;
    if (name == "WEB_CONCURRENCY") return &concurrency;
    if (name == "PORT") return &port;
    return nullptr;
  }
  void assign(std::string_view word) {
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) return;
    if (auto* const variable = of(word.substr(0, equals))) *variable = std::string(word.substr(equals + 1));
  }
};

// NUL or newline between assignments, as /proc/PID/environ and an env file have them, else a shell's words. A value that was written without
// its quotes runs to the next known name.
Environment read_environment(std::string_view text) {
  Environment environment;
  const char between = base::contains(text, std::string_view("\0", 1)) ? '\0' : '\n';
  if (base::contains(text, std::string_view(&between, 1))) {
    for (auto line : base::split(text, between)) {
      line = base::trim(line);
      if (line.size() > 1 && (line.back() == '"' || line.back() == '\'') && base::contains(line, std::string{'=', line.back()})) {
        const auto words = base::shell_words(line);
        if (!words.empty()) environment.assign(words.front());
      } else environment.assign(line);
    }
    return environment;
  }
  std::optional<std::string>* last = nullptr;
  for (const std::string& word : base::shell_words(text)) {
    auto* const named = base::is_assignment(word) ? environment.of(std::string_view(word).substr(0, word.find('='))) : nullptr;
    if (named) {
      environment.assign(word);
      last = named;
    } else if (base::is_assignment(word)) last = nullptr;
    else if (last) *last = **last + " " + word;
  }
  return environment;
}

bool is_python(std::string_view word) { return base::starts_with(base::file_name(word), "python") || base::starts_with(base::file_name(word), "pypy"); }

// The line inside `sh -c '...'`, where there is one.
std::optional<std::string> shell_line(const Words& words) {
  for (std::size_t at = 1; at + 1 < words.size(); ++at) {
    const auto shell = base::file_name(words[at - 1]);
    if ((shell == "sh" || shell == "bash" || shell == "dash" || shell == "ash" || shell == "zsh") && base::starts_with(words[at], "-") && words[at].back() == 'c' && (base::contains(words[at + 1], "gunicorn") || base::contains(words[at + 1], reference_program)))
      return words[at + 1];
  }
  return std::nullopt;
}

// The words of the command proper; what stands in a shell's -c is one deeper.
Words command_words(std::string_view args) {
  Words words = base::shell_words(args);
  for (int deep = 0; deep < 3; ++deep) {
    const auto inner = shell_line(words);
    if (!inner) break;
    Words before;
    for (const auto& word : words) {
      if (!base::is_assignment(word)) break;
      before.push_back(word);
    }
    words = base::shell_words(*inner);
    words.insert(words.begin(), before.begin(), before.end());
  }
  return words;
}

// Which of the servers that read gunicorn's command line: null for gunicorn itself.
const Flavour* server_of(const Words& words, std::size_t begin) {
  const bool titled = begin > 2 && words[begin - 3] == "triage-server:";
  return titled || (begin > 0 && base::file_name(words[begin - 1]) == reference_program) ? flavour("reference") : nullptr;
}

}  // namespace

std::optional<std::size_t> gunicorn_arguments(const Words& words) {
  std::size_t first = 0;
  while (first < words.size() && base::is_assignment(words[first])) ++first;
  if (first == words.size() || only_names_it(words[first])) return std::nullopt;
  for (std::size_t at = first; at < words.size(); ++at) {
    const std::string_view word = words[at];
    if (is_program(word)) return at + 1;
    if (word == "triage-server:" && at + 2 < words.size() && words[at + 1] == "master" && base::starts_with(words[at + 2], "[")) return at + 3;  // its title goes on with its arguments
    if (word == "-m" && at > first && at + 1 < words.size()) {
      const std::string_view module = words[at + 1];
      if (module == "gunicorn" || base::starts_with(module, "gunicorn.app.")) return at + 2;
      // `python -m other ... gunicorn` runs the other module, unless that one is made to run programs (poetry, debugpy, coverage).
    } else if (is_python(word) && at + 1 < words.size() && !looks_like_option(words[at + 1]) && !is_program(words[at + 1])) return std::nullopt;  // python manage.py ...
  }
  return std::nullopt;
}

bool starts_gunicorn(std::string_view args) {
  const Words words = command_words(args);
  return gunicorn_arguments(words).has_value();
}

std::string_view gunicorn_started(std::string_view args) {
  const Words words = command_words(args);
  const auto begin = gunicorn_arguments(words);
  if (!begin) return {};
  const Flavour* const own = server_of(words, *begin);
  return own ? own->name : "gunicorn";
}

std::vector<SettingRead> gunicorn_settings(std::string_view args, std::string_view environment_text) {
  Environment environment = read_environment(environment_text);
  const Words words = command_words(args);
  const auto begin = gunicorn_arguments(words);
  for (std::size_t at = 0; at < begin.value_or(words.size()); ++at)
    if (base::is_assignment(words[at])) environment.assign(words[at]);

  std::vector<SettingRead> settings;
  const auto append = [&](std::vector<SettingRead>& more) { std::ranges::move(more, std::back_inserter(settings)); };
  Reading defaults("environment-default");
  if (environment.concurrency && !environment.concurrency->empty()) defaults.add("workers", *environment.concurrency);  // config.py:Workers: os.environ.get("WEB_CONCURRENCY", 1)
  if (environment.port) defaults.add("bind", "0.0.0.0:" + *environment.port);                                          // config.py:710@26.2.2
  append(defaults.settings());
  if (environment.command_args) {
    Reading from_environment("environment", begin ? server_of(words, *begin) : nullptr);
    from_environment.read(base::shell_words(*environment.command_args), 0);  // its positional arguments are ignored: app/base.py:198@20.1.0
    append(from_environment.settings());
  }
  if (begin) {
    Reading from_line("command-line", server_of(words, *begin));
    from_line.read(words, *begin);
    if (!from_line.positional().empty()) from_line.add("wsgi_app", from_line.positional());
    append(from_line.settings());
  }
  return settings;
}

std::string gunicorn_config(const std::vector<SettingRead>& settings) {
  std::string named;
  for (const SettingRead& read : settings)
    if (read.name == "config") named = read.value;  // the command line's comes last
  if (base::starts_with(named, "file:")) named.erase(0, 5);
  return named;
}

}  // namespace flavour
