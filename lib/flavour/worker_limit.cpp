#include "flavour/worker_limit.hpp"

#include "flavour/flavour.hpp"

namespace flavour {

namespace {

bool is_sync(std::string_view worker_class) { return worker_class.empty() || worker_class == "sync" || worker_class.ends_with("SyncWorker"); }

Measures measures(Scope scope) {
  switch (scope) {
    case Scope::request:
    case Scope::average: return Measures::request;
    case Scope::loop:
    case Scope::ping: return Measures::loop;
    default: return Measures::nothing;
  }
}

}  // namespace

WorkerLimit worker_limit(std::string_view server, std::string_view family, std::string_view worker_class) {
  if (like_gunicorn(server)) server = "gunicorn";
  const Flavour* const known = flavour(server);
  if (!known) return {};
  const std::string_view named = known->kinds.empty() ? "" : is_sync(worker_class) ? "sync" : worker_class;
  const Kind kind = kind_of(*known, named);
  WorkerLimit limit{measures(kind.timeout.scope), kind.timeout.early, kind.timeout.late, kind.timeout.uninterruptible, false, false};
  if (known->answers_on_timeout) {
    const auto answers = known->answers_on_timeout(family, named);
    limit.answers_500 = answers.value_or(false);
    limit.may_answer_500 = !answers;
  }
  return limit;
}

}  // namespace flavour
