#include "parse/scan_marks.hpp"

#include <cstring>

#include "parse/format.hpp"

namespace parse {

namespace {

std::uint32_t four_at(const char* at) {
  std::uint32_t bytes = 0;
  std::memcpy(&bytes, at, sizeof bytes);
  return bytes;
}

// Where in a mark the seven bytes begin that are searched: those that ordinary words share least, capitals and signs rather than small letters.
std::size_t rarest(std::string_view mark) {
  std::size_t best = 0, fewest = SIZE_MAX;
  for (std::size_t from = 0; from + Marks::shortest_mark <= mark.size(); ++from) {
    std::size_t common = 0;
    for (std::size_t piece = from; piece < from + Marks::step; ++piece)
      for (std::size_t i = piece; i < piece + 4; ++i) common += (mark[i] >= 'a' && mark[i] <= 'z') || mark[i] == ' ';
    if (common < fewest) { fewest = common; best = from; }
  }
  return best;
}

}  // namespace

Marks::Marks(std::span<const Format* const> formats) : filter_((std::size_t{1} << filter_bits) / 8), buckets_(std::size_t{1} << bucket_bits, -1) {
  usable_ = formats.size() <= 32;
  for (std::size_t format = 0; usable_ && format < formats.size(); ++format) {
    for (const std::string_view mark : formats[format]->marks) {
      if (mark.size() < shortest_mark) { usable_ = false; return; }
      const std::size_t from = rarest(mark);
      for (std::size_t offset = from; offset < from + step; ++offset) {
        const std::uint32_t bytes = four_at(mark.data() + offset), hashed = hash(bytes);
        const std::uint32_t bit = hashed >> (32 - filter_bits);
        filter_[bit / 8] = static_cast<std::uint8_t>(filter_[bit / 8] | 1u << (bit % 8));
        std::int32_t& bucket = buckets_[hashed >> (32 - bucket_bits)];
        pieces_.push_back({bytes, 1u << format, mark, static_cast<std::uint32_t>(offset), bucket});
        bucket = static_cast<std::int32_t>(pieces_.size()) - 1;
      }
    }
  }
}

std::uint32_t Marks::next(std::string_view text, std::size_t& at) const {
  const char* const begin = text.data();
  const std::size_t size = text.size();
  const std::uint8_t* const filter = filter_.data();
  const auto maybe = [&](std::size_t place) {
    const std::uint32_t bit = hash(four_at(begin + place)) >> (32 - filter_bits);
    return filter[bit / 8] >> (bit % 8) & 1;
  };
  for (; at + step <= size; at += step) {
    // Four places at a time while there is nothing: one branch instead of four.
    while (at + 4 * step <= size && ((maybe(at) | maybe(at + step) | maybe(at + 2 * step) | maybe(at + 3 * step)) == 0)) at += 4 * step;
    if (at + step > size) break;
    if (maybe(at) == 0) continue;
    const std::uint32_t bytes = four_at(begin + at), hashed = hash(bytes);
    std::uint32_t found = 0;
    for (std::int32_t i = buckets_[hashed >> (32 - bucket_bits)]; i >= 0; i = pieces_[static_cast<std::size_t>(i)].following) {
      const Piece& piece = pieces_[static_cast<std::size_t>(i)];
      if (piece.bytes == bytes && piece.offset <= at && text.substr(at - piece.offset).starts_with(piece.mark)) found |= piece.formats;
    }
    if (found != 0) {
      at += step;
      return found;
    }
  }
  at = size;
  return 0;
}

}  // namespace parse
