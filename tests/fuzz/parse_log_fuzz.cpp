// A whole log: lines, envelopes and every format, with a line limit low enough that cutting and joining happen. The same bytes in pieces
// must give the same facts.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "evidence/vocabulary.hpp"
#include "parse/read.hpp"
#include "source/host.hpp"

namespace {

// A byte count a read that changes from read to read, as a pipe gives it.
class Pieces : public source::Stream {
 public:
  explicit Pieces(std::string bytes) : bytes_(std::move(bytes)) {}
  base::Result<std::size_t> read(char* into, std::size_t size) override {
    step_ = step_ * 5 % 37 + 1;
    const std::size_t count = std::min({size, step_, bytes_.size() - at_});
    bytes_.copy(into, count, at_);
    at_ += count;
    return count;
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0, step_ = 1;
};

std::string facts_of(source::Stream& stream) {
  parse::Window window;
  window.about_ns = 1'795'390'000'000'000'000;
  parse::Limits limits;
  limits.longest_line = 300;
  evidence::Evidence evidence;
  parse::read_stream(stream, "fuzz.log", window, evidence, limits);
  for (const auto& source : evidence.sources)
    if (source.understood > source.lines) std::abort();
  for (const auto& fact : evidence.facts)
    if (fact.text.size() > evidence::excerpt_limit || fact.origin.source >= evidence.sources.size()) std::abort();
  return evidence::to_ndjson(evidence);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const auto whole = source::memory_stream(text);
  Pieces pieces(text);
  if (facts_of(*whole) != facts_of(pieces)) std::abort();
  return 0;
}
