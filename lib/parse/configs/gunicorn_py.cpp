// gunicorn's configuration file: Python, read without running it. Names are matched as gunicorn does, letter by letter; others are the file's
// own (app/base.py:139-142@20.1.0).
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/gunicorn_settings.hpp"
#include "parse/format.hpp"
#include "parse/python/bindings.hpp"

namespace parse {

namespace {

using std::string_view_literals::operator""sv;

// The largest of 37 files of the wild has 9 KiB; a file that needs more is a program.
constexpr std::size_t longest_file = 256 << 10;

// Names that hardly anything but gunicorn gives to a variable.
constexpr std::array telling{"worker_class"sv, "worker_connections"sv, "graceful_timeout"sv, "max_requests"sv, "max_requests_jitter"sv, "preload_app"sv, "worker_tmp_dir"sv,
                             "accesslog"sv, "errorlog"sv, "access_log_format"sv, "proc_name"sv, "forwarded_allow_ips"sv, "limit_request_line"sv, "limit_request_fields"sv,
                             "limit_request_field_size"sv, "control_socket_disable"sv, "logger_class"sv, "logconfig_dict"sv, "raw_env"sv, "post_fork"sv, "pre_fork"sv,
                             "post_worker_init"sv, "when_ready"sv, "worker_abort"sv, "worker_int"sv, "wsgi_app"sv, "bind"sv, "workers"sv};

// The name that a line at column 1 assigns or defines; empty when it does neither.
std::string_view bound_in(std::string_view line) {
  if (base::starts_with(line, "def ")) line.remove_prefix(4);
  std::size_t end = 0;
  while (end < line.size() && ((line[end] >= 'a' && line[end] <= 'z') || line[end] == '_' || (end > 0 && line[end] >= '0' && line[end] <= '9'))) ++end;
  const auto name = line.substr(0, end);
  const auto rest = base::trim(line.substr(end));
  if (name.empty() || rest.empty() || base::starts_with(rest, "==")) return {};
  return rest.front() == '=' || rest.front() == ':' || rest.front() == '(' ? name : std::string_view{};
}

// What an application's module has and a configuration does not.
bool of_an_application(std::string_view line) {
  constexpr std::array marks{"app ="sv, "app="sv, "application ="sv, "application="sv, "def application("sv, "def app("sv, "async def "sv, "@app."sv, "urlpatterns"sv, "INSTALLED_APPS"sv, "class "sv, "from flask "sv, "from fastapi "sv};
  return std::ranges::any_of(marks, [&](std::string_view mark) { return base::starts_with(line, mark); });
}

// "[section]" at column 1: an ini or TOML file has the same `name = value` lines.
bool section(std::string_view line) {
  line = base::trim(line);
  return line.size() > 2 && line.front() == '[' && line.back() == ']' && line.find_first_of("'\",") == std::string_view::npos;
}

int sure(std::string_view path, std::string_view head) {
  int settings = 0, strong = 0;
  bool application = false, docs = false;
  std::size_t quotes = 0;
  for (const auto line : base::split(head, '\n')) {
    if (!docs && section(line)) return 0;
    // Triple quotes open and close a text, which may hold anything.
    for (std::size_t at = line.find("\"\"\""); at != std::string_view::npos; at = line.find("\"\"\"", at + 3)) ++quotes;
    if (docs || (docs = quotes % 2 == 1)) { docs = quotes % 2 == 1; continue; }
    application |= of_an_application(line);
    const auto name = bound_in(line);
    if (name.empty()) continue;
    if (line.back() == ';') return 0;  // some other language
    const bool known = flavour::gunicorn_knows(name), sign = std::ranges::find(telling, name) != telling.end();
    settings += known;
    strong += sign;
  }
  const auto file = base::file_name(path);
  const bool python = file.ends_with(".py");
  const bool named = base::contains(file, "gunicorn") || (python && base::contains(file, "conf"));
  if (settings == 0) return file == "gunicorn.conf.py" ? 60 : 0;
  if (named) return 90;
  if (application) return 0;
  if (strong >= 2) return 75;
  // One setting is a configuration only where the file is Python; c.py of a single line is real.
  return strong == 1 && python ? 60 : 0;
}

// Values of environment variables may be secrets: of raw_env only the names are kept.
std::string shown(std::string_view name, const python::Value& value) {
  if (name != "raw_env") return python::shown(value);
  python::Value names = value;
  names.text.resize(std::min(names.text.find('='), names.text.size()));
  for (python::Value& item : names.items) item.text.resize(std::min(item.text.find('='), item.text.size()));
  return python::shown(names);
}

void add(const evidence::SettingRead& read, python::Place at, std::string_view text, Sink& sink) {
  Record record;
  record.origin.line = at.line;
  record.origin.column = at.column;
  // The line that sets it, for the report; found again by counting, once a setting.
  for (std::uint32_t line = 1; line < at.line; ++line) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    record.origin.offset += end + 1;
  }
  record.line = base::trim(text.substr(0, text.find('\n')));
  if (read.name == "raw_env") record.line = record.line.substr(0, record.line.find('='));
  sink.add(read, {}, record);
}

void read(std::string_view text, Sink& sink) {
  const std::string name = sink.source().name;
  if (text.size() > longest_file) {
    sink.gap({"settings of " + name, "it is larger than " + base::bytes_text(longest_file) + ": more a program than a configuration", "ask the server: gunicorn --print-config", 1, {}});
    return;
  }
  const python::Bindings bindings = python::bindings_of(text);
  for (const python::Binding& binding : bindings.names) {
    if (!flavour::gunicorn_knows(binding.name)) continue;
    for (const python::Bound& bound : binding.values) {
      // Where nothing binds it, what is weaker than the file holds: said only beside values that hold elsewhere.
      const bool literal = bound.value.known() && bound.value.kind != python::Value::Kind::processors;
      const auto at = bound.absent ? binding.values.front().at : bound.at;
      add({binding.name, bound.absent ? "" : shown(binding.name, bound.value), bound.absent ? "default" : "file", bound.condition, bound.absent || literal}, at, text, sink);
    }
  }
  for (const python::Place& place : bindings.star_imports)
    sink.gap({"settings of " + name, "line " + std::to_string(place.line) + " takes names from elsewhere", "give that file too, or ask the server: gunicorn --print-config", 1, {}});
  const std::uint32_t wrong_line = bindings.wrong_line;
  const python::Stumble odd = wrong_line ? python::Stumble{wrong_line, 1, false} : python::stumble(text);
  if (odd.line) {
    Record record;
    record.origin.line = odd.line;
    record.origin.column = odd.column;
    std::string_view rest = text;
    for (std::uint32_t line = 1; line < odd.line; ++line) rest.remove_prefix(std::min(rest.size(), rest.find('\n') == std::string_view::npos ? rest.size() : rest.find('\n') + 1));
    record.origin.offset = static_cast<std::uint64_t>(rest.data() - text.data());
    const std::string_view shown = base::trim(rest.substr(0, rest.find('\n')));
    // The rest of a line may be a value of raw_env, or a secret in a hook: up to the sign is enough to find it.
    record.line = record.text = shown.substr(0, shown.find('='));
    sink.add(evidence::SyntaxWrong{"configuration", "", odd.python_2 ? "this is Python 2" : "this is not Python", "python3 -m py_compile"}, {}, record);
  }
  if (bindings.wrong_line) sink.gap({"settings of " + name, "line " + std::to_string(bindings.wrong_line) + " is not Python", "python3 -m py_compile " + name, 1, {}});
}

}  // namespace

namespace configs_of {

extern const Document gunicorn_py = {.name = "gunicorn configuration", .kind = evidence::SourceKind::config, .sure = sure, .read = read};

}  // namespace configs_of
}  // namespace parse
