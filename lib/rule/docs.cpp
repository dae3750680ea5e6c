#include "rule/docs.hpp"

#include <algorithm>

#include "base/near.hpp"
#include "base/text.hpp"
#include "evidence/vocabulary.hpp"

namespace rule {

namespace {

// A reader of the page has no case before them: a slot shows the text that stands for a missing value, or its name.
std::string unfilled(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open + 1);
    if (base::starts_with(text, "{")) { out += '{'; text.remove_prefix(1); continue; }
    const std::size_t close = std::min(text.find('}'), text.size());
    const std::string_view inside = text.substr(0, close);
    const std::size_t bar = inside.find('|');
    if (bar == std::string_view::npos) out += "<" + std::string(inside) + ">";
    else out += inside.substr(bar + 1);
    text.remove_prefix(std::min(close + 1, text.size()));
  }
  while (out.find("  ") != std::string::npos) out.erase(out.find("  "), 1);
  return out;
}

std::string area_of(std::string_view id) { return std::string(id.substr(0, id.find('.'))); }

std::string example_counts(const Card& card) {
  std::size_t counts[3] = {};
  for (const Example& example : card.examples) ++counts[static_cast<std::size_t>(example.answer)];
  return base::counted(counts[1], "case") + " where it is so, " + std::to_string(counts[0]) + " where it is not, " + std::to_string(counts[2]) + " where nobody can tell";
}

class Page {
 public:
  explicit Page(std::size_t width) : width_(std::max<std::size_t>(width, 40)) {}
  void text(std::string_view lead, std::string_view words) {
    const std::string hang(lead.size(), ' ');
    bool first = true;
    for (const std::string& line : base::wrap(base::printable(words), width_ - lead.size())) {
      out_ += first ? std::string(lead) : hang;
      out_ += line + "\n";
      first = false;
    }
  }
  void section(std::string_view name) { out_ += "\n" + std::string(name) + "\n"; }
  std::string done() { return std::move(out_); }

 private:
  std::size_t width_;
  std::string out_;
};

// Markdown: what stands in a table cell or after a bullet; the prose is ours, but a user's card may hold anything.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : base::printable(text)) {
    if (c == '|' || c == '<' || c == '*' || c == '_') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string page(const Card& card, std::size_t width) {
  Page page(width);
  page.text("", card.id + " (" + std::string(level_text(card.level)) + ")");
  page.text("", card.title);
  page.section("IT SAYS");
  page.text("  ", unfilled(card.say));
  page.section("WHY");
  for (const std::string& paragraph : card.why) page.text("  - ", unfilled(paragraph));
  page.section("FIX");
  for (const Step& step : card.fix) {
    std::string lead = "  " + step.when;
    lead.resize(9, ' ');
    page.text(lead, unfilled(step.text));
    if (!step.edit.empty()) page.text("           ", unfilled(step.edit));
    if (!step.expect.empty()) page.text("           ", "expect: " + unfilled(step.expect));
    if (!step.loses.empty()) page.text("           ", "loses: " + unfilled(step.loses));
  }
  if (!card.see.empty()) {
    page.section("SEE");
    for (const std::string& see : card.see) page.text("  - ", unfilled(see));
  }
  page.section("PROVED BY");
  page.text("  ", example_counts(card) + ": " + card.file);
  return page.done();
}

std::string page_list(const std::map<std::string, Card>& cards, std::size_t width) {
  std::size_t longest = 0;
  for (const auto& [id, card] : cards) longest = std::max(longest, id.size());
  longest = std::min(longest, std::max<std::size_t>(width, 40) / 2);
  Page page(width);
  for (const auto& [id, card] : cards) {
    std::string lead = id;
    lead.resize(std::max(longest, id.size()) + 2, ' ');
    std::string level(level_text(card.level));
    level.resize(9, ' ');
    page.text(lead + level, card.title);
  }
  return page.done();
}

base::Result<std::string> explained(const std::map<std::string, Card>& cards, std::string_view rule, std::size_t width) {
  if (rule.empty()) return page_list(cards, width);
  if (const auto card = cards.find(std::string(rule)); card != cards.end()) return page(card->second, width);
  std::map<std::string, Card> area;
  const std::string_view wanted = rule.ends_with('.') ? rule.substr(0, rule.size() - 1) : rule;
  for (const auto& [id, card] : cards)
    if (area_of(id) == wanted) area.emplace(id, card);
  if (!area.empty()) return page_list(area, width);
  std::vector<std::string_view> known, problems;
  for (const auto& [id, card] : cards) known.push_back(id);
  std::string meant = base::did_you_mean(rule, known);
  if (meant.empty()) {  // the problem without its area: "oom-cgroup"
    for (const auto& [id, card] : cards) problems.push_back(std::string_view(card.id).substr(area_of(id).size() + 1));
    const std::string_view problem = base::nearest(rule.substr(rule.find('.') == std::string_view::npos ? 0 : rule.find('.') + 1), problems);
    for (const auto& [id, card] : cards)
      if (!problem.empty() && id.ends_with("." + std::string(problem))) { meant = "; did you mean '" + id + "'?"; break; }
  }
  return base::fail({base::Kind::usage, "explaining '" + base::printable(rule, 60) + "'", "no rule has this id" + meant, "triage explain lists them all", 0});
}

std::string rules_markdown(const std::map<std::string, Card>& cards) {
  std::string out =
      "# Rules\n\n"
      "<!-- Made by `./dev docs` from the cards in rules/. Do not edit; a test compares. -->\n\n"
      "What `triage` itself concludes. The same pages are printed by `triage explain RULE`. A finding says how sure it is: *certain* with a direct\n"
      "witness, *likely* by elimination or one indirect witness, else *unknown*.\n\n"
      "One finding stands for each process death, under its own id. Repeats (the same rule and the same circumstances) are a group: in JSON every\n"
      "one of them is listed, `group` names the finding that stands for all, and that one carries `count`, `last` and `members`; text shows only\n"
      "that one. `caused_by` names the finding that a consequence follows from.\n\n";
  std::string area;
  for (const auto& [id, card] : cards) {
    if (area_of(id) != area) {
      area = area_of(id);
      out += "## " + area + "\n\n| rule | level | title |\n|---|---|---|\n";
      for (const auto& [other, its] : cards)
        if (area_of(other) == area) out += "| [" + other + "](#" + area + other.substr(area.size() + 1) + ") | " + std::string(level_text(its.level)) + " | " + cell(its.title) + " |\n";
      out += "\n";
    }
    // GitHub's anchor of a heading drops the dot; so do the links above.
    out += "### " + id + "\n\n**" + cell(card.title) + "** (" + std::string(level_text(card.level)) + ")\n\n> " + cell(unfilled(card.say)) + "\n\n";
    for (const std::string& paragraph : card.why) out += "- " + cell(unfilled(paragraph)) + "\n";
    out += "\n| step | do | expect or lose |\n|---|---|---|\n";
    for (const Step& step : card.fix)
      out += "| " + step.when + " | " + cell(unfilled(step.text)) + (step.edit.empty() ? "" : " `" + base::printable(step.edit) + "`") + " | " +
             (step.expect.empty() ? "" : "expect: " + cell(unfilled(step.expect))) + (step.loses.empty() ? "" : "loses: " + cell(unfilled(step.loses))) + " |\n";
    if (!card.see.empty()) {
      out += "\nSee:";
      for (std::size_t i = 0; i < card.see.size(); ++i) out += (i ? "; " : " ") + cell(unfilled(card.see[i]));
      out += ".\n";
    }
    out += "\nExamples: " + example_counts(card) + " (`" + card.file + "`).\n\n";
  }
  out += "## Slots\n\nThe names that a card may write between braces; a check fills those it knows (docs/add-a-rule.md).\n\n| slot | holds |\n|---|---|\n";
  for (const Slot& slot : slots()) out += "| `" + std::string(slot.name) + "` | " + cell(slot.means) + " |\n";
  return out;
}

std::string vocabulary_markdown() {
  std::string out =
      "# Vocabulary\n\n"
      "<!-- Made by `./dev docs` from lib/evidence/vocabulary.cpp. Do not edit; a test compares. -->\n\n"
      "The words of evidence: what `--show evidence` prints, one JSON object a line, and `--from` takes back. Values are SI units (seconds, bytes).\n"
      "Every line also has `id`, `source`, `offset`, and where known `pid` (with `space: \"host\"` for a pid of the initial namespace), `unit`,\n"
      "`by_pid` (who wrote the line), `server`, `when` with its clock, `line`, `column` and `text`, the line as it stood. A word's own fields are\n"
      "written with `f.` before their name.\n\n| word | means | fields |\n|---|---|---|\n";
  for (const evidence::Word& word : evidence::vocabulary()) {
    out += "| `" + std::string(word.word) + "` | " + cell(word.means) + " |";
    for (const std::string_view field : word.fields) out += " `" + std::string(field) + "`";
    out += " |\n";
  }
  return out;
}

}  // namespace rule
