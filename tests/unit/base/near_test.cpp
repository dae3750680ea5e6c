#include "base/near.hpp"

#include "support/catch.hpp"

TEST_CASE("the word that was meant") {
  const std::vector<std::string_view> known{"title", "timeout", "graceful_timeout", "pid"};
  CHECK(base::nearest("titel", known) == "title");
  CHECK(base::nearest("timout", known) == "timeout");
  CHECK(base::nearest("pd", known) == "pid");
  CHECK(base::nearest("gracefultimeout", known) == "graceful_timeout");
  CHECK(base::nearest("xyz", known).empty());
  CHECK(base::nearest("", known).empty());
  CHECK(base::nearest(std::string(1000, 'a'), known).empty());
  CHECK(base::did_you_mean("titel", known) == "; did you mean 'title'?");
  CHECK(base::did_you_mean("nothing like it", known).empty());
}
