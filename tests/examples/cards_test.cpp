// Every card's examples through the whole walk: texts -> facts -> stack -> findings. Yes: the rule is concluded, and sure. No: it is not
// concluded. Unknown: it is not concluded, and the walk says so: a finding of the rule's own area (sure of less, or unsure), or death.unknown or
// master.gone, that lists what would have told. death.unknown is itself the word for not knowing: its yes is a finding of it.
#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "evidence/vocabulary.hpp"
#include "model/build.hpp"
#include "model/deployment.hpp"
#include "parse/read.hpp"
#include "rule/judge.hpp"
#include "rule/lint.hpp"
#include "source/recorded_host.hpp"
#include "support/catch.hpp"

namespace {

// Facts that only a living machine shows are given as evidence itself, in one file.
constexpr const char* as_evidence = "evidence.ndjson";

rule::Findings walk(const rule::Example& example, evidence::Evidence& evidence) {
  if (const auto given = example.given.find(as_evidence); given != example.given.end()) {
    REQUIRE(example.given.size() == 1);
    auto read = evidence::read_ndjson(given->second);
    INFO((read ? "" : base::sentence(read.error())));
    REQUIRE(read);
    evidence = std::move(*read);
    return rule::judge(model::build(evidence), evidence, rule::built_in_cards());
  }
  std::map<std::string, std::string> files;
  std::vector<std::string> paths;
  for (const auto& [name, text] : example.given) {
    files.emplace("/given/" + name, text);
    paths.push_back("/given/" + name);
  }
  parse::read(source::TextHost(std::move(files)), paths, {}, evidence);
  return rule::judge(model::build(evidence), evidence, rule::built_in_cards());
}

// The linter's cards: the texts are configuration files in one folder.
struct Linted { rule::LintResult result; bool template_seen = false; };
Linted linted(const rule::Example& example) {
  std::map<std::string, std::string> texts;
  std::vector<model::File> files;
  Linted out;
  for (const auto& [name, text] : example.given) {
    texts.emplace("/given/" + name, text);
    model::File file = model::file_of("/given/" + name, name, text);
    out.template_seen = out.template_seen || !file.template_language.empty();
    if (file.document.dialect != parse::settings::Dialect::none) files.push_back(std::move(file));
  }
  const source::TextHost host(std::move(texts));
  const auto locate = [](const std::string& path) { return base::starts_with(path, "/given/") ? path : std::string(); };
  out.result = rule::lint(model::deployment_of(std::move(files), host, locate, {}), rule::built_in_cards());
  return out;
}

// Unknown is said as such, or nothing was read because it is a template.
bool lint_answered(const rule::Card& card, const rule::Example& example, const Linted& linted) {
  const auto of_rule = [&](const rule::Finding& finding) { return finding.rule == card.id; };
  const bool yes = std::ranges::any_of(linted.result.findings, of_rule), open = std::ranges::any_of(linted.result.open, of_rule);
  switch (example.answer) {
    case rule::Truth::yes: return yes;
    case rule::Truth::no: return !yes && !open;
    case rule::Truth::unknown: return !yes && (open || linted.template_seen);
  }
  return false;
}

bool about(const rule::Finding& finding, int pid) { return pid == 0 || finding.subject.pid == pid || finding.subject.host_pid == pid; }
bool sure(const rule::Finding& finding) { return finding.truth == rule::Truth::yes && finding.sure != rule::Confidence::unknown; }
// The way from the proxy to a free worker is one area, whatever its findings are called.
std::string area_of(const std::string& id) {
  const std::string area = id.substr(0, id.find('.') + 1);
  return area == "socket." || id == "worker.saturated" ? "proxy." : area;
}

bool answered(const rule::Card& card, const rule::Example& example, const rule::Findings& findings) {
  const auto any = [&](auto&& wanted) { return std::any_of(findings.begin(), findings.end(), [&](const rule::Finding& finding) { return about(finding, example.pid) && wanted(finding); }); };
  const bool is_sure = any([&](const rule::Finding& finding) { return finding.rule == card.id && sure(finding); });
  const bool is_unsure = any([&](const rule::Finding& finding) { return finding.rule == card.id && !sure(finding); });
  const bool doubt = any([&](const rule::Finding& finding) { return !finding.missing.empty() && (finding.rule == "death.unknown" || finding.rule == "master.gone" || area_of(finding.rule) == area_of(card.id)); });
  if (card.id == "death.unknown") return (is_sure || is_unsure) == (example.answer != rule::Truth::no);
  switch (example.answer) {
    case rule::Truth::yes: return is_sure;
    case rule::Truth::no: return !is_sure;
    case rule::Truth::unknown: return !is_sure && doubt;
  }
  return false;
}

std::string told(const rule::Findings& findings, const evidence::Evidence& evidence) {
  std::string text;
  for (const auto& finding : findings)
    text += "  " + finding.rule + " pid " + std::to_string(finding.subject.pid) + " " + std::string(rule::truth_text(finding.truth)) + "/" + std::string(rule::confidence_text(finding.sure)) + ": " + finding.message + "\n";
  for (const auto& gap : evidence.gaps) text += "  gap: " + gap.wanted + ": " + gap.reason + "\n";
  return text.empty() ? "  nothing\n" : text;
}

}  // namespace

TEST_CASE("every card's examples get their answer") {
  for (const auto& [id, card] : rule::built_in_cards()) {
    for (std::size_t i = 0; i < card.examples.size(); ++i) {
      const rule::Example& example = card.examples[i];
      if (card.lint()) {
        const Linted found = linted(example);
        INFO(card.file << ", example " << i + 1 << " wants " << rule::truth_text(example.answer) << ", found:\n" << told(found.result.findings, {}) << "open:\n" << told(found.result.open, {}));
        CHECK(lint_answered(card, example, found));
        continue;
      }
      evidence::Evidence evidence;
      const rule::Findings findings = walk(example, evidence);
      INFO(card.file << ", example " << i + 1 << " (" << example.note << ") wants " << rule::truth_text(example.answer) << (example.pid ? " for pid " + std::to_string(example.pid) : "") << ", found:\n" << told(findings, evidence));
      CHECK(answered(card, example, findings));
    }
  }
}

TEST_CASE("every card that is compiled in can be read") {
  for (const auto& text : rule::built_in_texts()) {
    const auto card = rule::read_card(text.text, std::string(text.file));
    INFO((card ? "" : base::sentence(card.error())));
    CHECK(card);
  }
}

TEST_CASE("every card has an example for yes, no and unknown") {
  for (const auto& [id, card] : rule::built_in_cards()) {
    std::set<rule::Truth> answers;
    for (const auto& example : card.examples) answers.insert(example.answer);
    INFO(card.file);
    CHECK(answers.size() == 3);
  }
}

TEST_CASE("cards and checks name each other") {
  std::map<std::string, std::set<std::string>> drafted;  // rule -> its checks; a rule may have several, and its card names one of them
  for (const auto* check : rule::checks())
    for (const auto rule : check->rules) {
      INFO(check->name << " drafts " << rule);
      drafted[std::string(rule)].insert(std::string(check->name));
      CHECK(rule::built_in_cards().contains(std::string(rule)));
    }
  for (const auto* lint : rule::lints())
    for (const auto rule : lint->rules) {
      INFO(lint->name << " drafts " << rule);
      REQUIRE(rule::built_in_cards().contains(std::string(rule)));
      drafted[std::string(rule)].insert("lint:" + std::string(lint->name));
    }
  for (const auto& [id, card] : rule::built_in_cards()) {
    if (!card.scope.empty()) continue;  // a condition answers
    INFO(card.file << " names check '" << card.check << "'");
    CHECK(drafted[id].contains(card.check));
  }
}

TEST_CASE("a card sends nobody to a page or a command that does not exist") {
  const std::set<std::string> commands{"watch", "stacks", "bundle", "doctor", "explain"};  // those that triage has; the others of the contract come later
  const std::string letters = "abcdefghijklmnopqrstuvwxyz.-";
  for (const auto& [id, card] : rule::built_in_cards()) {
    std::vector<std::string> texts = card.see;
    texts.insert(texts.end(), card.why.begin(), card.why.end());
    for (const auto& step : card.fix) texts.push_back(step.text);
    for (const auto& text : texts) {
      INFO(card.file << ": " << text);
      CHECK_FALSE(base::contains(text, "triage-"));
      for (std::size_t at = 0; (at = text.find("triage ", at)) != std::string::npos; ++at) {
        const std::string rest = text.substr(at + 7);
        const std::string word = rest.substr(0, rest.find_first_not_of(letters));
        if (word == "explain") {
          const std::string named = rest.size() > 8 ? rest.substr(8, rest.find_first_not_of(letters, 8) - 8) : "";
          CHECK(rule::built_in_cards().contains(named));
        }
        for (const char* later : {"lint", "timeouts", "repro", "server", "show"}) CHECK(word != later);
        // At the start of a step it is a command line, not a sentence about triage.
        if (at == 0) CHECK((word.starts_with("-") || commands.contains(word)));
      }
    }
  }
}
