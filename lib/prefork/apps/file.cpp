#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>

#include "prefork/built_in.hpp"

namespace prefork {
namespace {

std::atomic<int> root{-1};

int open_root(const char* argument) {
  const int fd = ::open(argument && *argument ? argument : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return 1;
  root = fd;
  return 0;
}

bool decode(std::string_view text, std::string& out) {
  const auto hex = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') { out += text[i]; continue; }
    if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return false;
    out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
    i += 2;
  }
  return out.find('\0') == std::string::npos;
}

std::string_view type_of(std::string_view path) {
  struct Row { std::string_view end, type; };
  constexpr std::array rows{Row{".html", "text/html"}, Row{".css", "text/css"}, Row{".js", "text/javascript"}, Row{".json", "application/json"}, Row{".txt", "text/plain"}, Row{".png", "image/png"}, Row{".svg", "image/svg+xml"}};
  for (const Row& row : rows)
    if (path.ends_with(row.end)) return row.type;
  return "application/octet-stream";
}

struct File {
  int fd;
};

ssize_t produce(void* state, char* room, std::size_t size) { return ::read(static_cast<File*>(state)->fd, room, size); }

// The kernel keeps the path below the root: RESOLVE_BENEATH refuses "..", absolute links and magic links alike.
void serve(Exchange& exchange) {
  const Request& request = *exchange.request;
  if (request.method != "GET" && request.method != "HEAD") {
    const Field allow{"Allow", "GET, HEAD"};
    if (exchange.begin(405, &allow, 1, 0)) return;
  }
  std::string path;
  if (!decode(request.path, path)) { exchange.answer(400, "text/plain", "bad path\n"); return; }
  while (path.starts_with('/')) path.erase(0, 1);
  if (path.empty() || path.ends_with('/')) path += "index.html";
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // a FIFO is not waited for
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const int fd = static_cast<int>(::syscall(SYS_openat2, root.load(), path.c_str(), &how, sizeof how));
  struct stat seen{};
  if (fd < 0 || ::fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode)) {
    if (fd >= 0) ::close(fd);
    exchange.answer(404, "text/plain", "not found\n");
    return;
  }
  const Field type{"Content-Type", type_of(path)};
  if (!exchange.begin(200, &type, 1, seen.st_size)) { ::close(fd); return; }
  exchange.calls->stream(exchange, produce, [](void* state) { ::close(static_cast<File*>(state)->fd); delete static_cast<File*>(state); }, new File{fd});
}

}  // namespace

namespace apps_of {
extern const BuiltIn file = {"static", "files below --app-argument (.)", {.handle = serve, .load = open_root}};
}
}  // namespace prefork
