// The kernel log. The lines of one OOM kill are joined here only where they agree: the header and the `oom-kill:` line are rate-limited
// (10 in 5 s for the whole machine, mm/oom_kill.c), "Killed process" is not, so no line waits for another one.
// Past 300 lines because the joining is one state machine.
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "parse/format.hpp"
#include "parse/kernel/lines.hpp"

namespace parse {
namespace {

using base::contains;
using base::starts_with;
using evidence::FactId;
using evidence::no_fact;

// Bounds. A report is a header, at most a few thousand rows, and its kill, printed within moments; what is older belongs to another kill.
constexpr std::size_t most_rows = 2048;           // of one task table
constexpr std::size_t most_killed = 4096;         // members of one group kill that are told apart
constexpr std::uint64_t report_records = 40'000;  // a whole-host table has a row a process
constexpr int most_ties = 100;
constexpr std::uint64_t next_records = 8;         // "directly after", with lines of other CPUs between
constexpr std::int64_t report_ns = 60 * base::second_ns;

struct Row { int pid = 0, tgid = 0; std::uint64_t pages = 0, rss = 0; FactId fact = no_fact; };

/// What was read of the kill that is being reported.
struct Report {
  FactId invoked = no_fact;
  std::string invoker;
  bool memcg = false;                             // "Task in ..." or memcg statistics were printed
  std::string oom_memcg, task_memcg;
  std::uint64_t usage = 0, limit = 0;
  std::optional<std::string> candidate_prefix;    // of "Kill process ... or sacrifice child"
  std::optional<kernel::OomKillLine> line;
  Record line_record;                             // its place, without the views
  std::string line_text;
  std::uint64_t line_at = 0, began_at = 0;
  std::optional<base::Instant> when;
  std::size_t numbers = 0;                        // columns of the task table
  std::vector<Row> rows;
  std::size_t rows_left_out = 0;
};

struct KernelState : State {
  Report report;
  // The kill before, for the members of memory.oom.group, which are logged after it without an oom-kill: line.
  FactId last_kill = no_fact;
  std::optional<base::Instant> last_when;
  std::uint64_t last_at = 0;
  bool group = false;
  std::string group_cgroup;
  std::vector<std::pair<int, FactId>> group_killed;
  std::string torn;                               // the front of a line whose comm holds a newline, and what its record knew
  std::optional<base::Instant> torn_when;
  evidence::Origin torn_origin;
  std::uint64_t torn_at = 0;
  std::uint64_t records = 0;
  bool no_victim_said = false;
  std::optional<std::int64_t> tie;                // wall minus boot of the last pair that was told
  int ties = 0;
};

evidence::Subject on_host(int pid) {
  evidence::Subject subject;
  subject.pid = pid;
  subject.space = evidence::PidSpace::host;
  return subject;
}

bool near(const std::optional<base::Instant>& a, const std::optional<base::Instant>& b, std::int64_t within) {
  if (!a || !b || a->clock != b->clock) return true;  // nothing says otherwise
  const std::int64_t apart = a->at > b->at ? a->at - b->at : b->at - a->at;
  return apart <= within + a->give + b->give;
}

// The oom-kill: line's kill where its "Killed process" line is missing (a log that was cut or filtered).
void flush_line(KernelState& state, Sink& sink) {
  Report& report = state.report;
  if (!report.line) return;
  evidence::OomKill kill;
  kill.tgid = report.line->tgid;
  kill.pid = report.line->tgid;
  kill.comm = report.line->comm;
  kill.constraint = report.line->constraint;
  kill.oom_memcg = report.line->oom_memcg;
  kill.task_memcg = report.line->task_memcg;
  kill.uid = report.line->uid;
  kill.usage = report.usage;
  kill.limit = report.limit;
  report.line.reset();
  Record record = report.line_record;
  record.line = report.line_text;
  record.text = report.line_text;
  record.ident = "kernel";
  const int tgid = kill.pid;
  sink.add(std::move(kill), on_host(tgid), record);
}

void begin_report(KernelState& state, const Record& record, Sink& sink) {
  flush_line(state, sink);
  if (state.report.rows_left_out > 0)
    sink.gap({"rows of the OOM task table", "a table of more than " + std::to_string(most_rows) + " processes", "look at the kernel log itself for the rest", state.report.rows_left_out, {}});
  state.report = Report{};
  state.report.began_at = state.records;
  state.report.when = record.when;
  state.group = false;
}

// A report that is too old to belong to what comes now.
bool stale(const KernelState& state, const Record& record) {
  return state.records - state.report.began_at > report_records || !near(state.report.when, record.when, report_ns);
}

// Rows are in pages. The victim's total_vm stands in both units, so its row tells the page size of machines where it is not 4 KiB.
void correct_page_size(Report& report, const kernel::KillLine& kill, Sink& sink) {
  for (const Row& row : report.rows) {
    if (row.pid != kill.pid || row.pages == 0 || kill.total_vm % row.pages != 0) continue;
    const std::uint64_t size = kill.total_vm / row.pages;
    if (size == 4096 || (size != 8192 && size != 16384 && size != 65536)) return;
    for (const Row& each : report.rows)
      if (each.fact != no_fact)
        if (auto* task = std::get_if<evidence::OomTask>(&sink.all().facts[each.fact].what)) task->rss = each.rss * size;
    return;
  }
}

// Whether the oom-kill: line speaks of this "Killed process" line. It names the process; the kill may name the thread that still has the
// memory when the leader has exited (kernel.md 0.2a): the task table shows which, and without a table only the very next record counts.
bool same_kill(const KernelState& state, const kernel::KillLine& kill) {
  const Report& report = state.report;
  if (!report.line) return false;
  if (kill.pid == report.line->tgid) return true;
  if (kill.uid && *kill.uid != report.line->uid) return false;
  for (const Row& row : report.rows)
    if (row.pid == kill.pid) return row.tgid == report.line->tgid;
  // The table lists every process that could have been meant: one that is not in it is another kill.
  return (report.rows.empty() || report.rows_left_out > 0) && state.records == report.line_at + 1;
}

std::optional<FactId> group_member(KernelState& state, int pid) {
  for (const auto& [member, fact] : state.group_killed)
    if (member == pid) return fact;
  return std::nullopt;
}

void add_kill(KernelState& state, const kernel::KillLine& line, const Record& record, Sink& sink) {
  evidence::OomKill kill;
  kill.pid = line.pid;
  kill.comm = line.comm;
  kill.total_vm = line.total_vm;
  kill.anon_rss = line.anon_rss;
  kill.uid = line.uid;
  kill.constraint = line.prefix;
  if (record.facility > 0) {
    // Written by user space through /dev/kmsg or a logger: never joined with the kernel's own lines.
    kill.forged = true;
    sink.add(std::move(kill), on_host(line.pid), record);
    return;
  }
  // Members of a group follow one another within milliseconds and by the same words.
  if (state.group && (!near(state.last_when, record.when, base::second_ns / 10) || state.records - state.last_at > next_records)) state.group = false;
  if (!state.group && stale(state, record)) begin_report(state, record, sink);
  Report& report = state.report;

  auto* const before = state.last_kill == no_fact ? nullptr : std::get_if<evidence::OomKill>(&sink.all().facts[state.last_kill].what);
  if (state.group && before) {
    if (group_member(state, line.pid)) {  // the first victim is logged a second time as a member of its group
      state.last_at = state.records;
      return;
    }
    kill.group = true;
    kill.oom_memcg = before->oom_memcg;
    kill.usage = before->usage;
    kill.limit = before->limit;
    if (kill.constraint.empty()) kill.constraint = before->constraint;
  } else if (line.sharer && before && near(state.last_when, record.when, 5 * base::second_ns)) {
    // "sharing same memory" follows its victim and takes everything but the size from it.
    kill.constraint = before->constraint;
    kill.oom_memcg = before->oom_memcg;
    kill.usage = before->usage;
    kill.limit = before->limit;
  } else if (same_kill(state, line)) {
    kill.tgid = report.line->tgid;
    if (!report.line->constraint.empty()) kill.constraint = report.line->constraint;
    kill.oom_memcg = report.line->oom_memcg;
    kill.task_memcg = report.line->task_memcg;
    kill.uid = report.line->uid;
    if (kill.constraint == "memcg") { kill.usage = report.usage; kill.limit = report.limit; }
    correct_page_size(report, line, sink);
    report.line.reset();
  } else {
    flush_line(state, sink);
    // Before 5.0 there is no oom-kill: line, and the header itself is what belongs to this kill.
    const bool header = !line.modern && (report.invoked != no_fact || report.memcg || report.candidate_prefix);
    if (header) {
      if (kill.constraint.empty() && report.candidate_prefix) kill.constraint = *report.candidate_prefix;
      if (kill.constraint.empty() && report.memcg) kill.constraint = "memcg";
      if (kill.constraint == "memcg") {
        kill.oom_memcg = report.oom_memcg;
        kill.task_memcg = report.task_memcg;
        kill.usage = report.usage;
        kill.limit = report.limit;
      }
      for (const Row& row : report.rows)
        if (row.pid == line.pid && row.tgid > 0) kill.tgid = row.tgid;
      correct_page_size(report, line, sink);
    }
  }
  const int about = kill.tgid ? *kill.tgid : kill.pid;
  const bool member = kill.group;
  const FactId fact = sink.add(std::move(kill), on_host(about), record);
  if (member) {
    if (state.group_killed.size() < most_killed) state.group_killed.emplace_back(line.pid, fact);
    state.last_when = record.when;
    state.last_at = state.records;
    return;
  }
  if (!line.sharer) {
    // What was printed for this kill is used up; the next one may come without a header of its own.
    const std::size_t left_out = report.rows_left_out;
    report = Report{};
    report.rows_left_out = left_out;
    report.began_at = state.records;
    report.when = record.when;
    state.group_killed.assign(1, {line.pid, fact});
  }
  state.last_kill = fact;
  state.last_when = record.when;
  state.last_at = state.records;
}

bool read_report_line(KernelState& state, const Record& record, Sink& sink, std::string_view text) {
  Report& report = state.report;
  if (auto invoked = kernel::read_invoked(text)) {
    begin_report(state, record, sink);
    report.invoker = invoked->comm;
    report.invoked = sink.add(std::move(*invoked), {}, record);
    return true;
  }
  if (report.invoked != no_fact && !report.invoker.empty())
    if (const auto pid = kernel::read_running_pid(text, report.invoker)) {
      evidence::Fact& fact = sink.all().facts[report.invoked];
      if (auto* invoked = std::get_if<evidence::OomInvoked>(&fact.what)) invoked->pid = *pid;
      fact.about = on_host(*pid);
      report.invoker.clear();
      return true;
    }
  if (const auto memory = kernel::read_memory(text)) {
    report.usage = memory->usage;
    report.limit = memory->limit;
    report.memcg = true;
    return true;
  }
  if (starts_with(text, "Task in ")) {
    // el6 to 4.20: "Task in /a killed as a result of limit of /b". v2.6.32 prints the same; a path ends the line.
    const auto task = base::between(text, "Task in ", " killed as a result of limit of ");
    const auto limit = base::between(text, " killed as a result of limit of ", "");
    if (!task || !limit) return false;
    report.task_memcg = std::string(task->substr(0, 4096));
    report.oom_memcg = std::string(limit->substr(0, 4096));
    report.memcg = true;
    return true;
  }
  if (starts_with(text, "Memory cgroup stats for ")) {
    // The first is the cgroup whose limit was hit; v1 of 3.x goes on with its children, their figures on the same line after the colon.
    std::string_view path = text.substr(24);
    const std::size_t figures = path.rfind(": ");
    if (figures != std::string_view::npos) path = path.substr(0, figures);
    else if (!path.empty() && path.back() == ':') path.remove_suffix(1);
    if (report.oom_memcg.empty()) report.oom_memcg = std::string(path.substr(0, 4096));
    report.memcg = true;
    return true;
  }
  if (auto head = kernel::read_table_head(text)) {
    report.numbers = *head;
    return true;
  }
  if (!text.empty() && text.front() == '[') {
    auto row = kernel::read_task_row(text, report.numbers);
    if (!row) return false;
    if (report.rows.size() >= most_rows) {
      ++report.rows_left_out;
      return true;
    }
    const Row kept{row->pid, row->tgid, row->total_vm, row->rss, no_fact};
    report.rows.push_back(kept);
    report.rows.back().fact = sink.add(evidence::OomTask{row->pid, row->tgid, row->rss * 4096, std::move(row->comm)}, on_host(kept.tgid), record);
    return true;
  }
  std::string prefix;
  if (auto candidate = kernel::read_candidate(text, prefix)) {
    report.candidate_prefix = prefix;
    const int pid = candidate->pid;
    sink.add(std::move(*candidate), on_host(pid), record);
    return true;
  }
  if (auto line = kernel::read_oom_kill(text)) {
    flush_line(state, sink);
    state.group = false;
    report.line = std::move(line);
    report.line_at = state.records;
    report.line_record = record;
    report.line_record.line = report.line_record.text = report.line_record.ident = report.line_record.unit = {};
    report.line_text = std::string(record.line.substr(0, evidence::excerpt_limit));
    if (!report.when) report.when = record.when;
    return true;
  }
  return false;
}

// "Tasks in /cg are going to be killed due to memory.oom.group set" (4.19+) stands after the first victim's line.
bool read_group(KernelState& state, const Record& record, Sink& sink, std::string_view text) {
  if (!starts_with(text, "Tasks in ")) return false;
  const auto path = base::between(text, "Tasks in ", " are going to be killed due to memory.oom.group set");
  if (!path) return false;
  state.group_cgroup = std::string(path->substr(0, 4096));
  sink.add(evidence::OomGroup{state.group_cgroup}, {}, record);
  if (state.last_kill != no_fact && state.records - state.last_at <= next_records && near(state.last_when, record.when, 5 * base::second_ns)) {
    state.group = true;
    state.last_when = record.when;
    if (auto* kill = std::get_if<evidence::OomKill>(&sink.all().facts[state.last_kill].what)) kill->group = true;
  }
  return true;
}

// Ties the log's own clock to the wall's, once for each difference.
void tie_clocks(KernelState& state, const Record& record, Sink& sink, std::string_view text) {
  if (!record.when || record.when->clock != base::Clock::boot || state.ties >= most_ties) return;
  const auto pair = kernel::read_wall(text);
  if (!pair) return;
  const std::int64_t offset = pair->wall_ns - record.when->at;
  if (state.tie && offset - *state.tie < pair->give_ns && *state.tie - offset < pair->give_ns) return;
  state.tie = offset;
  ++state.ties;
  sink.add(*pair, {}, record);
}

bool read_other(KernelState& state, const Record& record, Sink& sink, std::string_view text) {
  if (auto crash = kernel::read_crash(text)) {
    const int tid = crash->tid;
    sink.add(std::move(*crash), on_host(tid), record);
    return true;
  }
  if (starts_with(text, "oom_reaper: reaped process ")) {
    std::string_view rest = text.substr(27);
    const auto pid = base::take_number(rest);
    const std::size_t end = rest.rfind("), now ");
    if (pid && *pid > 0 && *pid <= INT32_MAX && starts_with(rest, " (") && end != std::string_view::npos && end >= 2)
      sink.add(evidence::OomReaped{static_cast<int>(*pid), std::string(rest.substr(2, std::min<std::size_t>(end - 2, 64)))}, on_host(static_cast<int>(*pid)), record);
    return true;
  }
  if (contains(text, " is already exiting. Skip killing the task")) {
    // The oom-kill: line was printed for a process that was already on its way out: no kill.
    state.report.line.reset();
    return true;
  }
  if (auto hung = kernel::read_hung(text)) {
    const int pid = hung->pid;
    sink.add(std::move(*hung), on_host(pid), record);
    return true;
  }
  if (auto suppressed = kernel::read_suppressed(text)) {
    // Lines that other parts of the kernel leave out (audit, net_ratelimit) hide no death.
    static constexpr std::array<std::string_view, 6> hiding{"oom_kill_process", "dump_header", "show_signal_msg", "show_signal", "force_sig_info_to_task", "out_of_memory"};
    if (std::find(hiding.begin(), hiding.end(), suppressed->what) != hiding.end()) sink.source().suppressed = true;
    if (suppressed->what == "printk") sink.source().lost = true;
    sink.add(std::move(*suppressed), {}, record);
    return true;
  }
  int pid = 0;
  if (auto refused = kernel::read_refusal(text, pid)) {
    // "no killable processes" is not rate-limited: tens of thousands of lines in seconds (kernel.md 0.12) say no more than the first.
    if (refused->kind == "oom-no-victim" && std::exchange(state.no_victim_said, true)) return true;
    sink.add(std::move(*refused), pid > 0 ? on_host(pid) : evidence::Subject{}, record);
    return true;
  }
  if (starts_with(text, "Kernel panic - not syncing: ")) {
    sink.add(evidence::KernelPanic{std::string(text.substr(28, 200))}, {}, record);
    return true;
  }
  if (starts_with(text, "Linux version ") && record.from_kernel_form) {
    flush_line(state, sink);
    state.report = Report{};
    state.group = false;
    state.last_kill = no_fact;
    if (state.records <= 4) sink.source().whole_boot = true;  // microcode may speak before it
    sink.add(evidence::KernelBooted{}, {}, record);
    return true;
  }
  return false;
}

// A line without any envelope is the kernel's only when it begins as no other program's line does. Every line of every other log is asked:
// the searches begin with a rare character, for find() stops at each occurrence of the first one.
bool bare_kernel_line(std::string_view text) {
  if (text.empty()) return false;
  switch (text[0]) {
    case 'o': if (text.starts_with("oom-kill:constraint=") || text.starts_with("oom_reaper: ")) return true; break;
    case 'M': if (text.starts_with("Memory cgroup out of memory")) return true; break;
    case 'O': if (text.starts_with("Out of memory: Kill") || text.starts_with("Out of memory (oom_kill_allocating_task)")) return true; break;
    case 'K': if (text.starts_with("Killed process ") && contains(text, "-rss:")) return true; break;
    case 'T': if (text.starts_with("Tasks in /") || (text.starts_with("Task in /") && contains(text, " killed as a result of limit of "))) return true; break;
    case 't': if (text.starts_with("traps: ")) return true; break;
    default: break;
  }
  const auto has = [&](std::string_view rare, std::string_view whole) { return text.find(rare) != std::string_view::npos && contains(text, whole); };
  return has("_mask=", " invoked oom-killer: gfp_mask=") || text.find("INFO: task ") != std::string_view::npos || text.find(": segfault at ") != std::string_view::npos ||
         (has("=1400 audit(", "type=1400 audit(") && contains(text, "apparmor=")) || has("=1326 audit(", "type=1326 audit(");
}

// Of lines without an envelope, and of syslog's. What has the kernel's own envelope comes anyway.
constexpr std::string_view marks[] = {
    "kernel:", " kernel messages", " audit[", "audit: ", "type=1400 audit(", "type=1326 audit(", "oom-kill:constraint=", "oom_reaper: ",
    "Memory cgroup out of memory", "Out of memory: Kill", "Out of memory (oom", "Killed process ", "Tasks in /", "Task in /", "traps: ",
    " invoked oom-killer", "INFO: task ", ": segfault at ",
};

std::unique_ptr<State> start() { return std::make_unique<KernelState>(); }

bool step(State& raw, const Record& record, Sink& sink) {
  auto& state = static_cast<KernelState&>(raw);
  std::string_view text = record.text;
  // journald hands audit records on under their own name.
  const bool audit = record.ident == "audit";
  if (record.ident == "systemd-journald" && starts_with(text, "Missed ") && contains(text, " kernel messages")) {
    sink.source().lost = true;
    return true;
  }
  if (!record.from_kernel_form && !audit) {
    // A program's own words (an application that logs "Out of memory: Killed process 1 (x)") are not the kernel's.
    if (!record.ident.empty() || record.pid != 0 || record.when || (state.torn.empty() && !bare_kernel_line(text))) return false;
  } else {
    // The service manager and user-space killers write to /dev/kmsg too; their lines are other formats'.
    if ((starts_with(text, "systemd") || starts_with(text, "oomd") || starts_with(text, "earlyoom")) && contains(text.substr(0, 64), "]: ")) return false;
    if (starts_with(text, "oomd kill: ")) return false;
  }
  ++state.records;
  if (record.facility >= 0 && record.from_kernel_form) sink.source().kernel_facility_known = true;
  if (record.facility > 0 && !audit) {
    // Not the kernel's own record: only a kill is worth telling, as the forgery it is.
    if (const auto kill = kernel::read_kill(text)) add_kill(state, *kill, record, sink);
    return true;
  }
  std::string joined;
  Record whole = record;
  if (!record.from_kernel_form)
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);  // dmesg sets the rest of a torn line under its beginning
  if (!state.torn.empty()) {
    joined = std::exchange(state.torn, {}) + "\n" + std::string(text.substr(0, 512));
    if (state.records == state.torn_at + 1 && !kernel::torn_at_comm(joined) && (kernel::read_kill(joined) || kernel::read_oom_kill(joined))) {
      whole.line = text = joined;
      whole.when = state.torn_when;
      whole.origin = state.torn_origin;
    } else if (!record.from_kernel_form && !bare_kernel_line(text)) {
      return false;
    }
  }
  if (text.empty()) return true;
  // Stack frames and cgroup statistics are nine lines of ten. All that is read and begins like them has a colon.
  if ((text.front() == ' ' || (text.front() >= 'a' && text.front() <= 'z')) && text.find(':') == std::string_view::npos) return true;
  if (const auto kill = kernel::read_kill(text)) {
    add_kill(state, *kill, whole, sink);
    return true;
  }
  if (kernel::torn_at_comm(text)) {
    state.torn = std::string(text);
    state.torn_at = state.records;
    state.torn_when = record.when;
    state.torn_origin = record.origin;
    return true;
  }
  tie_clocks(state, record, sink, text);
  if (!read_report_line(state, whole, sink, text) && !read_group(state, whole, sink, text)) read_other(state, whole, sink, text);
  return true;
}

bool collecting(const State& raw) { return !static_cast<const KernelState&>(raw).torn.empty(); }

void finish(State& raw, Sink& sink) {
  auto& state = static_cast<KernelState&>(raw);
  begin_report(state, Record{}, sink);
}

}  // namespace

namespace formats_of {
extern const Format kernel = {"kernel log", evidence::SourceKind::kernel_log, start, step, finish, marks, collecting};
}

}  // namespace parse
