// Hand-made findings for the writers' tests: the OOM kill of screens/a_oom.txt, and the same with everything that is hostile in every text.
#pragma once

#include "evidence/evidence.hpp"
#include "report/report.hpp"

namespace scene {

inline base::Instant at(std::string_view iso) { return *base::read_iso(iso); }

/// Everything a Report refers to, so that it lives as long as it.
struct Scene {
  rule::Findings findings;
  model::Stack stack;
  evidence::Evidence evidence;
  report::Report report() const { return {findings, stack, evidence, "files", at("2026-11-22T10:31:00.000Z"), "triage --from ."}; }
};

template <class What>
evidence::FactId fact(Scene& scene, evidence::SourceId source, std::uint32_t line, std::string_view when, What what, std::string text) {
  evidence::Fact fact;
  fact.what = std::move(what);
  fact.origin = {source, line, 0, 0};
  if (!when.empty()) fact.when = at(when);
  fact.text = std::move(text);
  return scene.evidence.add(std::move(fact));
}

inline evidence::SourceId source(Scene& scene, std::string name, evidence::SourceKind kind, std::uint64_t lines) {
  evidence::Source source;
  source.name = std::move(name);
  source.kind = kind;
  source.lines = lines;
  return scene.evidence.add_source(std::move(source));
}

inline Scene oom() {
  Scene s;
  const auto kernel = source(s, "dmesg.txt", evidence::SourceKind::kernel_log, 120);
  const auto cgroup = source(s, "/sys/fs/cgroup/memory/ux_oom", evidence::SourceKind::cgroup, 0);
  const auto log = source(s, "error.log", evidence::SourceKind::server_log, 12);
  evidence::OomKill kill;
  kill.pid = 31989; kill.comm = "gunicorn"; kill.constraint = "memcg"; kill.oom_memcg = "/ux_oom"; kill.anon_rss = 191ull << 20;
  const auto e1 = fact(s, kernel, 88, "2026-11-22T11:01:26Z", kill, "[  812.123456] Memory cgroup out of memory: Killed process 31989 (gunicorn)");
  evidence::CgroupMemory memory;
  memory.path = "/ux_oom"; memory.version = 1; memory.limit = memory.peak = 200ull << 20; memory.oom_kills = 1;
  const auto e2 = fact(s, cgroup, 0, "2026-11-22T11:01:26Z", memory, "");
  evidence::WorkerReaped reaped;
  reaped.signal = 9;
  const auto e3 = fact(s, log, 7, "2026-11-22 11:01:26 +0000", reaped, "[2026-11-22 11:01:26 +0000] [12] [WARNING] Worker with pid 14 was terminated due to signal 9");

  rule::Finding f;
  f.id = "f1"; f.rule = "death.oom-cgroup"; f.level = rule::Level::error; f.sure = rule::Confidence::certain;
  f.sure_because = "kernel record and cgroup counter agree";
  f.subject = {14, 31989, "gunicorn", "worker", "", {}};
  f.when = f.last = at("2026-11-22T11:01:26Z");
  f.message = "gunicorn worker 14 was killed by the kernel: its cgroup reached the memory limit (200 MiB). It was NOT a worker timeout.";
  f.because = {e1, e2, e3};
  f.notes[e3] = "gunicorn 20.1.0 names no cause";
  f.ruled_out = {{"death.timeout", "no \"WORKER TIMEOUT (pid:14)\"; lived 1 s, the limit is 30 s"}, {"death.oom-host", "the constraint was this cgroup, not the machine"}};
  f.missing = {};
  f.was_doing.request = "GET /eat";
  f.fix = {{"now", "give it room or start fewer workers: 2 workers x 191 MiB > 200 MiB", "", "", ""},
           {"then", "max_requests = 1000 and max_requests_jitter = 100", "", "requests in flight when it is recycled late", ""},
           {"check", "triage watch --for 10m --fail-on death.oom-cgroup", "exit 0", "", ""}};
  s.findings.push_back(std::move(f));

  s.evidence.gap({"what worker 14 ran", "it was dead before I looked", "triage watch (needs CAP_BPF, CAP_PERFMON)", 1, {}});

  model::Server server;
  server.version = "20.1.0"; server.master = 12; server.worker_class = "sync"; server.listening = "http://127.0.0.1:8000"; server.source = log;
  model::Setting timeout;
  timeout.name = "timeout"; timeout.values = {{"30", ""}, {"120", "ENV == 'production'"}}; timeout.unit = "s"; timeout.from = model::From::configured; timeout.where = "gunicorn.conf.py:4:1";
  server.settings["timeout"] = timeout;
  model::Life life;
  life.id = 0; life.server = 0; life.pid = 14; life.host_pid = 31989; life.ended = at("2026-11-22T11:01:26Z"); life.ended_known = true;
  s.stack.lives.push_back(life);
  server.lives = {0};
  server.happenings = {{"started", at("2026-11-22 11:01:20 +0000"), evidence::no_fact, model::no_life}, {"worker 14 booted", at("2026-11-22 11:01:25 +0000"), e3, 0}};
  s.stack.servers.push_back(server);
  return s;
}

/// What moves terminals, ends strings, tags, tables, commands and lines.
inline const std::string hostile = std::string("\x1b[2J\x1b]0;x\x07") + "\xe2\x80\xae" "rtl\r\nFIX ]]> <script>alert('1')</script> \"&quot; %0A::error::x | `rm` \\ \xff\xfe" + std::string(1, '\0') + " caf\xc3\xa9 @all [a](b)";

/// The scene with hostile text wherever text from outside can stand.
inline Scene attacked() {
  Scene s = oom();
  for (auto& source : s.evidence.sources) source.name = "/srv/" + hostile + ".log";
  for (auto& f : s.evidence.facts) {
    f.text = hostile;
    if (auto* kill = std::get_if<evidence::OomKill>(&f.what)) kill->comm = kill->oom_memcg = hostile;
    if (auto* memory = std::get_if<evidence::CgroupMemory>(&f.what)) memory->path = hostile;
  }
  for (auto& gap : s.evidence.gaps) gap.wanted = gap.reason = gap.remedy = hostile;
  auto& f = s.findings[0];
  f.message = f.sure_because = f.prediction = hostile;
  f.subject.where = hostile + ":4:1";
  f.subject.also = {hostile};
  f.subject.server = hostile;
  f.missing = {hostile};
  f.was_doing.request = f.was_doing.syscall = f.was_doing.peer = f.was_doing.requests = hostile;
  f.was_doing.fd = 11;
  f.was_doing.python = f.was_doing.native = {hostile};
  f.was_doing.frames = {{hostile, hostile, 1}};
  for (auto& [id, note] : f.notes) note = hostile;
  for (auto& exclusion : f.ruled_out) exclusion.because = hostile;
  for (auto& step : f.fix) step.text = step.expect = step.loses = step.edit = hostile;
  s.stack.servers[0].happenings[0].what = hostile;
  s.stack.servers[0].version = s.stack.servers[0].listening = hostile;
  s.stack.servers[0].settings["timeout"].values[1] = {hostile, hostile};
  return s;
}

}  // namespace scene
