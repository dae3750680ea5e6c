#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "prefork/built_in.hpp"

namespace prefork {
namespace {

std::string_view take_word(std::string_view& path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  const auto end = path.find('/');
  const std::string_view word = path.substr(0, end);
  path = end == std::string_view::npos ? std::string_view() : path.substr(end);
  return word;
}

// /hello /echo /sleep /cpu /stream by name; /pid says who answers; /exit?code= leaves without a word, as a broken application does.
void route(Exchange& exchange) {
  std::string_view path = exchange.request->path;
  const std::string_view word = take_word(path);
  if (word == "pid") { exchange.answer(200, "text/plain", std::to_string(::getpid())); return; }
  if (word == "exit") ::_exit(static_cast<int>(query_number(exchange.request->query, "code", 7, 255)));
  if (word == "orphan") {
    // A grandchild that outlives its parent: whoever adopts it, reaps it (as PID 1 in a container the master does).
    const int code = static_cast<int>(query_number(exchange.request->query, "code", 0, 255));
    const pid_t child = ::fork();
    if (child == 0) {
      if (::fork() == 0) {
        ::usleep(200'000);
        ::_exit(code);
      }
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    exchange.answer(200, "text/plain", "left");
    return;
  }
  if (word == "status") {
    const int status = static_cast<int>(query_number(exchange.request->query, "code", 204, 599));
    exchange.answer(status < 200 ? 200 : status, "text/plain", "");
    return;
  }
  const BuiltIn* app = word.empty() ? built_in("hello") : word == "demo" || word == "static" ? nullptr : built_in(word);
  if (app) app->app.handle(exchange);
  else exchange.answer(404, "text/plain", "not found\n");
}

}  // namespace

namespace apps_of {
extern const BuiltIn demo = {"demo", "the others by /hello /echo /sleep /cpu /stream, and /pid /exit /status", {.handle = route}};
}
}  // namespace prefork
