#include "stacks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.hpp"
#include "look.hpp"
#include "probe/members.hpp"
#include "probe/samples_bpf.hpp"
#include "probe/servers.hpp"
#include "probe/stacks.hpp"
#include "report/escape.hpp"
#include "report/report.hpp"
#include "rule/doing.hpp"
#include "source/live_host.hpp"
#include "source/redact.hpp"

namespace triage {

namespace {

using base::printable;
using Json = nlohmann::ordered_json;

constexpr std::size_t width = 80, most_processes = 256;
constexpr std::chrono::seconds longest_look{15};         // at all of them

/// One process that is asked about, and what it is there.
struct Which { int pid = 0; std::string server, role; };

struct Answer {
  std::vector<Which> asked;                  // in step with `processes`
  std::vector<probe::ProcessDoing> processes;
  std::vector<evidence::Gap> gaps;
  base::Instant at;
};

class Wanted {
 public:
  explicit Wanted(const source::Host& host) : host_(host) {}

  void add(int pid, const std::string& server, const std::string& role) {
    if (all_.size() < most_processes && known_.insert(pid).second) all_.push_back({pid, server, role});
    else if (!known_.contains(pid)) ++left_out_;
  }
  void add_tree(int pid) {
    std::vector<int> tree{pid};
    for (std::size_t i = 0; i < tree.size() && i < most_processes; ++i) {
      const auto [server, role] = known_as(tree[i]);
      add(tree[i], server, role);
      for (const int child : probe::children_of(host_, tree[i])) tree.push_back(child);
    }
  }
  std::vector<Which> take() { return std::move(all_); }
  std::size_t left_out() const { return left_out_; }

 private:
  std::string flavour_of(const std::string& pid) const {
    const auto words = host_.read("/proc/" + pid + "/cmdline", 65536);
    if (!words) return {};
    const auto argv = probe::read_cmdline(*words);
    if (const auto started = probe::server_started_by(argv); !started.empty()) return std::string(started);
    return argv.size() == 1 && base::starts_with(argv[0], "gunicorn: ") ? "gunicorn" : "";      // a title over its arguments
  }
  // What it is, and its parent: all processes of this host need not be looked at for that.
  std::pair<std::string, std::string> known_as(int pid) const {
    const std::string server = flavour_of(std::to_string(pid));
    if (server.empty()) return {};
    probe::Process process;
    const auto stat = host_.read("/proc/" + std::to_string(pid) + "/stat", 4096);
    const bool below = stat && probe::read_stat(*stat, process) && flavour_of(std::to_string(process.ppid)) == server;
    return {server, below ? "worker" : "master"};
  }

  const source::Host& host_;
  std::vector<Which> all_;
  std::set<int> known_;
  std::size_t left_out_ = 0;
};

void add_server(Wanted& wanted, const probe::FoundServer& server) {
  if (server.master.pid) wanted.add(server.master.pid, server.flavour, "master");
  for (const probe::Process& worker : server.workers) wanted.add(worker.pid, server.flavour, "worker");
  for (const probe::Process& child : server.children) wanted.add(child.pid, server.flavour, "child");
}

// Named pids with all that they started; else the workers of the servers that are named, or of all.
std::vector<Which> asked_for(const source::Host& host, const Options& options, std::vector<evidence::Gap>& gaps) {
  Wanted wanted(host);
  const probe::Target target = target_of(options);
  for (const int pid : target.pids) wanted.add_tree(pid);
  if (target.pids.empty() || !target.words.empty()) {
    probe::Target rest = target;
    rest.pids.clear();
    for (const probe::FoundServer& server : probe::find_servers(host, rest)) add_server(wanted, server);
  }
  if (wanted.left_out()) gaps.push_back({"the stacks of some processes", "there are more than " + std::to_string(most_processes), "name one: triage stacks PID", wanted.left_out(), {}});
  return wanted.take();
}

Answer read_all(const source::Host& host, std::vector<Which> asked, probe::HowToRead how, std::vector<evidence::Gap> gaps) {
  Answer answer;
  answer.at = host.now();
  answer.gaps = std::move(gaps);
  probe::NetTables tables(host);
  probe::Sampler sampler;
  how.sampler = &sampler;
  how.until = probe::HowToRead::Steady::now() + longest_look;
  std::size_t left_out = 0;
  for (Which& one : asked) {
    if (!answer.processes.empty() && probe::HowToRead::Steady::now() >= how.until) {
      ++left_out;
      continue;
    }
    probe::ProcessDoing doing = probe::what_it_does(host, one.pid, [&]() -> const probe::NetTable& { return tables.of(one.pid); }, how, answer.gaps);
    if (doing.threads.empty()) continue;
    answer.processes.push_back(std::move(doing));
    answer.asked.push_back(std::move(one));
  }
  if (left_out) answer.gaps.push_back({"the stacks of some processes", "the time for this look was over", "name one: triage stacks PID", left_out, {}});
  probe::name_peers(host, answer.processes, tables.known(), answer.gaps, how.until);
  return answer;
}

// Command lines, and paths that calls are given, may hold what is nobody's business.
void redact(Answer& answer) {
  source::Redactor redactor;
  for (probe::ProcessDoing& process : answer.processes) {
    std::vector<std::string*> texts{&process.title};
    for (probe::ThreadDoing& thread : process.threads) {
      texts.insert(texts.end(), {&thread.call.arguments, &thread.call.on});
      for (auto* const frames : {&thread.stack.python, &thread.stack.native})
        for (evidence::StackFrame& frame : *frames) texts.push_back(&frame.file);
    }
    for (std::string* const text : texts)
      if (!text->empty()) *text = redactor.text(*text);
  }
}

// ---- text -----------------------------------------------------------------------------------------------------------
void add_rows(std::string& out, std::string_view label, std::string_view text) {
  std::string lead(label);
  for (const auto& line : base::wrap(printable(text, 1000), width - label.size())) {
    out += lead + line + "\n";
    lead.assign(label.size(), ' ');
  }
}

std::string state_word(const probe::ThreadDoing& thread) {
  switch (thread.state) {
    case 'R': return "runs";
    case 'S': case 'I': return "waits";
    case 'D': return "waits in the kernel (D)";
    case 'T': return "stopped";
    case 't': return "held by a tracer";
    case 'Z': case 'X': return "has ended";
    default: return "state " + std::string(1, thread.state);
  }
}

std::string call_text(const probe::ThreadDoing& thread) {
  std::string text = state_word(thread);
  if (thread.call.name.empty()) return text + (thread.state == 'D' && !thread.wchan.empty() ? ", in " + thread.wchan : std::string());
  text += " in " + thread.call.name;
  if (base::contains(thread.call.name, " ")) return text;        // one that has no name here
  text += "(";
  if (thread.call.fd) text += "fd " + std::to_string(*thread.call.fd) + (thread.call.arguments.empty() ? "" : ", ");
  return text + thread.call.arguments + ")";
}

std::string frame_text(const evidence::StackFrame& frame) { return fmt::format("{} ({}:{})", frame.function.empty() ? "?" : frame.function, frame.file, frame.line); }

// Whole, or with other people's frames folded into a count.
std::vector<std::string> frames_of(const std::vector<evidence::StackFrame>& frames, bool whole) {
  std::vector<std::string> lines;
  const bool own = std::any_of(frames.begin(), frames.end(), [](const evidence::StackFrame& frame) { return rule::owner_of(frame.file).empty(); });
  if (!whole && own) return rule::folded(frames);
  const std::size_t shown = whole ? frames.size() : std::min<std::size_t>(frames.size(), 2);
  for (std::size_t i = 0; i < shown; ++i) lines.push_back(frame_text(frames[i]));
  if (frames.size() > shown) lines.push_back("called by " + base::counted(frames.size() - shown, "frame") + ", none of the application");
  return lines;
}

// Of the C library alone: it only says again which call it is.
bool tells_more(const std::vector<evidence::StackFrame>& native) {
  return std::any_of(native.begin(), native.end(), [](const evidence::StackFrame& frame) { return !frame.file.starts_with("libc.so") && !frame.file.starts_with("libpthread"); });
}

void add_thread(std::string& out, const probe::ThreadDoing& thread, const Options& options) {
  out += "\n";
  std::string name = thread.tid ? fmt::format("  thread {}", thread.tid) : "  a thread";
  if (thread.ns_tid && thread.ns_tid != thread.tid) name += fmt::format(" (there {})", thread.ns_tid);
  add_rows(out, name + "  ", call_text(thread) + (thread.stack.gil ? "; holds the GIL" : ""));
  if (!thread.call.on.empty() && !base::starts_with(thread.call.on, "anon_inode:")) add_rows(out, "    on      ", thread.call.on + (thread.peer.empty() ? "" : ", " + thread.peer));
  std::string label = "    native  ";
  for (const evidence::StackFrame& frame : thread.stack.native) {
    if (!options.verbose && !tells_more(thread.stack.native)) break;
    add_rows(out, label, (frame.function.empty() ? "?" : frame.function) + (frame.file.empty() ? "" : " (" + frame.file + ")"));
    label.assign(label.size(), ' ');
  }
  label = "    python  ";
  for (const std::string& line : frames_of(thread.stack.python, options.verbose)) {
    add_rows(out, label, line);
    label.assign(label.size(), ' ');
  }
  if (thread.stack.beyond) add_rows(out, label, "and " + base::counted(thread.stack.beyond, "frame") + " outside of these");
  if (!thread.stack.doubt.empty()) add_rows(out, "    doubt   ", thread.stack.doubt);
}

std::string as_text(const Answer& answer, const Options& options) {
  std::string out;
  for (std::size_t i = 0; i < answer.processes.size(); ++i) {
    const probe::ProcessDoing& process = answer.processes[i];
    const Which& asked = answer.asked[i];
    std::string head = asked.server.empty() ? process.comm : asked.server + " " + asked.role;
    head += fmt::format(" {}: {}", process.pid, base::counted(process.threads.size() + process.left_out, "thread"));
    if (!process.runtime.empty()) head += ", " + process.runtime;
    out += out.empty() ? "" : "\n";
    add_rows(out, "", head);
    if (options.verbose && !process.title.empty()) add_rows(out, "  ", process.title);
    if (options.quiet) continue;
    for (const probe::ThreadDoing& thread : process.threads) add_thread(out, thread, options);
  }
  if (!answer.gaps.empty()) out += "\nNOT SEEN\n";
  for (const evidence::Gap& gap : answer.gaps) add_rows(out, "  ", gap.wanted + ": " + gap.reason + (gap.remedy.empty() ? "" : "; " + gap.remedy));
  return out;
}

// ---- JSON -----------------------------------------------------------------------------------------------------------
using report::utf8;
Json or_null(std::string_view text) { return text.empty() ? Json() : Json(utf8(text)); }
Json or_null(int number) { return number == 0 ? Json() : Json(number); }

Json frames_json(const std::vector<evidence::StackFrame>& frames) {
  Json list = Json::array();
  for (const auto& frame : frames) list.push_back({{"function", or_null(frame.function)}, {"file", utf8(frame.file)}, {"line", or_null(frame.line)}});
  return list;
}

Json thread_json(const probe::ThreadDoing& thread) {
  return {{"tid", or_null(thread.tid)},
          {"ns_tid", or_null(thread.ns_tid)},
          {"name", utf8(thread.comm)},
          {"state", std::string(1, thread.state)},
          {"syscall", or_null(thread.call.name)},
          {"arguments", or_null(thread.call.arguments)},
          {"fd", thread.call.fd ? Json(*thread.call.fd) : Json()},
          {"on", or_null(thread.call.on)},
          {"peer", or_null(thread.peer)},
          {"seconds", thread.call.seconds ? Json(*thread.call.seconds) : Json()},
          {"wchan", or_null(thread.wchan)},
          {"gil", thread.stack.gil},
          {"how", or_null(thread.stack.how)},
          {"doubt", or_null(thread.stack.doubt)},
          {"python", frames_json(thread.stack.python)},
          {"beyond", thread.stack.beyond},
          {"native", frames_json(thread.stack.native)}};
}

Json process_json(const Which& asked, const probe::ProcessDoing& process) {
  return {{"pid", process.pid}, {"server", or_null(asked.server)}, {"role", or_null(asked.role)}, {"name", utf8(process.comm)}, {"command", utf8(process.title)}, {"runtime", or_null(process.runtime)}};
}

Json gap_json(const evidence::Gap& gap) { return {{"wanted", utf8(gap.wanted)}, {"reason", utf8(gap.reason)}, {"remedy", or_null(gap.remedy)}, {"count", gap.count}}; }

std::string as_json(const Answer& answer) {
  Json processes = Json::array(), gaps = Json::array();
  for (std::size_t i = 0; i < answer.processes.size(); ++i) {
    Json process = process_json(answer.asked[i], answer.processes[i]);
    process["threads"] = Json::array();
    for (const auto& thread : answer.processes[i].threads) process["threads"].push_back(thread_json(thread));
    process["left_out"] = answer.processes[i].left_out;
    processes.push_back(std::move(process));
  }
  for (const evidence::Gap& gap : answer.gaps) gaps.push_back(gap_json(gap));
  const Json whole{{"schema", "triage.stacks/1"}, {"tool", "triage " + std::string(report::tool_version)}, {"at", base::iso(answer.at)}, {"processes", std::move(processes)}, {"gaps", std::move(gaps)}};
  return whole.dump(2) + "\n";
}

std::string as_lines(const Answer& answer) {
  std::string out;
  for (std::size_t i = 0; i < answer.processes.size(); ++i)
    for (const auto& thread : answer.processes[i].threads) {
      Json line{{"type", "thread"}};
      line.update(process_json(answer.asked[i], answer.processes[i]));
      line["thread"] = thread_json(thread);
      out += line.dump() + "\n";
    }
  for (const evidence::Gap& gap : answer.gaps) {
    Json line{{"type", "gap"}};
    line.update(gap_json(gap));
    out += line.dump() + "\n";
  }
  return out;
}

}  // namespace

int stacks(const Options& options) {
  const source::LiveHost host;
  std::vector<evidence::Gap> gaps;
  std::vector<Which> asked = asked_for(host, options, gaps);
  if (asked.empty()) {
    const std::string what = options.targets.empty() ? "looking for servers on this host" : "looking for " + printable(options.targets.front(), 80);
    std::fprintf(stderr, "triage: %s: no pre-fork server that I know is there; any process can be named by its pid: triage stacks PID\n", what.c_str());
    return 3;
  }
  Answer answer = read_all(host, std::move(asked), {options.verbose ? probe::Native::all : probe::Native::to_python, options.stop}, std::move(gaps));
  redact(answer);
  const std::string text = options.format == "json" ? as_json(answer) : options.format == "jsonl" ? as_lines(answer) : as_text(answer, options);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (answer.processes.empty()) return 3;
  return options.strict && !answer.gaps.empty() && !options.exit_zero ? 1 : 0;
}

}  // namespace triage
