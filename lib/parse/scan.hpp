// Lines of a stream through one fixed buffer. No mmap: a log that is truncated while it is read would end us with SIGBUS.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "source/host.hpp"

namespace parse {

struct Line {
  std::string_view text;        // without its end (\n or \r\n); valid until the next call
  std::uint64_t offset = 0;     // of its first byte in the (decompressed) stream
  std::uint32_t number = 0;     // from 1
  bool cut = false;             // longer than the limit: text is its beginning, the rest was skipped
  bool torn = false;            // the stream ended without a newline
};

class Scanner {
 public:
  /// Lines longer than `longest` bytes (at most 8 MiB) are cut there. `head` was read from the stream before.
  Scanner(source::Stream& stream, std::size_t longest, std::string_view head = {});
  /// The next line; false at the end. NULs at the start of a line are skipped: a log emptied by copytruncate while its writer keeps its
  /// position begins with a hole of them, of any length.
  bool next(Line& line);
  /// Why the stream ended early, when it did.
  const std::optional<base::Error>& error() const { return error_; }
  std::uint64_t bytes() const { return base_ + end_; }
  std::uint64_t cut_lines() const { return cut_; }
  std::uint64_t skipped_nuls() const { return nuls_; }

 private:
  bool fill();   // more bytes behind end_, moving what is unread to the front; false at the end of the stream

  source::Stream& stream_;
  std::size_t longest_;
  std::string buffer_;
  std::size_t at_ = 0, end_ = 0;   // unread bytes are [at_, end_)
  std::uint64_t base_ = 0;         // offset of buffer_[0] in the stream
  std::uint64_t cut_ = 0, nuls_ = 0;
  std::uint32_t number_ = 0;
  bool skipping_ = false, ended_ = false;
  std::optional<base::Error> error_;
};

}  // namespace parse
