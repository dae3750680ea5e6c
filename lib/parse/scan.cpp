#include "parse/scan.hpp"

#include <algorithm>
#include <cstring>

namespace parse {

namespace {
// Fits in the second-level cache, which read() and memchr() feel; a longer `longest` brings a larger buffer.
constexpr std::size_t usual_buffer = 256 << 10;
constexpr std::size_t longest_allowed = 8 << 20;
}  // namespace

Scanner::Scanner(source::Stream& stream, std::size_t longest, std::string_view head)
    : stream_(stream), longest_(std::clamp<std::size_t>(longest, 64, longest_allowed)), buffer_(std::max(usual_buffer, std::max(2 * longest_, head.size())), '\0') {
  if (!head.empty()) std::memcpy(buffer_.data(), head.data(), head.size());  // memcpy from nowhere is undefined, of nothing too
  end_ = head.size();
}

bool Scanner::fill() {
  if (ended_) return false;
  if (at_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + at_, end_ - at_);
    base_ += at_;
    end_ -= at_;
    at_ = 0;
  }
  const auto count = stream_.read(buffer_.data() + end_, buffer_.size() - end_);
  if (!count) error_ = count.error();
  if (!count || *count == 0) { ended_ = true; return false; }
  end_ += *count;
  return true;
}

bool Scanner::next(Line& line) {
  while (skipping_) {
    const char* const from = buffer_.data() + at_;
    const auto* const newline = static_cast<const char*>(std::memchr(from, '\n', end_ - at_));
    at_ = newline ? static_cast<std::size_t>(newline - buffer_.data()) + 1 : end_;
    if (newline) skipping_ = false;
    else if (!fill()) skipping_ = false;
  }
  for (;;) {  // the hole of NULs
    const std::size_t from = at_;
    while (at_ < end_ && buffer_[at_] == '\0') ++at_;
    nuls_ += at_ - from;
    if (at_ < end_) break;
    if (!fill()) return false;
  }
  std::size_t looked = 0;  // bytes after at_ known to hold no newline
  for (;;) {
    const char* from = buffer_.data() + at_;
    const std::size_t have = end_ - at_;
    const auto* const newline = static_cast<const char*>(std::memchr(from + looked, '\n', have - looked));
    std::size_t size = newline ? static_cast<std::size_t>(newline - from) : have;
    if (!newline && size <= longest_) {
      looked = have;
      if (fill()) continue;
      from = buffer_.data() + at_;  // it moved
    }
    line.cut = size > longest_;
    line.torn = !newline && !line.cut;
    line.offset = base_ + at_;
    line.number = ++number_;
    at_ += newline ? size + 1 : size;
    if (line.cut) {
      ++cut_;
      skipping_ = !newline;
      size = longest_;
    }
    if (size > 0 && from[size - 1] == '\r') --size;
    line.text = std::string_view(from, size);
    return true;
  }
}

}  // namespace parse
