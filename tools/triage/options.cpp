#include "options.hpp"

#include <CLI/CLI.hpp>
#include <array>
#include <unistd.h>

#include "base/text.hpp"
#include "source/live_host.hpp"

namespace triage {

namespace {

constexpr const char* look_footer =
    "Examples:\n"
    "  triage                          every server on this host, from its master's start until now\n"
    "  triage 450                      the server whose master (or worker) is pid 450\n"
    "  triage --from error.log dmesg.txt nginx-error.log\n"
    "                                  the same from what was left behind; folders and bundles too\n"
    "  journalctl -k -o json | triage --from error.log -\n"
    "  triage --from <(journalctl -k) <(kubectl logs web-0 --previous)\n"
    "  triage 450 --for 10s            looks twice: which descriptors and memory grow\n"
    "  triage --against incident.tar.zst\n"
    "                                  and since a bundle was made\n"
    "  triage 450 --syscalls           follows system calls for 5 s\n"
    "  triage --from logs --since 2h --format json --fail-on death.oom-cgroup\n"
    "Commands: watch stacks bundle doctor explain; lint timeouts repro server run the program triage-NAME beside this one.\n"
    "Exit: 0 nothing at or above --fail-on, 1 findings, 2 usage, 3 could not look.";

// Figures: docs/decisions/0003, "What --syscalls costs".
constexpr const char* calls_help =
    "follow system calls through BPF: descriptors that the kernel refuses (EMFILE, ENFILE), who really uses a connection that processes share. "
    "Never on by default: it costs every system call of this machine about 30 ns, reads of whoever is watched 130 ns while a connection is shared "
    "(1.5 % of a processor at 9,000 requests a second of gunicorn, 1.9 %)";

// Figures: docs/decisions/0003, "Requests: --requests".
constexpr const char* requests_help =
    "follow the requests that workers serve through BPF, so that a death names the one it interrupted, and for what it waited: request line, Host and "
    "X-Request-Id, without values of the query. Never on by default: it costs every system call of the servers that are watched (4.5 % of the "
    "processor time of a gunicorn request that does nothing, 5 us)";

void common(CLI::App& app, Options& o) {
  app.add_option("--format", o.format, "text plain json jsonl sarif github gitlab gcc junit html md")->capture_default_str();
  app.add_option("--color", o.colour, "auto, always or never (NO_COLOR and CLICOLOR_FORCE are obeyed)")->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_option("--rules", o.rules, "a folder with more rule cards");
  app.add_option("--fail-on", o.fail_on, "error, warning, note, or a rule pattern such as death.*")->capture_default_str();
  app.add_flag("--exit-zero", o.exit_zero, "exit 0 although there are findings");
  app.add_flag("--strict", o.strict, "what could not be seen counts as a finding");
  app.add_flag("-q,--quiet", o.quiet, "only the verdict and the summary");
  app.add_flag("-v,--verbose", o.verbose, "all members of groups, the timeline, all gaps");
}

struct Words { std::string since, until, zone, budget, span; };

base::Result<> settle(Options& o, const Words& words) {
  const base::Instant now = source::LiveHost().now();
  if (!words.since.empty()) { TRY(when, read_moment(words.since, now)); o.window.since = when; }
  if (!words.until.empty()) { TRY(when, read_moment(words.until, now)); o.window.until = when; }
  if (!words.zone.empty()) { TRY(zone, read_zone(words.zone)); o.window.zone_offset_s = zone; }
  if (!words.budget.empty()) { TRY(budget, read_span(words.budget)); o.budget_s = budget; }
  if (!words.span.empty()) { TRY(span, read_span(words.span)); o.for_s = span; }
  if (o.command == Command::look && (o.for_s || o.syscalls)) {
    if (!o.from.empty()) return base::fail({base::Kind::usage, o.syscalls ? "reading --syscalls" : "reading --for", "what was left behind cannot be looked at a second time", "leave --from away", 0});
    if (!o.for_s) o.for_s = 5;             // --syscalls alone: a bounded window
  }
  if (!o.against.empty() && !o.from.empty()) return base::fail({base::Kind::usage, "reading --against", "what was left behind is not compared", "leave --from away, or look at both one after the other", 0});
  if (o.command == Command::stacks && o.format != "text" && o.format != "json" && o.format != "jsonl")
    return base::fail({base::Kind::usage, "--format " + base::printable(o.format, 40), "stacks are no report", "one of: text json jsonl", 0});
  if (!report::writer(o.format)) {
    std::string known;
    for (const report::Writer* writer : report::writers()) known += (known.empty() ? "" : " ") + std::string(writer->name);
    return base::fail({base::Kind::usage, "--format " + base::printable(o.format, 40), "no such format", "one of: " + known, 0});
  }
  return {};
}

base::Error bad(std::string doing, std::string answer, std::string remedy) { return {base::Kind::usage, std::move(doing), std::move(answer), std::move(remedy), 0}; }

constexpr std::array programs{"lint", "timeouts", "repro", "server"};

}  // namespace

base::Result<double> read_span(std::string_view text) {
  std::string_view rest = text;
  const auto whole = base::take_number(rest);
  double value = whole ? static_cast<double>(*whole) : -1;
  if (whole && !rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    double unit = 0.1;
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') { value += (rest.front() - '0') * unit; unit /= 10; rest.remove_prefix(1); }
  }
  const double factor = rest == "ms" ? 0.001 : rest == "s" || rest.empty() ? 1 : rest == "m" || rest == "min" ? 60 : rest == "h" ? 3600 : rest == "d" ? 86400 : -1;
  if (value < 0 || factor < 0 || value * factor > 1e9) return base::fail(bad("reading the duration '" + base::printable(text, 40) + "'", "not a number with ms, s, m, h or d", "write 30s, 10m or 2h"));
  return value * factor;
}

base::Result<base::Instant> read_moment(std::string_view text, const base::Instant& now) {
  if (auto when = base::read_iso(text)) {
    when->clock = base::Clock::wall;
    if (when->give == base::second_ns / 2) { when->at -= when->give; when->give = 0; }
    return *when;
  }
  if (text.size() >= 5 && text[2] == ':') {
    const base::Civil today = base::civil_from(now.at);
    std::string full = std::to_string(today.year);
    const auto two = [](unsigned value) { return (value < 10 ? "0" : "") + std::to_string(value); };
    full += "-" + two(today.month) + "-" + two(today.day) + " " + std::string(text) + (text.size() == 5 ? ":00" : "") + "Z";
    if (auto when = base::read_iso(full)) { when->at -= when->give; when->give = 0; return *when; }
  }
  if (const auto span = read_span(text); span && !text.empty() && !(text.back() >= '0' && text.back() <= '9')) return base::Instant{base::Clock::wall, now.at - static_cast<std::int64_t>(*span * 1e9), 0};
  return base::fail(bad("reading the time '" + base::printable(text, 40) + "'", "neither a time nor a span back from now", "write 2026-11-22T10:30:00Z, 10:30 (UTC), or 30m, 2h, 1d"));
}

base::Result<std::int64_t> read_zone(std::string_view text) {
  if (text == "UTC" || text == "Z" || text == "GMT" || text == "utc") return 0;
  if (text.size() >= 3 && (text[0] == '+' || text[0] == '-')) {
    std::string digits;
    for (const char c : text.substr(1)) {
      if (c == ':') continue;
      if (c < '0' || c > '9') { digits.clear(); break; }
      digits += c;
    }
    if (digits.size() == 2) digits += "00";
    if (digits.size() == 4) {
      const std::int64_t seconds = std::stoi(digits.substr(0, 2)) * 3600 + std::stoi(digits.substr(2)) * 60;
      if (seconds <= 14 * 3600) return text[0] == '-' ? -seconds : seconds;
    }
  }
  return base::fail(bad("reading the zone '" + base::printable(text, 40) + "'", "not an offset from UTC", "write +02:00, -05:30 or UTC"));
}

Asked read_options(int count, char** words) {
  Options o;
  Words more;
  const std::string first = count > 1 ? words[1] : "";
  for (const char* program : programs)
    if (first == program) {
      o.command = Command::beside;
      o.beside = std::string("triage-") + program;
      for (int i = 2; i < count; ++i) o.arguments.emplace_back(words[i]);
      return {o, "", 0};
    }
  CLI::App app;
  app.set_version_flag("--version", std::string(report::tool_version));
  const std::map<std::string, Command> commands{{"watch", Command::watch}, {"bundle", Command::bundle}, {"doctor", Command::doctor}, {"explain", Command::explain}, {"stacks", Command::stacks}};
  const auto named = commands.find(first);
  if (named != commands.end()) {
    o.command = named->second;
    --count;
    ++words;
  }
  app.name(named == commands.end() ? "triage" : "triage " + first);
  common(app, o);
  switch (o.command) {
    case Command::look:
      app.description("Why did a worker die: looks at every pre-fork server on this host, or at what was left behind, and says what happened, how sure it is, and on what evidence. Changes nothing.");
      app.add_option("TARGET", o.targets, "pid, systemd unit, pidfile, unix socket, or a URL of the proxy; default: all servers");
      app.add_option("--from", o.from, "read files, folders, a bundle, or - instead of this host")->expected(1, -1);
      app.add_option("--nginx", o.nginx, "the proxy's configuration");
      app.add_flag("--send", o.send, "send one GET to the URL (else nothing is sent)");
      app.add_option("--show", o.show, "evidence, stack or findings as NDJSON")->check(CLI::IsMember({"evidence", "stack", "findings"}));
      app.add_option("--since", more.since, "only from this time on: an ISO time, HH:MM (UTC), or 30m, 2h, 1d back");
      app.add_option("--until", more.until, "only until this time");
      app.add_option("--tz", more.zone, "zone of logs that print none: +02:00");
      app.add_option("--for", more.span, "look a second time after this long (10s), and say what has grown: descriptors that are opened and not closed");
      app.add_option("--against", o.against, "an earlier look at this host, a bundle or what --show evidence printed: say what has grown since");
      app.add_flag("--syscalls", o.syscalls, calls_help);
      app.add_option("--budget", more.budget, "stop looking after this long and say what was left out");
      app.footer(look_footer);
      break;
    case Command::watch:
      app.description("Stays attached and says why a worker dies as it dies. Attaches to kernel tracepoints (BPF); without them it degrades and says what it cannot tell.");
      app.add_option("TARGET", o.targets, "pid, systemd unit or pidfile; default: all servers");
      app.add_option("--for", more.span, "stop after this long: 10m");
      app.add_flag("--syscalls", o.syscalls, calls_help);
      app.add_flag("--requests", o.requests, requests_help);
      app.add_option("--snapshot-at", o.snapshot_at, "read the stacks of a worker whose last heartbeat is this old, in percent of its server's timeout; 0 never")->check(CLI::Range(0.0, 100.0))->capture_default_str();
      app.add_option("--without", o.without, "pretend these are refused: bpf,connector,pidfd,kmsg,stacks (for tests)")->group("");
      app.footer("Examples:\n  triage watch --for 10m\n  triage watch 450 --format jsonl\n  triage watch 450 --syscalls --for 30s\n  triage watch 450 --requests\n  triage watch --fail-on death.oom-cgroup");
      break;
    case Command::bundle:
      app.description("Collects the evidence into one tar.zst, with secrets redacted. `triage --from FILE` reads it.");
      app.add_option("TARGET", o.targets, "pid, systemd unit or pidfile; default: all servers");
      app.add_option("-o,--output", o.output, "FILE, or - for standard output")->required();
      app.add_option("--since", more.since, "logs from this time on: an ISO time, HH:MM (UTC), or 30m, 2h, 1d back; default: the server's life");
      app.add_flag("!--no-redact", o.redact, "keep environment values, passwords and tokens as they are");
      app.footer("Examples:\n  triage bundle -o /tmp/incident.tar.zst\n  ssh web1 triage bundle -o - > web1.tar.zst");
      break;
    case Command::doctor:
      app.description("What can be seen from here, what cannot, who refuses it, and how to allow it.");
      break;
    case Command::explain:
      app.description("A rule's page, offline: what it means, why it happens, what to do. Without RULE the list.");
      app.add_option("RULE", o.rule, "a rule id, such as death.timeout");
      break;
    case Command::stacks:
      app.description("What every thread of a worker is doing, once: its system call and where that leads, its Python stack. Nothing is stopped (but with --stop), signalled or written to.");
      app.add_option("TARGET", o.targets, "a pid, with all that it started; a systemd unit or pidfile; default: all servers");
      app.add_flag("--stop", o.stop, "stop threads that run for the moment of the read (ptrace): their whole stack is told; epoll_wait, semop and receives with a time-out may see EINTR");
      app.footer("Examples:\n  triage stacks                   every server on this host\n  triage stacks 451               one process and its children, whatever it is\n  triage stacks web.service -v    every frame\n  triage stacks 451 --format json\nPython stacks of CPython 3.8 to 3.15. Of a thread that runs a sample is told (BPF), else only the frames that stay.\nExit: 0 read, 1 with --strict and a gap, 2 usage, 3 nothing could be read.");
      break;
    case Command::beside: break;
  }
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& stop) {
    std::ostringstream out, error;
    const int code = app.exit(stop, out, error);
    return {std::nullopt, out.str() + error.str(), code == 0 ? 0 : 2};
  }
  if (const auto settled = settle(o, more); !settled) return {std::nullopt, "triage: " + base::sentence(settled.error()) + "\n", 2};
  return {o, "", 0};
}

bool reaches(const rule::Finding& finding, const std::string& fail_on) {
  if (finding.truth == rule::Truth::no) return false;
  if (fail_on == "note") return true;
  if (fail_on == "warning") return finding.level != rule::Level::note;
  if (fail_on == "error") return finding.level == rule::Level::error;
  if (!fail_on.empty() && fail_on.back() == '*') return base::starts_with(finding.rule, std::string_view(fail_on).substr(0, fail_on.size() - 1));
  return finding.rule == fail_on;
}

int exit_code(const rule::Findings& findings, const std::vector<evidence::Gap>& gaps, const Options& options) {
  if (options.exit_zero) return 0;
  for (const rule::Finding& finding : findings)
    if (reaches(finding, options.fail_on)) return 1;
  return options.strict && !gaps.empty() ? 1 : 0;
}

}  // namespace triage
