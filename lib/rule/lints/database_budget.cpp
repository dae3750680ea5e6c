// Connections that all processes together may open, against what the database takes. SQLAlchemy's pool is one a process: it opens a connection when
// a thread wants one and none is free, up to pool_size + max_overflow (5 + 10 by default, sqlalchemy/pool/impl.py QueuePool), so that a sync worker
// never has more than one. PostgreSQL takes 100, three of them for superusers (postgresql.conf.sample).
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Deployment;
using model::Holder;
using model::Spot;

constexpr auto rule_name = "chain.db-pool-budget";

struct Database { double most = 100; Spot at; bool known = true; bool written = false; };

// The one PostgreSQL of a compose file; nothing where there are several, or none.
std::optional<Database> database_of(const Deployment& all) {
  std::optional<Database> found;
  for (const Holder& holder : all.holders) {
    if (holder.kind != Holder::Kind::service) continue;
    const Choice* image = model::only_choice(holder.settings, "image");
    if (!image || !(base::starts_with(image->value.text, "postgres:") || image->value.text == "postgres" || base::contains(image->value.text, "/postgres:") || base::starts_with(image->value.text, "postgis/postgis"))) continue;
    if (found) return std::nullopt;
    Database database;
    database.at = image->at;
    if (const Choice* command = model::only_choice(holder.settings, "command")) {
      const auto set = base::between(command->value.text, "max_connections=", "");
      const auto number = set ? base::read_number(set->substr(0, set->find_first_not_of("0123456789"))) : std::nullopt;
      if (set && !number) database.known = false;
      if (number) { database.most = static_cast<double>(*number); database.written = true; }
      if (base::contains(command->value.text, "config_file") || base::contains(command->value.text, "$")) database.known = false;
    }
    found = database;
  }
  return found;
}

// pool_size + max_overflow of the application's one create_engine(); `unknown`: an argument that is no number.
struct Pool { double most = 15; Spot at; };
std::optional<Pool> pool_of(const Deployment& all, const Backend& server, bool& unknown) {
  std::optional<Pool> found;
  if (!server.application) return found;
  for (const int index : server.application->imported) {
    const model::Source& source = all.sources[static_cast<std::size_t>(index)];
    for (const auto& call : source.what.calls) {
      const std::string full = source.what.full(call.callee);
      if (full != "sqlalchemy.create_engine" && full != "sqlalchemy.ext.asyncio.create_async_engine") continue;
      if (found) { unknown = true; return std::nullopt; }
      if (base::contains(call.arguments, "NullPool") || base::contains(call.arguments, "poolclass") || base::contains(call.arguments, "sqlite")) return std::nullopt;
      double most = 0;
      for (const auto& [name, usual] : {std::pair<std::string_view, double>{"pool_size", 5}, {"max_overflow", 10}}) {
        const auto set = base::between(call.arguments, name, "");
        if (!set) { most += usual; continue; }
        std::string_view rest = base::trim(*set);
        if (!base::starts_with(rest, "=")) { most += usual; continue; }
        rest = base::trim(rest.substr(1));
        const auto number = base::take_number(rest);
        rest = base::trim(rest);
        if (!number || *number < 0 || (!rest.empty() && rest.front() != ',' && rest.front() != ')')) { unknown = true; return std::nullopt; }
        most += static_cast<double>(*number);
      }
      found = Pool{most, {source.file, call.at.line, call.at.column, 0, 0}};
    }
  }
  return found;
}

std::optional<double> number_of(const Backend& server, std::string_view name) {
  const Choice* choice = model::only_choice(server.settings, name);
  return choice && choice->value.known() && choice->value.kind == model::Value::Kind::number ? std::optional(choice->value.number) : std::nullopt;
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  const auto database = database_of(all);
  if (!database) return;
  double total = 0;
  std::string sum;
  std::vector<Spot> places;
  for (const Backend& server : all.servers) {
    bool unknown = false;
    const auto pool = pool_of(all, server, unknown);
    if (!pool && !unknown) continue;
    const auto workers = number_of(server, "workers"), threads = number_of(server, "threads");
    const Choice* kind = model::only_choice(server.settings, "class");
    if (!pool || !workers || !threads || !kind || !kind->value.known() || !database->known) {
      drafts.push_back(lint_unknown(all, rule_name, server.at, unknown ? "the pool's size" : !database->known ? "max_connections of the database" : "workers, threads or the worker class"));
      return;
    }
    const bool threaded = kind->value.text == "sync" || kind->value.text == "gthread";
    const double each = threaded ? std::min(pool->most, std::max(1.0, *threads)) : pool->most;
    const Holder* holder = server.holder < 0 ? nullptr : &all.holders[static_cast<std::size_t>(server.holder)];
    const Choice* replicas = holder ? model::only_choice(holder->settings, "replicas") : nullptr;
    const double copies = replicas && replicas->value.known() && replicas->value.number > 0 ? replicas->value.number : 1;
    total += copies * *workers * each;
    sum += fmt::format("{}{:g} x {:g} workers x {:g}", sum.empty() ? "" : " + ", copies, *workers, each);
    places.push_back(pool->at);
  }
  constexpr double reserved = 3;
  if (places.empty() || total <= database->most - reserved) return;
  Draft draft = lint_draft(all, rule_name, database->at, {{"count", fmt::format("{:g}", total)}, {"limit", fmt::format("{:g}{}", database->most, database->written ? "" : " (the default)")}, {"detail", sum}});
  for (const Spot& at : places) also(all, draft, at);
  draft.sure = Confidence::likely;
  draft.sure_because = "if that is the database that these engines connect to";
  drafts.push_back(std::move(draft));
}

}  // namespace

namespace lints_of {
extern const Lint database_budget = {"database_budget", {"chain.db-pool-budget"}, look};
}

}  // namespace rule
