// The admin socket: a line in, text out, over a unix socket or a loopback port; "GET /metrics" is answered in HTTP for Prometheus. Served by the master
// between two signals, so a client that dawdles is dropped after a second.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "prefork/listener.hpp"

namespace prefork {

class Admin {
 public:
  using Answer = std::function<std::string(std::string_view line)>;
  base::Result<> open(const Address& address);
  explicit operator bool() const { return static_cast<bool>(listener_.fd); }
  int fd() const { return listener_.fd.get(); }
  /// Takes who waits and answers: one line each. A request line of HTTP becomes its path.
  void serve(const Answer& answer);
  void close(bool unlink);

 private:
  Listener listener_;
};

}  // namespace prefork
