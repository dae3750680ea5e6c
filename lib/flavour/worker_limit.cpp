#include "flavour/worker_limit.hpp"

#include <algorithm>

#include "flavour/flavour.hpp"

namespace flavour {

namespace {

struct Row {
  std::string_view server, worker_class;   // worker_class "": any
  WorkerLimit limit;
};

// gunicorn: the arbiter polls once a second (arbiter.py:486-505@20.1.0), kills of sync workers came 0.1 to 1.0 s after T in 12 of 12 runs, and
// up to 1 s more for code in C. Workers with a loop touch their heartbeat once a second (gthread, gevent, tornado, asgi), so a blocked loop may
// be a second old when its request begins; the uvicorn worker does it every T/2 only, which is not a fixed number of seconds: budget.cpp.
// uWSGI counts whole seconds: 1.4 to 3.4 s at harakiri 2, 4.5 s at 3. php-fpm: 2.5 to 4.0 s at 2 to 3. Unicorn: 3.9 s at 3. Puma pings each
// 5 s: 4.0 s at 6. uvicorn's supervisor pings its processes.
constexpr Row rows[] = {
    {"gunicorn", "sync", {Measures::request, 0, 1.1, 1.1, false, false}},
    {"gunicorn", "", {Measures::loop, 1, 1.1, 1.1, false, false}},
    {"uwsgi", "", {Measures::request, 1, 2, 0, false, false}},
    {"php-fpm", "", {Measures::request, 0, 1.1, 0, false, false}},
    {"unicorn", "", {Measures::request, 0, 2, 0, false, false}},
    {"puma", "", {Measures::loop, 5, 5, 0, false, false}},
    {"uvicorn", "", {Measures::loop, 0, 1.1, 0, false, false}},
};

bool is_sync(std::string_view worker_class) { return worker_class.empty() || worker_class == "sync" || worker_class.ends_with("SyncWorker"); }

}  // namespace

WorkerLimit worker_limit(std::string_view server, std::string_view family, std::string_view worker_class) {
  if (like_gunicorn(server)) server = "gunicorn";
  const std::string_view kind = server != "gunicorn" ? "" : is_sync(worker_class) ? "sync" : worker_class;
  const auto row = std::find_if(std::begin(rows), std::end(rows), [&](const Row& one) { return one.server == server && (one.worker_class.empty() || one.worker_class == kind); });
  if (row == std::end(rows)) return {};
  WorkerLimit limit = row->limit;
  if (server == "gunicorn" && kind == "sync") {
    // From 22.0 SystemExit of the abort handler reaches handle_error, which answers: commit 40232284 (22.0.0); measured on 20.1 and 26.1.
    limit.answers_500 = family == "22" || family == "24" || family == "24.0" || family == "own";
    limit.may_answer_500 = family.empty();
  }
  return limit;
}

}  // namespace flavour
