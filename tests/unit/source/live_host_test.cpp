#include "source/live_host.hpp"

#include <unistd.h>

#include "support/catch.hpp"

TEST_CASE("streams that the shell hands over are known by their paths") {
  CHECK(source::own_descriptor("-") == 0);
  CHECK(source::own_descriptor("/dev/stdin") == 0);
  CHECK(source::own_descriptor("/dev/fd/63") == 63);
  CHECK(source::own_descriptor("/proc/self/fd/63") == 63);
  CHECK_FALSE(source::own_descriptor("/dev/fd/"));
  CHECK_FALSE(source::own_descriptor("/dev/fd/63/x"));
  CHECK_FALSE(source::own_descriptor("/dev/fd/-1"));
  CHECK_FALSE(source::own_descriptor("/dev/null"));
}

TEST_CASE("a pipe that was handed over is read to its end") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], "one\ntwo\n", 8) == 8);
  ::close(ends[1]);
  const source::LiveHost host;
  const auto stream = host.open("/dev/fd/" + std::to_string(ends[0]));
  REQUIRE(stream);
  CHECK(source::slurp(**stream, 100) == "one\ntwo\n");
  ::close(ends[0]);
  CHECK_FALSE(host.open("/dev/fd/" + std::to_string(ends[0])));
}
