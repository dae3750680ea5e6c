// A long way between proxy and server, for the moment at which one of them closes a kept connection and the other does not know yet: what the
// server sends, and the end of what it sends, is passed on some tenths of a second later.
#pragma once

#include <atomic>
#include <string>
#include <thread>

namespace timeouts {

class Link {
 public:
  /// Listens at `from` and connects each connection to `to`, unix sockets both, until it is destroyed.
  Link(std::string from, std::string to, double delay_s);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  /// How many connections the server has closed while the other side still kept them.
  int closed_by_server() const { return closed_; }
  /// Connections that stand.
  int standing() const { return standing_; }

 private:
  void run();

  const std::string from_, to_;
  const double delay_;
  std::atomic<int> closed_ = 0, standing_ = 0;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace timeouts
