// The access log: gunicorn's format with its variables (glogging.py atoms), compiled once, written line by line or through a buffer in shared memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/owner.hpp"
#include "base/result.hpp"
#include "prefork/app.hpp"
#include "prefork/board.hpp"

namespace prefork {

/// What a line is made of. `answer_fields` are those the application gave.
struct Access {
  const Request* request = nullptr;
  int status = 0;
  std::uint64_t sent = 0;              // bytes of the body
  std::int64_t took_ns = 0;
  std::int64_t wall = 0;
  const std::vector<std::pair<std::string, std::string>>* answer_fields = nullptr;
};

class AccessFormat {
 public:
  /// Unknown variables print "-", as gunicorn's SafeAtoms do.
  AccessFormat(std::string_view format, bool json, int zone);
  void write(const Access& access, std::string& line) const;   // with its newline

 private:
  enum class Word : std::uint8_t { text, peer, dash, user, time, request_line, status, method, path, query, protocol, bytes_or_dash, bytes, referer, agent, seconds, micros, millis, decimal, pid, request_field, answer_field };
  struct Part { Word word; std::string text; };
  void write_part(const Part& part, const Access& access, std::string& line) const;
  std::vector<Part> parts_;
  bool json_;
  int zone_;
  mutable std::int64_t stamped_ = -1;
  mutable std::string stamp_;
};

/// Where lines go. With a room they wait there until it is half full, flush() or 0.1 s (which the workers' loops see to).
class AccessLog {
 public:
  base::Result<> open(const std::string& path);   // "-": stdout, "": nowhere
  base::Result<> reopen();
  void use_room(AccessRoom* room, std::size_t most) { room_ = room; most_ = most < access_bytes / 2 ? most : access_bytes / 2; }
  explicit operator bool() const { return fd_ >= 0; }
  void line(std::string_view text);
  bool waiting() const { return room_ && room_->used.load(std::memory_order_relaxed) > 0; }
  void flush();
  /// What a dead worker left in its room.
  void rescue(AccessRoom& room) const;
  int fd() const { return fd_; }

 private:
  std::string path_;
  base::Fd file_;
  int fd_ = -1;
  AccessRoom* room_ = nullptr;
  std::size_t most_ = 0;
};

}  // namespace prefork
