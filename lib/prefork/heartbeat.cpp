#include "prefork/heartbeat.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "prefork/clock.hpp"

namespace prefork {

base::Result<Heartbeat> Heartbeat::make(Heartbeats kind, const std::string& folder, Owner owner, Slot& slot) {
  Heartbeat made;
  made.kind_ = kind;
  made.slot_ = &slot;
  slot.beat_ns.store(monotonic_ns(), std::memory_order_relaxed);
  if (kind == Heartbeats::shared) return made;
  struct stat seen{};
  if (!folder.empty() && (::stat(folder.c_str(), &seen) != 0 || !S_ISDIR(seen.st_mode)))
    return base::fail({base::Kind::missing, "making the heartbeat file", folder + " doesn't exist. Can't create workertmp.", "name an existing directory by worker_tmp_dir", ENOENT});
  const char* env = ::getenv("TMPDIR");
  const std::string where = !folder.empty() ? folder : env && *env ? env : "/tmp";
  std::string name = where + "/wgunicorn-XXXXXX";
  made.file_ = base::Fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!made.file_) return base::fail(base::from_errno(errno, "making the heartbeat file in " + where, "name a writable directory by worker_tmp_dir"));
  const bool given = (owner.uid >= 0 && owner.uid != static_cast<int>(::geteuid())) || (owner.gid >= 0 && owner.gid != static_cast<int>(::getegid()));
  const int changed = given ? ::fchown(made.file_.get(), static_cast<uid_t>(owner.uid), static_cast<gid_t>(owner.gid)) : 0;
  const int code = errno;
  ::unlink(name.c_str());
  if (changed != 0) return base::fail(base::from_errno(code, "giving the heartbeat file " + name + " to the workers' user", "start as root, or leave user and group out"));
  return made;
}

void Heartbeat::beat() {
  if (kind_ == Heartbeats::shared) {
    slot_->beat_ns.store(monotonic_ns(), std::memory_order_relaxed);
    return;
  }
  if (kind_ == Heartbeats::ctime) {
    // workertmp.py:37@20.1.0: the mode toggles between 0 and 1; it is the change of ctime that counts.
    spin_ = !spin_;
    ::fchmod(file_.get(), spin_ ? 1 : 0);
    return;
  }
  timespec now[2];
  ::clock_gettime(CLOCK_MONOTONIC, &now[0]);
  now[1] = now[0];
  ::futimens(file_.get(), now);
}

double Heartbeat::age() const {
  if (kind_ == Heartbeats::shared) return static_cast<double>(monotonic_ns() - slot_->beat_ns.load(std::memory_order_relaxed)) / 1e9;
  struct stat seen{};
  if (::fstat(file_.get(), &seen) != 0) return 0;
  timespec now{};
  const bool wall = kind_ == Heartbeats::ctime;
  ::clock_gettime(wall ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
  const timespec& last = wall ? seen.st_ctim : seen.st_mtim;
  return static_cast<double>(now.tv_sec - last.tv_sec) + static_cast<double>(now.tv_nsec - last.tv_nsec) / 1e9;
}

}  // namespace prefork
