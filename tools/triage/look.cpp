#include "look.hpp"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

#include "base/text.hpp"
#include "bundle.hpp"
#include "evidence/vocabulary.hpp"
#include "model/build.hpp"
#include "probe/growth.hpp"
#include "probe/probe.hpp"
#include "probe/window.hpp"
#include "report/report.hpp"
#include "source/bundle.hpp"
#include "source/live_host.hpp"

namespace triage {

namespace {

bool wants_colour(const Options& options) {
  if (options.colour != "auto") return options.colour == "always";
  const char* const force = std::getenv("CLICOLOR_FORCE");
  if (force && *force && std::string_view(force) != "0") return true;
  const char* const refused = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return !(refused && *refused) && ::isatty(1) && terminal && std::string_view(terminal) != "dumb";
}

// Whoever waits at a terminal sees within 100 ms that something is being done.
void first_words(const std::string& text) {
  if (::isatty(2) && ::isatty(1)) std::fprintf(stderr, "%s\n", text.c_str());
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

}  // namespace

probe::Target target_of(const Options& options) {
  probe::Target target;
  for (const std::string& word : options.targets) {
    if (const auto pid = base::read_number(word); pid && *pid > 0) target.pids.push_back(static_cast<int>(*pid));
    else if (base::starts_with(word, "http://") || base::starts_with(word, "https://")) target.url = word;
    else target.words.push_back(word);
  }
  target.nginx = options.nginx;
  target.send = options.send;
  target.window = options.window;
  return target;
}

namespace {

// A host without a server is no clean host: the one that is asked about may have died whole. Saying OK would be the worst answer.
std::optional<base::Error> none_found(const evidence::Evidence& evidence, const Options& options) {
  std::size_t kills = 0;
  for (const evidence::Fact& fact : evidence.facts) {
    if (evidence::as<evidence::ProcessSeen>(fact) || evidence::as<evidence::ServerCommand>(fact)) return std::nullopt;
    if (const auto* kill = evidence::as<evidence::OomKill>(fact); kill && base::starts_with(kill->comm, "gunicorn")) ++kills;
  }
  const std::string asked = options.targets.empty() ? "looking for servers on this host" : "looking for " + base::printable(options.targets.front(), 80);
  std::string answer = options.targets.empty() ? "no pre-fork server that I know runs here" : "no pre-fork server that I know is that";
  if (kills > 0) answer += " (the kernel log has " + base::counted(kills, "OOM kill") + " of processes named gunicorn)";
  return base::Error{base::Kind::missing, asked, answer, "if it died, read what it left: journalctl -u UNIT -o json | triage --from -, or triage --from /var/log/... ; journalctl -k beside it", 0};
}

// What `--show evidence` printed, kept in a file: the walk goes on from there.
constexpr std::size_t most_evidence = 256 << 20;

// A bundle that is damaged is told like every file that cannot be parsed; what is given beside it is still read.
void add_broken(const std::string& path, const base::Error& error, evidence::Evidence& evidence) {
  evidence::Source source;
  source.name = path;
  evidence::Fact fact;
  fact.what = evidence::SyntaxWrong{"bundle", path, error.answer, "zstd -t"};
  fact.origin.source = evidence.add_source(std::move(source));
  fact.text = error.answer;
  evidence.add(std::move(fact));
  evidence.gap({"the bundle " + path, base::sentence({error.kind, error.doing, error.answer, "", error.code}), error.remedy, 1, {}});
}

bool is_evidence(const source::Host& host, const std::string& path) {
  const auto about = host.stat(path);
  if (path == "-" || !about || about->kind != source::EntryKind::file) return false;
  const auto head = host.read(path, 16);
  return head && base::starts_with(*head, "{\"word\":\"source\"");
}

// What has grown since then; a look that cannot be read is a Gap of this one, which stays worth having.
void compare(const source::Host& host, const Options& options, evidence::Evidence& evidence) {
  const auto earlier = [&]() -> base::Result<evidence::Evidence> {
    base::Instant then;
    if (source::is_bundle(options.against)) return replay(options.against, target_of(options), then);
    TRY(text, host.read(options.against, most_evidence));
    return evidence::read_ndjson(text);
  }();
  if (!earlier) {
    evidence.gap({"what has grown since " + base::printable(options.against, 120), base::sentence(earlier.error()), "give a bundle, or what triage --show evidence printed", 1, {}});
    return;
  }
  auto grown = probe::grown_since(*earlier, evidence);
  if (grown.empty()) evidence.gap({"what has grown since " + base::printable(options.against, 120), "no process that runs now is in it", "compare with a look at the same processes: a restart begins anew", 1, {}});
  evidence::Source source;
  source.name = options.against;
  source.kind = evidence::SourceKind::proc;
  const auto id = evidence.add_source(std::move(source));
  for (evidence::Fact& fact : grown) {
    fact.origin.source = id;
    evidence.add(std::move(fact));
  }
}

}  // namespace

base::Result<evidence::Evidence> gather(const Options& options, std::string& source, base::Instant& at) {
  const source::LiveHost host;
  at = host.now();
  evidence::Evidence evidence;
  if (options.from.empty()) {
    source = "live";
    first_words("looking at this host ...");
    const probe::Target target = target_of(options);
    probe::observe(host, target, evidence, [&] { return options.budget_s && static_cast<double>(host.now().at - at.at) / 1e9 > *options.budget_s; });
    if (const auto nobody = none_found(evidence, options)) return base::fail(*nobody);
    if (options.for_s) {
      first_words("once more in " + base::duration_text(static_cast<std::int64_t>(*options.for_s * 1e9)) + (options.syscalls ? ", system calls meanwhile ..." : " ..."));
      probe::look_again(host, target, {*options.for_s, options.syscalls}, evidence);
    }
    if (!options.against.empty()) compare(host, options, evidence);
    return evidence;
  }
  source = "files";
  first_words("reading " + base::counted(options.from.size(), "path") + " ...");
  // A bundle brings its evidence along; what is named beside it is added.
  std::vector<std::string> paths;
  bool kept_evidence = false;
  for (const std::string& path : options.from) {
    if (source::own_descriptor(path)) {                      // read once, by whoever reads it first
      paths.push_back(path);
    } else if (!kept_evidence && source::is_bundle(path)) {
      auto kept = replay(path, target_of(options), at);
      if (!kept && kept.error().kind != base::Kind::malformed) return base::fail(kept.error());
      if (kept) evidence = std::move(*kept);
      else add_broken(path, kept.error(), evidence);
      source = "bundle";
      kept_evidence = true;
    } else if (!kept_evidence && is_evidence(host, path)) {
      TRY(text, host.read(path, most_evidence));
      TRY(kept, evidence::read_ndjson(text));
      evidence = std::move(kept);
      kept_evidence = true;
    } else {
      paths.push_back(path);
    }
  }
  if (!options.nginx.empty()) paths.push_back(options.nginx);
  if (kept_evidence) {
    if (!paths.empty()) parse::read(host, paths, options.window, evidence);
    return evidence;
  }
  if (parse::read(host, paths, options.window, evidence) == 0 && evidence.sources.empty()) {
    std::string why = evidence.gaps.empty() ? "there is nothing in it that I understand" : evidence.gaps.front().reason;
    std::string remedy = evidence.gaps.empty() || evidence.gaps.front().remedy.empty() ? "give the server's error log, the kernel log (dmesg), nginx's error log, or a folder with them" : evidence.gaps.front().remedy;
    return base::fail({base::Kind::missing, "reading " + base::printable(options.from.front(), 200), why, remedy, 0});
  }
  return evidence;
}

base::Result<rule::Cards> cards_of(const Options& options) {
  if (options.rules.empty()) return rule::Cards();
  return rule::cards_with(source::LiveHost(), options.rules);
}

int look(const Options& options) {
  const auto cards = cards_of(options);
  if (!cards) {
    std::fprintf(stderr, "triage: %s\n", base::sentence(cards.error()).c_str());
    return 2;
  }
  std::string source;
  base::Instant at;
  auto gathered = gather(options, source, at);
  if (!gathered) {
    std::fprintf(stderr, "triage: %s\n", base::sentence(gathered.error()).c_str());
    return 3;
  }
  evidence::Evidence& evidence = *gathered;
  if (options.show == "evidence" && options.format != "json") {
    print(evidence::to_ndjson(evidence));
    return 0;
  }
  const model::Stack stack = model::build(evidence);
  std::vector<evidence::Gap> gaps;
  const rule::Findings findings = rule::judge(stack, evidence, *cards, &gaps);
  for (evidence::Gap& gap : gaps) evidence.gap(std::move(gap));
  for (const evidence::Gap& gap : stack.gaps) evidence.gap(gap);

  const report::Report whole{findings, stack, evidence, source, at, "triage"};
  report::Style style;
  style.colour = wants_colour(options);
  style.quiet = options.quiet;
  style.verbose = options.verbose;
  style.show_events = options.verbose || options.show == "evidence";
  const report::Writer* const writer = report::writer(options.show == "findings" ? "jsonl" : options.show == "stack" ? "json" : options.format);
  print(report::write(*writer, whole, style));
  return exit_code(findings, evidence.gaps, options);
}

}  // namespace triage
