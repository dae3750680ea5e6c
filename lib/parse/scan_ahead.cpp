#include "parse/scan_ahead.hpp"

#include <system_error>

namespace parse {

Ahead::~Ahead() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

// An empty block is the end.
void Ahead::fill(Block& block) {
  block.lines.clear();
  block.bytes.clear();
  block.bytes.reserve(block_size + longest_);  // views point into it
  Line line;
  while (block.bytes.size() < block_size && scanner_.next(line)) {
    Seen seen;
    seen.line = line;
    const std::size_t at = block.bytes.size();
    block.bytes.append(line.text);
    seen.line.text = std::string_view(block.bytes).substr(at);
    seen.shape = shape_of(seen.line.text, seen.stamp);
    if (marks_.usable()) {
      const std::uint32_t first = seen.formats = marks_.next(seen.line.text, seen.searched);
      // Another format than the last line's: all that could claim it will be asked for, and this thread has the time.
      if (first && first != before_)
        while (seen.searched < seen.line.text.size()) seen.formats |= marks_.next(seen.line.text, seen.searched);
      before_ = first;
    }
    seen.hole = scanner_.skipped_nuls() != nuls_ && line.number > 1;
    nuls_ = scanner_.skipped_nuls();
    block.lines.push_back(seen);
    if (block.lines.size() >= block_size / 32) break;  // a log of empty lines
  }
}

void Ahead::run() {
  for (std::size_t at = 1;; at = (at + 1) % blocks_.size()) {
    Block& block = blocks_[at];
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || !block.full; });
      if (stop_) return;
    }
    fill(block);
    const bool end = block.lines.empty();
    {
      const std::lock_guard lock(mutex_);
      block.full = true;
    }
    changed_.notify_all();
    if (end) return;
  }
}

const std::vector<Seen>& Ahead::next() {
  Block& last = blocks_[reading_];
  if (!began_) {
    began_ = true;
    fill(last);
    last.full = true;
    return last.lines;
  }
  if (last.lines.empty()) return last.lines;
  if (!thread_.joinable() && !alone_) {
    alone_ = last.bytes.size() < block_size && last.lines.size() < block_size / 32;  // that was all of it
    if (!alone_) {
      try {
        thread_ = std::thread([this] { run(); });
      } catch (const std::system_error&) {
        alone_ = true;
      }
    }
  }
  if (alone_) {
    fill(last);
    return last.lines;
  }
  {
    const std::lock_guard lock(mutex_);
    last.full = false;
  }
  changed_.notify_all();
  reading_ = (reading_ + 1) % blocks_.size();
  Block& block = blocks_[reading_];
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return block.full; });
  return block.lines;
}

}  // namespace parse
