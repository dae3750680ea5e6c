#include "rule/lint.hpp"

#include <algorithm>
#include <deque>
#include <tuple>

#include "base/text.hpp"
#include "rule/repair.hpp"
#include "rule/suppression.hpp"

namespace rule {

namespace {

using model::Choice;
using model::Choices;
using model::Deployment;

constexpr std::size_t most_combinations = 256;

struct Asked { std::string_view word; const Choices* choices = nullptr; };

std::string shown(const model::Value& value) {
  if (!value.text.empty()) return value.text;
  return value.known() ? "" : "a value that these files do not fix";
}

// An instance whose words are computed once, however many cards ask for them.
struct Known {
  const Instance& is;
  const model::Spot& at = is.at;
  std::deque<std::pair<std::string_view, Choices>> words = {};  // their places stay

  const Choices& of(std::string_view word) {
    for (const auto& [name, choices] : words)
      if (name == word) return choices;
    return words.emplace_back(word, is.of(word)).second;
  }
};

// One instance and one card: the combinations of its words' choices that answer yes, else unknown where one might.
void judge_instance(const Deployment& all, const Card& card, const condition::Condition& when, Known& instance, bool want_open, std::vector<Draft>& drafts) {
  std::vector<Asked> asked;
  asked.reserve(when.words.size());
  std::size_t combinations = 1;
  Choices none;
  for (const std::string& word : when.words) {
    const Choices& choices = instance.of(word);
    if (choices.empty() && none.empty()) none.push_back({model::unknown_value(), "", instance.at, model::From::unknown});
    asked.push_back({word, choices.empty() ? &none : &choices});
    combinations *= asked.back().choices->size();
  }
  if (combinations > most_combinations) return;
  std::vector<std::size_t> pick(asked.size(), 0);
  bool open = false;
  std::string open_word;
  for (std::size_t round = 0; round < combinations; ++round) {
    std::size_t rest = round;
    for (std::size_t i = 0; i < asked.size(); ++i) { pick[i] = rest % asked[i].choices->size(); rest /= asked[i].choices->size(); }
    const auto choice_of = [&](std::string_view word) -> const Choice* {
      for (std::size_t i = 0; i < asked.size(); ++i)
        if (asked[i].word == word) return &(*asked[i].choices)[pick[i]];
      return nullptr;
    };
    std::string under;
    bool impossible = false;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const std::string& one = (*asked[i].choices)[pick[i]].when;
      for (std::size_t k = 0; k < i; ++k) impossible = impossible || model::contradict(one, (*asked[k].choices)[pick[k]].when);
      if (!one.empty() && !base::contains(under, one)) under += (under.empty() ? "" : " and ") + one;
    }
    if (impossible) continue;
    const Truth truth = condition::answer(when, choice_of);
    if (truth == Truth::no) continue;
    if (truth == Truth::unknown) {
      open = true;
      for (std::size_t i = 0; i < asked.size(); ++i) if (!(*asked[i].choices)[pick[i]].value.known() && open_word.empty()) open_word = asked[i].word;
      continue;
    }
    std::map<std::string, std::string> values{{"name", instance.is.name}, {"under", under.empty() ? "" : " when " + under}, {"guess", instance.is.guess}};
    for (const Asked& one : asked) values[std::string(one.word)] = shown(choice_of(one.word)->value);
    // Words that only the prose names.
    for (const condition::Word& word : condition::scope(card.scope)->words) {
      const std::string slot = "{" + std::string(word.name);
      if (values.contains(std::string(word.name)) || (!base::contains(card.say, slot) && !base::contains(card.prediction, slot))) continue;
      const Choices& choices = instance.of(word.name);
      if (!choices.empty()) values[std::string(word.name)] = shown(choices.front().value);
    }
    const auto spot_of = [&](const std::string& word) {
      if (const Choice* choice = choice_of(word)) return choice->at;
      const Choices& choices = instance.of(word);
      return choices.empty() ? model::Spot{} : choices.front().at;
    };
    model::Spot at = card.at.empty() ? model::Spot{} : spot_of(card.at);
    if (!at.known()) at = instance.at;
    if (!card.at.empty()) values["value"] = values[card.at];
    Draft draft = lint_draft(all, card.id, at, values);
    for (const std::string& word : card.also)
      if (const model::Spot spot = spot_of(word); spot.known()) also(all, draft, spot);
    draft.prediction = fill(card.prediction, values);
    if (card.repair && !card.at.empty()) {
      const Held held = [&](std::string_view word) -> const Choice* {
        if (const Choice* choice = choice_of(word)) return choice;
        if (std::ranges::none_of(condition::scope(card.scope)->words, [&](const condition::Word& known) { return known.name == word; })) return nullptr;
        const Choices& other = instance.of(word);
        return other.size() == 1 ? &other.front() : nullptr;
      };
      if (const Choice* choice = choice_of(card.at))
        if (auto edit = repaired(all, *card.repair, *choice, instance.at, held)) draft.edits.push_back(std::move(*edit));
    }
    drafts.push_back(std::move(draft));
    return;  // one finding an instance: the first branch that is wrong names its condition
  }
  if (open && want_open) drafts.push_back(lint_unknown(all, card.id, instance.at, open_word.empty() ? "a value that depends" : open_word));
}

}  // namespace

Draft lint_draft(const Deployment& all, std::string rule, const model::Spot& at, std::map<std::string, std::string> values) {
  Draft draft;
  draft.rule = std::move(rule);
  draft.sure = Confidence::certain;
  draft.sure_because = "the file says so";
  draft.subject.role = "config";
  draft.subject.where = place_text(all, at);
  values.emplace("where", draft.subject.where);
  if (at.file < all.files.size()) values.emplace("file", all.files[at.file].shown);
  draft.values = std::move(values);
  return draft;
}

Draft lint_unknown(const Deployment& all, std::string rule, const model::Spot& at, std::string missing) {
  Draft draft = lint_draft(all, std::move(rule), at);
  draft.truth = Truth::unknown;
  draft.sure = Confidence::unknown;
  draft.missing.push_back(std::move(missing));
  return draft;
}

void also(const Deployment& all, Draft& draft, const model::Spot& at) {
  const std::string place = place_text(all, at);
  if (!place.empty() && place != draft.subject.where && std::find(draft.subject.also.begin(), draft.subject.also.end(), place) == draft.subject.also.end()) draft.subject.also.push_back(place);
}

void edit(const Deployment& all, Draft& draft, std::uint32_t file, std::size_t at, std::size_t end, std::string text, bool safe) {
  if (file < all.files.size()) draft.edits.push_back({all.files[file].path, at, end, std::move(text), safe});
}

LintResult lint(const Deployment& all, const Cards& cards, bool want_open) {
  std::vector<Draft> drafts;
  for (const condition::Scope& scope : condition::scopes()) {
    const auto found = instances(all, scope.name);
    if (found.empty()) continue;
    std::vector<std::pair<const Card*, condition::Condition>> asked;
    for (const Card* card : cards.about(scope.name))
      if (auto when = condition::read(card->when, scope)) asked.emplace_back(card, std::move(*when));
    if (want_open) drafts.reserve(drafts.size() + found.size());
    for (const Instance& instance : found) {
      Known known{instance};
      for (const auto& [card, when] : asked) judge_instance(all, *card, when, known, want_open, drafts);
    }
  }
  for (const Lint* one : lints())
    if (one->rules.empty() || std::ranges::any_of(one->rules, [&](std::string_view rule) { return cards.has(std::string(rule)); })) one->look(all, drafts);
  if (!want_open) std::erase_if(drafts, [](const Draft& draft) { return draft.truth == Truth::unknown; });
  // The same rule at the same place is one finding: an include that is read twice, a server that two services share.
  std::set<std::tuple<std::string, std::string, Truth>> seen;
  std::erase_if(drafts, [&](const Draft& draft) { return !seen.insert({draft.rule, draft.subject.where, draft.truth}).second; });
  suppress(all, drafts);
  // A check that answers for several rules may say more than was asked.
  std::erase_if(drafts, [&](const Draft& draft) { return !cards.has(draft.rule); });
  LintResult result;
  std::vector<Draft> sure, open;
  for (Draft& draft : drafts) (draft.truth == Truth::yes ? sure : open).push_back(std::move(draft));
  // By file and line, as a reader goes through them.
  const auto file_order = [&](const Draft& draft) {
    const auto colon = draft.subject.where.rfind(':', draft.subject.where.rfind(':') - 1);
    const std::string path = draft.subject.where.substr(0, colon);
    const auto line = base::read_number(draft.subject.where.substr(std::min(colon + 1, draft.subject.where.size()), draft.subject.where.rfind(':') - colon - 1));
    return std::tuple(path, line.value_or(0), draft.rule);
  };
  std::stable_sort(sure.begin(), sure.end(), [&](const Draft& a, const Draft& b) { return file_order(a) < file_order(b); });
  result.findings = findings_of(std::move(sure), cards);
  result.open = findings_of(std::move(open), cards);
  return result;
}

}  // namespace rule
