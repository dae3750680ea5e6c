// Canaries: a secret in every text that a report can show, and none of it in any form.
#include "report/redacted.hpp"

#include "base/text.hpp"
#include "scene.hpp"
#include "support/catch.hpp"

namespace {

const std::string canary = "Zx9-canary-hunter2";
const std::string secret = "postgres://shop:" + canary + "@db/x?token=" + canary + " --password=" + canary + " Authorization: Bearer " + canary;

scene::Scene leaky() {
  scene::Scene s = scene::oom();
  for (auto& fact : s.evidence.facts) {
    fact.text = secret;
    if (auto* kill = std::get_if<evidence::OomKill>(&fact.what)) kill->comm = secret;
  }
  evidence::ServerCommand command;
  command.args = "gunicorn app:app " + secret;
  command.environment = "GUNICORN_CMD_ARGS=" + secret;
  s.findings[0].because.push_back(scene::fact(s, 0, 3, "", command, secret));
  for (auto& gap : s.evidence.gaps) gap.wanted = gap.reason = gap.remedy = secret;
  auto& f = s.findings[0];
  f.message = f.sure_because = f.prediction = secret;
  f.missing = {secret};
  f.was_doing.request = f.was_doing.syscall = f.was_doing.peer = f.was_doing.requests = secret;
  f.was_doing.fd = 11;
  f.was_doing.python = f.was_doing.native = {secret};
  f.was_doing.frames = {{secret, secret, 1}};
  for (auto& [id, note] : f.notes) note = secret;
  for (auto& exclusion : f.ruled_out) exclusion.because = secret;
  for (auto& step : f.fix) step.text = step.expect = step.loses = step.edit = secret;
  s.stack.servers[0].happenings[0].what = secret;
  s.stack.servers[0].listening = secret;
  s.stack.servers[0].settings["timeout"].values[1] = {secret, secret};
  return s;
}

}  // namespace

TEST_CASE("no secret leaves in any form") {
  const scene::Scene s = leaky();
  report::Style style;
  style.verbose = style.show_events = true;
  for (const report::Writer* writer : report::writers()) {
    INFO(writer->name);
    REQUIRE(base::contains(writer->write(s.report(), style), "canary"));  // it was there
    const std::string shown = report::write(*writer, s.report(), style);
    CHECK_FALSE(base::contains(shown, "canary"));
    CHECK(base::contains(shown, "redacted-"));
  }
}

TEST_CASE("a report without secrets is shown as it is") {
  report::Style style;
  style.verbose = style.show_events = true;
  for (const report::Writer* writer : report::writers()) {
    INFO(writer->name);
    CHECK(report::write(*writer, scene::oom().report(), style) == writer->write(scene::oom().report(), style));
  }
}

TEST_CASE("evidence keeps its order and its notes when only part of it is taken along") {
  scene::Scene s = scene::oom();
  std::swap(s.findings[0].because[0], s.findings[0].because[2]);
  s.findings[0].because.push_back(77);  // no such fact
  const report::Redacted clean = report::redacted(s.report());
  const auto* text = report::writer("plain");
  s.findings[0].because.pop_back();
  CHECK(text->write(clean.report(), {}) == text->write(s.report(), {}));
  CHECK(clean.evidence.facts.size() == 3);
}
