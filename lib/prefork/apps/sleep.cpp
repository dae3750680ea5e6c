#include <ctime>

#include "prefork/built_in.hpp"

namespace prefork {
namespace {

void wait(Exchange& exchange) {
  const double seconds = query_number(exchange.request->query, "s", 1, 86'400);
  timespec left{static_cast<std::time_t>(seconds), static_cast<long>((seconds - static_cast<double>(static_cast<std::time_t>(seconds))) * 1e9)};
  while (::nanosleep(&left, &left) != 0) {}
  exchange.answer(200, "text/plain", "slept");
}

}  // namespace

namespace apps_of {
extern const BuiltIn sleep = {"sleep", "answers after ?s= seconds (1)", {.handle = wait}};
}
}  // namespace prefork
