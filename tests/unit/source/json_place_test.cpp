#include "source/json_place.hpp"

#include "support/catch.hpp"

namespace {

std::string answer(std::string_view text) {
  const auto json = source::read_placed_json(text, "f.json");
  return json ? "read" : base::sentence(json.error());
}

}  // namespace

TEST_CASE("values know where they stand") {
  const auto json = source::read_placed_json("// first\n{ \"a\": [1, true,\n  null], \"b\\n\": \"x\\u00e9\\ud83d\\ude00\" }\n", "f.json");
  REQUIRE(json);
  REQUIRE(json->shape == source::Shape::object);
  CHECK(json->place == source::Place{2, 1});
  const auto* list = json->find("a");
  REQUIRE(list);
  CHECK(list->place == source::Place{2, 8});
  REQUIRE(list->items.size() == 3);
  CHECK(list->items[0].number == 1);
  CHECK(list->items[0].text == "1");
  CHECK(list->items[1].truth);
  CHECK(list->items[2].place == source::Place{3, 3});
  CHECK(json->members[1].key == "b\n");
  CHECK(json->members[1].place == source::Place{3, 10});
  CHECK(json->members[1].value.text == "x\xC3\xA9\xF0\x9F\x98\x80");
  CHECK(json->find("c") == nullptr);
}

TEST_CASE("numbers are JSON's") {
  const auto number = [](std::string_view text) {
    const auto json = source::read_placed_json(text, "f");
    return json ? json->number : -99;
  };
  CHECK(number("-0.5e2") == -50);
  CHECK(number("0") == 0);
  CHECK(number("01") == -99);
  CHECK(number("+1") == -99);
  CHECK(number("1.") == -99);
  CHECK(number(".5") == -99);
  CHECK(number("1e999") == -99);
  CHECK(number("0x10") == -99);
}

TEST_CASE("what is wrong is said with its place") {
  CHECK(answer("{\"a\": 1, \"a\": 2}") == "f.json:1:10: duplicate key 'a'; the first is on line 1");
  CHECK(answer("{\"a\": 1,}") == "f.json:1:9: a comma stands before }; take the comma away");
  CHECK(answer("[1 2]") == "f.json:1:4: a comma or ] is missing, here is '2'");
  CHECK(answer("[1,\n 2") == "f.json:1:1: this list is not closed; add ]");
  CHECK(answer("{\"a\" 1}") == "f.json:1:6: a colon is missing after 'a', here is '1'");
  CHECK(answer("{a: 1}") == "f.json:1:2: a key in quotes is missing, here is 'a'");
  CHECK(answer("\"abc") == "f.json:1:1: this text is not closed; add \"");
  CHECK(answer("\"a\nb\"") == "f.json:1:3: a line or control character inside a text; write \\n, or make it a list of lines");
  CHECK(answer("\"\\d\"") == "f.json:1:2: no such escape: \\d; a backslash is written twice");
  CHECK(answer("\"\\ud800x\"") == "f.json:1:2: \\u wants four hexadecimal digits of a character; surrogates come in pairs");
  CHECK(answer("yes") == "f.json:1:1: 'yes' is no value; text stands in double quotes");
  CHECK(answer("") == "f.json:1:1: a value is missing: this is the end of the file");
  CHECK(answer("// only a comment") == "f.json:1:18: a value is missing: this is the end of the file");
  CHECK(answer("1 1") == "f.json:1:3: something follows the value; a file holds one value");
  CHECK(answer("/* no */ 1") == "f.json:1:1: a comment is not closed by the end of a line here; use // comments");
  CHECK(answer("[\xFF]") == "f.json:1:2: a value is missing, here is '\\xff'");
  CHECK(answer("\xEF\xBB\xBF[1]") == "read");
}

TEST_CASE("it is bounded") {
  CHECK(answer(std::string(100000, '[')) == "f.json:1:34: nested deeper than 32");
  CHECK(answer(std::string((1 << 20) + 1, ' ')) == "f.json:1:1: longer than 1 MiB; split it");
}

TEST_CASE("no prefix of a good text crashes it") {
  const std::string text = "{\"k\": [1.5e3, \"a\\u00e9\\n\", {\"x\": null}, true] } // end";
  std::size_t read = 0;
  for (std::size_t length = 0; length <= text.size(); ++length) read += answer(std::string_view(text).substr(0, length)) == "read" ? 1u : 0u;
  CHECK(read == 7);  // whole, and with its comment cut anywhere but in the middle of its two slashes
}
