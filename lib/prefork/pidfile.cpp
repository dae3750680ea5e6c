#include "prefork/pidfile.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/owner.hpp"
#include "base/text.hpp"
#include "prefork/log.hpp"

namespace prefork {
namespace {

int pid_in(const std::string& path) {
  const base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char room[32];
  const ssize_t size = file ? ::read(file.get(), room, sizeof room) : -1;
  if (size <= 0) return 0;
  const auto number = base::read_number(base::trim({room, static_cast<std::size_t>(size)}));
  return number && *number > 0 && *number < 1 << 30 ? static_cast<int>(*number) : 0;
}

}  // namespace

int living_pid(const std::string& path) {
  const int pid = pid_in(path);
  return pid > 0 && (::kill(pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

base::Result<> Pidfile::create(const std::string& path, int pid) {
  if (const int old = living_pid(path); old != 0 && old != pid)
    return base::fail({base::Kind::busy, "making the pidfile '" + path + "'", "Already running on PID " + std::to_string(old) + " (or pid file '" + path + "' is stale)", "end that server, or remove the file if the pid is another program's", EEXIST});
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (::access(folder.c_str(), F_OK) != 0) return base::fail({base::Kind::missing, "making the pidfile '" + path + "'", folder + " doesn't exist. Can't create pidfile.", "make the directory first", ENOENT});
  std::string beside = folder + "/.pidfile-XXXXXX";
  const base::Fd file(::mkostemp(beside.data(), O_CLOEXEC));
  if (!file) return base::fail(base::from_errno(errno, "making the pidfile '" + path + "'", "let the server's user write there"));
  write_all(file.get(), std::to_string(pid) + "\n");
  ::fchmod(file.get(), 0644);
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    const int code = errno;
    ::unlink(beside.c_str());
    return base::fail(base::from_errno(code, "making the pidfile '" + path + "'", ""));
  }
  path_ = path;
  pid_ = pid;
  return {};
}

base::Result<> Pidfile::rename(const std::string& path) {
  const int pid = pid_;
  remove();
  return create(path, pid);
}

void Pidfile::remove() {
  if (!path_.empty() && pid_in(path_) == pid_) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace prefork
