#include "rule/card.hpp"

#include "source/recorded_host.hpp"
#include "support/catch.hpp"

namespace {

// A whole card, of which one line at a time is spoilt.
const std::string good = R"({
  "id": "death.example",           // comments are welcome
  "title": "An example",
  "level": "error",
  "check": "death",
  "say": ["worker {pid} died", "after {age|some time}"],
  "why": ["Because."],
  "fix": [ { "when": "now", "text": "look", "loses": "nothing" }, { "when": "check", "text": "true", "expect": "exit 0" } ],
  "see": ["gunicorn docs: Settings"],
  "examples": [ { "given": { "error.log": ["one", "two"] }, "pid": 7, "answer": "yes", "note": "n" } ]
})";

std::string spoilt(const std::string& from, const std::string& to) {
  std::string text = good;
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string complaint_about(const std::string& text) {
  const auto card = rule::read_card(text, "rules/x.json");
  return card ? "no complaint" : base::sentence(card.error());
}

}  // namespace

TEST_CASE("a card is read whole") {
  const auto card = rule::read_card(good, "rules/x.json");
  REQUIRE(card);
  CHECK(card->id == "death.example");
  CHECK(card->title == "An example");
  CHECK(card->level == rule::Level::error);
  CHECK(card->check == "death");
  CHECK(card->say == "worker {pid} died after {age|some time}");
  CHECK(card->why == std::vector<std::string>{"Because."});
  REQUIRE(card->fix.size() == 2);
  CHECK(card->fix[0].when == "now");
  CHECK(card->fix[0].loses == "nothing");
  CHECK(card->fix[1].expect == "exit 0");
  REQUIRE(card->examples.size() == 1);
  CHECK(card->examples[0].given.at("error.log") == "one\ntwo\n");
  CHECK(card->examples[0].answer == rule::Truth::yes);
  CHECK(card->examples[0].pid == 7);
  CHECK(card->file == "rules/x.json");
}

TEST_CASE("what is wrong with a card is said at its place") {
  CHECK(complaint_about(spoilt("\"title\"", "\"titel\"")) ==
        "rules/x.json:3:3: unknown key 'titel'; did you mean 'title'?; the keys here are: id title level check for when at also prediction say why fix repair see examples");
  CHECK(complaint_about(spoilt("  \"title\": \"An example\",\n", "")) == "rules/x.json:1:1: 'title' is missing");
  CHECK(complaint_about(spoilt("\"An example\"", "12")) == "rules/x.json:3:12: 'title' is a number; it must be text");
  CHECK(complaint_about(spoilt("\"error\"", "\"eror\"")) == "rules/x.json:4:12: 'level' is 'eror'; did you mean 'error'?; it is one of: note, warning, error");
  CHECK(complaint_about(spoilt("death.example", "Death Example")) == "rules/x.json:2:9: 'Death Example' is no rule id; write area.problem in lower case, words joined by -");
  CHECK(complaint_about(spoilt("{pid}", "{pd}")) == "rules/x.json:6:11: in 'say', character 8: no slot is called 'pd'; did you mean 'pid'?");
  CHECK(complaint_about(spoilt("{pid}", "{pid")) == "rules/x.json:6:11: in 'say', character 8: a brace is not closed");
  CHECK(complaint_about(spoilt("[\"Because.\"]", "\"Because.\"")) == "rules/x.json:7:10: 'why' is text; it must be a list");
  CHECK(complaint_about(spoilt("\"now\"", "\"soon\"")) == "rules/x.json:8:22: 'when' is 'soon'; it is one of: now, then, check");
  CHECK(complaint_about(spoilt(", \"expect\": \"exit 0\"", "")) == "rules/x.json:8:67: a check step does not say what to expect; add 'expect'");
  CHECK(complaint_about(spoilt("\"pid\": 7", "\"pid\": -7")) == "rules/x.json:10:68: 'pid' is no process id; 1 to 4194304");
  CHECK(complaint_about(spoilt("\"two\"", "2")) == "rules/x.json:10:51: 'a line of error.log' is a number; it must be text");
  CHECK(complaint_about(spoilt("\"level\": \"error\"", "\"title\": \"again\"")) == "rules/x.json:4:3: duplicate key 'title'; the first is on line 3");
  CHECK(complaint_about("[]") == "rules/x.json:1:1: 'a card' is a list; it must be an object");
}

TEST_CASE("slots are filled, missing ones say so") {
  const std::map<std::string, std::string> values{{"pid", "14"}, {"age", ""}};
  CHECK(rule::fill("worker {pid} of {master}", values) == "worker 14 of ?");
  CHECK(rule::fill("{age|a while} {timeout|} {pid|none}", values) == "a while  14");
  CHECK(rule::fill("def f(): {{pid} {{{pid}}", values) == "def f(): {pid} {14}");
  CHECK(rule::fill("no end {pid", values) == "no end {pid");
  CHECK(rule::fill("", values).empty());
  CHECK_FALSE(rule::bad_slot("{{anything {pid} {age|x}"));
  CHECK(rule::bad_slot("x {age|{pid}}")->what == "a slot stands inside the text for a missing 'age'");
}

TEST_CASE("every card that is compiled in can be read") {
  REQUIRE_FALSE(rule::built_in_texts().empty());
  for (const auto& text : rule::built_in_texts()) {
    const auto card = rule::read_card(text.text, std::string(text.file));
    INFO((card ? std::string(text.file) : base::sentence(card.error())));
    REQUIRE(card);
    CHECK(text.file == "rules/" + card->id.substr(0, card->id.find('.')) + "/" + card->id.substr(card->id.find('.') + 1) + ".json");
  }
  CHECK(rule::built_in_cards().size() == rule::built_in_texts().size());
}

TEST_CASE("cards of the user") {
  const auto refusal = [](std::map<std::string, std::string> files) {
    const auto cards = rule::cards_with(source::TextHost(std::move(files)), "/mine");
    return cards ? "no complaint" : base::sentence(cards.error());
  };
  CHECK(refusal({{"/mine/readme.txt", "x"}}) == "reading cards from /mine: no *.json file there; docs/add-a-rule.md shows a card");
  CHECK(refusal({{"/mine/a.json", "{"}}) == "/mine/a.json:1:1: this object is not closed; add }");
  CHECK(refusal({{"/mine/a.json", spoilt("\"check\": \"death\"", "\"check\": \"no-such-check\"")}}) == "/mine/a.json: no check is called 'no-such-check'; docs/add-a-check.md");
  const std::string ours = spoilt("death.example", "death.timeout");
  CHECK(refusal({{"/mine/a.json", good}}) == "/mine/a.json: check 'death' never concludes 'death.example'; docs/add-a-check.md");
  CHECK(refusal({{"/mine/a.json", ours}, {"/mine/more/b.json", ours}}) == "/mine/more/b.json: 'death.timeout' is also the id of /mine/a.json; give one of them another id");
  CHECK(refusal({{"/mine/a.json", spoilt("\"check\": \"death\"", "\"check\": \"deaht\"")}}) == "/mine/a.json: no check is called 'deaht'; did you mean 'death'?; docs/add-a-check.md");

  const auto cards = rule::cards_with(source::TextHost({{"/mine/more/a.json", ours}}), "/mine/");
  REQUIRE(cards);
  REQUIRE(cards->find("death.timeout"));
  CHECK(cards->find("death.timeout")->title == "An example");  // theirs stands before ours
  CHECK(cards->find("death.timeout")->file == "/mine/more/a.json");
  CHECK(cards->all().size() == rule::built_in_cards().size());
}

TEST_CASE("a card that is asked for alone says what the whole one says") {
  const rule::Cards cards;
  CHECK(cards.find("death.no-such-rule") == nullptr);
  for (const auto& [id, whole] : rule::built_in_cards()) {
    INFO(id);
    const rule::Card* const alone = cards.find(id);
    REQUIRE(alone);
    CHECK(alone->id == id);
    CHECK(alone->say == whole.say);
    CHECK(alone->why == whole.why);
    CHECK(alone->fix.size() == whole.fix.size());
    CHECK(alone->when == whole.when);
    CHECK(alone->examples.empty());
    CHECK_FALSE(whole.examples.empty());
  }
  CHECK(cards.all().size() == rule::built_in_cards().size());
  const rule::Cards only{{{"death.crashed", rule::built_in_cards().at("death.crashed")}}};
  CHECK(only.find("death.timeout") == nullptr);
}
