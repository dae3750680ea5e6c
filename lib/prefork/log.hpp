// The error log in gunicorn's form: "[2026-11-22 10:30:59 +0000] [pid] [LEVEL] message", one write(2) a line, so that lines of several processes never mix.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/owner.hpp"
#include "base/result.hpp"

namespace prefork {

enum class Level : std::uint8_t { debug, info, warning, error, critical };
Level level_of(std::string_view word);

class Log {
 public:
  /// "-" is stderr. Lines below `level` are left out; as JSON each is one object a line.
  base::Result<> open(const std::string& path, Level level, bool json);
  base::Result<> reopen();   // USR1: the path anew, for whoever has renamed the file
  void say(Level level, std::string_view text) const;
  template <class... Args>
  void operator()(Level level, fmt::format_string<Args...> format, Args&&... args) const {
    if (level >= level_) say(level, fmt::format(format, std::forward<Args>(args)...));
  }
  /// The same from a signal handler: no memory, no locks; `text` is cut to what fits in 1 KiB.
  void say_from_signal(Level level, std::string_view text) const;
  bool speaks(Level level) const { return level >= level_; }
  int fd() const { return file_ ? file_.get() : 2; }

 private:
  base::Fd file_;
  std::string path_ = "-";
  Level level_ = Level::info;
  bool json_ = false;
  int zone_ = 0;
};

/// Writes all of `bytes`, going on after interruptions; false when it could not. Async-signal-safe.
bool write_all(int fd, std::string_view bytes);
/// As a JSON text with its quotes; what is no ASCII stays as it is if it is UTF-8, else becomes \u00XX.
std::string json_text(std::string_view text);
/// Opens a log file for appending, 0644 & ~umask.
base::Result<base::Fd> open_log(const std::string& path);

}  // namespace prefork
