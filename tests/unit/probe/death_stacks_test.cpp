// Line tables of every form against what each interpreter says itself (PyCode_Addr2Line), the offsets of a target, and the records of stacks that
// come through the ring, damaged ones, too.
#include "probe/death_stacks.hpp"
#include "probe/python/interpreter.hpp"
#include "probe/python/line_table.hpp"
#include "probe/stack_records.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstring>

#include "support/catch.hpp"

using namespace probe;

namespace {

std::string unhex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) bytes += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  return bytes;
}

std::vector<int> lines_of(int minor, std::string_view table, std::size_t units) {
  std::vector<int> lines;
  for (std::size_t i = 0; i < units; ++i) lines.push_back(line_at(minor, table, 1, static_cast<int>(2 * i)).value_or(-9));
  return lines;
}

// One function with an expression over two lines, a loop and a finally, compiled by 3.8.18, 3.10.13, 3.11.7, 3.12.1; the lines are each one's own.
const std::string table_8 = unhex("0002020102ff04020401060106ff06020201040102ff08030602");
const std::vector<int> lines_8{3, 4, 3, 3, 5, 5, 6, 6, 6, 7, 7, 7, 6, 6, 6, 8, 9, 9, 10, 9, 9, 9, 9, 12, 12, 12, 14, 14};
const std::string table_10 = unhex("0202020104ff04020601060106ff02020401020106ff0403040206fe");
const std::vector<int> lines_10{3, 4, 3, 3, 5, 5, 6, 6, 6, 7, 7, 7, 6, 6, 6, 8, 9, 9, 10, 9, 9, 9, 12, 12, 14, 14, 12, 12, 12};
const std::string table_11 = unhex(
    "8000e0090ad8090af103010a0b8041e00708f000020523f002011023f000011023dd191e987199189c18f003011023f100011023f400011023f000010923f00404050edd08098821d80a0bf10301090df40001090df00001090df006000d0e88018801f8884188018805880588058805e00b0c8048");
const std::vector<int> lines_11{1, 3, 4, 3, 3, 3, 5, 5, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 6, 6, 6, 6, 8, 9, 9, 9, 9, 9, 9, 9, 10, 9, 9, 9, 9, 9, 9, 9, 9, 12, 12, 12, 0, 12, 12, 12, 12, 12, 12, 14, 14};
const std::string table_12 = unhex(
    "8000e0090ad8090af103010a0b8041e10708e4191e98719b18f603011023d81415f203001112f200011023f000010923f00404050edc08098821d80a0bf40301090df006000d0e8801e00b0c8048f9f211011023f8f00c000d0e8901fa");
const std::vector<int> lines_12{1, 3, 4, 3, 3, 3, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 6, 6, 7, 6, 6, 6, 6, 6, 6, 6, 8, 9, 9, 9, 9, 9, 9, 10, 9, 9, 9, 9, 9, 12, 12, 14, 14, 0, 0, 6, 6, 6, 0, 12, 12, 12, 0, 0, 0};

template <class T> std::string_view bytes_of(const T& value) { return {reinterpret_cast<const char*>(&value), sizeof(value)}; }

std::string frame_record(unsigned tid, std::uint64_t at, const std::string& file, const std::string& name, const std::string& table, int instr) {
  stack_frame head{};
  head.at = at;
  head.type = stack_record_frame;
  head.tid = tid;
  head.first = 1;
  head.instr = instr;
  head.table_size = static_cast<unsigned>(table.size());
  head.file_bytes = static_cast<unsigned short>(file.size());
  head.name_bytes = static_cast<unsigned short>(name.size());
  head.table_bytes = static_cast<unsigned short>(table.size());
  return std::string(bytes_of(head)) + file + name + table;
}

stack_end end_record(unsigned tid, std::uint64_t at) {
  stack_end end{};
  end.at = at;
  end.type = stack_record_end;
  end.tid = tid;
  end.tgid = 451;
  end.python = 450;
  end.signal = 9;
  end.flags = stack_known | stack_found;
  end.call = -1;
  end.fd = STACK_NONE;
  return end;
}

Interpreter python(int minor) {
  Interpreter python;
  python.version = "3." + std::to_string(minor);
  python.layout.minor = minor;
  return python;
}

}  // namespace

TEST_CASE("a place in the code has the line that its interpreter gives it") {
  CHECK(lines_of(8, table_8, lines_8.size()) == lines_8);
  CHECK(lines_of(10, table_10, lines_10.size()) == lines_10);
  CHECK(lines_of(11, table_11, lines_11.size()) == lines_11);
  CHECK(lines_of(12, table_12, lines_12.size()) == lines_12);
}

TEST_CASE("a table that was cut tells the lines that it reaches and no other") {
  for (std::size_t size = 0; size < table_11.size(); ++size) {
    const std::string_view part = std::string_view(table_11).substr(0, size);
    for (std::size_t i = 0; i < lines_11.size(); ++i) {
      INFO(size << " " << i);
      const auto line = line_at(11, part, 1, static_cast<int>(2 * i));
      if (line) CHECK(*line == lines_11[i]);
    }
  }
  CHECK_FALSE(line_at(11, std::string_view(table_11).substr(0, 8), 1, 60));
  CHECK_FALSE(line_at(10, std::string_view(table_10).substr(0, 4), 1, 40));
  CHECK(line_at(11, table_11, 7, -2) == 7);                   // not begun
  CHECK_FALSE(line_at(12, std::string(4096, '\x70'), 1, 1 << 30));   // long forms without an end
  CHECK_FALSE(line_at(12, std::string(4096, '\xff'), INT32_MAX, 1 << 30));
}

TEST_CASE("offsets are known of 3.8 to 3.12, and from 3.13 on read from the target") {
  for (int minor = 8; minor <= 12; ++minor) {
    const auto layout = layout_of(minor);
    REQUIRE(layout);
    CHECK(layout->minor == minor);
    CHECK(layout->instr_is_pointer == (minor >= 11));
  }
  CHECK(base::sentence(layout_of(16).error()) == "reading Python stacks: where CPython 3.16 keeps its frames is not known; CPython 3.8 to 3.15 is");

  std::string offsets(debug_offsets_most, '\0');
  const auto set = [&](std::size_t at, std::uint64_t value) { std::memcpy(offsets.data() + at, &value, sizeof(value)); };
  CHECK(layout_from(13, offsets).error().kind == base::Kind::malformed);      // nothing in it
  set(40, 632);
  set(344, 200);
  set(560, 40);
  const auto layout = layout_from(13, offsets);
  REQUIRE(layout);
  CHECK(layout->interpreters == 632);
  CHECK(layout->code_code == 200);
  CHECK(layout->text_compact == 56);
  CHECK_FALSE(layout_from(13, std::string_view(offsets).substr(0, 500)));
  CHECK_FALSE(layout_from(17, offsets));
  set(64, 1 << 30);
  CHECK(layout_from(13, offsets).error().kind == base::Kind::malformed);
  set(64, 0);
  set(16, 1);
  CHECK(base::sentence(layout_from(13, offsets).error()) == "reading Python stacks: a free-threaded CPython 3.13 moves its objects about; a build with the GIL");
}

TEST_CASE("a file's name may tell the minor version") {
  CHECK(minor_of_name("/usr/lib/libpython3.10.so.1.0") == 10);
  CHECK(minor_of_name("/usr/bin/python3.9") == 9);
  CHECK(minor_of_name("/usr/bin/python3") == 0);
  CHECK(minor_of_name("/opt/python3.8/bin/uwsgi") == 0);
}

TEST_CASE("the texts of an interpreter come out as UTF-8") {
  CHECK(text_of_python("plain", 0) == "plain");
  CHECK(text_of_python("Z\xfc", 1) == "Z\xc3\xbc");
  CHECK(text_of_python(std::string_view("\xac\x20\x41\x00", 4), 2) == "\xe2\x82\xac" "A");
  CHECK(text_of_python(std::string_view("\x00\xf6\x01\x00", 4), 4) == "\xf0\x9f\x98\x80");
  CHECK(text_of_python(std::string_view("\x00\xd8", 2), 2).empty());   // half of a pair
  CHECK(text_of_python("abc", 3).empty());
}

TEST_CASE("records of several threads become their stacks") {
  StackRecords records;
  CHECK_FALSE(records.step(frame_record(7, 100, "/srv/app.py", "handler", table_11, 4)));
  CHECK_FALSE(records.step(frame_record(8, 101, "/srv/b.py", "other", table_11, 4)));
  CHECK_FALSE(records.step(frame_record(7, 100, "/srv/app.py", "<module>", table_11, 12)));
  const auto seven = records.step(bytes_of(end_record(7, 100)));
  REQUIRE(seven);
  REQUIRE(seven->frames.size() == 2);
  CHECK(seven->frames[0].function == "handler");
  CHECK(seven->frames[1].function == "<module>");
  CHECK(seven->fd == -1);

  const Interpreter eleven = python(11);
  const auto facts = facts_of(*seven, &eleven, {}, 0);
  REQUIRE(facts.size() == 1);
  const auto* stack = evidence::as<evidence::ThreadStack>(facts[0]);
  REQUIRE(stack);
  CHECK(stack->runtime == "CPython 3.11");
  CHECK(stack->how == "signal");
  CHECK(stack->signal == 9);
  CHECK(stack->python[0].line == 4);
  CHECK(stack->python[1].line == 5);
  CHECK(facts[0].text == "as SIGKILL came to its thread 7: handler (/srv/app.py:4), 2 frames");

  // A stack whose end was lost: a later one of the same thread does not take its frames.
  const auto eight = records.step(bytes_of(end_record(8, 200)));
  REQUIRE(eight);
  CHECK(eight->frames.empty());
  CHECK(facts_of(*eight, &eleven, {}, 0).empty());
}

TEST_CASE("parts of the native stack go on where the last ended, from the stack pointer on, or are left out") {
  const auto part = [](unsigned tid, std::uint64_t at, std::uint64_t address, const std::string& bytes) {
    stack_part head{};
    head.at = at;
    head.address = address;
    head.type = stack_record_part;
    head.tid = tid;
    head.bytes = static_cast<unsigned>(bytes.size());
    return std::string(bytes_of(head)) + bytes;
  };
  stack_end end = end_record(7, 100);
  end.registers[7] = 0x7ffc0ff0;
  end.registers[16] = 0x401000;
  end.registers[6] = 42;
  const auto told = [&](const std::vector<std::string>& parts) {
    StackRecords records;
    for (const auto& record : parts) CHECK_FALSE(records.step(record));
    const auto thread = records.step(bytes_of(end));
    REQUIRE(thread);
    return thread->native;
  };
  const StackCopy both = told({part(7, 100, 0x7ffc0ff0, "0123456789abcdef"), part(8, 100, 0x7ffc1000, "of another"), part(7, 100, 0x7ffc1000, "rest")});
  CHECK(std::string(both.bytes.begin(), both.bytes.end()) == "0123456789abcdefrest");
  CHECK(both.sp == 0x7ffc0ff0);
  CHECK(both.pc == 0x401000);
  REQUIRE(both.registers);
  CHECK(both.registers->at(6) == 42);
  CHECK(told({part(7, 100, 0x7ffc0ff0, "0123456789abcdef"), part(7, 100, 0x7ffc2000, "behind a hole")}).bytes.size() == 16);
  CHECK(told({part(7, 100, 0x7ffc1000, "its beginning was lost")}).bytes.empty());
  CHECK(told({part(7, 99, 0x7ffc0ff0, "of an earlier signal")}).bytes.empty());
  CHECK(told({part(7, 100, 0x7ffc0ff0, std::string(STACK_PART + 1, 'x'))}).bytes.empty());
  std::vector<std::string> many;
  for (std::uint64_t i = 0; i < STACK_PARTS + 3; ++i) many.push_back(part(7, 100, 0x7ffc0ff0 + i * STACK_PART, std::string(STACK_PART, 'x')));
  CHECK(told(many).bytes.size() == std::size_t{STACK_PARTS} * STACK_PART);
}

TEST_CASE("a descriptor is told by where it leads") {
  StackRecords records;
  stack_end end = end_record(451, 5);
  end.call = SYS_recvfrom;
  end.fd = 11;
  end.lead.mode = S_IFSOCK | 0777;
  end.lead.family = AF_INET;
  end.lead.port = htons(9999);
  end.lead.address[0] = 10;
  end.lead.address[3] = 2;
  CHECK(records.step(bytes_of(end))->on == "10.0.0.2:9999");
  const auto facts = facts_of(*records.step(bytes_of(end)), nullptr, {}, 0);
  REQUIRE(facts.size() == 1);
  const auto* blocked = evidence::as<evidence::TimeBlocked>(facts[0]);
  REQUIRE(blocked);
  CHECK(blocked->call == "recvfrom");
  CHECK(blocked->fd == 11);
  end.lead.family = AF_INET6;
  std::memset(end.lead.address, 0, sizeof(end.lead.address));
  end.lead.address[0] = 0x20;
  end.lead.address[1] = 1;
  CHECK(records.step(bytes_of(end))->on == "[2001::]:9999");
  end.lead.family = AF_UNIX;
  std::memcpy(end.path, "/run/db.sock", 12);
  CHECK(records.step(bytes_of(end))->on == "unix:/run/db.sock");
  std::memcpy(end.path, "\0abstract", 9);
  std::memset(end.path + 9, 0, 8);
  CHECK(records.step(bytes_of(end))->on == "unix:@abstract");
  end.lead.mode = S_IFIFO;
  CHECK(records.step(bytes_of(end))->on == "a pipe");
  end.lead.mode = 0;
  CHECK(records.step(bytes_of(end))->on.empty());
}

TEST_CASE("what is no record of a stack is passed over") {
  StackRecords records;
  const std::string frame = frame_record(7, 100, "/srv/app.py", "handler", table_11, 4);
  for (std::size_t size = 0; size < frame.size(); ++size) CHECK_FALSE(records.step(std::string_view(frame).substr(0, size)));
  CHECK_FALSE(records.step(frame + "x"));
  const stack_end end = end_record(7, 100);
  for (std::size_t size = 0; size < sizeof(end); ++size) CHECK_FALSE(records.step(bytes_of(end).substr(0, size)));
  for (int i = 0; i < 1000; ++i) records.step(frame);          // more than a stack has
  const auto stack = records.step(bytes_of(end));
  REQUIRE(stack);
  CHECK(stack->frames.size() == STACK_FRAMES);
  for (unsigned tid = 0; tid < 5000; ++tid) records.step(frame_record(tid, tid, "f", "g", "", 0));   // none ever ends
  CHECK(records.step(bytes_of(end_record(4999, 4999)))->frames.size() == 1);
  CHECK(records.step(bytes_of(end_record(1, 1)))->frames.empty());
}
