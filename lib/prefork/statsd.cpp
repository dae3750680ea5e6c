#include "prefork/statsd.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include "prefork/listener.hpp"

namespace prefork {

base::Result<> Statsd::open(const std::string& host, const std::string& prefix, const std::string& tags) {
  socket_.reset();
  if (host.empty()) return {};
  TRY(address, read_address(host));
  TRY(socket, connect_to(address, true));
  socket_ = std::move(socket);
  prefix_ = prefix.empty() || prefix.ends_with('.') ? prefix : prefix + ".";
  tags_ = tags.empty() ? "" : "|#" + tags;
  return {};
}

void Statsd::send(std::string_view name, std::string_view value) const {
  const std::string text = fmt::format("{}{}:{}{}", prefix_, name, value, tags_);
  ::send(socket_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Statsd::request(int status, std::int64_t took_ns) const {
  if (!socket_) return;
  send("gunicorn.request.duration", fmt::format("{:.3f}|ms", static_cast<double>(took_ns) / 1e6));
  send("gunicorn.requests", "1|c");
  send(fmt::format("gunicorn.request.status.{}", status), "1|c");
}

void Statsd::gauge(std::string_view name, std::int64_t value) const {
  if (socket_) send(name, fmt::format("{}|g", value));
}

void Statsd::count(std::string_view name, std::int64_t value) const {
  if (socket_) send(name, fmt::format("{}|c", value));
}

}  // namespace prefork
