// The first pass over a log, a block ahead of the second one: lines are found and looked at for marks while the lines before are understood.
// What the first pass tells of a line depends on the line alone, and blocks are handed over in order, so two threads give what one gives.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parse/read_shape.hpp"
#include "parse/scan.hpp"
#include "parse/scan_marks.hpp"

namespace parse {

struct Seen {
  Line line;
  Shape shape = Shape::whole;
  std::string_view stamp;         // of a stamped line, to the second
  std::uint32_t formats = 0;      // of the marks before `searched`, where the search goes on: the first one's, or all
  std::size_t searched = 0;
  bool hole = false;              // NULs were skipped between records before it
};

class Ahead {
 public:
  /// Nothing of `scanner` may be asked before next() has answered with an empty block.
  Ahead(Scanner& scanner, const Marks& marks, std::size_t longest) : scanner_(scanner), marks_(marks), longest_(longest) {}
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;
  ~Ahead();

  /// The lines of the next block, valid until the next call; empty at the end. A log of one block never costs a thread, and where no thread
  /// can be had (the machine may be out of processes: that is what is looked into) the two passes take turns.
  const std::vector<Seen>& next();

 private:
  struct Block { std::string bytes; std::vector<Seen> lines; bool full = false; };
  static constexpr std::size_t block_size = 512 << 10;  // to wake the other thread costs as much as reading 100 KB does

  void fill(Block& block);
  void run();

  Scanner& scanner_;
  const Marks& marks_;
  std::size_t longest_;
  std::uint64_t nuls_ = 0;
  std::uint32_t before_ = 0;      // the formats of the last line's first mark

  std::array<Block, 3> blocks_;
  std::size_t reading_ = 0;       // the block that next() gave last, or is to give first
  bool began_ = false, alone_ = false;
  std::mutex mutex_;              // guards Block::full and stop_
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace parse
