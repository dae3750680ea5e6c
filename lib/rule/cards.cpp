// The cards as sets: ours, compiled in, and the user's.
#include <algorithm>

#include "base/near.hpp"
#include "rule/card.hpp"
#include "rule/check.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

constexpr int deepest = 4;
constexpr std::size_t most_cards = 1000;

base::Result<> gather(const source::Host& host, const std::string& folder, int depth, std::vector<std::string>& files) {
  TRY(entries, host.list(folder));
  std::sort(entries.begin(), entries.end(), [](const source::Entry& a, const source::Entry& b) { return a.name < b.name; });
  for (const source::Entry& entry : entries) {
    const std::string path = folder + (folder.ends_with('/') ? "" : "/") + entry.name;
    if (entry.kind == source::EntryKind::folder) {
      if (depth == deepest) continue;
      if (auto below = gather(host, path, depth + 1, files); !below) return below;
    } else if (entry.name.ends_with(".json")) {
      if (files.size() == most_cards) return base::fail({base::Kind::refused, "reading cards from " + folder, "more than " + std::to_string(most_cards) + " files", "give a folder that holds only cards", 0});
      files.push_back(path);
    }
  }
  return {};
}

// A card answers through a check; a check knows which rules it can draft.
base::Result<> answerable(const Card& card) {
  if (!card.scope.empty()) return {};  // its condition was read with the card
  if (card.lint()) {
    std::vector<std::string_view> known;
    const std::string_view name = std::string_view(card.check).substr(5);
    for (const Lint* one : lints()) {
      known.push_back(one->name);
      if (one->name == name && std::find(one->rules.begin(), one->rules.end(), card.id) != one->rules.end()) return {};
    }
    return base::fail({base::Kind::malformed, card.file, "no lint check '" + std::string(name) + "' concludes '" + card.id + "'" + base::did_you_mean(name, known), "docs/add-a-check.md", 0});
  }
  std::vector<std::string_view> names;
  for (const Check* check : checks()) {
    names.push_back(check->name);
    if (check->name != card.check) continue;
    if (std::find(check->rules.begin(), check->rules.end(), card.id) != check->rules.end()) return {};
    return base::fail({base::Kind::malformed, card.file, "check '" + card.check + "' never concludes '" + card.id + "'" + base::did_you_mean(card.id, check->rules), "docs/add-a-check.md", 0});
  }
  return base::fail({base::Kind::malformed, card.file, "no check is called '" + card.check + "'" + base::did_you_mean(card.check, names), "docs/add-a-check.md", 0});
}

}  // namespace

const std::map<std::string, Card>& built_in_cards() {
  static const std::map<std::string, Card> cards = [] {
    std::map<std::string, Card> all;
    for (const CardText& text : built_in_texts())
      if (auto card = read_card(text.text, std::string(text.file))) all.emplace(card->id, std::move(*card));
    return all;
  }();
  return cards;
}

namespace {

// rules/<area>/<problem>.json holds <area>.<problem>, and its examples come last (tests hold both).
std::string id_of(std::string_view file) {
  file.remove_prefix(std::min(file.find('/') + 1, file.size()));
  std::string id(file.substr(0, file.rfind('.')));
  std::replace(id.begin(), id.end(), '/', '.');
  return id;
}

const CardText* text_of(std::string_view id) {
  constexpr std::size_t around = std::string_view("rules/").size() + std::string_view(".json").size();
  for (const CardText& text : built_in_texts()) {
    if (text.file.size() != id.size() + around) continue;
    const std::string_view own = text.file.substr(6, id.size());
    const auto dot = id.find('.');
    if (dot != std::string_view::npos && own.substr(dot + 1) == id.substr(dot + 1) && own.substr(0, dot) == id.substr(0, dot) && own[dot] == '/') return &text;
  }
  return nullptr;
}

std::optional<Card> without_examples(const CardText& text) {
  const std::size_t at = text.text.rfind(",\n  \"examples\": [");
  if (at == std::string_view::npos) return std::nullopt;
  auto card = read_card(std::string(text.text.substr(0, at)) + ",\n  \"examples\": []\n}", std::string(text.file));
  return card ? std::optional(std::move(*card)) : std::nullopt;
}

}  // namespace

Cards Cards::before_ours(std::map<std::string, Card> given) {
  Cards cards(std::move(given));
  cards.ours_ = true;
  return cards;
}

const Card* Cards::find(const std::string& id) const {
  if (const auto known = given_.find(id); known != given_.end()) return &known->second;
  const CardText* text = ours_ && !all_ ? text_of(id) : nullptr;
  if (!text) return nullptr;
  auto card = without_examples(*text);
  return card ? &given_.emplace(id, std::move(*card)).first->second : nullptr;
}

bool Cards::has(const std::string& id) const { return given_.contains(id) || (ours_ && text_of(id)); }

std::vector<const Card*> Cards::about(std::string_view scope) const {
  std::vector<const Card*> found;
  for (const auto& [id, card] : given_)
    if (card.scope == scope) found.push_back(&card);
  const std::string mark = "\n  \"for\": \"" + std::string(scope) + "\"";
  if (ours_ && !all_)
    for (const CardText& text : built_in_texts()) {
      // The keys stand in front of the prose.
      if (text.text.substr(0, 400).find(mark) == std::string_view::npos) continue;
      const std::string id = id_of(text.file);
      if (given_.contains(id)) continue;
      if (const Card* card = find(id); card && card->scope == scope) found.push_back(card);
    }
  std::ranges::sort(found, {}, &Card::id);
  return found;
}

const std::map<std::string, Card>& Cards::all() const {
  if (ours_ && !all_)
    for (const CardText& text : built_in_texts()) find(id_of(text.file));
  all_ = true;
  return given_;
}

base::Result<Cards> cards_with(const source::Host& host, const std::string& folder) {
  std::map<std::string, Card> all;
  std::map<std::string, std::string> theirs;  // id -> file
  std::vector<std::string> files;
  if (auto gathered = gather(host, folder, 0, files); !gathered) return base::fail(std::move(gathered.error()));
  if (files.empty()) return base::fail({base::Kind::missing, "reading cards from " + folder, "no *.json file there", "docs/add-a-rule.md shows a card", 0});
  for (const std::string& file : files) {
    TRY(text, host.read(file, 1 << 20));
    TRY(card, read_card(text, file));
    if (auto can = answerable(card); !can) return base::fail(std::move(can.error()));
    if (const auto [known, fresh] = theirs.emplace(card.id, file); !fresh)
      return base::fail({base::Kind::malformed, file, "'" + card.id + "' is also the id of " + known->second, "give one of them another id", 0});
    all.insert_or_assign(card.id, std::move(card));
  }
  return Cards::before_ours(std::move(all));
}

}  // namespace rule
