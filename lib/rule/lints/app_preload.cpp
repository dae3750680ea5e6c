// What an application opens while it is imported, where the import comes before the fork: workers then share one socket, one CUDA context, or miss
// a thread. Engines are lazy and shared only once something has asked them before the fork, so they are a warning; what is open at once is an error.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "rule/lint.hpp"

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
  if (server.config != model::no_file && mends(parse::python::module_of(all.files[server.config].text), true)) return true;
  return std::ranges::any_of(server.application->imported, [&](int i) { return mends(all.sources[static_cast<std::size_t>(i)].what, false); });
}

bool has_hook(const Deployment& all, const Backend& server) {
  if (server.config == model::no_file) return false;
  const Module config = parse::python::module_of(all.files[server.config].text);
  return !config.bound("post_fork").empty() || !config.bound("post_worker_init").empty();
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "gunicorn.preload-fork-unsafe";
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    const auto preload = server.settings.find("preload_app");
    if (preload == server.settings.end()) continue;
    const auto on = std::ranges::find_if(preload->second, [](const Choice& choice) { return choice.value.known() && choice.value.number != 0; });
    if (on == preload->second.end()) continue;
    if (!server.application || server.application->source < 0) { drafts.push_back(lint_unknown(all, rule, on->at, "the application's source")); continue; }
    for (const int index : server.application->imported) {
      const model::Source& source = all.sources[static_cast<std::size_t>(index)];
      for (const Call& call : source.what.calls) {
        if (!call.function.empty()) continue;
        const auto opened = opened_by(source.what, call);
        if (!opened || undone(all, server, opened->engine)) continue;
        const Spot at{source.file, call.at.line, call.at.column, call.offset, call.offset + call.callee.size()};
        if (!opened->engine && has_hook(all, server)) { drafts.push_back(lint_unknown(all, rule, at, "what the hook behind the fork does about it")); continue; }
        Draft draft = lint_draft(all, rule, at, {{"value", std::string(opened->what)}, {"better", std::string(opened->remedy)}, {"name", call.callee}, {"under", on->when.empty() ? "" : " when " + on->when}});
        draft.level = opened->level;
        also(all, draft, on->at);
        drafts.push_back(std::move(draft));
      }
    }
  }
}

}  // namespace

namespace lints_of {
extern const Lint app_preload = {"app_preload", {"gunicorn.preload-fork-unsafe"}, look};
}

}  // namespace rule
