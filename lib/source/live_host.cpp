#include "source/live_host.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/owner.hpp"

namespace source {

namespace {

class FileStream : public Stream {
 public:
  FileStream(base::Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  base::Result<std::size_t> read(char* into, std::size_t size) override {
    for (;;) {
      const ssize_t count = ::read(fd_.get(), into, size);
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR) return base::fail(base::from_errno(errno, "reading " + path_));
    }
  }

 private:
  base::Fd fd_;
  std::string path_;
};

// O_NONBLOCK: a FIFO or device named by mistake must not hang the look; regular files do not care.
base::Result<base::Fd> open_file(const std::string& path) {
  base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return base::fail(base::from_errno(errno, "opening " + path, errno == EACCES || errno == EPERM ? "run as root, or as a user who may read it" : ""));
  return fd;
}

// The kernel gives these in one piece where the buffer has room: asking again for the end is a call for each of thousands of processes.
bool whole_at_once(std::string_view path) { return path.starts_with("/proc/") && (path.ends_with("/stat") || path.ends_with("/status") || path.ends_with("/cmdline")); }

EntryKind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return EntryKind::file;
  if (S_ISDIR(mode)) return EntryKind::folder;
  if (S_ISLNK(mode)) return EntryKind::link;
  if (S_ISSOCK(mode)) return EntryKind::socket;
  return EntryKind::other;
}

}  // namespace

base::Result<std::string> LiveHost::read(const std::string& path, std::size_t most) const {
  TRY(fd, open_file(path));
  FileStream stream(std::move(fd), path);
  // Nearly all of /proc fits here, and thousands of its files are read: no large buffer is made and thrown away for each.
  char small[4096];
  const std::size_t room = std::min(most, sizeof small);
  std::size_t have = 0;
  while (have < room) {
    TRY(count, stream.read(small + have, room - have));
    if (count == 0) return std::string(small, have);
    have += count;
    if (have < room && whole_at_once(path)) return std::string(small, have);
  }
  std::string bytes(small, have);
  if (have == most) return bytes;
  TRY(rest, slurp(stream, most - have));
  return bytes + rest;
}

base::Result<std::unique_ptr<Stream>> LiveHost::open(const std::string& path) const {
  if (const auto inherited = own_descriptor(path)) {
    base::Fd fd(::fcntl(*inherited, F_DUPFD_CLOEXEC, 3));
    if (!fd) return base::fail(base::from_errno(errno, "opening " + path));
    return decompressed(std::make_unique<FileStream>(std::move(fd), path == "-" ? "standard input" : path));
  }
  TRY(fd, open_file(path));
  return decompressed(std::make_unique<FileStream>(std::move(fd), path));
}

base::Result<std::vector<Entry>> LiveHost::list(const std::string& path) const {
  DIR* const folder = ::opendir(path.c_str());
  if (!folder) return base::fail(base::from_errno(errno, "listing " + path, errno == EACCES ? "run as root" : ""));
  std::vector<Entry> entries;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    EntryKind kind = EntryKind::other;
    switch (entry->d_type) {
      case DT_REG: kind = EntryKind::file; break;
      case DT_DIR: kind = EntryKind::folder; break;
      case DT_LNK: kind = EntryKind::link; break;
      case DT_SOCK: kind = EntryKind::socket; break;
      case DT_UNKNOWN: {
        struct ::stat about {};
        if (::lstat((path + "/" + name).c_str(), &about) == 0) kind = kind_of(about.st_mode);
        break;
      }
      default: break;
    }
    entries.push_back({name, kind});
  }
  ::closedir(folder);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

base::Result<std::string> LiveHost::link(const std::string& path) const {
  char target[4096];
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  if (size < 0) return base::fail(base::from_errno(errno, "reading the link " + path));
  return std::string(target, static_cast<std::size_t>(size));
}

base::Result<std::string> LiveHost::attribute(const std::string& path, const char* name) const {
  char value[8192];
  const ssize_t size = ::getxattr(path.c_str(), name, value, sizeof value);
  if (size < 0) return base::fail(base::from_errno(errno, "reading the attribute " + std::string(name) + " of " + path));
  return std::string(value, static_cast<std::size_t>(size));
}

base::Result<Stat> LiveHost::stat(const std::string& path) const {
  struct ::stat about {};
  if (::stat(path.c_str(), &about) != 0) return base::fail(base::from_errno(errno, "looking at " + path));
  Stat result;
  result.kind = kind_of(about.st_mode);
  result.size = static_cast<std::uint64_t>(about.st_size);
  result.inode = about.st_ino;
  result.device = about.st_dev;
  result.mode = about.st_mode;
  result.uid = about.st_uid;
  result.gid = about.st_gid;
  result.mtime_ns = about.st_mtim.tv_sec * base::second_ns + about.st_mtim.tv_nsec;
  result.ctime_ns = about.st_ctim.tv_sec * base::second_ns + about.st_ctim.tv_nsec;
  return result;
}

base::Instant LiveHost::now() const {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return {base::Clock::wall, time.tv_sec * base::second_ns + time.tv_nsec, 0};
}

}  // namespace source
