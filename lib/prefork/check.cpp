#include "prefork/check.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <vector>

#include "base/text.hpp"
#include "prefork/board.hpp"
#include "prefork/faults.hpp"
#include "prefork/listener.hpp"
#include "prefork/load.hpp"
#include "prefork/pidfile.hpp"
#include "prefork/user.hpp"

namespace prefork {
namespace {

using Wrong = std::vector<std::string>;

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

void check_file(const char* setting, const std::string& path, Wrong& wrong) {
  if (path.empty() || path == "-") return;
  struct stat seen{};
  if (::stat(path.c_str(), &seen) == 0) {
    if (S_ISDIR(seen.st_mode)) wrong.push_back(fmt::format("{}: '{}' is a directory", setting, path));
    else if (::access(path.c_str(), W_OK) != 0) wrong.push_back(fmt::format("{}: '{}' isn't writable: {}", setting, path, base::from_errno(errno, "").answer));
    return;
  }
  if (::access(folder_of(path).c_str(), W_OK | X_OK) != 0) wrong.push_back(fmt::format("{}: '{}' cannot be made in '{}': {}", setting, path, folder_of(path), base::from_errno(errno, "").answer));
}

void check_all(const Settings& settings, Wrong& wrong) {
  const auto owner = owner_of(settings.user, settings.group);
  if (!owner) wrong.push_back(base::sentence(owner.error()));
  else if (::geteuid() != 0 && ((owner->uid >= 0 && owner->uid != static_cast<int>(::geteuid())) || (owner->gid >= 0 && owner->gid != static_cast<int>(::getegid()))))
    wrong.push_back("user, group: only root may start workers as somebody else");
  check_file("errorlog", settings.errorlog, wrong);
  check_file("accesslog", settings.accesslog, wrong);
  check_file("pidfile", settings.pidfile, wrong);
  if (!settings.pidfile.empty())
    if (const int pid = living_pid(settings.pidfile)) wrong.push_back(fmt::format("pidfile: '{}' names {}, which lives", settings.pidfile, pid));
  if (!settings.worker_tmp_dir.empty()) {
    struct stat seen{};
    if (::stat(settings.worker_tmp_dir.c_str(), &seen) != 0 || !S_ISDIR(seen.st_mode)) wrong.push_back(fmt::format("worker_tmp_dir: {} doesn't exist. Can't create workertmp.", settings.worker_tmp_dir));
    else if (::access(settings.worker_tmp_dir.c_str(), W_OK | X_OK) != 0) wrong.push_back(fmt::format("worker_tmp_dir: '{}' isn't writable", settings.worker_tmp_dir));
  }
  ListenOptions options;
  options.reuse_port = settings.reuse_port;
  std::vector<std::string> addresses = settings.bind;
  if (!settings.admin.empty()) addresses.push_back(settings.admin);
  for (const std::string& text : addresses) {
    const auto address = read_address(text);
    if (!address) wrong.push_back(base::sentence(address.error()));
    else if (const auto could = could_listen_at(*address, options); !could) wrong.push_back(base::sentence(could.error()));
  }
  if (Board* board = make_board()) {
    Faults faults(*board, 1);
    for (const std::string& spec : settings.faults)
      if (const auto done = faults.turn_on(spec); !done) wrong.push_back(base::sentence(done.error()));
  }
  if (const Loaded loaded = load_app(settings.app, settings.app_argument, false); !loaded.app) wrong.push_back(loaded.type.empty() ? loaded.text : loaded.type + ": " + loaded.text);
}

}  // namespace

int check_config(const Settings& settings) {
  if (!settings.app.starts_with("builtin:")) std::fprintf(stderr, "triage-server: loading %s runs its constructors\n", base::printable(settings.app, 200).c_str());
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) {
    std::fprintf(stderr, "Error: %s\n", base::sentence(base::from_errno(errno, "forking", "")).c_str());
    return 1;
  }
  if (pid == 0) {
    Wrong wrong;
    check_all(settings, wrong);
    for (const std::string& line : wrong) std::fprintf(stderr, "Error: %s\n", base::printable(line, 2000).c_str());
    std::fflush(stderr);
    ::_exit(wrong.empty() ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (WIFSIGNALED(status)) std::fprintf(stderr, "Error: loading the application ended in %s\n", base::signal_text(WTERMSIG(status)).c_str());
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

}  // namespace prefork
