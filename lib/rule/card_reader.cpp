// From a card's text to a Card. Everything unknown is refused at its place: a rule that is silently half read would be silent in the
// incident too.
#include <algorithm>
#include <optional>

#include "base/near.hpp"
#include "base/text.hpp"
#include "rule/card.hpp"
#include "rule/condition/condition.hpp"
#include "source/json_place.hpp"

namespace rule {

namespace {

using source::JsonMember;
using source::PlacedJson;
using source::Shape;
using Words = std::vector<std::string_view>;

// Reads the parts of one card; the first complaint is kept and ends the reading, so that the calls need no checks between them.
class CardReader {
 public:
  explicit CardReader(const std::string& file) : file_(file) {}

  base::Result<Card> card(const PlacedJson& json) {
    Card card;
    card.file = file_;
    const Words keys{"id", "title", "level", "check", "for", "when", "at", "also", "prediction", "say", "why", "fix", "repair", "see", "examples"};
    if (!object(json, "a card", keys, {"id", "title", "level", "say", "why", "fix", "examples"})) return base::fail(std::move(*first_));
    if (const PlacedJson* about = json.find("for")) scope_of(*about, card);
    if (!card.scope.empty() == !json.find("when")) complain(json.place, "'for' and 'when' go together");
    if (card.scope.empty() == !json.find("check")) complain(json.place, "a card has either 'check' or 'for' and 'when'");
    for (const JsonMember& member : json.members) {
      const PlacedJson& value = member.value;
      if (member.key == "id") card.id = rule_id(value);
      else if (member.key == "title") card.title = text(value, "title");
      else if (member.key == "level") card.level = static_cast<Level>(one_of(value, "level", {"note", "warning", "error"}));
      else if (member.key == "check") card.check = text(value, "check");
      else if (member.key == "for") continue;
      else if (member.key == "when") condition_of(value, card);
      else if (member.key == "repair") card.repair = repair(value);
      else if (member.key == "at") card.at = word_of(value, "at");
      else if (member.key == "also") each(value, "also", [&](const PlacedJson& item) { card.also.push_back(word_of(item, "also")); });
      else if (member.key == "prediction") card.prediction = prose(value, "prediction");
      else if (member.key == "say") card.say = prose(value, "say");
      else if (member.key == "why") card.why = paragraphs(value, "why");
      else if (member.key == "see") card.see = paragraphs(value, "see");
      else if (member.key == "fix") each(value, "fix", [&](const PlacedJson& item) { card.fix.push_back(step(item)); });
      else each(value, "examples", [&](const PlacedJson& item) { card.examples.push_back(example(item)); });
    }
    if (first_) return base::fail(std::move(*first_));
    return card;
  }

 private:
  void scope_of(const PlacedJson& json, Card& card) {
    card.scope = text(json, "for");
    scope_ = condition::scope(card.scope);
    if (scope_ || first_) return;
    std::vector<std::string_view> known;
    for (const condition::Scope& one : condition::scopes()) known.push_back(one.name);
    complain(json.place, "no scope is called '" + base::printable(card.scope, 60) + "'" + base::did_you_mean(card.scope, known));
  }

  void condition_of(const PlacedJson& json, Card& card) {
    card.when = text(json, "when");
    if (!scope_ || first_) return;
    if (const auto read = condition::read(card.when, *scope_); !read) complain(json.place, "in 'when', " + read.error().doing + ": " + read.error().answer);
  }

  std::string word_of(const PlacedJson& json, std::string_view name) {
    const std::string word = text(json, name);
    if (first_ || !scope_) return word;
    std::vector<std::string_view> known;
    for (const condition::Word& one : scope_->words) known.push_back(one.name);
    if (std::find(known.begin(), known.end(), word) == known.end()) complain(json.place, "no word of " + std::string(scope_->name) + " is called '" + base::printable(word, 60) + "'" + base::did_you_mean(word, known));
    return word;
  }

  Card::Repair repair(const PlacedJson& json) {
    Card::Repair repair;
    if (!object(json, "'repair'", {"key", "to", "unit", "beside", "safe"}, {"to"})) return repair;
    for (const JsonMember& member : json.members) {
      if (member.key == "safe") { if (is(member.value, Shape::boolean, "safe")) repair.safe = member.value.truth; }
      else if (member.key == "beside") repair.beside = word_of(member.value, "beside");
      else if (member.key == "key") repair.key = text(member.value, "key");
      else if (member.key == "to") repair.to = text(member.value, "to");
      else repair.unit = text(member.value, "unit");
    }
    if (!scope_) complain(json.place, "'repair' is for cards with 'for' and 'when'");
    return repair;
  }

  void complain(source::Place place, std::string what, std::string remedy = {}) {
    if (!first_) first_ = source::complaint(file_, place, std::move(what), std::move(remedy));
  }

  bool is(const PlacedJson& json, Shape shape, std::string_view name) {
    if (json.shape == shape) return true;
    complain(json.place, "'" + std::string(name) + "' is " + std::string(source::shape_text(json.shape)), "it must be " + std::string(source::shape_text(shape)));
    return false;
  }

  bool object(const PlacedJson& json, std::string_view name, const Words& keys, const Words& needed) {
    if (!is(json, Shape::object, name)) return false;
    for (const JsonMember& member : json.members) {
      if (std::find(keys.begin(), keys.end(), member.key) != keys.end()) continue;
      std::string known;
      for (const auto key : keys) known += (known.empty() ? "" : " ") + std::string(key);
      complain(member.place, "unknown key '" + base::printable(member.key, 60) + "'" + base::did_you_mean(member.key, keys), "the keys here are: " + known);
    }
    for (const auto key : needed)
      if (!json.find(key)) complain(json.place, "'" + std::string(key) + "' is missing");
    return !first_;
  }

  std::string text(const PlacedJson& json, std::string_view name) {
    if (!is(json, Shape::text, name)) return {};
    if (json.text.empty()) complain(json.place, "'" + std::string(name) + "' is empty");
    return json.text;
  }

  // A text that may hold slots, or a list of its lines.
  std::string prose(const PlacedJson& json, std::string_view name) {
    if (json.shape == Shape::list) {
      std::string whole;
      for (const PlacedJson& item : json.items) whole += (whole.empty() ? "" : " ") + prose(item, name);
      if (json.items.empty()) complain(json.place, "'" + std::string(name) + "' is empty");
      return whole;
    }
    const std::string words = text(json, name);
    if (const auto bad = bad_slot(words, scope_ ? scope_->words : std::span<const condition::Word>{})) complain(json.place, "in '" + std::string(name) + "', character " + std::to_string(bad->at + 1) + ": " + bad->what);
    return words;
  }

  std::vector<std::string> paragraphs(const PlacedJson& json, std::string_view name) {
    std::vector<std::string> all;
    each(json, name, [&](const PlacedJson& item) { all.push_back(prose(item, name)); });
    return all;
  }

  template <class Each> void each(const PlacedJson& json, std::string_view name, Each&& each) {
    if (!is(json, Shape::list, name)) return;
    for (const PlacedJson& item : json.items) each(item);
  }

  std::size_t one_of(const PlacedJson& json, std::string_view name, const Words& words) {
    const std::string word = text(json, name);
    for (std::size_t i = 0; i < words.size(); ++i)
      if (words[i] == word) return i;
    std::string known;
    for (const auto each : words) known += (known.empty() ? "" : ", ") + std::string(each);
    complain(json.place, "'" + std::string(name) + "' is '" + base::printable(word, 60) + "'" + base::did_you_mean(word, words), "it is one of: " + known);
    return 0;
  }

  std::string rule_id(const PlacedJson& json) {
    const std::string id = text(json, "id");
    const std::size_t dot = id.find('.');
    const bool plain = id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos;
    if (!plain || dot == std::string::npos || dot == 0 || dot + 1 == id.size() || id.find('.', dot + 1) != std::string::npos)
      complain(json.place, "'" + base::printable(id, 60) + "' is no rule id", "write area.problem in lower case, words joined by -");
    return id;
  }

  Step step(const PlacedJson& json) {
    Step step;
    if (!object(json, "a step of 'fix'", {"when", "text", "expect", "loses", "edit"}, {"when", "text"})) return step;
    for (const JsonMember& member : json.members) {
      if (member.key == "when") { constexpr std::string_view words[] = {"now", "then", "check"}; step.when = words[one_of(member.value, "when", {"now", "then", "check"})]; }
      else if (member.key == "text") step.text = prose(member.value, "text");
      else if (member.key == "expect") step.expect = prose(member.value, "expect");
      else if (member.key == "loses") step.loses = prose(member.value, "loses");
      else step.edit = prose(member.value, "edit");
    }
    if (step.when == "check" && step.expect.empty()) complain(json.place, "a check step does not say what to expect", "add 'expect'");
    return step;
  }

  Example example(const PlacedJson& json) {
    Example example;
    if (!object(json, "an example", {"given", "pid", "answer", "note"}, {"given", "answer"})) return example;
    for (const JsonMember& member : json.members) {
      if (member.key == "answer") { constexpr Truth truths[] = {Truth::yes, Truth::no, Truth::unknown}; example.answer = truths[one_of(member.value, "answer", {"yes", "no", "unknown"})]; }
      else if (member.key == "note") example.note = text(member.value, "note");
      else if (member.key == "pid") example.pid = whole_number(member.value, "pid");
      else given(member.value, example);
    }
    return example;
  }

  int whole_number(const PlacedJson& json, std::string_view name) {
    if (!is(json, Shape::number, name)) return 0;
    const auto number = base::read_number(json.text);
    if (!number || *number < 1 || *number > (1 << 22)) complain(json.place, "'" + std::string(name) + "' is no process id", "1 to 4194304");
    return number ? static_cast<int>(*number) : 0;
  }

  void given(const PlacedJson& json, Example& example) {
    if (!is(json, Shape::object, "given")) return;
    if (json.members.empty()) complain(json.place, "'given' names no file");
    for (const JsonMember& file : json.members) {
      std::string whole;
      each(file.value, file.key, [&](const PlacedJson& line) {
        if (is(line, Shape::text, "a line of " + file.key)) whole += line.text + "\n";
      });
      example.given.emplace(file.key, std::move(whole));
    }
  }

  const std::string& file_;
  const condition::Scope* scope_ = nullptr;
  std::optional<base::Error> first_;
};

}  // namespace

base::Result<Card> read_card(std::string_view text, const std::string& file) {
  TRY(json, source::read_placed_json(text, file));
  return CardReader(file).card(json);
}

}  // namespace rule
