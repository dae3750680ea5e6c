#include <algorithm>
#include <cstring>

#include "prefork/built_in.hpp"

namespace prefork {
namespace {

struct Left {
  std::size_t bytes;
};

ssize_t produce(void* state, char* room, std::size_t size) {
  Left& left = *static_cast<Left*>(state);
  const std::size_t count = std::min(left.bytes, size);
  std::memset(room, 'x', count);
  left.bytes -= count;
  return static_cast<ssize_t>(count);
}

void flow(Exchange& exchange) {
  const auto bytes = static_cast<std::size_t>(query_number(exchange.request->query, "bytes", 1 << 20, 1e12));
  const Field type{"Content-Type", "application/octet-stream"};
  const bool counted = query_text(exchange.request->query, "length") == "yes";
  if (!exchange.begin(200, &type, 1, counted ? static_cast<std::int64_t>(bytes) : -1)) return;
  exchange.calls->stream(exchange, produce, [](void* state) { delete static_cast<Left*>(state); }, new Left{bytes});
}

}  // namespace

namespace apps_of {
extern const BuiltIn stream = {"stream", "?bytes= bytes (1 MiB) in chunks, or with ?length=yes counted", {.handle = flow}};
}
}  // namespace prefork
