// The body of an HTTP/1 request, taken from bytes as they come: pieces are views of those bytes, only what is between two calls is remembered.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "prefork/http/head.hpp"

namespace prefork {

struct BodyStep {
  Progress progress = Progress::more;
  std::size_t used = 0;         // how many of the given bytes are done with
  std::string_view piece;       // what of them is body; empty pieces happen
  Refusal refusal = Refusal::none;
  std::string_view what;
};

class Body {
 public:
  Body() = default;
  Body(const Head& head, const HttpRules& rules) { begin(head, rules); }
  void begin(const Head& head, const HttpRules& rules);

  /// Takes what it can from the front of `bytes`. `more` with nothing used: more bytes are needed to go on.
  BodyStep take(std::string_view bytes);

  bool done() const { return phase_ == Phase::done; }
  std::uint64_t taken() const { return taken_; }

 private:
  enum class Phase : std::uint8_t { done, length, size, data, data_end, trailers };
  BodyStep take_size(std::string_view bytes);
  BodyStep take_data(std::string_view bytes);
  BodyStep take_trailer(std::string_view bytes);

  Phase phase_ = Phase::done;
  bool chunked_ = false;
  bool strip_spaces_ = false;
  std::uint64_t left_ = 0, taken_ = 0, most_ = 0;
  std::size_t trailers_ = 0, trailers_most_ = 0, trailer_size_ = 0;
};

}  // namespace prefork
