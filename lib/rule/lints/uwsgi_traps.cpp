// uWSGI's quiet traps: deaths without a time in the log, a socket that nginx may not open, and threads that never run (measured, 2.0.21 to 2.0.31;
// servers.md 4 and 5). What an application opens before uWSGI forks is asked in app_preload.
#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"
#include "base/words.hpp"
#include "rule/entry.hpp"

namespace rule {

namespace {

using model::Choice;
using model::Deployment;
using model::Holder;
using model::Spot;
using parse::settings::Dialect;
using parse::settings::Entry;
using std::string_view_literals::operator""sv;

constexpr std::string_view mark = "[uwsgi]";

bool reads_more(const model::File& file) {
  return entry_of(file, "uwsgi", {"ini", "include", "inherit", "for-readline"}) || std::ranges::any_of(file.document.entries, [](const Entry& entry) { return base::starts_with(entry.key, "if-") || entry.key == "if"; });
}

// What starts uWSGI, with its command: asked once, for each file is looked for in each of them.
struct Runner { const Holder* holder; const std::string* command; };
using Runners = std::vector<Runner>;

Runners runners_of(const Deployment& all) {
  Runners out;
  for (const Holder& holder : all.holders)
    if (const Choice* command = command_of(holder); command && base::contains(command->value.text, "uwsgi") && server_in(command->value.text) == "uwsgi") out.push_back({&holder, &command->value.text});
  return out;
}

// Who runs this file; null where none names it.
const Runner* runner_of(const Runners& runners, const model::File& file) {
  const std::string_view name = base::file_name(file.path);
  const auto found = std::ranges::find_if(runners, [&](const Runner& one) { return base::contains(*one.command, name); });
  return found == runners.end() ? nullptr : &*found;
}

void log_date(const Deployment& all, std::uint32_t i, const model::File& file, const Spot& at, std::vector<Draft>& drafts) {
  constexpr auto rule = "uwsgi.no-log-date";
  if (entry_of(file, "uwsgi", {"log-date", "logdate", "log-prefix", "logger", "req-logger", "log-encoder", "log-syslog", "syslog", "rsyslog", "log-strftime", "disable-logging-prefix"})) return;
  // The journal and container runtimes stamp each line themselves.
  const Entry* to = entry_of(file, "uwsgi", {"daemonize", "logto", "logto2"});
  if (!to) return;
  if (reads_more(file)) { drafts.push_back(lint_unknown(all, rule, at, "what the included file sets")); return; }
  const Spot place = spot_of(i, to->key_at);
  Draft draft = lint_draft(all, rule, place, {{"path", to->value}});
  add_line(all, draft, place, mark, "log-date = true");
  drafts.push_back(std::move(draft));
}

std::optional<int> octal(std::string_view text) {
  int mode = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  return failure == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(mode) : std::nullopt;
}

struct Owner { std::string user, group; bool known = false; };

Owner owner_of(const Runners& runners, const model::File& file) {
  Owner out;
  const auto text = [&](std::initializer_list<std::string_view> keys) { const Entry* entry = entry_of(file, "uwsgi", keys); return entry ? entry->value : std::string(); };
  if (const std::string chown = text({"chown-socket"}); !chown.empty()) {
    const auto colon = chown.find(':');
    out.user = chown.substr(0, colon);
    if (colon != std::string::npos) out.group = chown.substr(colon + 1);
    out.known = true;
  } else if (const std::string uid = text({"uid"}); !uid.empty()) {
    out = {uid, text({"gid"}), true};
  } else if (const Runner* runner = runner_of(runners, file); runner && runner->holder->kind == Holder::Kind::unit) {
    const auto& settings = runner->holder->settings;
    const Choice *user = model::only_choice(settings, "user"), *group = model::only_choice(settings, "group");
    out = {user ? user->value.text : "root", group ? group->value.text : "", true};
  }
  if (base::contains(out.user, "$") || base::contains(out.user, "%") || base::contains(out.group, "$")) out.known = false;
  return out;
}

std::string socket_of(std::string path) {
  if (base::starts_with(path, "unix:")) path.erase(0, 5);
  while (base::starts_with(path, "//")) path.erase(0, 1);
  return path;
}

// nginx connects with write permission; uWSGI's own default takes what the umask leaves of 0777: 0755.
void socket_mode(const Deployment& all, const Runners& runners, std::uint32_t i, const model::File& file, std::vector<Draft>& drafts) {
  constexpr auto rule = "uwsgi.socket-mode";
  const Entry* socket = entry_of(file, "uwsgi", {"socket", "uwsgi-socket", "http-socket"});
  if (!socket || !base::starts_with(socket_of(socket->value), "/")) return;
  const Entry *mode = entry_of(file, "uwsgi", {"chmod-socket", "chmod"}), *umask = entry_of(file, "uwsgi", {"umask"});
  const Spot at = spot_of(i, mode ? mode->value_at : socket->value_at);
  for (const auto& nginx : all.nginx)
    for (const auto& pass : nginx->passes) {
      std::vector<std::string> addresses{pass.address};
      if (pass.upstream >= 0) { addresses.clear(); for (const auto& peer : nginx->upstreams[static_cast<std::size_t>(pass.upstream)].peers) addresses.push_back(peer.address); }
      const std::string wanted = socket_of(socket->value);
      if (std::ranges::none_of(addresses, [&](const std::string& one) { return base::starts_with(one, "unix:") && socket_of(one) == wanted; })) continue;
      int bits = 0755;
      if (mode) {
        const auto read = mode->value.empty() || mode->value == "true" ? std::optional(0666) : octal(mode->value);
        if (!read) { drafts.push_back(lint_unknown(all, rule, at, mode->value)); return; }
        bits = *read;
      } else if (umask) {
        const auto read = octal(umask->value);
        if (!read) { drafts.push_back(lint_unknown(all, rule, at, umask->value)); return; }
        bits = 0777 & ~*read;
      }
      if ((bits & 02) != 0) return;
      if (reads_more(file)) { drafts.push_back(lint_unknown(all, rule, at, "what the included file sets")); return; }
      const auto user = model::in_force(*nginx, pass.block, "user");
      const Owner owner = owner_of(runners, file);
      if (!user.node || !owner.known) { drafts.push_back(lint_unknown(all, rule, at, !user.node ? "the user of nginx" : "the user of uWSGI")); return; }
      const std::string name = user.node->directive.argument(0), group = user.node->directive.words.size() > 2 ? user.node->directive.argument(1) : name;
      if (name == owner.user || name == "root") return;
      if ((bits & 020) != 0) {
        if (owner.group == group || owner.group == name) return;
        drafts.push_back(lint_unknown(all, rule, at, "whether " + name + " is in the group of the socket"));
        return;
      }
      char text[8] = {};
      const auto [end, failure] = std::to_chars(text, text + sizeof text, bits, 8);
      (void)failure;
      Draft draft = lint_draft(all, rule, at, {{"path", wanted}, {"value", "0" + std::string(text, end)}, {"name", owner.user}, {"other", name}});
      also(all, draft, nginx->spot(*user.node));
      also(all, draft, pass.at);
      drafts.push_back(std::move(draft));
      return;
    }
}

// Threads that the application starts: without enable-threads the interpreter lock is never given to them.
void threads(const Deployment& all, const Runners& runners, const model::Backend& server, std::vector<Draft>& drafts) {
  constexpr auto rule = "uwsgi.threads-disabled";
  const model::File& file = all.files[server.config];
  if (const Entry* number = entry_of(file, "uwsgi", {"threads"}); number && number->value != "1" && number->value != "0") return;
  if (const Entry* enabled = entry_of(file, "uwsgi", {"enable-threads"}); enabled && switched_on(enabled)) return;
  if (entry_of(file, "uwsgi", {"gevent", "asyncio", "emperor"})) return;
  if (const Runner* runner = runner_of(runners, file); runner && base::contains(*runner->command, "threads")) return;
  if (!server.application || server.application->source < 0) { drafts.push_back(lint_unknown(all, rule, server.at, "the application's source")); return; }
  if (reads_more(file)) { drafts.push_back(lint_unknown(all, rule, server.at, "what the included file sets")); return; }
  constexpr std::array makers{"threading.Thread"sv, "threading.Timer"sv, "concurrent.futures.ThreadPoolExecutor"sv, "concurrent.futures.thread.ThreadPoolExecutor"sv, "apscheduler.schedulers.background.BackgroundScheduler"sv, "multiprocessing.pool.ThreadPool"sv, "sentry_sdk.init"sv};
  for (const int index : server.application->imported) {
    const model::Source& source = all.sources[static_cast<std::size_t>(index)];
    for (const auto& call : source.what.calls) {
      const std::string full = source.what.full(call.callee);
      if (std::ranges::find(makers, full) == makers.end()) continue;
      Draft draft = lint_draft(all, rule, server.at, {{"name", full}});
      also(all, draft, {source.file, call.at.line, call.at.column, call.offset, call.offset + call.callee.size()});
      add_line(all, draft, server.at, mark, "enable-threads = true");
      if (draft.edits.empty()) {
        // server.at is a value: the line ends behind it.
        const std::string& text = file.text;
        const auto end = std::min(text.find('\n', server.at.end), text.size());
        if (base::contains(text, mark)) edit(all, draft, server.config, end, end, "\nenable-threads = true");
      }
      drafts.push_back(std::move(draft));
      return;
    }
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  const Runners runners = runners_of(all);
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::uwsgi) continue;
    if (!file.template_language.empty()) {
      for (const char* rule : {"uwsgi.no-log-date", "uwsgi.socket-mode", "uwsgi.threads-disabled"}) drafts.push_back(lint_unknown(all, rule, {i, 1, 1, 0, 0}, "what the template becomes"));
      continue;
    }
    if (entry_of(file, "uwsgi", {"emperor"})) continue;
    const Entry* first = entry_of(file, "uwsgi", {"module", "wsgi", "wsgi-file", "file", "mount", "psgi", "rack"});
    if (!first) continue;
    log_date(all, i, file, spot_of(i, first->key_at), drafts);
    socket_mode(all, runners, i, file, drafts);
  }
  for (const model::Backend& server : all.others)
    if (server.flavour == "uwsgi") threads(all, runners, server, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint uwsgi_traps = {"uwsgi_traps", {"uwsgi.no-log-date", "uwsgi.socket-mode", "uwsgi.threads-disabled"}, look};
}

}  // namespace rule
