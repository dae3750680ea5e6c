#include "base/text.hpp"

#include "base/instant.hpp"
#include "support/catch.hpp"

TEST_CASE("nothing that moves a terminal gets through") {
  CHECK(base::printable("\x1b[2Jhello\x07") == "\\x1b[2Jhello\\x07");
  CHECK(base::printable("a\xe2\x80\xae" "b") == "a\\u{202e}b");
  CHECK(base::printable("caf\xc3\xa9\xff") == "caf\\u{e9}\\xff");
  CHECK(base::printable("two\nlines\r") == "two\\nlines\\r");
  CHECK(base::printable("0123456789", 8) == "01234...");
}

TEST_CASE("lines are wrapped at blanks and long words split") {
  CHECK(base::wrap("one two three", 8) == std::vector<std::string>{"one two", "three"});
  CHECK(base::wrap("aaaaaaaaaaaa", 8) == std::vector<std::string>{"aaaaaaaa", "aaaa"});
  CHECK(base::wrap("", 8) == std::vector<std::string>{""});
}

TEST_CASE("numbers, signals, sizes") {
  CHECK(base::read_number("42") == 42);
  CHECK_FALSE(base::read_number("42x"));
  CHECK_FALSE(base::read_number("99999999999999999999"));
  CHECK(base::signal_number("kill") == 9);
  CHECK(base::signal_number("SIGSEGV") == 11);
  CHECK_FALSE(base::signal_number("SIGNOPE"));
  CHECK(base::signal_text(6) == "SIGABRT");
  CHECK(base::bytes_text(209715200) == "200 MiB");
  CHECK(base::bytes_text(1572864) == "1.5 MiB");
}

TEST_CASE("iso times keep their zone and their give") {
  const auto whole = base::read_iso("2026-11-22 10:31:07 +0000");
  REQUIRE(whole);
  CHECK(whole->clock == base::Clock::wall);
  CHECK(whole->give == base::second_ns / 2);
  CHECK(base::iso(*whole) == "2026-11-22T10:31:07Z");
  CHECK(base::iso(*base::read_iso("2026-11-22T10:31:07.250+02:00")) == "2026-11-22T08:31:07.250Z");
  CHECK(base::read_iso("2026-11-22 10:31:07")->clock == base::Clock::naive);
  CHECK_FALSE(base::read_iso("2026-13-22 10:31:07"));
  CHECK_FALSE(base::read_iso("2026-11-22 10:31:07 tail"));
}

TEST_CASE("times that 64 bits of nanoseconds cannot hold are no times") {
  CHECK_FALSE(base::read_iso("0001-01-01T00:00:00Z"));
  CHECK_FALSE(base::read_iso("9999-12-31T23:59:59Z"));
  CHECK_FALSE(base::read_iso("2200-01-01T00:00:00Z"));
  CHECK(base::read_iso("2109-12-31T23:59:59Z"));
  CHECK(base::ns_from({1}) == base::ns_from({base::first_year}));
}

TEST_CASE("dates before 1970 and leap days") {
  CHECK(base::days_from_civil(1970, 1, 1) == 0);
  CHECK(base::days_from_civil(2000, 2, 29) == 11016);
  CHECK(base::ns_from(base::civil_from(-1)) == -1);
}
