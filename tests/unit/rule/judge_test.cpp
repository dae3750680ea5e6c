#include "rule/judge.hpp"

#include "support/catch.hpp"

namespace {

rule::Draft draft(const std::string& id, int pid, std::int64_t second, rule::Confidence sure = rule::Confidence::certain) {
  rule::Draft draft;
  draft.rule = id;
  draft.truth = sure == rule::Confidence::unknown ? rule::Truth::unknown : rule::Truth::yes;
  draft.sure = sure;
  draft.subject.pid = pid;
  draft.subject.server = "gunicorn";
  draft.when = base::Instant{base::Clock::wall, second * base::second_ns, 0};
  draft.values = {{"pid", std::to_string(pid)}};
  return draft;
}

rule::Card card(const std::string& id, rule::Level level) {
  rule::Card card;
  card.id = id;
  card.level = level;
  card.say = id + " of {pid}";
  card.fix = {{"check", "look again", "exit 0", "", ""}, {"now", "restart {pid}", "", "requests", ""}, {"now", "collect", "", "nothing", ""}};
  return card;
}

const std::map<std::string, rule::Card> cards{{"death.oom", card("death.oom", rule::Level::error)},
                                              {"worker.busy", card("worker.busy", rule::Level::error)},
                                              {"log.gone", card("log.gone", rule::Level::warning)},
                                              {"app.failed", card("app.failed", rule::Level::note)}};

std::string told(const rule::Findings& findings) {
  std::string text;
  for (const auto& one : findings)
    text += one.id + " " + one.message + (one.group.empty() ? "" : " group=" + one.group) + (one.caused_by.empty() ? "" : " by=" + one.caused_by) + " x" + std::to_string(one.count) + "\n";
  return text;
}

}  // namespace

TEST_CASE("the worst comes first, consequences after the roots") {
  auto busy = draft("worker.busy", 0, 5);
  busy.caused_by_rule = "death.oom";
  const auto findings = rule::findings_of({draft("app.failed", 3, 1), busy, draft("log.gone", 4, 2), draft("death.oom", 7, 9, rule::Confidence::likely), draft("death.oom", 8, 10)}, cards);
  CHECK(told(findings) ==
        "f1 death.oom of 8 x1\n"
        "f2 death.oom of 7 x1\n"
        "f3 log.gone of 4 x1\n"
        "f4 app.failed of 3 x1\n"
        "f5 worker.busy of 0 by=f2 x1\n");
}

TEST_CASE("repeats are one group; every one keeps its own finding") {
  std::vector<rule::Draft> drafts{draft("death.oom", 9, 30), draft("death.oom", 7, 10), draft("log.gone", 1, 5), draft("death.oom", 8, 20), draft("death.oom", 6, 1, rule::Confidence::unknown)};
  for (auto& one : drafts)
    if (one.rule == "death.oom") one.group = "oom";
  const auto findings = rule::findings_of(drafts, cards);
  CHECK(told(findings) ==
        "f1 death.oom of 7 group=f1 x3\n"
        "f2 death.oom of 6 x1\n"
        "f3 log.gone of 1 x1\n"
        "f4 death.oom of 8 group=f1 x1\n"
        "f5 death.oom of 9 group=f1 x1\n");
  REQUIRE(findings[0].members.size() == 3);
  CHECK(findings[0].members[2].pid == 9);
  CHECK(findings[0].members[2].id == "f5");
  CHECK(findings[0].last->at == 30 * base::second_ns);
  const auto shown = rule::grouped(findings);
  REQUIRE(shown.size() == 3);
  CHECK(shown[0]->id == "f1");
  CHECK(shown[1]->id == "f2");
  CHECK(shown[2]->id == "f3");
}

TEST_CASE("a consequence points to the last root before it") {
  auto busy = draft("worker.busy", 0, 15);
  busy.caused_by_rule = "death.";
  CHECK(told(rule::findings_of({draft("death.oom", 1, 10), draft("death.oom", 2, 20), busy}, cards)) == "f1 death.oom of 1 x1\nf2 death.oom of 2 x1\nf3 worker.busy of 0 by=f1 x1\n");
  busy.when->at = 5 * base::second_ns;  // whole seconds may show the consequence first
  CHECK(told(rule::findings_of({draft("death.oom", 1, 10), draft("death.oom", 2, 20), busy}, cards)) == "f1 death.oom of 1 x1\nf2 death.oom of 2 x1\nf3 worker.busy of 0 by=f1 x1\n");
  busy.subject.server = "uwsgi";  // another server's
  CHECK(told(rule::findings_of({draft("death.oom", 1, 10), busy}, cards)) == "f1 worker.busy of 0 x1\nf2 death.oom of 1 x1\n");
}

TEST_CASE("roots that point at each other stay roots") {
  auto one = draft("death.oom", 1, 1), two = draft("worker.busy", 2, 2);
  one.caused_by_rule = "worker.busy";
  two.caused_by_rule = "death.oom";
  const auto findings = rule::findings_of({one, two}, cards);
  CHECK(told(findings) == "f1 death.oom of 1 x1\nf2 worker.busy of 2 by=f1 x1\n");
}

TEST_CASE("steps: what loses nothing comes first, those of the case before the card's") {
  auto one = draft("death.oom", 12, 1);
  one.first = {{"now", "start fewer workers", "", "capacity", ""}};
  const auto findings = rule::findings_of({one}, cards);
  std::string steps;
  for (const auto& step : findings[0].fix) steps += step.when + ": " + step.text + "\n";
  CHECK(steps == "now: collect\nnow: start fewer workers\nnow: restart 12\ncheck: look again\n");
}

TEST_CASE("a draft without a card is kept, and counted as our fault") {
  std::vector<evidence::Gap> gaps;
  const auto findings = rule::findings_of({draft("no.card", 5, 1)}, cards, &gaps);
  CHECK(told(findings) == "f1 no.card (this rule has no card, so there are no words for it) x1\n");
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].wanted == "the words of rule no.card");
}

TEST_CASE("drafts that say no are no findings") {
  auto one = draft("death.oom", 5, 1);
  one.truth = rule::Truth::no;
  CHECK(rule::findings_of({one}, cards).empty());
}

TEST_CASE("the verdict") {
  evidence::Evidence nothing, something;
  something.add_source({});
  evidence::Fact booted;
  booted.what = evidence::WorkerBooted{};
  something.add(booted);
  const auto verdict = [&](std::vector<rule::Draft> drafts, const evidence::Evidence& evidence) { return rule::verdict_of(rule::findings_of(std::move(drafts), cards), evidence); };
  CHECK(verdict({}, something) == rule::Verdict::clean);
  CHECK(verdict({}, nothing) == rule::Verdict::unknown);
  for (const auto kind : {evidence::SourceKind::kernel_log, evidence::SourceKind::access_log, evidence::SourceKind::proxy_error_log, evidence::SourceKind::proxy_access_log}) {
    evidence::Evidence other = something;
    other.sources[0].kind = kind;
    INFO(evidence::source_text(kind));
    CHECK(verdict({}, other) == rule::Verdict::unknown);
    evidence::Source server;
    server.kind = evidence::SourceKind::server_log;
    other.add_source(server);
    CHECK(verdict({}, other) == rule::Verdict::clean);
  }
  CHECK(verdict({draft("app.failed", 1, 1)}, something) == rule::Verdict::clean);
  CHECK(verdict({draft("death.oom", 1, 1, rule::Confidence::unknown)}, something) == rule::Verdict::unknown);
  CHECK(verdict({draft("death.oom", 1, 1, rule::Confidence::unknown), draft("log.gone", 1, 1)}, something) == rule::Verdict::fault);
}

TEST_CASE("the root that the first line names is a sure one where there is one") {
  const auto root = [&](std::vector<rule::Draft> drafts) {
    const auto findings = rule::findings_of(std::move(drafts), cards);
    const auto* found = rule::root_of(findings);
    return found ? found->message : "none";
  };
  CHECK(root({}) == "none");
  CHECK(root({draft("app.failed", 1, 1)}) == "app.failed of 1");
  CHECK(root({draft("death.oom", 1, 1, rule::Confidence::unknown), draft("log.gone", 2, 1)}) == "log.gone of 2");
  auto busy = draft("worker.busy", 3, 5);
  busy.caused_by_rule = "log.gone";
  CHECK(root({busy, draft("log.gone", 2, 1)}) == "log.gone of 2");
}
