#include <array>

#include "prefork/built_in.hpp"

namespace prefork {
namespace {

// The body as it came, in chunks as it comes; a GET gets its own head back.
void give_back(Exchange& exchange) {
  const Request& request = *exchange.request;
  std::array<char, 16'384> room;
  ssize_t size = exchange.read(room.data(), room.size());
  const Field type{"Content-Type", "application/octet-stream"};
  if (size > 0) {
    if (!exchange.begin(200, &type, 1)) return;
    for (; size > 0; size = exchange.read(room.data(), room.size()))
      if (!exchange.write({room.data(), static_cast<std::size_t>(size)})) return;
    return;
  }
  if (size < 0) return;
  const Field text{"Content-Type", "text/plain"};
  if (!exchange.begin(200, &text, 1)) return;
  for (const std::string_view part : {request.method, std::string_view(" "), request.target, std::string_view("\n")}) exchange.write(part);
  for (std::size_t i = 0; i < request.field_count; ++i)
    for (const std::string_view part : {request.fields[i].name, std::string_view(": "), request.fields[i].value, std::string_view("\n")}) exchange.write(part);
}

}  // namespace

namespace apps_of {
extern const BuiltIn echo = {"echo", "sends a body back; without one the request's head", {.handle = give_back}};
}
}  // namespace prefork
