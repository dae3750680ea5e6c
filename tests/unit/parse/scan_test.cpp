#include "parse/scan.hpp"

#include <vector>

#include "support/catch.hpp"

namespace {

// At most `piece` bytes a read, as a pipe gives them; then an error, when there is one.
class Pieces : public source::Stream {
 public:
  Pieces(std::string bytes, std::size_t piece, bool fails = false) : bytes_(std::move(bytes)), piece_(piece), fails_(fails) {}
  base::Result<std::size_t> read(char* into, std::size_t size) override {
    const std::size_t count = std::min({size, piece_, bytes_.size() - at_});
    if (count == 0 && fails_) return base::fail({base::Kind::malformed, "decompressing gzip", "damaged", "", 0});
    bytes_.copy(into, count, at_);
    at_ += count;
    return count;
  }

 private:
  std::string bytes_;
  std::size_t piece_, at_ = 0;
  bool fails_;
};

// "number@offset text", with ! for a cut line and ~ for a torn one.
std::vector<std::string> lines(const std::string& bytes, std::size_t piece = 7, std::size_t longest = 100, std::string_view head = {}) {
  Pieces stream(bytes, piece);
  parse::Scanner scanner(stream, longest, head);
  parse::Line line;
  std::vector<std::string> all;
  while (scanner.next(line)) all.push_back(std::to_string(line.number) + "@" + std::to_string(line.offset) + " " + std::string(line.text) + (line.cut ? "!" : "") + (line.torn ? "~" : ""));
  return all;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("lines keep their number and offset, whatever pieces they come in") {
  for (const std::size_t piece : {1u, 2u, 3u, 1000u}) {
    CHECK(lines("one\ntwo\r\n\nlast", piece) == Lines{"1@0 one", "2@4 two", "3@9 ", "4@10 last~"});
    CHECK(lines("two\n", piece, 100, "one\nfor") == Lines{"1@0 one", "2@4 fortwo"});
  }
  CHECK(lines("").empty());
}

TEST_CASE("a long line is cut and the next one is whole") {
  const std::string longer(1000, 'x');
  CHECK(lines(longer + "\nnext\n") == Lines{"1@0 " + std::string(100, 'x') + "!", "2@1001 next"});
  CHECK(lines(longer, 1000) == Lines{"1@0 " + std::string(100, 'x') + "!"});
  CHECK(lines(std::string(100, 'x') + "\n") == Lines{"1@0 " + std::string(100, 'x')});
  const std::string vast(3 << 20, 'y');
  CHECK(lines(vast + "\nnext", 1 << 16) == Lines{"1@0 " + std::string(100, 'y') + "!", "2@3145729 next~"});
}

TEST_CASE("the hole that copytruncate leaves is passed over") {
  const std::string hole(1 << 20, '\0');
  CHECK(lines(hole + "first\nsecond\n", 4096) == Lines{"1@1048576 first", "2@1048582 second"});
  CHECK(lines(hole, 4096).empty());
}

TEST_CASE("a stream that breaks gives what came before, and why") {
  Pieces stream("one\ntw", 4, true);
  parse::Scanner scanner(stream, 100);
  parse::Line line;
  REQUIRE(scanner.next(line));
  CHECK(line.text == "one");
  REQUIRE(scanner.next(line));
  CHECK(line.text == "tw");
  CHECK_FALSE(scanner.next(line));
  REQUIRE(scanner.error());
  CHECK(base::sentence(*scanner.error()) == "decompressing gzip: damaged");
  CHECK(scanner.bytes() == 6);
}
