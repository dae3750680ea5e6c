// What each kind of fact says as a line of evidence; over 300 lines because it is a list, a sentence a kind.
#include "report/witness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "evidence/vocabulary.hpp"

namespace report {

namespace {

using namespace evidence;

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool level_word(std::string_view text) {
  static constexpr std::array<std::string_view, 17> words{"DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", "EXCEPTION", "debug", "info", "notice", "warn", "warning", "error", "crit", "alert", "emerg", "NOTICE"};
  return std::find(words.begin(), words.end(), text) != words.end();
}

// "2026-11-22 10:31:07 +0000", "  123.456789", "Sun Nov 22 12:41:18 2026", "31989", "T123": what stands in brackets before a message.
bool frame_word(std::string_view text) {
  if (text.empty() || text.size() > 48) return false;
  if (level_word(text)) return true;
  std::size_t digits = 0, letters = 0;
  for (const char c : text) {
    if (digit(c)) ++digits;
    else if (letter(c)) ++letters;
    else if (std::string_view(" .:,-+/_").find(c) == std::string_view::npos) return false;
  }
  return digits > 0 && (letters <= 1 || (letters <= 8 && base::contains(text, ":")));
}

// Drops the word at the front and the blanks after it.
void drop(std::string_view& text, std::size_t count) { text = base::trim(text.substr(std::min(count, text.size()))); }

std::size_t word_end(std::string_view text) { return std::min(text.find(' '), text.size()); }

bool time_word(std::string_view word) {  // 10:31:07, 10:31:07,123, 2026-11-22T10:31:07.5+00:00, 2026/11/22
  if (word.size() < 8 || !digit(word[0])) return false;
  std::size_t digits = 0;
  for (const char c : word) {
    if (digit(c)) ++digits;
    else if (std::string_view(":.,-+/TZ").find(c) == std::string_view::npos) return false;
  }
  return digits >= 6 && word.find_first_of(":-/") != std::string_view::npos;
}

// One part of the frame less; false when there is none.
bool drop_one(std::string_view& text, bool& after_time) {
  text = base::trim(text);
  if (text.empty()) return false;
  const std::size_t blank = word_end(text);
  const std::string_view word = text.substr(0, blank);
  if (text[0] == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || !frame_word(base::trim(text.substr(1, end - 1)))) return false;
    drop(text, end + 1);
    return true;
  }
  if (text[0] == '<' && text.size() > 2 && digit(text[1])) {
    const std::size_t end = text.find('>');
    if (end > 4) return false;
    drop(text, end + 1);
    return true;
  }
  if (digit(text[0])) {
    if (const std::size_t end = text.find(';'); end < 48 && std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), ',') >= 3) {  // /dev/kmsg: level,sequence,time,flags;text
      drop(text, end + 1);
      return true;
    }
    if (time_word(word)) { drop(text, blank); after_time = true; return true; }
    if (const std::size_t hash = word.find('#'); hash != std::string_view::npos && word.back() == ':') { drop(text, blank); return true; }  // nginx: pid#tid:
    return false;
  }
  if (text[0] == '*' && word.size() > 1 && digit(word[1])) { drop(text, blank); return true; }  // nginx: *connection
  if (text[0] == '+' && word.size() == 5 && digit(word[1])) { drop(text, blank); return true; }  // +0000
  if (after_time && (base::starts_with(text, "stdout ") || base::starts_with(text, "stderr "))) {  // CRI: stream and a tag of one letter
    drop(text, 7);
    if (text.size() > 1 && text[1] == ' ') drop(text, 2);
    return true;
  }
  static constexpr std::array<std::string_view, 12> months{"Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ", "Dec "};
  if (text.size() > 16 && std::find(months.begin(), months.end(), text.substr(0, 4)) != months.end() && text[9] == ':' && text[12] == ':') {
    drop(text, 15);
    after_time = true;
    return true;
  }
  if (after_time && letter(text[0]) && blank + 1 < text.size()) {  // syslog: host ident[pid]:
    const std::string_view rest = base::trim(text.substr(blank));
    const std::string_view ident = rest.substr(0, word_end(rest));
    if (!ident.empty() && ident.back() == ':') {
      drop(text, static_cast<std::size_t>(ident.end() - text.begin()));
      after_time = false;
      return true;
    }
  }
  if (base::starts_with(text, "kern ") && base::contains(text.substr(0, 20), ":")) {  // dmesg -x: "kern  :err   : "
    const std::size_t first = text.find(':'), second = text.find(':', first + 1);
    if (second > 20) return false;
    drop(text, second + 1);
    return true;
  }
  if (level_word(word)) { drop(text, blank); return true; }
  return false;
}

// A JSON log line's message, where the line is whole.
std::string message_in(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return {};
  for (const char* name : {"message", "msg", "log", "MESSAGE", "text", "event"}) {
    const auto found = json.find(name);
    if (found != json.end() && found->is_string()) return found->get<std::string>();
  }
  return {};
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

std::string status_text(int status) {
  const int signal = status & 0x7F;
  if (signal == 0) return fmt::format("exited with status {}", (status >> 8) & 0xFF);
  return fmt::format("ended by {}{}", base::signal_text(signal), status & 0x80 ? ", core dumped" : "");
}

// "127.0.0.1:8000" of "http://127.0.0.1:8000/slow": the path is the request's, which is said already. A unix socket's URL stays whole.
std::string server_of(const std::string& upstream) {
  const std::size_t from = upstream.find("://");
  if (from == std::string::npos || base::contains(upstream, "unix:")) return upstream;
  return upstream.substr(from + 3, upstream.find('/', from + 3) - from - 3);
}

// Values instead of the line, for facts whose line is too long to show or that were no line at all; empty = the line is best.
struct Sentence {
  const Fact& fact;

  template <class T> std::string operator()(const T&) const { return {}; }

  std::string operator()(const OomKill& k) const {
    std::string out = fmt::format("Killed process {} ({})", k.pid, k.comm);
    if (k.tgid && *k.tgid != k.pid) out += fmt::format(", a thread of {}", *k.tgid);
    if (k.anon_rss) out += " anon-rss " + base::bytes_text(k.anon_rss);
    if (!k.constraint.empty()) out += " constraint=" + upper(k.constraint);
    if (!k.oom_memcg.empty()) out += " oom_memcg=" + k.oom_memcg;
    if (k.group) out += " (memory.oom.group)";
    if (k.forged) out += " (written by user space, not by the kernel)";
    return out;
  }
  std::string operator()(const OomInvoked& k) const { return k.comm.empty() ? std::string() : k.comm + " asked for memory: OOM killer invoked"; }
  std::string operator()(const OomTask& k) const { return fmt::format("task table: {} ({}) rss {}", k.pid, k.comm, base::bytes_text(k.rss)); }
  std::string operator()(const OomMarked& k) const { return "marked as OOM victim" + (k.constraint.empty() ? "" : ", constraint=" + upper(k.constraint)) + (k.cgroup.empty() ? "" : " in " + k.cgroup); }
  std::string operator()(const KernelCrash&) const {  // "x[1]: segfault at 0 ip 0000 sp 0000 error 4 in libc.so.6[...]": the registers tell people nothing
    const std::string line = bare_line(fact.text);
    const std::size_t ip = line.find(" ip "), in = line.find(" in ", ip == std::string::npos ? 0 : ip);
    if (ip == std::string::npos || in == std::string::npos) return {};
    return line.substr(0, ip) + line.substr(in, line.find('[', in) - in);
  }
  std::string operator()(const BootRefused& r) const { return base::contains(fact.text, r.detail) ? std::string() : r.detail; }
  std::string operator()(const AppFailed& f) const {
    if (f.type.empty()) return {};
    std::string out = f.type + (f.message.empty() ? "" : ": " + f.message);
    if (!f.where.empty()) out += " at " + f.where + (f.function.empty() ? "" : " in " + f.function);
    if (!f.uri.empty()) out += fmt::format(" ({}{}{})", f.method, f.method.empty() ? "" : " ", f.uri);
    return out;
  }
  std::string operator()(const AccessRows& a) const {
    return fmt::format("{}, {} with 5xx (502: {}, 504: {}), 499: {}; slowest {}", base::counted(a.rows, "request"), a.server_errors, a.rows_502, a.rows_504, a.rows_499, base::duration_text(static_cast<std::int64_t>(a.slowest_s * 1e9)));
  }
  std::string operator()(const ProxyError& p) const {  // nginx: message, client: a, server: b, request: "c", upstream: "d", host: "e"
    std::string line = bare_line(fact.text);
    const std::size_t client = line.find(", client: ");
    if (client == std::string::npos) return {};
    line.resize(client);
    if (!p.uri.empty()) line += fmt::format(", request {}{}{}", p.method, p.method.empty() ? "" : " ", p.uri);
    if (!p.upstream.empty()) line += ", upstream " + server_of(p.upstream);
    return line;
  }
  std::string operator()(const ContainerState& c) const {
    std::string out = c.pod.empty() ? c.container : c.pod + "/" + c.container;
    out += (c.last ? " was " : " is ") + c.state;
    if (!c.reason.empty()) out += " (" + c.reason + ")";
    if (c.oom_killed) out += ", OOMKilled=true";
    if (c.exit_code) out += fmt::format(", exit code {}", *c.exit_code);
    if (c.signal) out += ", " + base::signal_text(*c.signal);
    if (c.restarts) out += fmt::format(", {}", base::counted(static_cast<std::uint64_t>(c.restarts), "restart"));
    if (c.memory_limit) out += ", limit " + base::bytes_text(c.memory_limit);
    return out;
  }
  std::string operator()(const ClusterEvent& c) const { return fmt::format("{} {}: {}{}", c.reason, c.object, c.message, c.count > 1 ? fmt::format(" ({} times)", c.count) : ""); }
  std::string operator()(const ProcessSeen& p) const {
    std::string out = fmt::format("{} child of {}, state {}", fact.about.pid, p.ppid, p.state.empty() ? "?" : p.state);
    if (p.ns_pid && p.ns_pid != fact.about.pid) out += fmt::format(", {} in its own pid namespace", p.ns_pid);
    if (p.rss) out += ", rss " + base::bytes_text(p.rss);
    if (p.exit_code) out += ", " + status_text(*p.exit_code);
    const std::string& words = p.args.empty() ? p.comm : p.args;
    return words.empty() ? out : out + ", " + words;
  }
  std::string operator()(const ServerCommand& c) const { return c.environment.empty() ? c.args : c.environment + " " + c.args; }
  std::string operator()(const SettingRead& s) const {
    return fmt::format("{} = {}{}{}", s.name, s.value, s.condition.empty() ? "" : "  if " + s.condition, s.literal ? "" : "  (computed)");
  }
  std::string operator()(const FileChanged& f) const { return fmt::format("{}{} was changed", f.kind.empty() ? "" : f.kind + " ", f.path); }
  std::string operator()(const ProxyRoute& r) const { return fmt::format("{}{} goes to {}", r.location.empty() ? "" : "location " + r.location + " ", r.upstream, r.address); }
  std::string operator()(const SyntaxWrong& s) const { return s.message; }
  std::string operator()(const LimitPassed& l) const {
    const auto amount = [&](double value) { return l.kind == "memory" ? base::bytes_text(static_cast<std::uint64_t>(value)) : base::duration_text(static_cast<std::int64_t>(value * 1e9)); };
    std::string out = l.flavour + (l.kind == "memory" ? ": over its memory limit" : ": over its soft time limit");
    if (l.limit > 0) out += " of " + amount(l.limit);
    if (l.usage > 0) out += ", at " + amount(l.usage);
    return out;
  }
  std::string operator()(const CgroupFrozen& c) const { return c.path + " is frozen"; }
  std::string operator()(const CgroupMemory& c) const {
    std::string out = c.path + (c.limit ? " limit " + base::bytes_text(c.limit) : " without a limit");
    if (c.usage) out += ", usage " + base::bytes_text(c.usage);
    if (c.peak) out += ", peak " + base::bytes_text(c.peak);
    if (c.oom_kills) out += fmt::format(", oom_kill {}", *c.oom_kills);
    if (c.oom_kills_before) out += fmt::format(" ({} when the watch attached)", *c.oom_kills_before);
    if (c.group) out += ", oom.group 1";
    return out;
  }
  std::string operator()(const Heartbeat& h) const {
    return h.family == "unbooted" ? std::string("no heartbeat yet: it has not finished booting") : "last heartbeat " + base::duration_text(static_cast<std::int64_t>(h.age_s * 1e9)) + " ago";
  }
  std::string operator()(const SignalSent& s) const {
    std::string out = base::signal_text(s.signal);
    if (s.how == "user" || s.how == "thread") {
      out += fmt::format(" sent by {}{}", s.sender, s.sender_comm.empty() ? "" : " (" + s.sender_comm + ")");
      if (!s.sender_exe.empty()) out += " " + s.sender_exe;
      if (!s.sender_cgroup.empty()) out += " in " + s.sender_cgroup;
    } else if (s.cgroup_kill) out += " by cgroup.kill";
    else if (s.parent_death) out += ": its parent died";
    else if (s.cpu_limit) out += ": CPU time limit reached";
    else if (s.namespace_ended) out += ": the init of its pid namespace ended";
    else if (s.how == "self") out += " raised by itself";
    else if (s.how == "fault") out += " by a fault of its own";
    else if (s.how == "kernel") out += " by the kernel";
    return out;
  }
  std::string operator()(const ProcessForked& p) const { return fmt::format("forked by {}{}", p.parent, p.ns_pid ? fmt::format(", {} in its own pid namespace", p.ns_pid) : ""); }
  std::string operator()(const ProcessExec& p) const { return "began " + (p.args.empty() ? p.comm : p.args); }
  std::string operator()(const ProcessExited& p) const { return status_text(p.status) + (p.comm.empty() ? "" : " (" + p.comm + ")"); }
  std::string operator()(const EventsLost& e) const { return fmt::format("{} lost{}", base::counted(e.count, "event"), e.where.empty() ? "" : " in " + e.where); }
};

// "drwx------ app:app x denied /run/app; ...": as a table, the wall marked. A path may hold "; ": what is no step belongs to the one before.
std::vector<std::string> rows_of(const SocketWalk& walk) {
  struct Cell { std::string mode, owner, asked, answer, path; };
  std::vector<Cell> cells;
  for (std::string_view rest = walk.steps; !rest.empty();) {
    const std::size_t end = rest.find("; ");
    const std::string_view step = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 2);
    const auto words = base::split(step, ' ');
    const bool whole = words.size() >= 5 && (words[2] == "x" || words[2] == "w" || words[2] == "-") && !words[4].empty() && words[4][0] == '/';
    if (!whole) {
      if (!cells.empty()) cells.back().path += "; " + std::string(step);
      continue;
    }
    const std::size_t path = static_cast<std::size_t>(words[4].data() - step.data());
    cells.push_back({std::string(words[0]), std::string(words[1]), words[2] == "x" ? "search" : words[2] == "w" ? "write" : "", words[3] == "denied" ? "DENIED" : std::string(words[3]), std::string(step.substr(path))});
  }
  std::size_t owner = 0;
  for (const Cell& cell : cells) owner = std::max(owner, base::printable(cell.owner, 24).size());
  std::vector<std::string> rows;
  for (const Cell& cell : cells)
    rows.push_back(cell.answer == "link" ? fmt::format("{:<{}}  {}", "link", 10 + 1 + owner + 1 + 6 + 1 + 6, base::printable(cell.path))
                                         : fmt::format("{:<10} {:<{}} {:<6} {:<6}  {}{}", base::printable(cell.mode, 10), base::printable(cell.owner, 24), owner, cell.asked, cell.answer, base::printable(cell.path), walk.result == "denied" && cell.path == walk.wall ? "  <-- here" : ""));
  return rows;
}

}  // namespace

std::string whole_text(const Witness& witness) {
  std::string text = witness.text;
  for (std::size_t i = 0; i < witness.rows.size(); ++i) text += (i ? "; " : ": ") + witness.rows[i];
  return text;
}

std::string bare_line(std::string_view line) {
  const std::string_view whole = base::trim(line);
  if (base::starts_with(whole, "{")) {
    const std::string message = message_in(whole);
    if (!message.empty() && message[0] != '{') return bare_line(message);
  }
  std::string_view text = whole;
  bool after_time = false;
  for (int part = 0; part < 12 && drop_one(text, after_time); ++part) {}
  return std::string(text.empty() ? whole : text);
}

std::string fact_text(const evidence::Fact& fact) {
  std::string text = std::visit([sentence = Sentence{fact}](const auto& what) { return sentence(evidence::unboxed(what)); }, fact.what);
  if (text.empty()) text = bare_line(fact.text);
  if (text.empty()) text = evidence::word_of(fact.what);
  return text;
}

std::string place_text(const Place& place) {
  if (place.line == 0) return place.path;
  return place.column == 0 ? fmt::format("{}:{}", place.path, place.line) : fmt::format("{}:{}:{}", place.path, place.line, place.column);
}

Place read_place(std::string_view text) {
  Place place;
  std::array<std::uint32_t, 2> numbers{};
  std::size_t count = 0;
  while (count < 2) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) break;
    const auto number = base::read_number(text.substr(colon + 1));
    if (!number || *number <= 0 || *number > UINT32_MAX) break;
    numbers[count++] = static_cast<std::uint32_t>(*number);
    text = text.substr(0, colon);
  }
  place.path = text;
  if (count == 1) place.line = numbers[0];
  if (count == 2) { place.line = numbers[1]; place.column = numbers[0]; }
  return place;
}

std::vector<Witness> witnesses(const Report& report, const rule::Finding& finding) {
  std::vector<Witness> all;
  for (const evidence::FactId id : finding.because) {
    if (id >= report.evidence.facts.size()) continue;
    const evidence::Fact& fact = report.evidence.facts[id];
    Witness witness;
    witness.id = fmt::format("E{}", all.size() + 1);
    witness.when = fact.when;
    if (fact.origin.source < report.evidence.sources.size()) {
      const evidence::Source& source = report.evidence.sources[fact.origin.source];
      witness.source = evidence::source_text(source.kind);
      witness.place = {source.name, fact.origin.line, fact.origin.column};
    }
    if (const auto* memory = evidence::as<evidence::CgroupMemory>(fact); memory && memory->version > 0) witness.source = fmt::format("cgroup v{}", memory->version);
    witness.text = fact_text(fact);
    if (const auto* walk = evidence::as<evidence::SocketWalk>(fact); walk && walk->result != "open") witness.rows = rows_of(*walk);
    if (const auto note = finding.notes.find(id); note != finding.notes.end()) witness.note = note->second;
    // One line may be several facts; it is shown once for each thing it says.
    if (std::any_of(all.begin(), all.end(), [&](const Witness& known) { return known.text == witness.text && known.note == witness.note && known.place.path == witness.place.path && known.place.line == witness.place.line && witness.place.line > 0; })) continue;
    all.push_back(std::move(witness));
  }
  return all;
}

std::optional<Place> place_of(const Report& report, const rule::Finding& finding) {
  if (!finding.subject.where.empty() && finding.subject.role != "socket")
    if (Place place = read_place(finding.subject.where); place.line > 0) return place;
  for (Witness& witness : witnesses(report, finding))
    if (witness.place.line > 0 && !witness.place.path.empty()) return std::move(witness.place);
  return std::nullopt;
}

}  // namespace report
