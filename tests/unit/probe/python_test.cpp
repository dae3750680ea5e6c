#include "probe/python/line_table.hpp"
#include "probe/python/walk.hpp"
#include "support/catch.hpp"
#include "support/python_image.hpp"

using probe::line_at;

namespace {

probe::Interpreter eleven() { return {"3.11.7", support::PythonImage::runtime, *probe::layout_of(11)}; }

std::string offsets(std::uint64_t free_threaded) {
  std::string bytes(probe::debug_offsets_most, '\0');
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    const std::uint64_t value = 8 + i;
    std::memcpy(bytes.data() + i, &value, sizeof value);
  }
  std::memcpy(bytes.data() + 16, &free_threaded, sizeof free_threaded);
  return bytes;
}

std::string shown(const probe::PythonThread& thread) {
  std::string text;
  for (const auto& frame : thread.frames) text += frame.function + " " + frame.file + ":" + std::to_string(frame.line) + "\n";
  return text;
}

}  // namespace

TEST_CASE("lnotab: pairs of how far code and line go on, lines signed") {
  const std::string table("\x04\x01\x06\xff\x02\x03", 6);
  CHECK(line_at(9, table, 10, 0) == 10);
  CHECK(line_at(9, table, 10, 3) == 10);
  CHECK(line_at(9, table, 10, 4) == 11);
  CHECK(line_at(9, table, 10, 10) == 10);
  CHECK(line_at(9, table, 10, 500) == 13);
  CHECK(line_at(8, "", 7, 2) == 7);
  CHECK(line_at(8, table, 10, -1) == 10);
}

TEST_CASE("3.10: ranges with a delta before them, and ranges without a line") {
  const std::string table("\x04\x01\x02\x80\x04\xff", 6);
  CHECK(line_at(10, table, 10, 0) == 11);
  CHECK(line_at(10, table, 10, 4) == 0);
  CHECK(line_at(10, table, 10, 6) == 10);
  CHECK(line_at(10, table, 10, 10) == std::nullopt);
}

TEST_CASE("from 3.11: entries of every kind, and a table that is cut") {
  // 10: same line, two columns; 0: columns alone; 13: delta -2; 14: delta 3 with end and columns; 15: none.
  const std::string table("\xd0\x01\x02\x80\x03\xe9\x05\xf0\x06\x01\x02\x03\xf8", 13);
  CHECK(line_at(11, table, 20, 0) == 20);
  CHECK(line_at(11, table, 20, 2) == 20);
  CHECK(line_at(11, table, 20, 4) == 18);
  CHECK(line_at(11, table, 20, 7) == 18);
  CHECK(line_at(11, table, 20, 8) == 21);
  CHECK(line_at(11, table, 20, 10) == 0);
  CHECK(line_at(11, table, 20, 12) == std::nullopt);
  CHECK(line_at(11, std::string_view(table).substr(0, 5), 20, 4) == std::nullopt);
}

TEST_CASE("builds that are laid out otherwise are refused by name") {
  CHECK(probe::layout_of(7).error().answer == "where CPython 3.7 keeps its frames is not known");
  CHECK(probe::layout_of(13).error().answer == "where CPython 3.13 keeps its frames is not known");
  CHECK(probe::layout_from(16, offsets(0)).error().answer == "where CPython 3.16 keeps its frames is not known");
  CHECK(probe::layout_from(14, offsets(1)).error().answer == "a free-threaded CPython 3.14 moves its objects about");
  CHECK(probe::layout_from(13, "xdebugpy").error().kind == base::Kind::malformed);
  std::string wild = offsets(0);
  wild[40 + 6] = 1;
  CHECK(probe::layout_from(14, wild).error().kind == base::Kind::malformed);
  const auto known = probe::layout_from(13, offsets(0));
  REQUIRE(known);
  CHECK(known->interp_gil == 120);
  CHECK(known->code_name == 304);
}

TEST_CASE("a thread's frames with files, lines and the lock") {
  const probe::Interpreter python = eleven();
  const support::PythonImage image(python.layout);
  const auto read = probe::read_python(image, python);
  CHECK(read.doubt.empty());
  REQUIRE(read.threads.size() == 1);
  CHECK(read.threads[0].thread == support::PythonImage::thread);
  CHECK(read.threads[0].gil);
  CHECK(read.threads[0].doubt.empty());
  CHECK(shown(read.threads[0]) == "view /srv/app.py:12\nmain /srv/caf\xc3\xa9.py:41\n");
}

TEST_CASE("what does not hold together is doubted and ends") {
  const probe::Interpreter python = eleven();
  support::PythonImage image(python.layout);
  SECTION("frames that lead back to themselves") {
    image.put(0x10c00 + python.layout.frame_previous, std::uint64_t{0x10b00});
    const auto read = probe::read_python(image, python);
    REQUIRE(read.threads.size() == 1);
    CHECK(read.threads[0].doubt == "its frames have no end");
    CHECK(read.threads[0].frames.size() == probe::most_python_frames);
  }
  SECTION("a frame that is not there") {
    image.put(0x10b00 + python.layout.frame_previous, std::uint64_t{0x99990000});
    const auto read = probe::read_python(image, python);
    REQUIRE(read.threads.size() == 1);
    CHECK(read.threads[0].doubt == "outwards of these, memory was not there to be read");
    CHECK(read.threads[0].frames.size() == 1);
  }
  SECTION("a thread of another interpreter") {
    image.put(0x10800 + 16, std::uint64_t{0x5555});
    const auto read = probe::read_python(image, python);
    CHECK(read.threads.empty());
    CHECK(read.doubt == "its list of threads could not be read to its end");
  }
  SECTION("a read for which there is no time left") {
    struct Late : probe::Memory {
      explicit Late(const probe::Memory& all) : all_(all) {}
      bool read(std::uint64_t address, void* into, std::size_t size) const override {
        late_ = late_ || address == 0x10c00 + probe::layout_of(11)->frame_previous;
        return !late_ && all_.read(address, into, size);
      }
      bool over() const override { return late_; }
      const probe::Memory& all_;
      mutable bool late_ = false;
    };
    const auto read = probe::read_python(Late(image), python);
    CHECK(read.doubt == "the time for reading it was over");
    REQUIRE(read.threads.size() == 1);
    CHECK(read.threads[0].doubt == "outwards of these it was not read: the time was over");
    CHECK(read.threads[0].frames.size() == 1);
  }
  SECTION("a place outside of its code") {
    image.put(0x10b00 + python.layout.frame_instr, std::uint64_t{0x7});
    const auto read = probe::read_python(image, python);
    REQUIRE(read.threads.size() == 1);
    CHECK(read.threads[0].doubt == "a frame could not be read");
  }
  SECTION("an interpreter that is not begun") {
    image.put(support::PythonImage::runtime + python.layout.interpreters, std::uint64_t{0});
    CHECK(probe::read_python(image, python).doubt == "its interpreter is not there: it is not begun, or ended");
  }
}
