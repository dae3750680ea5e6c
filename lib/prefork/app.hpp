// What an application is to this server: a shared object that exports one `extern "C" const prefork::App application` (or another name: the part
// after the colon of `module:symbol`). This header is all it needs; nothing in it throws, allocates or depends on the rest of the project, and
// `abi` says which layout the application was compiled with.
//
//   #include "prefork/app.hpp"
//   static void hello(prefork::Exchange& exchange) { exchange.answer(200, "text/plain", "Hello, world!"); }
//   extern "C" const prefork::App application{.handle = hello};
//
//   g++ -std=c++20 -shared -fPIC -I lib -o app.so app.cpp && triage-server app:application
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace prefork {

constexpr unsigned app_abi = 1;

struct Field {
  std::string_view name, value;   // of a request: the name as it was sent, the value without the blanks around it
};

/// Every view lives until handle() returns.
struct Request {
  std::string_view method, target, path, query;   // path and query as they were sent, %XX not decoded
  int major = 1, minor = 1;
  const Field* fields = nullptr;
  std::size_t field_count = 0;
  std::string_view peer;          // the client's address; of a trusted PROXY line the one it names; empty over a unix socket
  int peer_port = 0;
  bool secure = false;            // a trusted proxy says that it came by https
};

struct Exchange;

/// Fills `room` with up to `size` bytes of an answer: how many, 0 at the end, -1 to break the connection off.
using Producer = ssize_t (*)(void* state, char* room, std::size_t size);

/// The server's side. All block, but in the event loop, where the body has come before handle() is called and what is written is queued.
struct Calls {
  ssize_t (*read)(Exchange&, char* room, std::size_t size);   // of the request's body; 0 at its end, -1 when it is broken
  /// `length` < 0: not known yet; the answer is sent in chunks, or ended by the close for HTTP/1.0. False when an answer has begun or a field is bad.
  bool (*begin)(Exchange&, int status, const Field* fields, std::size_t count, std::int64_t length);
  bool (*write)(Exchange&, const char* bytes, std::size_t size);   // false once the client is gone
  /// The rest of the answer comes from `produce` as fast as the client takes it; `done` (or null) is called once in any case.
  bool (*stream)(Exchange&, Producer produce, void (*done)(void*), void* state);
};

struct Exchange {
  const Request* request = nullptr;
  const Calls* calls = nullptr;

  ssize_t read(char* room, std::size_t size) { return calls->read(*this, room, size); }
  bool begin(int status, const Field* fields, std::size_t count, std::int64_t length = -1) { return calls->begin(*this, status, fields, count, length); }
  bool write(std::string_view bytes) { return calls->write(*this, bytes.data(), bytes.size()); }
  bool answer(int status, std::string_view type, std::string_view body) {
    const Field field{"Content-Type", type};
    return begin(status, &field, 1, static_cast<std::int64_t>(body.size())) && write(body);
  }
};

/// Every pointer but `handle` may be null. Hooks have gunicorn's names and moments; those of the master run there, the others in the worker.
struct App {
  unsigned abi = app_abi;
  void (*handle)(Exchange&) = nullptr;
  /// Once per process that loads it: in each worker after the fork, or in the master with preload_app. Not 0: it could not start (exit 3).
  int (*load)(const char* argument) = nullptr;
  void (*on_starting)() = nullptr;
  void (*when_ready)() = nullptr;
  void (*on_reload)() = nullptr;
  void (*pre_fork)(int age) = nullptr;
  void (*post_fork)(int age) = nullptr;          // the place to reseed and to open connections anew
  void (*post_worker_init)(int age) = nullptr;
  void (*worker_int)() = nullptr;                // in a signal handler: async-signal-safe calls only
  void (*worker_abort)() = nullptr;              // in a signal handler: async-signal-safe calls only
  void (*pre_request)(const Request&) = nullptr;
  void (*post_request)(const Request&, int status) = nullptr;
  void (*worker_exit)(int age) = nullptr;
  void (*child_exit)(int pid) = nullptr;
  void (*nworkers_changed)(int now, int before) = nullptr;
  void (*pre_exec)() = nullptr;
  void (*on_exit)() = nullptr;
};

}  // namespace prefork
