// What an application opens while it is imported, where the import comes before the fork: workers then share one socket, one CUDA context, or miss
// a thread. Engines are lazy and shared only once something has asked them before the fork, so they are a warning; what is open at once is an error.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/words.hpp"
#include "rule/entry.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Deployment;
using model::Spot;
using parse::python::Call;
using parse::python::Module;
using parse::python::Name;
using std::string_view_literals::operator""sv;

struct Opened { std::string_view what, remedy; Level level = Level::error; bool engine = false; };

// `worker = threading.Thread(...)`, then `worker.start()`.
std::string made_by(const Module& module, std::string_view name) {
  std::string made;
  for (const Name* one : module.bound(name))
    if (one->kind == Name::Kind::call) made = module.full(one->of);
  return made;
}

bool makes_thread(std::string_view full) {
  return full == "threading.Thread" || full == "threading.Timer" || full == "apscheduler.schedulers.background.BackgroundScheduler" || full == "apscheduler.schedulers.gevent.GeventScheduler";
}

std::optional<Opened> opened_by(const Module& module, const Call& call) {
  const std::string full = module.full(call.callee);
  constexpr std::array connects{"psycopg2.connect"sv, "psycopg.connect"sv, "psycopg.Connection.connect"sv, "pymysql.connect"sv, "MySQLdb.connect"sv, "mysql.connector.connect"sv, "pyodbc.connect"sv, "cx_Oracle.connect"sv, "oracledb.connect"sv, "pymssql.connect"sv, "pika.BlockingConnection"sv,
                                "psycopg2.pool.SimpleConnectionPool"sv, "psycopg2.pool.ThreadedConnectionPool"sv, "psycopg_pool.ConnectionPool"sv};
  if (std::ranges::find(connects, full) != connects.end()) return Opened{"a connection", "open it in post_fork, or at the first request", Level::error, false};
  if (full == "pymongo.MongoClient" || full == "pymongo.mongo_client.MongoClient") return Opened{"a MongoClient, which is not fork-safe", "make it in post_fork, or at the first request", Level::warning, false};
  if ((full == "sqlalchemy.create_engine" || full == "sqlalchemy.engine.create_engine") && !base::contains(call.arguments, "NullPool")) return Opened{"a SQLAlchemy engine", "post_fork: engine.dispose(close=False)", Level::warning, true};
  const bool cuda_word = base::contains(call.arguments, "\"cuda") || base::contains(call.arguments, "'cuda");
  if (call.callee.ends_with(".cuda") && call.arguments.size() < 40 && !base::starts_with(full, "torch.cuda")) return Opened{"a CUDA context", "move the model to the GPU in post_fork, or drop preload_app", Level::error, false};
  if (call.callee.ends_with(".to") && cuda_word && call.arguments.size() < 40) return Opened{"a CUDA context", "move the model to the GPU in post_fork, or drop preload_app", Level::error, false};
  if (call.callee.ends_with(".start")) {
    const std::string owner = call.callee.substr(0, call.callee.size() - 6);
    if (!owner.empty() && makes_thread(made_by(module, owner))) return Opened{"a thread, which ends at the fork", "start it in post_fork or post_worker_init", Level::error, false};
  }
  return std::nullopt;
}

// Does a hook of the configuration, or the application itself, put it right behind the fork?
bool undone(const Deployment& all, const Backend& server, bool engine) {
  const auto mends = [&](const Module& module, bool config) {
    for (const Call& call : module.calls) {
      if (call.callee.ends_with("register_at_fork") || call.callee.ends_with("register_after_fork")) return true;
      const bool hook = config && (call.function == "post_fork" || call.function == "post_worker_init");
      if ((hook || !config) && engine && call.callee.ends_with(".dispose")) return true;
    }
    return false;
  };
  if (server.flavour == "gunicorn" && server.config != model::no_file && mends(parse::python::module_of(all.files[server.config].text), true)) return true;
  return std::ranges::any_of(server.application->imported, [&](int i) { return mends(all.sources[static_cast<std::size_t>(i)].what, false); });
}

bool has_hook(const Deployment& all, const Backend& server) {
  if (server.flavour != "gunicorn" || server.config == model::no_file) return false;
  const Module config = parse::python::module_of(all.files[server.config].text);
  return !config.bound("post_fork").empty() || !config.bound("post_worker_init").empty();
}

// Each thing that importing the application opens, where `on` makes the import come before the fork.
void opened(const Deployment& all, const Backend& server, const char* rule, const Spot& on, const std::string& under, std::vector<Draft>& drafts) {
  if (!server.application || server.application->source < 0) { drafts.push_back(lint_unknown(all, rule, on, "the application's source")); return; }
  for (const int index : server.application->imported) {
    const model::Source& source = all.sources[static_cast<std::size_t>(index)];
    for (const Call& call : source.what.calls) {
      if (!call.function.empty()) continue;
      const auto found = opened_by(source.what, call);
      if (!found || undone(all, server, found->engine)) continue;
      const Spot at{source.file, call.at.line, call.at.column, call.offset, call.offset + call.callee.size()};
      if (!found->engine && has_hook(all, server)) { drafts.push_back(lint_unknown(all, rule, at, "what the hook behind the fork does about it")); continue; }
      Draft draft = lint_draft(all, rule, at, {{"value", std::string(found->what)}, {"better", server.flavour == "uwsgi" ? "lazy-apps = true, or open it behind the fork (@postfork), or at the first request" : std::string(found->remedy)}, {"name", call.callee}, {"under", under}});
      draft.level = found->level;
      also(all, draft, on);
      drafts.push_back(std::move(draft));
    }
  }
}

// uWSGI imports the application in its master and forks, unless lazy-apps; @postfork is its hook.
void uwsgi(const Deployment& all, const Backend& server, std::vector<Draft>& drafts) {
  constexpr auto rule = "uwsgi.fork-unsafe";
  const model::File& file = all.files[server.config];
  if (switched_on(entry_of(file, "uwsgi", {"lazy-apps", "lazy"}))) return;
  const auto* processes = entry_of(file, "uwsgi", {"processes", "workers", "cheaper"});
  if (!processes) return;  // one process
  const auto count = base::read_number(processes->value);
  if (count && *count < 2) return;
  if (!count) { drafts.push_back(lint_unknown(all, rule, spot_of(server.config, processes->value_at), processes->value)); return; }
  if (server.application)
    for (const int index : server.application->imported) {
      const std::string& text = all.files[all.sources[static_cast<std::size_t>(index)].file].text;
      if (base::contains(text, "postfork") || base::contains(text, "post_fork_hook")) return;
    }
  opened(all, server, rule, server.at, "", drafts);
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    const auto preload = server.settings.find("preload_app");
    if (preload == server.settings.end()) continue;
    const auto on = std::ranges::find_if(preload->second, [](const Choice& choice) { return choice.value.known() && choice.value.number != 0; });
    if (on != preload->second.end()) opened(all, server, "gunicorn.preload-fork-unsafe", on->at, on->when.empty() ? "" : " when " + on->when, drafts);
  }
  for (const Backend& server : all.others)
    if (server.flavour == "uwsgi") uwsgi(all, server, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint app_preload = {"app_preload", {"gunicorn.preload-fork-unsafe", "uwsgi.fork-unsafe"}, look};
}

}  // namespace rule
