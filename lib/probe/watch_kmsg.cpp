#include "probe/watch_kmsg.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.hpp"

namespace probe {

base::Result<KmsgFollower> KmsgFollower::open() {
  KmsgFollower follower;
  follower.fd_ = base::Fd(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!follower.fd_) return base::fail(base::from_errno(errno, "reading /dev/kmsg", "run as root, grant CAP_SYSLOG, or set kernel.dmesg_restrict to 0"));
  if (lseek(follower.fd(), 0, SEEK_END) < 0) return base::fail(base::from_errno(errno, "finding the end of /dev/kmsg"));
  return follower;
}

std::size_t KmsgFollower::drain(std::string& into) {
  std::size_t records = 0;
  char record[8192];
  // Bounded: a log flood must not keep us from the deaths.
  for (std::size_t tries = 0; tries < 20'000; ++tries) {
    const ssize_t got = read(fd(), record, sizeof(record));
    if (got < 0 && errno == EPIPE) continue;   // overrun: the next read goes on with the oldest record that is left
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EINVAL) { ++lost_; continue; }   // longer than any record the kernel writes
    if (got <= 0) break;
    const std::string_view text(record, static_cast<std::size_t>(got));
    std::string_view rest = text;
    if (base::take_number(rest) && base::starts_with(rest, ",")) {
      rest.remove_prefix(1);
      if (const auto sequence = base::take_number(rest)) {
        const auto number = static_cast<std::uint64_t>(*sequence);
        if (last_ && number > *last_ + 1) lost_ += number - *last_ - 1;
        last_ = number;
      }
    }
    into.append(text);
    if (into.empty() || into.back() != '\n') into.push_back('\n');
    ++records;
  }
  return records;
}

}  // namespace probe
