#include "reproduce/postmortem.hpp"

#include <algorithm>
#include <cstdint>

#include "base/text.hpp"
#include "reproduce/story.hpp"
#include "support/catch.hpp"

using reproduce::Event;
using reproduce::Run;

namespace {

const char* const report = R"json({"schema": "triage.report/1", "source": "live", "root": "f9", "findings": [
 {"id": "f9", "rule": "socket.refused", "level": "error", "sure": "certain", "message": "nothing listens elsewhere", "subject": {"pid": 900, "host_pid": 900}},
 {"id": "f1", "rule": "death.timeout", "level": "error", "sure": "certain", "sure_because": "the master's own line", "message": "worker 3 gave no heartbeat", "subject": {"pid": 3, "host_pid": 103},
  "because": [{"id": "E1", "source": "server log", "where": "error.log:107", "when": "2026-11-23T05:35:41Z", "text": "WORKER TIMEOUT (pid:3)", "note": null}],
  "ruled_out": [{"cause": "death.oom-cgroup", "because": "its counter is 0"}], "was_doing": {"request": "GET /slow", "python": ["sleep app.py:4"]},
  "prediction": "again", "fix": [{"when": "then", "text": "a deadline", "expect": "200", "loses": "a restart", "edit": null}]},
 {"id": "f2", "rule": "worker.saturated", "level": "error", "sure": "likely", "message": "no free worker", "subject": {"pid": null, "host_pid": null}, "caused_by": "f1", "count": 2}]})json";

Event event(double at, std::string what, std::string who, int pid = 0, std::string text = "", double number = 0, std::optional<double> from = {}) {
  return {at, std::move(what), std::move(who), pid, pid == 0 ? 0 : pid + 100, std::move(text), number, from};
}

// A worker with a slow request is killed after four seconds; another one serves on.
Run incident() {
  Run run;
  run.scenario = "worker-timeout";
  run.file = "worker-timeout.json";
  run.proves = "A slow handler gets its worker killed.";
  run.server = "gunicorn";
  run.version = "gunicorn 20.1.0";
  run.versions = {"gunicorn 20.1.0"};
  run.scale = 5;
  run.began = "2026-11-23T05:35:36.972Z";
  run.commands = {"/usr/bin/gunicorn --timeout 4"};
  run.checks = {{"worker dies by SIGKILL: 1 times", "1, at 4.4 s", true, ""}};
  run.report = report;
  run.events = {event(-0.1, "worker-born", "worker", 3),
                event(-0.1, "worker-born", "worker", 4),
                event(0, "ready", "gunicorn", 0, "gunicorn 20.1.0"),
                event(0, "asked", "slow", 0, "GET /slow", 1),
                event(0, "asked", "others", 0, "GET /hello", 1),
                event(0.01, "heartbeat", "worker", 3),
                event(0.02, "taken", "worker", 3, "GET /slow"),
                event(0.04, "answered", "others", 0, "200", 1, 0),
                event(0.05, "taken", "worker", 4, "GET /hello"),
                event(0.1, "memory", "worker", 3, "", 20e6),
                event(0.1, "queue", "server", 0, "", 0),
                event(1, "queue", "server", 0, "", 7),
                event(1, "memory", "worker", 3, "", 60e6),
                event(2, "memory", "worker", 3, "", 40e6),
                event(3, "step", "signal", 0, "signal SIGHUP to master"),
                event(3, "signalled", "worker", 3, "SIGABRT"),
                event(4.1, "log", "error.log", 0, "[2] [CRITICAL] WORKER TIMEOUT (pid:3)"),
                event(4.4, "answered", "slow", 0, "closed", 1, 0),
                event(4.4, "worker-dead", "worker", 3, "SIGKILL", 0, -0.1),
                event(4.5, "worker-born", "worker", 5),
                event(6, "triage", "certain", 3, "death.timeout", 1),
                event(6, "end", "")};
  return run;
}

Run with_fix() {
  Run run = incident();
  run.set = {"server.timeout=60"};
  std::erase_if(run.events, [](const Event& one) { return one.what == "worker-dead" || one.what == "log" || (one.what == "worker-born" && one.pid == 5) || one.what == "triage"; });
  for (Event& one : run.events)
    if (one.text == "closed") one.text = "200";
  run.report = R"({"source": "live", "root": null, "findings": []})";
  return run;
}

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Everything that acts instead of being seen, in one text.
const std::string hostile = "\"><script>alert(1)</script>'<img src=x onerror=alert(2)> \x1b[31m\x07 \xe2\x80\xae\xe2\x81\xa6 \xff\xfe `|* [x](javascript:alert(3)) &amp; \r\n# h\n\n```\n";

Run hostile_run() {
  Run run = incident();
  for (std::string* text : {&run.scenario, &run.file, &run.proves, &run.server, &run.version, &run.began, &run.folder}) *text = hostile;
  for (auto* list : {&run.versions, &run.commands, &run.floors, &run.set, &run.gaps}) *list = {hostile, hostile};
  run.checks = {{hostile, hostile, false, hostile}};
  for (Event& one : run.events) {
    one.text = hostile;
    if (one.what == "asked" || one.what == "answered" || one.what == "log" || one.what.ends_with("-dead")) one.who = hostile;
  }
  run.events.push_back(event(5, hostile, hostile, 7, hostile, 1, 2));
  return run;
}

bool plain(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

}  // namespace

TEST_CASE("the story names the cause of this run, not of the machine's other servers") {
  const auto story = reproduce::story_of(incident());
  CHECK(story.title == "worker 3 gave no heartbeat");
  CHECK(story.result == "reproduced: 1 of 1 expectations were met");
  REQUIRE(story.findings.size() == 2);
  CHECK(story.findings[0].rule == "death.timeout");
  CHECK(story.findings[1].rule == "worker.saturated");   // no pid of its own: it follows from the first
  REQUIRE(story.elsewhere.size() == 1);
  CHECK(line_of(story.elsewhere[0]) == "nothing listens elsewhere (socket.refused)");
  REQUIRE(story.happened.size() == 4);
  CHECK(story.happened[0] == "gunicorn 20.1.0 was ready at 2026-11-23T05:35:36.972Z with 2 workers; that is second 0 here.");
  CHECK(story.happened[1] == "Clients of load others asked GET /hello: 1 got 200, after 40 ms.");
  CHECK(story.happened[2] == "Clients of load slow asked GET /slow: 1 got no answer (closed), after 4.40 s.");
  CHECK(story.happened[3] == "Worker 3 was killed by SIGKILL at 4.40 s; the last request that it took was GET /slow, 4.38 s before; the next worker was born 0.10 s later.");
}

TEST_CASE("the story's moments are in order, and repeats are one") {
  Run run = incident();
  for (int i = 0; i < 200; ++i) run.events.push_back(event(4.6 + i * 0.001, "log", "error.log", 0, "[2] [ERROR] again"));
  const auto story = reproduce::story_of(run);
  CHECK(std::ranges::is_sorted(story.notable, {}, &reproduce::Notable::at));
  const auto again = std::ranges::find(story.notable, "[2] [ERROR] again", &reproduce::Notable::text);
  REQUIRE(again != story.notable.end());
  CHECK(again->count == 200);
  const auto silent = std::ranges::find(story.notable, "has not touched its heartbeat for 4.39 s", &reproduce::Notable::text);
  REQUIRE(silent != story.notable.end());
  CHECK(silent->who == "worker 3");
  for (int i = 0; i < 300; ++i) run.events.push_back(event(5 + i * 0.001, "log", "error.log", 0, "[2] [ERROR] number " + std::to_string(i)));
  CHECK(reproduce::story_of(run).notable.back().count == 300);   // they differ in a number alone
  for (int i = 0; i < 300; ++i) run.events.push_back(event(6 + i * 0.001, "log", "error.log", 0, std::string(static_cast<std::size_t>(i), 'x') + "[2] [ERROR]"));
  const auto long_one = reproduce::story_of(run);
  CHECK(long_one.notable.size() == reproduce::most_notable);
  CHECK(long_one.left_out > 200);
}

TEST_CASE("an idle worker's heartbeat is half of the timeout apart: that is no silence") {
  Run run;
  run.commands = {"/usr/bin/gunicorn --timeout 4 app"};
  run.events = {event(0, "heartbeat", "worker", 3), event(2, "heartbeat", "worker", 3), event(4, "heartbeat", "worker", 3), event(7.5, "worker-dead", "worker", 3, "SIGKILL", 0, 0)};
  const auto all = reproduce::silences(run);
  REQUIRE(all.size() == 1);
  CHECK(all[0].since == 4);
  CHECK(all[0].seconds == 3.5);
  run.commands.clear();
  CHECK(reproduce::silences(run).size() == 3);
  run.report = R"({"stack": {"hops": [{"role": "server", "settings": {"timeout": {"value": 0}}}]}})";
  CHECK(reproduce::silences(run).empty());
}

TEST_CASE("before and after are compared by what was seen") {
  const auto all = reproduce::compared(incident(), with_fix());
  std::string text;
  for (const auto& one : all) text += one.what + ": " + one.before + " | " + one.after + "\n";
  CHECK(text ==
        "clients of others: 1 200 (at most 40 ms) | 1 200 (at most 40 ms)\n"
        "clients of slow: 1 closed (at most 4.40 s) | 1 200 (at most 4.40 s)\n"
        "worker deaths: 1 SIGKILL | none\n"
        "triage says: death.timeout, worker.saturated (2 times) | no fault\n"
        "memory of a worker, at most: 57 MiB | 57 MiB\n"
        "connections waiting, at most: 7 | 7\n"
        "no heartbeat, at most: 4.39 s | 4.39 s\n");
  CHECK(reproduce::judged(incident(), with_fix()) == "With the fix, triage no longer says death.timeout.");
  CHECK(reproduce::judged(incident(), incident()) == "The fix does not remove the cause: triage says death.timeout with it, too.");
  Run failed = with_fix();
  failed.error = "it is not ready within 40 s";
  CHECK(reproduce::judged(incident(), failed) == "It cannot be told whether the fix works: the second run failed: it is not ready within 40 s.");
  failed = with_fix();
  failed.report.clear();
  CHECK(reproduce::judged(incident(), failed) == "Whether the fix works is to be read from the table: triage gave no verdict to compare.");
}

TEST_CASE("the command is a line for a shell, whatever the names hold") {
  CHECK(reproduce::command_of(with_fix()) == "triage repro run worker-timeout --server gunicorn --scale 5 --set server.timeout=60");
  Run run = incident();
  run.file = "it's mine/$(id).json";
  run.seed = 7;
  run.scale = 1;
  CHECK(reproduce::command_of(run) == "triage repro run 'it'\\''s mine/$(id).json' --server gunicorn --seed 7");
}

TEST_CASE("a record that is written and read again gives the same pages") {
  const auto again = reproduce::run_of(reproduce::json_of(with_fix()));
  REQUIRE(again);
  CHECK(again->set == std::vector<std::string>{"server.timeout=60"});
  const Run before = incident(), after = with_fix();
  CHECK(postmortem_html(before, &*again) == postmortem_html(before, &after));
  CHECK(postmortem_markdown(before, &*again) == postmortem_markdown(before, &after));
}

TEST_CASE("the timeline draws a row for each load, the queue and each life") {
  const std::string svg = timeline_svg(incident());
  CHECK(times(svg, "<div class=\"row") == 7);   // slow, others, steps, queue, three workers
  CHECK(base::contains(svg, "<b>worker 3</b> SIGKILL at 4.40 s, 1 request, memory 19 MiB to 57 MiB"));
  CHECK(base::contains(svg, "<b>worker 5</b> born at 4.50 s"));
  CHECK(base::contains(svg, "<title>GET /slow for slow: closed, 20 ms to 4.40 s</title>"));
  CHECK(base::contains(svg, "SIGABRT 3.00 s</text>"));
  CHECK(base::contains(svg, "SIGKILL 4.40 s</text>"));
  CHECK(base::contains(svg, "no heartbeat for 4.39 s"));
  CHECK(base::contains(svg, "<b>waiting to be accepted</b> at most 7 connections"));
  CHECK(times(svg, "<svg") == times(svg, "</svg>"));
  Run queried = incident();
  for (Event& one : queried.events)
    if (one.what == "asked" && one.who == "slow") one.text = "GET /slow?s=600";   // a server's log leaves it out
  CHECK(base::contains(timeline_svg(queried), "<title>GET /slow for slow: closed, 20 ms to 4.40 s</title>"));
  CHECK(timeline_svg(Run()) == "<p>Nothing was recorded.</p>\n");
}

TEST_CASE("the timeline is bounded: thousands of requests and lives") {
  Run run = incident();
  for (int i = 0; i < 9000; ++i) {
    run.events.push_back(event(i * 0.01, "asked", "many", 0, "GET /", i));
    run.events.push_back(event(i * 0.01 + 0.005, "answered", "many", 0, i % 9 == 0 ? "502" : "200", i, i * 0.01));
  }
  for (int i = 0; i < 500; ++i) run.events.push_back(event(10 + i * 0.1, "worker-born", "worker", 1000 + i));
  std::ranges::stable_sort(run.events, {}, &Event::at);
  const std::string svg = timeline_svg(run);
  CHECK(svg.size() < 600'000);
  CHECK(base::contains(svg, "Not drawn: 463 more rows."));
}

TEST_CASE("a record of nonsense is drawn, too") {
  Run run;
  run.events = {event(1e300, "worker-dead", "", 5, "SIGKILL", 0, -1e300), event(-5, "memory", "", 0, "", -3), event(0, "taken", "worker", 9, "GET /"), event(0, "answered", "x", 0, "", 1e300, 9), event(2, "queue", "", 0, "", -1)};
  run.report = R"({"findings": [7, {"because": 3, "fix": [null], "subject": [], "was_doing": {"python": [1]}, "caused_by": "x"}]})";
  CHECK(base::contains(postmortem_html(run, &run), "</html>"));
  CHECK(base::contains(postmortem_markdown(run, &run), "## Fix"));
}

TEST_CASE("Markdown has every part, the fix with its before and after") {
  const Run after = with_fix();
  const std::string text = postmortem_markdown(incident(), &after);
  for (const char* part : {"# Postmortem: worker 3 gave no heartbeat\n", "\n## What happened\n", "\n## Timeline\n", "\n## Evidence and cause\n", "| E1 | 2026-11-23T05:35:41Z | server log | WORKER TIMEOUT (pid:3) | error.log:107 |",
                           "- death.oom-cgroup: its counter is 0\n", "- python: sleep app.py:4\n", "### From it: no free worker\n", "```\ntriage repro run worker-timeout --server gunicorn --scale 5\n```\n",
                           "- then: a deadline; expect: 200; loses: a restart\n", "| worker deaths | 1 SIGKILL | none |\n"}) {
    INFO(part);
    CHECK(base::contains(text, part));
  }
  CHECK(base::contains(postmortem_markdown(incident(), nullptr), "Not tried here"));
}

TEST_CASE("hostile text in every field of the record is inert on the page") {
  const Run run = hostile_run();
  const std::string page = postmortem_html(run, &run);
  CHECK(plain(page));
  for (const char* part : {"<script", "<img", "javascript:alert(3)\"", "onerror=alert(2)>", "\"><script"}) {
    INFO(part);
    CHECK_FALSE(base::contains(page, part));
  }
  CHECK(times(page, "&lt;script&gt;") > 10);
  CHECK(times(page, "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"") == 1);
  const std::string harmless = postmortem_html(incident(), nullptr);
  for (const char* part : {"src=", "href=", "url(", "@import", "<link", "<iframe", "<a "}) {   // nothing is loaded, nothing leads away
    INFO(part);
    CHECK_FALSE(base::contains(harmless, part));
  }
}

TEST_CASE("hostile text in every field of the record is inert in Markdown") {
  const Run run = hostile_run();
  const std::string text = postmortem_markdown(run, &run);
  CHECK(plain(text));
  CHECK_FALSE(base::contains(text, "\n# h"));
  for (std::size_t at = text.find("<script"); at != std::string::npos; at = text.find("<script", at + 1)) {   // only inside of a block of code
    const auto fence = text.rfind("\n````\n", at);
    REQUIRE(fence != std::string::npos);
    CHECK(text.find('\n', fence + 6) > at);
  }
}

TEST_CASE("secrets of the record stay out of the postmortem") {
  Run run = incident();
  run.commands = {"gunicorn --env DATABASE_URL=postgres://app:hunter2secret@db/app"};
  run.events.push_back(event(5, "log", "error.log", 0, "[2] [ERROR] cannot reach postgres://app:hunter2secret@db/app"));
  CHECK_FALSE(base::contains(postmortem_html(run, nullptr), "hunter2secret"));
  CHECK_FALSE(base::contains(postmortem_markdown(run, nullptr), "hunter2secret"));
}
