// System calls by number, those in which a worker of a server is found (the calls that wait, and those that transfer), and those that make
// descriptors and may be refused one.
#pragma once

#include <string_view>

namespace probe {

struct SystemCall {
  long number = 0;
  std::string_view name;
  bool descriptor = false;  // its first argument is one
  bool waits_idle = false;  // where a worker that has nothing to do waits: select, poll, epoll_wait, accept
};

/// nullptr for one that is not in the list. Of the architecture this was built for.
const SystemCall* system_call(long number);

}  // namespace probe
