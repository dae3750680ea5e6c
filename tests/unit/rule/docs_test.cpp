#include "rule/docs.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "support/catch.hpp"

namespace {

rule::Card example() {
  rule::Card card;
  card.id = "death.example";
  card.title = "An example";
  card.level = rule::Level::error;
  card.say = "{server|gunicorn} worker {pid} died {age|}after a while";
  card.why = {"Because."};
  card.fix = {{"now", "look", "", "nothing", ""}, {"check", "run it", "exit 0", "", ""}};
  card.see = {"somewhere"};
  card.examples = {{{}, rule::Truth::yes, 0, ""}, {{}, rule::Truth::unknown, 0, ""}};
  card.file = "rules/death/example.json";
  return card;
}

}  // namespace

TEST_CASE("a rule's page") {
  CHECK(rule::page(example()) ==
        "death.example (error)\n"
        "An example\n"
        "\nIT SAYS\n"
        "  gunicorn worker <pid> died after a while\n"
        "\nWHY\n"
        "  - Because.\n"
        "\nFIX\n"
        "  now    look\n"
        "           loses: nothing\n"
        "  check  run it\n"
        "           expect: exit 0\n"
        "\nSEE\n"
        "  - somewhere\n"
        "\nPROVED BY\n"
        "  1 case where it is so, 0 where it is not, 1 where nobody can tell:\n"
        "  rules/death/example.json\n");
}

TEST_CASE("every page fits a terminal and is ASCII") {
  REQUIRE_FALSE(rule::built_in_cards().empty());
  for (const auto& [id, card] : rule::built_in_cards()) {
    const std::string page = rule::page(card);
    for (const auto line : base::split(page, '\n')) {
      INFO(id << ": " << line);
      CHECK(line.size() <= 80);
      CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
    }
  }
  for (const auto line : base::split(rule::page_list(rule::built_in_cards()), '\n')) CHECK(line.size() <= 80);
}

TEST_CASE("explaining by id, by area, and by a word that was nearly right") {
  const auto& cards = rule::built_in_cards();
  const auto answer = [&](std::string_view rule) {
    const auto text = rule::explained(cards, rule);
    return text ? text->substr(0, text->find('\n')) : base::sentence(text.error());
  };
  CHECK(answer("death.timeout") == "death.timeout (error)");
  CHECK(answer("").find("apache.request-timeout-average") == 0);
  CHECK(answer("socket").find("socket.address-in-use") == 0);
  CHECK(answer("socket.").find("socket.address-in-use") == 0);
  CHECK(answer("death.timeot") == "explaining 'death.timeot': no rule has this id; did you mean 'death.timeout'?; triage explain lists them all");
  CHECK(answer("oom-cgroup") == "explaining 'oom-cgroup': no rule has this id; did you mean 'death.oom-cgroup'?; triage explain lists them all");
  CHECK(answer("nothing.like-it\x1b[2J") == "explaining 'nothing.like-it\\x1b[2J': no rule has this id; triage explain lists them all");
}

TEST_CASE("the generated documents hold every rule and every word") {
  const std::string rules = rule::rules_markdown(rule::built_in_cards());
  for (const auto& [id, card] : rule::built_in_cards()) CHECK(base::contains(rules, "### " + id + "\n"));
  CHECK(base::contains(rule::vocabulary_markdown(), "| `worker.timed_out` | "));
}
