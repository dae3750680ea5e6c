#include "prefork/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "prefork/clock.hpp"

namespace prefork {
namespace {

constexpr std::array<std::string_view, 5> level_names{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};

}  // namespace

Level level_of(std::string_view word) {
  constexpr std::array<std::string_view, 5> words{"debug", "info", "warning", "error", "critical"};
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] == word) return static_cast<Level>(i);
  return Level::info;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

base::Result<base::Fd> open_log(const std::string& path) {
  base::Fd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
  if (!file) return base::fail(base::from_errno(errno, "opening the log '" + path + "'", "name a file in a directory that the server may write"));
  return file;
}

base::Result<> Log::open(const std::string& path, Level level, bool json) {
  level_ = level;
  json_ = json;
  path_ = path;
  zone_ = zone_offset();
  return reopen();
}

base::Result<> Log::reopen() {
  zone_ = zone_offset();
  if (path_ == "-") {
    file_.reset();
    return {};
  }
  TRY(file, open_log(path_));
  // Over the old number, if there is one: threads that are writing keep a good descriptor at every moment.
  if (file_) ::dup3(file.get(), file_.get(), O_CLOEXEC);
  else file_ = std::move(file);
  return {};
}

void Log::say(Level level, std::string_view text) const {
  if (level < level_) return;
  std::array<char, 64> time{};
  const std::size_t length = write_log_time(time.data(), ::time(nullptr), zone_);
  const std::string_view stamp(time.data(), length), name = level_names[static_cast<std::size_t>(level)];
  write_all(fd(), json_ ? fmt::format("{{\"time\":\"{}\",\"pid\":{},\"level\":\"{}\",\"message\":{}}}\n", stamp.substr(1, stamp.size() - 2), ::getpid(), name, json_text(text))
                        : fmt::format("{} [{}] [{}] {}\n", stamp, ::getpid(), name, text));
}

void Log::say_from_signal(Level level, std::string_view text) const {
  if (level < level_) return;
  std::array<char, 1280> line{};
  std::size_t at = 0;
  const auto put = [&](std::string_view part) {
    part = part.substr(0, line.size() - 2 - at);
    std::memcpy(line.data() + at, part.data(), part.size());
    at += part.size();
  };
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  char time[40], number[24];
  const std::string_view stamp(time, write_log_time(time, now.tv_sec, zone_)), pid(number, write_number(number, static_cast<std::uint64_t>(::getpid())));
  if (json_) put("{\"time\":\""), put(stamp.substr(1, stamp.size() - 2)), put("\",\"pid\":"), put(pid), put(",\"level\":\""), put(level_names[static_cast<std::size_t>(level)]), put("\",\"message\":\"");
  else put(stamp), put(" ["), put(pid), put("] ["), put(level_names[static_cast<std::size_t>(level)]), put("] ");
  for (const char c : text.substr(0, 1000)) {
    // The text may hold a request's target: what could break the line or the quoting is replaced, not escaped; this is a signal handler.
    const char safe = c < 0x20 || c == 0x7f || (json_ && (c == '"' || c == '\\')) ? '?' : c;
    put({&safe, 1});
  }
  if (json_) put("\"}");
  put("\n");
  write_all(fd(), {line.data(), at});
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') out += '\\', out += text[i];
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c < 0x20 || c >= 0x7f) out += fmt::format("\\u{:04x}", c);  // bytes over 0x7f as Latin-1, which is what HTTP says of them
    else out += text[i];
  }
  return out + '"';
}

}  // namespace prefork
