// Heartbeats of workers, as they touch the file that their master looks at.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "reproduce/record.hpp"

namespace reproduce {

class Heartbeats {
 public:
  explicit Heartbeats(std::function<void(Event)> tell) : tell_(std::move(tell)) {}
  /// Tells of every worker (host pids) whose file was touched since the last call, at the time of the touch; of several touches, the last.
  /// `now`: the run's second. A worker without such a file is passed over.
  void sample(const std::vector<int>& workers, double now);

 private:
  struct One { int fd = -1, own = 0; std::int64_t touched = 0; };
  std::function<void(Event)> tell_;
  std::map<int, One> known_;
};

}  // namespace reproduce
