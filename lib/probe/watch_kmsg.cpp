#include "probe/watch_kmsg.hpp"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.hpp"

namespace probe {

namespace {

struct Head { std::optional<std::uint64_t> sequence; std::int64_t at_ns = 0; };

/// "pri,seq,usec,flags;text"
Head head_of(std::string_view record) {
  Head head;
  if (!base::take_number(record) || !base::starts_with(record, ",")) return head;
  record.remove_prefix(1);
  const auto sequence = base::take_number(record);
  if (!sequence || !base::starts_with(record, ",")) return head;
  head.sequence = static_cast<std::uint64_t>(*sequence);
  record.remove_prefix(1);
  if (const auto usec = base::take_number(record)) head.at_ns = *usec * 1000;
  return head;
}

}  // namespace

base::Result<KmsgFollower> KmsgFollower::open(std::int64_t back_ns) {
  KmsgFollower follower;
  follower.fd_ = base::Fd(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!follower.fd_) return base::fail(base::from_errno(errno, "reading /dev/kmsg", "run as root, grant CAP_SYSLOG, or set kernel.dmesg_restrict to 0"));
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  follower.covers_from_ = static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec - back_ns;
  if (lseek(follower.fd(), 0, SEEK_SET) < 0) return base::fail(base::from_errno(errno, "finding the start of /dev/kmsg"));
  // The ring's older part is passed over; where it holds less than `back_ns`, it covers less.
  bool first = true;
  char record[8192];
  for (;;) {
    const ssize_t got = read(follower.fd(), record, sizeof(record));
    if (got < 0 && (errno == EPIPE || errno == EINTR || errno == EINVAL)) continue;
    if (got <= 0) break;
    const std::string_view text(record, static_cast<std::size_t>(got));
    const Head head = head_of(text);
    if (first && head.sequence && *head.sequence != 0 && head.at_ns > follower.covers_from_) follower.covers_from_ = head.at_ns;
    first = false;
    follower.last_ = head.sequence;
    if (head.at_ns < follower.covers_from_) continue;
    follower.early_.append(text);
    if (follower.early_.back() != '\n') follower.early_.push_back('\n');
  }
  return follower;
}

std::size_t KmsgFollower::drain(std::string& into) {
  std::size_t records = early_.empty() ? 0 : 1;
  into.append(early_);
  early_.clear();
  char record[8192];
  // Bounded: a log flood must not keep us from the deaths.
  for (std::size_t tries = 0; tries < 20'000; ++tries) {
    const ssize_t got = read(fd(), record, sizeof(record));
    if (got < 0 && errno == EPIPE) continue;   // overrun: the next read goes on with the oldest record that is left
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EINVAL) { ++lost_; continue; }   // longer than any record the kernel writes
    if (got <= 0) break;
    const std::string_view text(record, static_cast<std::size_t>(got));
    if (const auto sequence = head_of(text).sequence) {
      if (last_ && *sequence > *last_ + 1) lost_ += *sequence - *last_ - 1;
      last_ = sequence;
    }
    into.append(text);
    if (into.empty() || into.back() != '\n') into.push_back('\n');
    ++records;
  }
  return records;
}

}  // namespace probe
