#include <ctime>

#include "prefork/built_in.hpp"

namespace prefork {
namespace {

double own_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void burn(Exchange& exchange) {
  const double end = own_seconds() + query_number(exchange.request->query, "s", 0.1, 86'400);
  while (own_seconds() < end) {}
  exchange.answer(200, "text/plain", "burnt");
}

}  // namespace

namespace apps_of {
extern const BuiltIn cpu = {"cpu", "answers after ?s= seconds of processor time (0.1)", {.handle = burn}};
}
}  // namespace prefork
