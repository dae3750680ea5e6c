#include "evidence/vocabulary.hpp"

#include <set>

#include "base/text.hpp"
#include "support/catch.hpp"

using namespace evidence;

namespace {

Evidence one_source() {
  Evidence evidence;
  Source source;
  source.name = "error.log";
  source.kind = SourceKind::server_log;
  source.first = base::Instant{base::Clock::wall, 5, 1};
  source.lines = 7;
  evidence.add_source(std::move(source));
  return evidence;
}

Fact fact(What what, int pid = 0) {
  Fact fact;
  fact.what = std::move(what);
  fact.about.pid = pid;
  return fact;
}

std::string refusal(std::string_view text) {
  const auto evidence = read_ndjson(text);
  return evidence ? "read" : base::sentence(evidence.error());
}

}  // namespace

TEST_CASE("every word is one thing, in lower case, with a meaning") {
  std::set<std::string_view> words;
  for (const Word& word : vocabulary()) {
    INFO(word.word);
    CHECK(words.insert(word.word).second);
    CHECK(word.word.find('.') != std::string_view::npos);
    CHECK(word.word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.-") == std::string_view::npos);
    CHECK_FALSE(word.means.empty());
  }
  CHECK(words.size() == std::variant_size_v<AnyWhat>);
}

TEST_CASE("a fact is one line, and comes back as it was") {
  Evidence evidence = one_source();
  OomKill kill;
  kill.tgid = 451;
  kill.pid = 455;
  kill.comm = "gunicorn";
  kill.anon_rss = 191ull << 20;
  kill.group = true;
  Fact first = fact(kill, 451);
  first.about.space = PidSpace::host;
  first.about.unit = "app.service";
  first.when = base::Instant{base::Clock::boot, 4123456789000, 0};
  first.origin = {0, 12, 3, 900};
  first.by = 450;
  first.server = "web";
  first.text = "Killed process 451";
  evidence.add(first);
  CHECK(to_ndjson(evidence, 0).find("\"word\":\"oom.kill\"") != std::string::npos);
  CHECK(to_ndjson(evidence, 0).find('\n') == std::string::npos);

  const auto again = read_ndjson(to_ndjson(evidence));
  REQUIRE(again);
  REQUIRE(again->facts.size() == 1);
  const Fact& back = again->facts[0];
  const auto* victim = as<OomKill>(back);
  REQUIRE(victim);
  CHECK(victim->tgid == 451);
  CHECK(victim->pid == 455);
  CHECK(victim->comm == "gunicorn");
  CHECK(victim->anon_rss == 191ull << 20);
  CHECK(victim->group);
  CHECK_FALSE(victim->uid);
  CHECK(back.about.space == PidSpace::host);
  CHECK(back.about.unit == "app.service");
  CHECK(back.when == first.when);
  CHECK(back.origin.line == 12);
  CHECK(back.origin.column == 3);
  CHECK(back.origin.offset == 900);
  CHECK(back.by == 450);
  CHECK(back.server == "web");
  CHECK(back.text == "Killed process 451");
  CHECK(again->sources[0].first == evidence.sources[0].first);
  CHECK(again->sources[0].lines == 7);
  CHECK(to_ndjson(*again) == to_ndjson(evidence));
}

TEST_CASE("a stack keeps its frames in order, and every text of them can be changed") {
  Evidence evidence = one_source();
  ThreadStack stack;
  stack.tid = 452;
  stack.signal = 9;
  stack.runtime = "CPython 3.11";
  stack.python = {{"handler", "/srv/app.py", 11}, {"<module>", "/srv/app.py", 0}};
  stack.native = {{"", "/usr/lib/libc.so.6", 0}};
  evidence.add(fact(stack, 451));
  const auto again = read_ndjson(to_ndjson(evidence));
  REQUIRE(again);
  const auto* back = as<ThreadStack>(again->facts[0]);
  REQUIRE(back);
  REQUIRE(back->python.size() == 2);
  CHECK(back->python[0].function == "handler");
  CHECK(back->python[0].file == "/srv/app.py");
  CHECK(back->python[0].line == 11);
  CHECK(back->python[1].function == "<module>");
  CHECK(back->native.size() == 1);
  CHECK(to_ndjson(*again) == to_ndjson(evidence));
  std::size_t texts = 0;
  each_text(evidence.facts[0].what, [&](std::string& text) { texts += text.empty() ? 0 : 1; });
  CHECK(texts == 6);

  const auto damaged = read_ndjson(to_ndjson(one_source()) + R"({"word":"thread.stack","source":0,"f.python":[7,{"line":"x"},{"function":3,"line":1e40}],"f.native":{}})" + "\n");
  REQUIRE(damaged);
  CHECK(as<ThreadStack>(damaged->facts[0])->python.size() == 2);
  CHECK(as<ThreadStack>(damaged->facts[0])->native.empty());
}

TEST_CASE("every kind of fact survives the way out and in") {
  // The word alone makes an empty fact of its kind; what is written of it must read back to the same line.
  for (const Word& word : vocabulary()) {
    Evidence evidence = one_source();
    const std::string line = "{\"word\":\"" + std::string(word.word) + "\",\"source\":0}";
    const auto made = read_ndjson(to_ndjson(evidence) + line + "\n");
    INFO(line);
    REQUIRE(made);
    REQUIRE(made->facts.size() == 1);
    CHECK(word_of(made->facts[0].what) == word.word);
    const auto again = read_ndjson(to_ndjson(*made));
    REQUIRE(again);
    CHECK(to_ndjson(*again) == to_ndjson(*made));
  }
}

TEST_CASE("bytes from outside never reach the line raw") {
  Evidence evidence = one_source();
  Fact hostile = fact(AppSymptom{"x", "\x1b[2J\xff\n"}, 3);
  hostile.text = "a\x1b]0;t\x07\xe2\x80\xae";
  evidence.add(hostile);
  const std::string line = to_ndjson(evidence, 0);
  for (const char c : line) CHECK((c >= 0x20 && c < 0x7f));
  CHECK(base::contains(line, "\\\\x1b[2J\\\\xff\\\\n"));
}

TEST_CASE("gaps are counted by what was wanted and why") {
  Evidence evidence;
  evidence.gap({"kernel log", "refused", "run as root", 1, {}});
  evidence.gap({"kernel log", "refused", "run as root", 2, {}});
  evidence.gap({"kernel log", "rotated", "", 1, {}});
  REQUIRE(evidence.gaps.size() == 2);
  CHECK(evidence.gaps[0].count == 3);
  const auto again = read_ndjson(to_ndjson(evidence));
  REQUIRE(again);
  REQUIRE(again->gaps.size() == 2);
  CHECK(again->gaps[0].reason == "refused");
  CHECK(again->gaps[0].count == 3);
}

TEST_CASE("evidence is bounded, and says what it dropped") {
  Evidence evidence = one_source();
  for (std::size_t i = 0; i < kind_cap; ++i) REQUIRE(evidence.add(fact(WorkerBooted{}, 7)) != no_fact);
  CHECK(evidence.add(fact(WorkerBooted{}, 8)) == no_fact);
  CHECK(evidence.add(fact(WorkerBooted{}, 9)) == no_fact);
  CHECK(evidence.add(fact(WorkerExiting{}, 9)) != no_fact);
  REQUIRE(evidence.gaps.size() == 1);
  CHECK(evidence.gaps[0].wanted == "more worker.booted facts");
  CHECK(evidence.gaps[0].count == 2);
  Fact loud = fact(WorkerExiting{});
  loud.text = std::string(100'000, 'x');
  CHECK(evidence.facts[evidence.add(loud)].text.size() == excerpt_limit);
}

TEST_CASE("what is no evidence is refused with its line") {
  CHECK(refusal("{\"word\":\"gap\"}\nnonsense\n") == "reading evidence, line 2: not a JSON object; give what `--show evidence` printed");
  CHECK(refusal("{\"word\":\"no.such\"}") == "reading evidence, line 1: no such word: no.such; give what `--show evidence` printed");
  CHECK(refusal("{\"word\":\"worker.booted\",\"source\":0}") == "reading evidence, line 1: its source is not listed before it; give what `--show evidence` printed");
  CHECK(refusal("{\"word\":\"source\",\"kind\":99}") == "reading evidence, line 1: unknown kind of source; give what `--show evidence` printed");
  CHECK(refusal("[1]") == "reading evidence, line 1: not a JSON object; give what `--show evidence` printed");
  CHECK(refusal("\n\n") == "read");
  // Values of the wrong type are left out, not believed.
  const auto odd = read_ndjson("{\"word\":\"source\",\"name\":5,\"kind\":1}\n{\"word\":\"worker.reaped\",\"source\":0,\"pid\":\"x\",\"f.signal\":\"nine\",\"f.core\":3}");
  REQUIRE(odd);
  CHECK(odd->facts[0].about.pid == 0);
  CHECK_FALSE(as<WorkerReaped>(odd->facts[0])->signal);
  CHECK_FALSE(as<WorkerReaped>(odd->facts[0])->core);
}
