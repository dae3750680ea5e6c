// Many words searched in one pass: which formats could claim a line is told by the words that all their lines hold (Format::marks), so most
// lines of a log are passed over for the price of one look at every fourth byte.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace parse {

struct Format;

class Marks {
 public:
  /// Words shorter than shortest_mark are refused: nothing would be found of the whole table then, and usable() is false.
  explicit Marks(std::span<const Format* const> formats);

  /// The formats (bit i: the i-th) of the first mark found in `text` from `at` on; `at` then stands behind that place. 0 and `at` at the end of
  /// the text when there is none.
  std::uint32_t next(std::string_view text, std::size_t& at) const;
  bool usable() const { return usable_; }

  /// Four bytes are compared at every fourth byte: whatever way a word of seven falls over them, it holds four of them whole.
  static constexpr std::size_t step = 4, shortest_mark = 2 * step - 1;

 private:
  static constexpr unsigned filter_bits = 17, bucket_bits = 12;
  struct Piece { std::uint32_t bytes, formats; std::string_view mark; std::uint32_t offset; std::int32_t following; };

  static std::uint32_t hash(std::uint32_t bytes) { return bytes * 0x9e3779b1u; }

  bool usable_ = true;
  std::vector<std::uint8_t> filter_;          // one bit a hash: is there any piece?
  std::vector<std::int32_t> buckets_;         // first piece of a hash, -1 none
  std::vector<Piece> pieces_;
};

}  // namespace parse
