#include "model/deployment.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "base/text.hpp"

namespace model {

using parse::settings::Dialect;

Value unknown_value() { return {}; }
Value truth_value(bool yes) { Value v; v.kind = Value::Kind::truth; v.number = yes ? 1 : 0; v.text = yes ? "True" : "False"; return v; }
Value number_value(double number, std::string text) {
  Value v;
  v.kind = Value::Kind::number;
  v.number = number;
  v.text = std::move(text);
  if (v.text.empty()) v.text = number == std::floor(number) && std::abs(number) < 1e15 ? std::to_string(static_cast<long long>(number)) : std::to_string(number);
  return v;
}
Value text_value(std::string text) { Value v; v.kind = Value::Kind::text; v.text = std::move(text); return v; }
Value list_value(std::vector<std::string> items) {
  Value v;
  v.kind = Value::Kind::list;
  for (const std::string& item : items) v.text += (v.text.empty() ? "" : " ") + item;
  v.items = std::move(items);
  return v;
}

const Choice* only_choice(const std::map<std::string, Choices, std::less<>>& settings, std::string_view name) {
  const auto found = settings.find(name);
  return found != settings.end() && found->second.size() == 1 ? &found->second.front() : nullptr;
}

File file_of(std::string path, std::string shown, std::string text) {
  File file;
  file.path = std::move(path);
  file.shown = std::move(shown);
  file.text = std::move(text);
  const Dialect dialect = parse::settings::recognise(file.path, file.text);
  file.document.dialect = dialect;
  if (dialect == Dialect::none) {
    // What a tool reads by this name and can't: UTF-16, or no text at all. It is said, not passed over.
    const std::string_view name = std::string_view(file.path).substr(file.path.rfind('/') + 1);
    struct Demanded { std::string_view name; Dialect dialect; };
    constexpr Demanded names[] = {{"nginx.conf", Dialect::nginx}, {"Dockerfile", Dialect::dockerfile}, {"Procfile", Dialect::procfile}, {"gunicorn.conf.py", Dialect::gunicorn}, {"docker-compose.yml", Dialect::compose},
                                  {"docker-compose.yaml", Dialect::compose}, {"uwsgi.ini", Dialect::uwsgi}, {"supervisord.conf", Dialect::supervisor}};
    for (const Demanded& one : names) {
      if (one.name != name || file.text.find('\0') == std::string::npos) continue;
      file.document.dialect = one.dialect;
      file.document.wrong.push_back({{1, 1, 0, 0}, "it holds NUL bytes: UTF-16, or no text"});
      file.unreadable = true;
      file.text.clear();
    }
    return file;
  }
  // Rails reads database.yml through ERB, and what is not computed stands there; alerting rules hold {{ }} for their own engine.
  const bool own_marks = dialect == Dialect::requirements || dialect == Dialect::database || dialect == Dialect::alerts;
  file.template_language = own_marks ? "" : parse::settings::template_language(file.path, file.text);
  if (!file.template_language.empty()) return file;
  switch (dialect) {
    case Dialect::systemd:
    case Dialect::supervisor:
    case Dialect::phpfpm: file.document = parse::settings::read_ini(file.text, dialect); break;
    case Dialect::uwsgi: file.document = parse::settings::read_uwsgi(file.text); break;
    case Dialect::dockerfile: file.document = parse::settings::read_dockerfile(file.text); break;
    case Dialect::reference: file.document = parse::settings::read_reference(file.text); break;
    case Dialect::limits: file.document = parse::settings::read_limits(file.text); break;
    case Dialect::procfile: file.document = parse::settings::read_procfile(file.text); break;
    case Dialect::script: file.document = parse::settings::read_script(file.text); break;
    case Dialect::requirements: file.document = parse::settings::read_requirements(file.path, file.text); break;
    case Dialect::puma:
    case Dialect::unicorn: file.document = parse::settings::read_ruby(file.text, dialect); break;
    case Dialect::apache: file.document = parse::settings::read_apache(file.text); break;
    case Dialect::celery: file.document = parse::settings::read_celery(file.text); break;
    case Dialect::gems: file.document = parse::settings::read_gems(file.text); break;
    case Dialect::database: file.document = parse::settings::read_database(file.text); break;
    case Dialect::alerts:
    case Dialect::compose:
    case Dialect::kubernetes:
      file.yaml = parse::settings::read_yaml(file.text);
      file.document.wrong = file.yaml.wrong;
      break;
    case Dialect::none:
    case Dialect::nginx:
    case Dialect::gunicorn: break;
  }
  return file;
}

std::string shown_path(const Deployment& all, const std::string& path) {
  for (const File& file : all.files)
    if (file.path.size() > file.shown.size() && file.path.ends_with("/" + file.shown)) {
      const std::string root = file.path.substr(0, file.path.size() - file.shown.size());
      if (base::starts_with(path, root)) return path.substr(root.size());
    }
  return path;
}

std::optional<double> span_seconds(std::string_view text) {
  text = base::trim(text);
  if (text == "infinity") return 1e18;
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    double number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (failure != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    text = base::trim(text);
    std::size_t letters = 0;
    while (letters < text.size() && std::isalpha(static_cast<unsigned char>(text[letters])) != 0) ++letters;
    const std::string_view unit = text.substr(0, letters);
    struct Word { std::string_view name; double seconds; };
    constexpr Word units[] = {{"", 1}, {"s", 1}, {"sec", 1}, {"second", 1}, {"seconds", 1}, {"ms", 1e-3}, {"msec", 1e-3}, {"us", 1e-6}, {"usec", 1e-6}, {"ns", 1e-9}, {"m", 60}, {"min", 60}, {"minute", 60}, {"minutes", 60},
                             {"h", 3600}, {"hr", 3600}, {"hour", 3600}, {"hours", 3600}, {"d", 86400}, {"day", 86400}, {"days", 86400}, {"w", 604800}, {"week", 604800}, {"weeks", 604800}};
    const Word* known = nullptr;
    for (const Word& one : units) if (one.name == unit) known = &one;
    if (!known) return std::nullopt;
    total += number * known->seconds;
    text = base::trim(text.substr(letters));
  }
  return total;
}

std::optional<double> size_bytes(std::string_view text) {
  text = base::trim(text);
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (failure != std::errc()) return std::nullopt;
  std::string unit;
  for (const char c : base::trim(text.substr(static_cast<std::size_t>(end - text.data())))) unit += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (unit.ends_with("ib")) unit.pop_back();
  else if (unit.size() == 2 && unit.ends_with("b")) unit.pop_back();
  if (unit.empty() || unit == "b") return number;
  const double power = unit.front() == 'k' ? 1 : unit.front() == 'm' ? 2 : unit.front() == 'g' ? 3 : unit.front() == 't' ? 4 : -1;
  return power < 0 ? std::nullopt : std::optional(number * std::pow(1024, power));
}

std::optional<double> version_number(std::string_view text) {
  double total = 0;
  for (int part = 0; part < 3; ++part) {
    const auto number = base::take_number(text);
    if (!number || *number < 0) { if (part == 0) return std::nullopt; }
    total = total * 1000 + static_cast<double>(number.value_or(0));
    if (!text.empty() && text.front() == '.') text.remove_prefix(1);
    else if (number) { for (++part; part < 3; ++part) total *= 1000; break; }
  }
  return total;
}

std::string place_text(const Deployment& all, const Spot& at) {
  if (at.file >= all.files.size()) return {};
  return all.files[at.file].shown + (at.line ? ":" + std::to_string(at.line) + ":" + std::to_string(std::max<std::uint32_t>(at.column, 1)) : "");
}

bool contradict(std::string_view a, std::string_view b) {
  const auto denies = [](std::string_view one, std::string_view other) {
    if (!base::starts_with(one, "not ")) return false;
    one.remove_prefix(4);
    return one == other || (one.size() == other.size() + 2 && one.front() == '(' && one.substr(1, other.size()) == other && one.back() == ')');
  };
  return !a.empty() && !b.empty() && (denies(a, b) || denies(b, a));
}

Deployment deployment_of(std::vector<File> files, const source::Host& host, const parse::nginx::Locate& locate, const Targets& targets) {
  Deployment all;
  all.files = std::move(files);
  add_nginx(all, host, locate, targets);
  add_holders(all);
  add_commands(all, targets);
  add_configs(all, targets);
  add_joins(all);
  add_balancer(all);
  add_applications(all, host, locate);
  return all;
}

}  // namespace model
