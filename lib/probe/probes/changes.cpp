// When what the servers run was changed last: configuration, unit, application, packages. A file newer than the last start or reload is not
// what runs; one changed just before the first death is worth a look.
#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "probe/look.hpp"
#include "probe/probe.hpp"
#include "probe/settings.hpp"

namespace probe {

namespace {

constexpr std::size_t most_entries = 4000;
constexpr int deepest = 4;

bool ends_with(std::string_view text, std::string_view end) { return text.size() >= end.size() && text.substr(text.size() - end.size()) == end; }

class Changes {
 public:
  Changes(const source::Host& host, evidence::Evidence& evidence) : host_(host), evidence_(evidence) {}

  void file(const std::string& path, std::string_view kind, int pid, const std::string& unit) {
    if (path.empty() || !done_.insert(path).second) return;
    const auto stat = host_.stat(path);
    if (!stat) return;
    add(path, kind, {base::Clock::wall, stat->mtime_ns, 0}, pid, unit, path);
  }

  void add(const std::string& path, std::string_view kind, const base::Instant& when, int pid, const std::string& unit, std::string text) {
    if (!source_) source_ = add_live_source(evidence_, "file times", evidence::SourceKind::proc, host_);
    auto fact = seen(evidence::FileChanged{path, std::string(kind)}, pid, *source_, host_);
    fact.when = when;
    fact.about.unit = unit;
    fact.text = std::move(text) + " changed " + base::iso(when);
    evidence_.add(std::move(fact));
  }

 private:
  const source::Host& host_;
  evidence::Evidence& evidence_;
  std::optional<evidence::SourceId> source_;
  std::set<std::string> done_;
};

struct Newest { std::string path; std::int64_t at = 0; std::size_t seen = 0; };

// The newest source file of an application; what packages bring, and what is written while it runs, does not count.
void look(const source::Host& host, const std::string& folder, int depth, Newest& newest) {
  static constexpr std::string_view left_out[] = {"__pycache__", "node_modules", "site-packages", "venv", "env", "log", "logs", "static", "media", "tmp", "proc", "sys", "dev", "usr", "var", "lib", "lib64"};
  const auto entries = host.list(folder);
  if (!entries) return;
  for (const auto& entry : *entries) {
    if (++newest.seen > most_entries) return;
    if (entry.name.empty() || entry.name[0] == '.') continue;
    const std::string path = folder + "/" + entry.name;
    if (entry.kind == source::EntryKind::folder) {
      if (depth < deepest && std::find(std::begin(left_out), std::end(left_out), entry.name) == std::end(left_out)) look(host, path, depth + 1, newest);
    } else if (entry.kind == source::EntryKind::file && (ends_with(entry.name, ".py") || ends_with(entry.name, ".toml") || ends_with(entry.name, ".ini") || entry.name == "requirements.txt")) {
      if (const auto stat = host.stat(path); stat && stat->mtime_ns > newest.at) { newest.at = stat->mtime_ns; newest.path = path; }
    }
  }
}

// dpkg stamps in local time and names no zone. Its last line was written when the file was: what lies between the two is the zone, a whole
// number of quarter hours. Nothing where the file was touched later.
std::optional<std::int64_t> zone_of(std::string_view last_line, std::int64_t written_ns) {
  constexpr std::int64_t quarter = 900 * base::second_ns, slack = 120 * base::second_ns;
  const auto stamp = last_line.size() < 19 ? std::nullopt : base::read_iso(last_line.substr(0, 19));
  if (!stamp) return std::nullopt;
  const std::int64_t ahead = stamp->at - written_ns;
  const std::int64_t steps = (ahead >= 0 ? ahead + quarter / 2 : ahead - quarter / 2) / quarter;
  return std::abs(ahead - steps * quarter) <= slack && std::abs(steps) <= 14 * 4 ? std::optional<std::int64_t>(steps * quarter) : std::nullopt;
}

// What the package manager did last. "2026-11-22 10:00:00 upgrade libpq5:amd64 15.1 15.2".
void packages(const source::Host& host, Changes& changes) {
  const auto text = host.read("/var/log/dpkg.log", 8 << 20);
  const auto about = host.stat("/var/log/dpkg.log");
  if (!text) return;
  std::set<std::string> named;
  const auto lines = base::split(base::trim(*text), '\n');
  const auto zone = lines.empty() || !about ? std::nullopt : zone_of(lines.back(), about->mtime_ns);
  for (auto line = lines.rbegin(); line != lines.rend() && named.size() < 20; ++line) {
    if (line->size() < 21) continue;
    const auto words = base::split(line->substr(20), ' ');
    if (words.size() < 2 || (words[0] != "install" && words[0] != "upgrade" && words[0] != "remove")) continue;
    auto when = base::read_iso(line->substr(0, 19));
    if (!when) continue;
    if (zone) when = base::Instant{base::Clock::wall, when->at - *zone, when->give};
    const std::string package(words[1].substr(0, words[1].find(':')));
    if (named.insert(package).second) changes.add(package, "package", *when, 0, "", "/var/log/dpkg.log: " + std::string(words[0]) + " " + package);
  }
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  const auto& servers = found.servers;
  if (servers.empty()) return;
  Changes changes(host, evidence);
  std::set<std::string> applications;
  for (const auto& server : servers) {
    const int pid = server.pid();
    const std::string& unit = server.cgroup.unit;
    const Command command = command_of(host, server);
    const auto settings = settings_of(server, command);
    if (const auto config = config_path(host, server, settings); !config.empty()) changes.file(server.path(config), "config", pid, unit);
    for (const auto& path : server_files(host, server, command)) changes.file(path, "config", pid, unit);
    for (const auto& path : unit_files(host, unit)) changes.file(path, "unit", pid, unit);

    std::string folder = server.path("");
    for (const auto& setting : settings)
      if (setting.name == "chdir") folder = server.path(setting.value);
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    if (folder.empty() || folder == "/" || folder == server.root || !applications.insert(folder).second) continue;
    Newest newest;
    look(host, folder, 0, newest);
    changes.file(newest.path, "app", pid, unit);
    if (newest.seen > most_entries)
      evidence.gap({"newest file of the application in " + folder, "it has more than " + std::to_string(most_entries) + " files; the rest was not looked at", "look yourself: find " + folder + " -newermt '1 hour ago'", 1, {}});
    // pip touches the folder with every package that comes or goes.
    if (const auto libraries = host.list(folder + "/venv/lib"))
      for (const auto& entry : *libraries) changes.file(folder + "/venv/lib/" + entry.name + "/site-packages", "package", pid, unit);
  }
  packages(host, changes);
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "what was changed", "", "", "", ""};
  std::size_t seen = 0, unknown = 0;
  for (const auto& server : find_servers(host)) {
    const Command command = command_of(host, server);
    const auto config = config_path(host, server, settings_of(server, command));
    if (command.args.empty()) ++unknown;
    if (!config.empty() && host.stat(server.path(config))) ++seen;
    seen += unit_files(host, server.cgroup.unit).size();
  }
  sight.detail = base::counted(seen, "configuration file") + ", the application's newest file" + (host.stat("/var/log/dpkg.log") ? ", dpkg.log" : "");
  if (unknown) {
    sight.state = Sight::State::partial;
    sight.why = "a title was written over the command line of " + base::counted(unknown, "server");
    sight.instead = "I look for ./gunicorn.conf.py and the unit's ExecStart";
  }
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe changes = {"changes", observe, sight};
}  // namespace probes_of
}  // namespace probe
