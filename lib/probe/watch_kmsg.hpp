// Follows /dev/kmsg from now on: raw records (the only form in which a forged record shows), with every loss counted by its sequence gap.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/owner.hpp"
#include "base/result.hpp"

namespace probe {

class KmsgFollower {
 public:
  /// Starts behind the newest record.
  static base::Result<KmsgFollower> open();
  int fd() const { return fd_.get(); }
  /// Records that came, as /dev/kmsg words them, each with its newline.
  std::size_t drain(std::string& into);
  std::uint64_t lost() const { return lost_; }

 private:
  base::Fd fd_;
  std::optional<std::uint64_t> last_;
  std::uint64_t lost_ = 0;
};

}  // namespace probe
