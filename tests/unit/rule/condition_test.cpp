#include "rule/condition/condition.hpp"

#include "support/catch.hpp"

namespace {

using rule::Truth;
namespace condition = rule::condition;

const condition::Scope& server() { return *condition::scope("gunicorn.server"); }

std::string complaint(std::string_view text) {
  const auto read = condition::read(text, server());
  return read ? "" : read.error().doing + ": " + read.error().answer;
}

Truth answer(std::string_view text, const std::map<std::string, model::Choice>& values) {
  const auto read = condition::read(text, server());
  INFO(text << ": " << (read ? "" : read.error().answer));
  REQUIRE(read);
  return condition::answer(*read, [&](std::string_view word) -> const model::Choice* {
    const auto found = values.find(std::string(word));
    return found == values.end() ? nullptr : &found->second;
  });
}

model::Choice number(double value) { return {model::number_value(value), "", {}, model::From::configured}; }
model::Choice text(std::string value) { return {model::text_value(std::move(value)), "", {}, model::From::configured}; }
model::Choice built_in(double value) { return {model::number_value(value), "", {}, model::From::built_in}; }

}  // namespace

TEST_CASE("conditions say what is wrong with them and where") {
  CHECK(complaint("timout > 30s") == "column 1: no word of gunicorn.server is called 'timout'; did you mean 'timeout'?");
  CHECK(complaint("timeout > 30sec") == "column 13: no unit is called 'sec'");
  CHECK(complaint("timeout > 30MiB") == "column 9: a time and a size do not compare");
  CHECK(complaint("class > 'sync'") == "column 7: a text has no order");
  CHECK(complaint("class == 3") == "column 7: a text and a number do not compare");
  CHECK(complaint("timeout > 30s and") == "column 18: something is missing here");
  CHECK(complaint("timeout > 30s timeout") == "column 15: this is left over");
  CHECK(complaint("(timeout > 30s") == "column 15: the bracket is not closed");
  CHECK(complaint("class in 'sync'") == "column 10: this is a text, where a list is needed");
  CHECK(complaint("timeout") == "column 1: the whole is a time, not a truth");
  CHECK(complaint("timeout is here") == "column 12: 'is' goes on with 'set' or 'not set'");
  CHECK(complaint("class == 'sync") == "column 10: the quote is not closed");
  CHECK(complaint("not timeout and preload_app") == "column 5: this is a time, where a truth is needed");
  CHECK(complaint("timeout + class > 3s") == "column 9: a time and a text cannot be added");
  CHECK(complaint(std::string(200, '(')) != "");
}

TEST_CASE("conditions have three answers") {
  CHECK(answer("timeout >= 2m", {{"timeout", number(120)}}) == Truth::yes);
  CHECK(answer("timeout >= 2m", {{"timeout", number(119)}}) == Truth::no);
  CHECK(answer("timeout >= 2m", {}) == Truth::unknown);
  CHECK(answer("timeout >= 2m and class == 'sync'", {{"class", text("gevent")}}) == Truth::no);
  CHECK(answer("timeout >= 2m and class == 'sync'", {{"class", text("sync")}}) == Truth::unknown);
  CHECK(answer("timeout >= 2m or class == 'sync'", {{"class", text("sync")}}) == Truth::yes);
  CHECK(answer("not (timeout >= 2m)", {}) == Truth::unknown);
  CHECK(answer("class in ['gthread', 'gevent']", {{"class", text("gevent")}}) == Truth::yes);
  CHECK(answer("class not in ['gthread', 'gevent']", {{"class", text("gevent")}}) == Truth::no);
  CHECK(answer("timeout is set", {{"timeout", number(30)}}) == Truth::yes);
  CHECK(answer("timeout is set", {{"timeout", built_in(30)}}) == Truth::no);
  CHECK(answer("timeout is not set", {}) == Truth::unknown);
  CHECK(answer("workers * 2 + 1 > threads", {{"workers", number(2)}, {"threads", number(4)}}) == Truth::yes);
  CHECK(answer("workers / threads > 1", {{"workers", number(2)}, {"threads", number(0)}}) == Truth::unknown);
  CHECK(answer("timeout < graceful_timeout + 1500ms", {{"timeout", number(31)}, {"graceful_timeout", number(30)}}) == Truth::yes);
  CHECK(answer("version >= v22.0 and version < v26.2", {{"version", number(*condition::version_number("23.0.0"))}}) == Truth::yes);
  CHECK(answer("version < v1.29.7", {{"version", number(*condition::version_number("1.30"))}}) == Truth::no);
}

TEST_CASE("versions compare by their numbers") {
  CHECK(condition::version_number("1.29.7") == 1029007);
  CHECK(condition::version_number("1.22-alpine") == 1022000);
  CHECK(condition::version_number("22") == 22000000);
  CHECK_FALSE(condition::version_number("latest"));
}
