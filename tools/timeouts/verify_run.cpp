#include "verify_run.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/owner.hpp"
#include "base/text.hpp"
#include "probe/child.hpp"

namespace timeouts {

double now_s() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void sleep_s(double seconds) {
  if (seconds <= 0) return;
  timespec time{static_cast<time_t>(seconds), static_cast<long>((seconds - static_cast<double>(static_cast<time_t>(seconds))) * 1e9)};
  while (::nanosleep(&time, &time) != 0 && errno == EINTR) {}
}

base::Result<Scratch> Scratch::make(bool keep) {
  const char* const folder = std::getenv("TMPDIR");
  std::string path = std::string(folder && *folder && std::strlen(folder) < 60 ? folder : "/tmp") + "/triage-verify-XXXXXX";
  if (!::mkdtemp(path.data())) return base::fail(base::from_errno(errno, "making a scratch folder " + path));
  ::chmod(path.c_str(), 0755);
  return Scratch(path, keep);
}

Scratch::~Scratch() {
  std::error_code ignored;
  if (!path_.empty() && !keep_) std::filesystem::remove_all(path_, ignored);
}

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.flush();
  return static_cast<bool>(out);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

base::Result<Child> Child::start(const std::vector<std::string>& words, const std::string& folder, const std::string& log, const std::vector<std::string>& environment) {
  std::vector<char*> argv, variables;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  for (const std::string& one : environment) variables.push_back(const_cast<char*>(one.c_str()));
  variables.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return base::fail(base::from_errno(errno, "starting " + words.front()));
  if (pid == 0) {  // only what is safe between fork and exec
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent || ::chdir(folder.c_str()) != 0) ::_exit(127);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644), in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || in < 0) ::_exit(127);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execve(argv[0], argv.data(), variables.data());
    ::_exit(127);
  }
  ::setpgid(pid, pid);
  return Child(pid);
}

bool Child::alive() {
  if (pid_ < 0) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  ::kill(-pid_, SIGKILL);  // workers that a gone master left behind
  pid_ = -1;
  return false;
}

void Child::signal(int number) const { if (pid_ > 0) ::kill(pid_, number); }
void Child::signal_group(int number) const { if (pid_ > 0) ::kill(-pid_, number); }

Child::~Child() {
  if (pid_ < 0) return;
  ::kill(-pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
}

namespace {

base::Fd connected(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  base::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

bool send_all(int fd, std::string_view text, double end) {
  while (!text.empty()) {
    pollfd wait{fd, POLLOUT, 0};
    const double left = end - now_s();
    if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left * 1000) + 1) < 0) return false;
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// What of an answer has come: its status line, its header's end, its body, and whether its framing is complete.
struct Reading {
  std::string text;
  std::size_t body_at = std::string::npos;

  std::string header(std::string_view name) const {
    const auto head = std::string_view(text).substr(0, body_at);
    for (const std::string_view line : base::split(head, '\n'))
      if (line.size() > name.size() && line[name.size()] == ':' && ::strncasecmp(line.data(), name.data(), name.size()) == 0) return std::string(base::trim(line.substr(name.size() + 1)));
    return {};
  }
  // The body as sent; `framed`: it is whole. `closed`: the connection has ended.
  std::string body(bool& framed, bool closed) const {
    framed = false;
    if (body_at == std::string::npos) return {};
    std::string_view rest = std::string_view(text).substr(body_at);
    if (header("Transfer-Encoding") == "chunked") {
      std::string out;
      while (true) {
        const auto end = rest.find("\r\n");
        if (end == std::string_view::npos) return out;
        const unsigned long size = std::strtoul(std::string(rest.substr(0, end)).c_str(), nullptr, 16);
        rest.remove_prefix(end + 2);
        if (size == 0) { framed = true; return out; }
        out += rest.substr(0, size);
        if (rest.size() < size + 2) return out;
        rest.remove_prefix(size + 2);
      }
    }
    if (const std::string length = header("Content-Length"); !length.empty()) {
      framed = rest.size() >= std::strtoul(length.c_str(), nullptr, 10);
      return std::string(rest);
    }
    framed = closed;
    return std::string(rest);
  }
};

}  // namespace

bool answers(const std::string& socket, double deadline) {
  const double end = now_s() + deadline;
  while (now_s() < end) {
    if (connected(socket)) return true;
    sleep_s(0.02);
  }
  return false;
}

Seen ask(const std::string& socket, const Asked_of& request, double deadline) {
  Seen seen;
  const double start = now_s(), end = start + deadline;
  base::Fd fd = connected(socket);
  if (!fd) return seen;
  std::string head = request.method + " " + request.path + " HTTP/1.1\r\nHost: verify\r\nConnection: close\r\n";
  if (request.body > 0 || request.method == "POST" || request.method == "PUT") head += "Content-Length: " + std::to_string(request.body) + "\r\n";
  send_all(fd.get(), head + "\r\n", end);
  Reading reading;
  bool closed = false;
  std::size_t sent = 0;
  double next = now_s();
  while (!closed && now_s() < end) {
    // The body goes out in its pieces while an answer may already come.
    if (sent < request.pieces && request.body > 0 && now_s() >= next) {
      const std::size_t size = request.body / request.pieces + (sent + 1 == request.pieces ? request.body % request.pieces : 0);
      send_all(fd.get(), std::string(size, 'x'), end);
      ++sent;
      next = now_s() + request.pause;
      continue;
    }
    double wait_s = end - now_s();
    if (sent < request.pieces && request.body > 0) wait_s = std::min(wait_s, std::max(0.0, next - now_s()));
    pollfd wait{fd.get(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(wait_s * 1000) + 1);
    if (ready <= 0) continue;
    std::array<char, 1 << 14> piece;
    const ssize_t count = ::recv(fd.get(), piece.data(), piece.size(), 0);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) closed = true;
    else reading.text.append(piece.data(), static_cast<std::size_t>(count));
    if (reading.body_at == std::string::npos)
      if (const auto at = reading.text.find("\r\n\r\n"); at != std::string::npos) {
        reading.body_at = at + 4;
        seen.header = now_s() - start;
      }
    bool framed = false;
    if (!closed && reading.body_at != std::string::npos) { reading.body(framed, false); closed = framed; }
  }
  seen.late = !closed;
  seen.end = now_s() - start;
  if (seen.header == 0) seen.header = seen.end;
  if (base::starts_with(reading.text, "HTTP/1.") && reading.text.size() > 12) seen.status = std::atoi(reading.text.c_str() + 9);
  seen.body = reading.body(seen.framed, closed);
  return seen;
}

std::string program(const std::string& name) {
  const char* const path = std::getenv("PATH");
  for (const std::string_view folder : base::split(std::string(path ? path : "/usr/bin:/bin") + ":/usr/sbin:/usr/local/sbin", ':')) {
    const std::string full = std::string(folder) + "/" + name;
    if (!folder.empty() && ::access(full.c_str(), X_OK) == 0) return full;
  }
  return {};
}

std::string printed(const std::vector<std::string>& words) {
  const auto got = probe::run(words, 10'000, 1 << 14);
  return got ? got->out + got->err : std::string();
}

}  // namespace timeouts
