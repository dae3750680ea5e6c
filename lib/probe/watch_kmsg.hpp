// Follows /dev/kmsg from a moment ago on: raw records (the only form in which a forged record shows), with every loss counted by its sequence gap.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/owner.hpp"
#include "base/result.hpp"

namespace probe {

class KmsgFollower {
 public:
  /// Starts with the records of the last `back_ns`, so that a death in the second of our start is covered as well.
  static base::Result<KmsgFollower> open(std::int64_t back_ns = 10'000'000'000);
  /// From when on nothing is missing, on the log's own clock (ns since boot, suspend left out).
  std::int64_t covers_from() const { return covers_from_; }
  int fd() const { return fd_.get(); }
  /// Records that came, as /dev/kmsg words them, each with its newline.
  std::size_t drain(std::string& into);
  std::uint64_t lost() const { return lost_; }

 private:
  base::Fd fd_;
  std::optional<std::uint64_t> last_;
  std::int64_t covers_from_ = 0;
  std::uint64_t lost_ = 0;
  std::string early_;        // what open() read of the last moments
};

}  // namespace probe
