#include "log_tail.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace triage {

namespace {

constexpr std::size_t kept = 256 << 10;          // what one log is judged from
constexpr std::size_t most_at_once = 4 << 20;    // a flood is skipped, not read: only its end matters

}  // namespace

LogTail::LogTail(std::string path, std::string name) : path_(std::move(path)), name_(std::move(name)) {
  if (open(true)) take();
}

bool LogTail::open(bool from_end) {
  fd_ = base::Fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat about{};
  if (!fd_ || fstat(fd_.get(), &about) != 0 || !S_ISREG(about.st_mode)) {
    fd_.reset();
    return false;
  }
  inode_ = about.st_ino;
  device_ = about.st_dev;
  const auto size = static_cast<std::uint64_t>(about.st_size);
  position_ = from_end && size > kept ? size - kept : 0;
  return true;
}

bool LogTail::take() {
  struct stat about{};
  if (!fd_ || fstat(fd_.get(), &about) != 0) return false;
  const auto size = static_cast<std::uint64_t>(about.st_size);
  if (size < position_) position_ = 0;           // truncated in place
  if (size > position_ + most_at_once) position_ = size - most_at_once;
  bool came = false;
  char bytes[1 << 16];
  while (position_ < size) {
    const ssize_t got = pread(fd_.get(), bytes, sizeof(bytes), static_cast<off_t>(position_));
    if (got <= 0) break;
    position_ += static_cast<std::uint64_t>(got);
    text_.append(bytes, static_cast<std::size_t>(got));
    came = true;
  }
  if (text_.size() > 2 * kept) {
    const std::size_t line = text_.find('\n', text_.size() - kept);
    text_.erase(0, line == std::string::npos ? text_.size() - kept : line + 1);
  }
  return came;
}

bool LogTail::poll() {
  bool came = take();
  struct stat about{};
  if (::stat(path_.c_str(), &about) != 0) return came;            // moved away, not made anew yet: the open one is still written to
  if (fd_ && about.st_ino == inode_ && about.st_dev == device_) return came;
  if (open(false)) came |= take();
  return came;
}

}  // namespace triage
