// What a server's own worker timeout does to a request: whether it counts the request at all, when the kill comes, and what the client then
// reads: what the server's flavour says of its timeout for this version and class of workers.
#pragma once

#include <cstdint>
#include <string_view>

namespace flavour {

/// Whose time a worker timeout measures.
enum class Measures : std::uint8_t {
  request,   // from accept to the last byte of the answer
  loop,      // only that the event loop or the main thread still turns: a request may take as long as it likes
  nothing,   // this server has no such limit
};

struct WorkerLimit {
  Measures measures = Measures::nothing;
  double early = 0, late = 0;       // seconds: the kill comes in [T - early, T + late]
  double uninterruptible = 0;       // seconds more until it ends code that does not return to its interpreter (second stage)
  bool answers_500 = false;         // the worker answers the request before it goes; otherwise the proxy sees the connection close (502)
  bool may_answer_500 = false;      // the version is not known, and some do
};

/// `family` as Flavour::family names it ("20.1", "22"); empty: not known. worker_class as the server's setting, empty: its default.
WorkerLimit worker_limit(std::string_view server, std::string_view family, std::string_view worker_class);

}  // namespace flavour
