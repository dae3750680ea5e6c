#include "parse/command/words.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"
#include "flavour/gunicorn_args.hpp"

namespace parse::command {

namespace {

using base::starts_with;

// NAME=value; the length of NAME, 0 when it is no assignment.
std::size_t assigned(std::string_view word) {
  std::size_t end = 0;
  while (end < word.size() && (std::isalnum(static_cast<unsigned char>(word[end])) || word[end] == '_')) ++end;
  return end > 0 && end < word.size() && word[end] == '=' && !std::isdigit(static_cast<unsigned char>(word[0])) ? end : 0;
}

std::string_view file_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// "python3.11" is python, "php-fpm8.2" php-fpm.
std::string_view without_version(std::string_view name) {
  while (!name.empty() && (std::isdigit(static_cast<unsigned char>(name.back())) || name.back() == '.')) name.remove_suffix(1);
  return name;
}

bool is_server(std::string_view name) {
  static constexpr std::array<std::string_view, 19> servers{"gunicorn", "triage-server", "uwsgi", "uwsgi-core", "uvicorn", "hypercorn", "daphne", "granian", "waitress-serve", "puma", "pumactl", "unicorn",
                                                            "unicorn_rails", "php-fpm", "apache", "httpd", "celery", "passenger", "mod_wsgi-express"};
  const std::string_view plain = without_version(name);
  return std::find(servers.begin(), servers.end(), plain) != servers.end();
}

bool is_interpreter(std::string_view name) {
  static constexpr std::array<std::string_view, 7> interpreters{"python", "pypy", "ruby", "bundle", "rails", "uv", "poetry"};
  const std::string_view plain = without_version(name);
  return std::find(interpreters.begin(), interpreters.end(), plain) != interpreters.end();
}

// Options of wrappers that take a word of their own: sudo -u x, nice -n 5.
bool takes_word(std::string_view option) { return option == "-u" || option == "-g" || option == "-n" || option == "-k" || option == "-C" || option == "-S"; }

}  // namespace

std::vector<Word> words(std::string_view line, std::size_t most) {
  std::vector<Word> all;
  std::size_t i = 0;
  while (i < line.size() && all.size() < most) {
    if (line[i] == ' ' || line[i] == '\t') { ++i; continue; }
    Word word;
    word.at = i;
    char quote = 0;
    for (; i < line.size(); ++i) {
      const char c = line[i];
      if (quote) {
        if (c == quote) quote = 0;
        else if (c == '\\' && quote == '"' && i + 1 < line.size() && (line[i + 1] == '"' || line[i + 1] == '\\')) word.text += line[++i];
        else word.text += c;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if (c == '\\' && i + 1 < line.size()) {
        word.text += line[++i];
      } else if (c == ' ' || c == '\t') {
        break;
      } else {
        word.text += c;
      }
    }
    all.push_back(std::move(word));
  }
  return all;
}

std::string shell_line(const std::vector<std::string>& all) {
  std::string line;
  for (const std::string& word : all) {
    if (!line.empty()) line += ' ';
    const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isalnum(c) || std::string_view("@%+=:,./-_()[]").find(static_cast<char>(c)) != std::string_view::npos; });
    if (plain) { line += word; continue; }
    line += '\'';
    for (const char c : word) {
      if (c == '\'') line += "'\\''";
      else line += c;
    }
    line += '\'';
  }
  return line;
}

bool keeps(std::string_view assignment) {
  const std::size_t end = assigned(assignment);
  const std::string_view name = assignment.substr(0, end);
  return name == "GUNICORN_CMD_ARGS" || name == "WEB_CONCURRENCY" || name == "PORT";
}

std::optional<evidence::ServerCommand> read_command(std::string_view line) {
  const std::vector<Word> all = words(line);
  evidence::ServerCommand command;
  std::size_t i = 0;
  static constexpr std::array<std::string_view, 12> wrappers{"env", "exec", "nohup", "sudo", "command", "time", "nice", "setsid", "tini", "dumb-init", "chroot", "unshare"};
  bool wrapped = false;
  for (; i < all.size(); ++i) {
    const std::string& word = all[i].text;
    if (assigned(word) > 0) {
      if (keeps(word)) command.environment += (command.environment.empty() ? "" : "\n") + word;
    } else if (std::find(wrappers.begin(), wrappers.end(), file_of(word)) != wrappers.end()) {
      wrapped = true;
    } else if (wrapped && starts_with(word, "-")) {
      if (takes_word(word)) ++i;
    } else {
      break;
    }
  }
  if (i >= all.size()) return std::nullopt;
  const std::string_view program = file_of(all[i].text);
  bool server = is_server(program);
  if (!server && is_interpreter(program)) {
    // python -m gunicorn, python -W ignore /usr/bin/gunicorn, bundle exec puma, uv run gunicorn: among the first words.
    for (std::size_t next = i + 1; next < all.size() && next < i + 8 && !server; ++next) server = is_server(file_of(all[next].text));
  }
  const bool shell = program == "sh" || program == "bash" || program == "dash";
  if (!server && shell && i + 2 < all.size() && starts_with(all[i + 1].text, "-") && all[i + 1].text.back() == 'c') {
    const std::string inner = all[i + 2].text;
    if (inner.size() >= line.size()) return std::nullopt;
    auto inside = read_command(inner);
    if (inside && !command.environment.empty()) inside->environment = command.environment + (inside->environment.empty() ? "" : "\n" + inside->environment);
    if (inside) return inside;
  }
  // `sh script.sh gunicorn ...`, and a -c whose quotes ps has lost.
  server = server || (shell && flavour::starts_gunicorn(line));
  if (!server) return std::nullopt;
  command.args = std::string(line.substr(all[i].at));
  return command;
}

}  // namespace parse::command
