// The servers of a deployment as the chain needs them: gunicorn from its settings after precedence; uwsgi, php-fpm, puma and unicorn from their own
// files, with their own defaults (uWSGI 2.0, php-fpm 8.2, puma 6, unicorn 6).
#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/flavour.hpp"
#include "model/chain.hpp"

namespace model {

namespace {

using parse::settings::Dialect;
using parse::settings::Entry;

Spot spot_of(std::uint32_t file, const parse::settings::Place& at) { return {file, at.line, at.column, at.at, at.end}; }
Choices one(Value value, const Spot& at, From from = From::configured) { return {{std::move(value), "", at, from}}; }

std::string plain(std::string_view key) {
  std::string out(key);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

const Entry* find(const File& file, std::string_view section, std::initializer_list<std::string_view> keys) {
  const Entry* found = nullptr;  // the last one counts
  for (const Entry& entry : file.document.entries)
    if (entry.section == section && std::ranges::find(keys, plain(entry.key)) != keys.end()) found = &entry;
  return found;
}

// "60s", "5 * 60", "1_000": Ruby files multiply.
std::optional<double> seconds_in(std::string_view text) {
  if (text.find_first_of("*_") == std::string_view::npos) return span_seconds(text);
  double product = 1;
  for (const auto part : base::split(text, '*')) {
    std::string digits;
    for (const char c : base::trim(part)) if (c != '_') digits += c;
    const auto number = base::read_number(digits);
    if (!number) return std::nullopt;
    product *= static_cast<double>(*number);
  }
  return product;
}

Choices seconds_or(const Entry* entry, std::uint32_t file, double built_in, const Spot& at, bool unsure, bool whole) {
  if (entry) {
    const auto seconds = seconds_in(entry->value);
    return one(seconds ? number_value(*seconds, entry->value) : unknown_value(), spot_of(file, entry->value_at), seconds ? From::configured : From::unknown);
  }
  if (unsure || !whole) return one(unknown_value(), at, From::unknown);
  return one(number_value(built_in), at, From::built_in);
}

// "unix:/run/a.sock", "127.0.0.1:9000"; "" for what no file fixes.
std::string listen_text(std::string text) {
  while (!text.empty() && (text.front() == '"' || text.front() == '\'')) text.erase(0, 1);
  text = text.substr(0, text.find_first_of("\"', \t?"));
  if (text.find_first_of("$%#{") != std::string::npos) return "";
  if (base::starts_with(text, "tcp://")) text.erase(0, 6);
  if (base::starts_with(text, "unix://")) text = "unix:" + text.substr(7);
  if (base::starts_with(text, "/")) text = "unix:" + text;
  if (text.find(':') == std::string::npos && base::read_number(text)) text = ":" + text;
  return text;
}

void add_listen(Application& made, const std::string& value) {
  const std::string text = listen_text(value);
  if (text.empty()) made.listens_known = false;
  else made.listens.push_back(text);
}

void gunicorns(const Deployment& all, std::vector<Application>& out) {
  for (std::size_t i = 0; i < all.servers.size(); ++i) {
    const Backend& server = all.servers[i];
    const auto choices = [&](std::string_view name) -> Choices {
      const auto found = server.settings.find(name);
      return found == server.settings.end() || found->second.empty() ? one(unknown_value(), server.at, From::unknown) : found->second;
    };
    Application made;
    made.flavour = server.flavour;
    made.version = server.version;
    made.family = server.flavour == "gunicorn" ? gunicorn_family(server.version) : flavour::flavour(server.flavour)->family(server.version);
    made.prefix = "proxy";
    made.at = server.at;
    made.backend = static_cast<int>(i);
    made.holder = server.holder;
    made.name = server.holder >= 0 ? all.holders[static_cast<std::size_t>(server.holder)].name : server.at.file < all.files.size() ? all.files[server.at.file].shown : std::string(flavour::shown(server.flavour));
    for (const Choice& choice : choices("bind")) {
      if (!choice.value.known()) made.listens_known = false;
      made.listens.insert(made.listens.end(), choice.value.items.begin(), choice.value.items.end());
      if (choice.value.kind == Value::Kind::text) made.listens.push_back(choice.value.text);
    }
    made.worker_name = "timeout";
    made.worker = choices("timeout");
    made.graceful = choices("graceful_timeout");
    made.idle = choices("keepalive");
    made.kind = choices("class");
    made.workers = choices("workers");
    made.threads = choices("threads");
    made.backlog = choices("backlog");
    out.push_back(std::move(made));
  }
}

void uwsgis(const Deployment& all, std::uint32_t i, std::vector<Application>& out) {
  const File& file = all.files[i];
  const Entry* serves = find(file, "uwsgi", {"socket", "uwsgi-socket", "http-socket", "http", "fastcgi-socket"});
  if (!serves) return;
  Application made;
  made.flavour = "uwsgi";
  made.name = file.shown;
  made.at = spot_of(i, serves->key_at);
  made.prefix = base::contains(serves->key, "http") ? "proxy" : base::contains(serves->key, "fastcgi") ? "fastcgi" : "uwsgi";
  for (const Entry& entry : file.document.entries)
    if (entry.section == "uwsgi" && (plain(entry.key) == plain(serves->key))) add_listen(made, entry.value);
  const bool unsure = find(file, "uwsgi", {"ini", "include", "inherit", "for-readline"}) != nullptr;
  made.worker_name = "harakiri";
  made.worker = seconds_or(find(file, "uwsgi", {"harakiri"}), i, 0, made.at, unsure, true);
  made.workers = seconds_or(find(file, "uwsgi", {"processes", "workers"}), i, 1, made.at, unsure, true);
  made.threads = seconds_or(find(file, "uwsgi", {"threads"}), i, 1, made.at, unsure, true);
  made.backlog = seconds_or(find(file, "uwsgi", {"listen"}), i, 100, made.at, unsure, true);
  made.idle = one(number_value(0), made.at, From::built_in);
  made.reload_name = "worker-reload-mercy";
  made.reload = seconds_or(find(file, "uwsgi", {"worker-reload-mercy", "reload-mercy"}), i, 60, made.at, unsure, true);
  made.stop = stop_law("uwsgi", "");
  // SIGTERM reloads, unless die-on-term makes it a quick stop or a hook a graceful one.
  if (const Entry* die = find(file, "uwsgi", {"die-on-term"}); die && die->value != "false" && die->value != "0") made.stop.terminate = StopLimits::Signal::at_once;
  else if (unsure) made.stop.terminate = StopLimits::Signal::unknown;
  for (const Entry& entry : file.document.entries)
    if (plain(entry.key) == "hook-master-start" && base::starts_with(entry.value, "unix_signal:15 ")) made.stop.terminate = base::contains(entry.value, "gracefully_kill_them_all") ? StopLimits::Signal::graceful : StopLimits::Signal::unknown;
  out.push_back(std::move(made));
}

// The one file whose [global] section holds for a pool: its own, else the only one here.
std::uint32_t global_of(const Deployment& all, std::uint32_t pool) {
  const auto has = [&](std::uint32_t i) { return all.files[i].document.dialect == Dialect::phpfpm && std::ranges::any_of(all.files[i].document.entries, [](const Entry& entry) { return entry.section == "global"; }); };
  if (has(pool)) return pool;
  std::uint32_t found = no_file;
  for (std::uint32_t i = 0; i < all.files.size(); ++i)
    if (has(i)) { if (found != no_file) return no_file; found = i; }
  return found;
}

// What stands behind listen -1, php-fpm's own default on Linux (php-fpm -tt; 4096 in ss with 8.2): as many as net.core.somaxconn, 4096 since Linux 5.4.
constexpr double most_of_kernel = 4096;

void pools(const Deployment& all, std::uint32_t i, std::vector<Application>& out) {
  const File& file = all.files[i];
  std::vector<std::string> sections;
  for (const Entry& entry : file.document.entries)
    if (entry.section != "global" && !entry.section.empty() && std::ranges::find(sections, entry.section) == sections.end()) sections.push_back(entry.section);
  for (const std::string& section : sections) {
    const Entry* listen = find(file, section, {"listen"});
    if (!listen) continue;
    Application made;
    made.flavour = "php-fpm";
    made.name = "pool " + section;
    made.at = spot_of(i, listen->key_at);
    made.prefix = "fastcgi";
    add_listen(made, listen->value);
    const bool unsure = find(file, section, {"include"}) != nullptr;
    made.worker_name = "request_terminate_timeout";
    made.worker = seconds_or(find(file, section, {"request-terminate-timeout"}), i, 0, made.at, unsure, true);
    made.workers = seconds_or(find(file, section, {"pm.max-children"}), i, 0, made.at, true, true);
    const Entry* backlog = find(file, section, {"listen.backlog"});
    if (backlog && base::starts_with(backlog->value, "-")) made.backlog = one(number_value(most_of_kernel, backlog->value), spot_of(i, backlog->value_at));
    else made.backlog = seconds_or(backlog, i, most_of_kernel, made.at, unsure, true);
    made.idle = one(number_value(0), made.at, From::built_in);
    // A pool's file may lie beside php-fpm.conf, whose [global] says how long children may take.
    const std::uint32_t main = global_of(all, i);
    made.stop = stop_law("php-fpm", "");
    made.graceful_name = made.reload_name = "process_control_timeout";
    made.graceful = made.reload = seconds_or(main == no_file ? nullptr : find(all.files[main], "global", {"process-control-timeout"}), main, 0, made.at, unsure || main == no_file, true);
    out.push_back(std::move(made));
  }
}

// `listen "/run/a.sock", backlog: 64`, `bind "unix:///run/a.sock?backlog=64"`.
Choices backlog_of(const Entry& entry, std::uint32_t file, const Spot& at) {
  for (const std::string_view name : {"backlog: ", "backlog => ", "backlog=>", "backlog="}) {
    const auto found = entry.value.find(name);
    if (found == std::string::npos) continue;
    const std::string_view rest = std::string_view(entry.value).substr(found + name.size());
    const std::string_view digits = rest.substr(0, rest.find_first_not_of("0123456789"));
    const auto number = base::read_number(digits);
    return one(number ? number_value(static_cast<double>(*number), std::string(digits)) : unknown_value(), spot_of(file, entry.value_at), number ? From::configured : From::unknown);
  }
  return one(number_value(1024), at, From::built_in);
}

// 20 s up to 6, 65 in 8.0.2 (read in both); which of them a 7 has nobody looked up. By Gemfile.lock, else the older.
std::optional<double> persistent_default(const Deployment& all) {
  for (const File& file : all.files)
    if (file.document.dialect == Dialect::gems)
      for (const Entry& entry : file.document.entries)
        if (entry.key == "puma") {
          const double version = version_number(entry.value).value_or(0);
          return version >= 8'000'000 ? std::optional(65.0) : version >= 7'000'000 ? std::nullopt : std::optional(20.0);
        }
  return 20;
}

void rubies(const Deployment& all, std::uint32_t i, std::vector<Application>& out) {
  const File& file = all.files[i];
  const bool puma = file.document.dialect == Dialect::puma;
  Application made;
  made.flavour = puma ? "puma" : "unicorn";
  made.name = file.shown;
  made.at = file.document.entries.empty() ? Spot{i, 1, 1, 0, 0} : spot_of(i, file.document.entries.front().key_at);
  made.prefix = "proxy";
  // Calls inside a block are conditional: they say that the value may differ.
  const auto number = [&](std::string_view key, double built_in) -> Choices {
    const Entry* found = nullptr;
    bool blocks = false;
    for (const Entry& entry : file.document.entries)
      if (entry.key == key) { found = &entry; blocks = blocks || !entry.section.empty(); }
    if (blocks) return one(unknown_value(), spot_of(i, found->value_at), From::unknown);
    return seconds_or(found, i, built_in, made.at, false, true);
  };
  for (const Entry& entry : file.document.entries)
    if ((puma && (entry.key == "bind" || entry.key == "port")) || (!puma && entry.key == "listen")) add_listen(made, entry.value);
  if (made.listens.empty() && made.listens_known) made.listens.push_back(puma ? "0.0.0.0:9292" : "0.0.0.0:8080");
  made.worker_name = puma ? "worker_timeout" : "timeout";
  made.worker = number(made.worker_name, 60);
  made.workers = number(puma ? "workers" : "worker_processes", puma ? 0 : 1);
  const auto persistent = persistent_default(all);
  made.idle = puma ? number("persistent_timeout", persistent.value_or(20)) : one(number_value(0), made.at, From::built_in);
  if (puma && !persistent && made.idle.front().from == From::built_in) made.idle = one(unknown_value(), made.at, From::unknown);
  made.backlog = one(number_value(1024), made.at, From::built_in);
  for (const Entry& entry : file.document.entries)
    if (entry.key == (puma ? "bind" : "listen")) made.backlog = backlog_of(entry, i, made.at);
  made.stop = stop_law(made.flavour, "");
  if (puma) {
    // One process, without workers, waits for its threads as long as they take, unless force_shutdown_after says otherwise.
    const Choice& workers = made.workers.front();
    const bool single = workers.value.known() && workers.value.number == 0;
    made.graceful_name = single ? "force_shutdown_after" : "worker_shutdown_timeout";
    made.graceful = number(made.graceful_name, single ? 1e18 : 30);
    if (single && made.graceful.front().from == From::built_in) made.graceful.front().value.text = "forever";
    if (!workers.value.known()) made.graceful = one(unknown_value(), made.at, From::unknown);
    if (!single) { made.reload_name = made.graceful_name; made.reload = made.graceful; }
  } else {
    made.graceful_name = made.reload_name = made.worker_name;  // the limit of a stop as well (http_server.rb: stop)
  }
  out.push_back(std::move(made));
}

}  // namespace

std::string gunicorn_family(std::string_view version) {
  const auto number = version_number(version);
  if (!number) return "";
  return *number < 20001000 ? "20.0" : *number < 21000000 ? "20.1" : *number < 22000000 ? "21" : *number < 24000000 ? "22" : "24";
}

std::vector<Application> applications_of(const Deployment& all) {
  std::vector<Application> out;
  gunicorns(all, out);
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const File& file = all.files[i];
    if (!file.template_language.empty()) continue;
    if (file.document.dialect == Dialect::uwsgi) uwsgis(all, i, out);
    else if (file.document.dialect == Dialect::phpfpm) pools(all, i, out);
    else if (file.document.dialect == Dialect::puma || file.document.dialect == Dialect::unicorn) rubies(all, i, out);
  }
  for (Application& made : out) {
    if (flavour::like_gunicorn(made.flavour)) continue;
    // What starts it names its file: uwsgi --ini /srv/app/uwsgi.ini, puma -C config/puma.rb.
    const std::string_view file = made.at.file < all.files.size() ? base::file_name(all.files[made.at.file].path) : std::string_view();
    for (std::size_t h = 0; h < all.holders.size() && !file.empty() && made.holder < 0; ++h)
      for (const std::string_view key : {"exec_start", "command", "cmd", "entrypoint"})
        if (const Choice* line = only_choice(all.holders[h].settings, key); line && base::contains(line->value.text, made.flavour) && base::contains(line->value.text, file)) made.holder = static_cast<int>(h);
    if (const auto asked = all.set.find("timeout"); asked != all.set.end())
      if (const auto seconds = span_seconds(asked->second)) made.worker = one(number_value(*seconds, asked->second), {});
  }
  return out;
}

}  // namespace model
