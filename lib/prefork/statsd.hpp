// gunicorn's statsd metrics (instrument/statsd.py) over UDP or a unix datagram socket. What cannot be sent is lost: figures never hold up a request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/owner.hpp"
#include "base/result.hpp"

namespace prefork {

class Statsd {
 public:
  base::Result<> open(const std::string& host, const std::string& prefix, const std::string& tags);
  explicit operator bool() const { return static_cast<bool>(socket_); }
  void request(int status, std::int64_t took_ns) const;          // gunicorn.request.duration, gunicorn.requests, gunicorn.request.status.N
  void gauge(std::string_view name, std::int64_t value) const;
  void count(std::string_view name, std::int64_t value) const;

 private:
  void send(std::string_view name, std::string_view value) const;
  base::Fd socket_;
  std::string prefix_, tags_;
};

}  // namespace prefork
