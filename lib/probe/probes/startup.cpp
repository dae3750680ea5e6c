// What a server was started with beside its settings: the pid file, and whom it names now; and the callable that it serves, as the file of that
// makes it. The file is read, never run.
#include <array>
#include <cerrno>

#include "base/text.hpp"
#include "parse/python/token.hpp"
#include "probe/look.hpp"
#include "probe/probe.hpp"
#include "probe/servers.hpp"
#include "probe/settings.hpp"

namespace probe {

namespace {

// A setting as the command sets it, else as the configuration file does without a condition.
std::string setting_of(const source::Host& host, const FoundServer& server, const std::vector<evidence::SettingRead>& started, std::string_view name, const evidence::Evidence& evidence) {
  std::string value;
  for (const auto& read : started)
    if (read.name == name) value = read.value;
  if (!value.empty()) return value;
  const std::string config = config_path(host, server, started);
  if (config.empty()) return {};
  const std::string file = server.path(config);
  for (const auto& fact : evidence.facts) {
    const auto* read = evidence::as<evidence::SettingRead>(fact);
    if (read && read->name == name && read->literal && read->condition.empty() && evidence.source_of(fact).name == file) value = read->value;
  }
  return value == "None" ? std::string() : value;
}

std::string comm_of(const source::Host& host, const std::string& root, std::int64_t pid) {
  const auto text = host.read(root + "/proc/" + std::to_string(pid) + "/stat", 4096);
  Process process;
  return text && read_stat(*text, process) && process.state != 'Z' ? process.comm : std::string();
}

void see_pid_file(const source::Host& host, const FoundServer& server, const std::string& named, evidence::SourceId source, evidence::Evidence& evidence) {
  evidence::PidFileSeen fact;
  // After USR2 the new master writes beside the old one's, until that is gone (arbiter.py:start@20.1.0).
  fact.path = server.path(named) + (server.replaces ? ".2" : "");
  const int own = server.master.ns_pid ? server.master.ns_pid : server.master.pid;
  const auto text = host.read(fact.path, 256);
  if (!text) {
    const int code = text.error().code;
    fact.state = code == ENOENT || code == ENOTDIR || code == 0 ? "missing" : "unseen";
  } else if (const auto pid = base::read_number(base::trim(*text)); !pid || *pid <= 0 || *pid > INT32_MAX) {
    fact.state = "garbled";
  } else {
    fact.named = static_cast<int>(*pid);
    fact.comm = *pid == own && server.master.pid ? std::string() : comm_of(host, server.root, *pid);
    fact.state = *pid == own && server.master.pid ? "right" : fact.comm.empty() ? "dead" : "other";
  }
  std::string said = fact.path + ": ";
  if (fact.state == "right") said += "names the master";
  else if (fact.state == "missing") said += "there is no such file";
  else if (fact.state == "other") said += std::to_string(fact.named) + ", which is another process (" + fact.comm + ")";
  else if (fact.state == "dead") said += std::to_string(fact.named) + ", and no such process lives";
  else said += fact.state == "garbled" ? "no pid in it" : "cannot be read";
  auto whole = seen(std::move(fact), server.pid(), source, host);
  whole.about.unit = server.cgroup.unit;
  whole.text = std::move(said);
  evidence.add(std::move(whole));
}

struct Maker { std::string_view name, speaks; };
constexpr std::array makers{Maker{"FastAPI", "asgi"}, Maker{"Starlette", "asgi"}, Maker{"Quart", "asgi"}, Maker{"Litestar", "asgi"}, Maker{"get_asgi_application", "asgi"}, Maker{"WsgiToAsgi", "asgi"},
                            Maker{"Flask", "wsgi"}, Maker{"get_wsgi_application", "wsgi"}, Maker{"Bottle", "wsgi"}, Maker{"ASGIMiddleware", "wsgi"}};

struct Made { std::string by, speaks; std::uint32_t line = 0, column = 0; };

// What the last statement at the left margin that binds this name gives it; nothing where that is not one of the calls that are known.
Made made_in(std::string_view text, std::string_view name) {
  using parse::python::Kind;
  const auto tokens = parse::python::tokens_of(text, 50'000);
  Made made;
  const auto is = [&](std::size_t i, std::string_view what) { return i < tokens.all.size() && tokens.all[i].text == what; };
  for (std::size_t i = 0; i < tokens.all.size(); ++i) {
    const auto& token = tokens.all[i];
    if (token.column != 1 || token.kind != Kind::name) continue;
    const bool async_def = token.text == "async" && is(i + 1, "def") && is(i + 2, name);
    if (async_def || (token.text == "def" && is(i + 1, name))) {
      // scope, receive, send; environ, start_response
      const bool three = async_def && is(i + 3, "(") && is(i + 4, "scope"), two = !async_def && is(i + 2, "(") && is(i + 3, "environ");
      made = three ? Made{"async def", "asgi", token.line, token.column} : two ? Made{"def", "wsgi", token.line, token.column} : Made{};
      continue;
    }
    if (token.text != name || !is(i + 1, "=")) continue;
    made = {};
    std::size_t at = i + 2;
    while (at + 2 < tokens.all.size() && tokens.all[at].kind == Kind::name && is(at + 1, ".")) at += 2;
    if (at < tokens.all.size() && tokens.all[at].kind == Kind::name && is(at + 1, "("))
      for (const auto& maker : makers)
        if (maker.name == tokens.all[at].text) made = {std::string(maker.name), std::string(maker.speaks), token.line, token.column};
  }
  return made;
}

void see_application(const source::Host& host, const FoundServer& server, std::string app, evidence::Evidence& evidence) {
  const std::size_t colon = app.find(':');
  const std::string module = app.substr(0, colon), name = colon == std::string::npos ? "application" : app.substr(colon + 1);
  if (module.empty() || name.empty() || name.find_first_of("(.") != std::string::npos) return;  // a factory: what it returns is not said in one line
  std::string file = module;
  for (char& c : file) c = c == '.' ? '/' : c;
  for (const char* ending : {".py", "/__init__.py"}) {
    const std::string path = server.path(file + ending);
    const auto text = host.read(path, 256 << 10);
    if (!text) continue;
    const Made made = made_in(*text, name);
    if (made.by.empty()) return;
    auto whole = seen(evidence::ApplicationSeen{app, made.by, made.speaks}, server.pid(), add_live_source(evidence, path, evidence::SourceKind::config, host), host);
    whole.about.unit = server.cgroup.unit;
    whole.origin.line = made.line;
    whole.origin.column = made.column;
    whole.text = app + " is made by " + made.by;
    evidence.add(std::move(whole));
    return;
  }
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  std::optional<evidence::SourceId> source;
  for (const auto& server : found.servers) {
    const auto started = settings_of(server, command_of(host, server));
    if (const auto path = setting_of(host, server, started, "pidfile", evidence); !path.empty()) {
      if (!source) source = add_live_source(evidence, "pid files", evidence::SourceKind::proc, host);
      see_pid_file(host, server, path, *source, evidence);
    }
    if (auto app = setting_of(host, server, started, "wsgi_app", evidence); !app.empty()) see_application(host, server, std::move(app), evidence);
  }
}

Sight sight(const source::Host&) { return {Sight::State::ok, "pid files and applications", "read where the servers name them", "", "", ""}; }

}  // namespace

namespace probes_of {
extern const Probe startup = {"startup", observe, sight};
}  // namespace probes_of
}  // namespace probe
