#include "probe/stacks.hpp"

#include <signal.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <set>

#include "base/text.hpp"
#include "probe/gap.hpp"
#include "probe/namespaces.hpp"
#include "probe/native/unwind.hpp"
#include "probe/proc.hpp"
#include "probe/python/walk.hpp"
#include "probe/samples_bpf.hpp"
#include "probe/sock_diag.hpp"
#include "probe/stack_of.hpp"
#include "probe/stop.hpp"

namespace probe {

using namespace evidence;

namespace {

constexpr int most_rounds = 3;
constexpr std::chrono::milliseconds most_sampling{60};
const char* const ask_again = "look again, or at it alone: triage stacks PID";
constexpr std::size_t most_scanned = 50'000, most_unwound = 128;
// glibc keeps the kernel's number of a thread here, in its struct pthread (nptl/descr.h; the same from 2.17 to 2.41 on x86-64), and a fork renews it,
// which Python's own native_thread_id is not.
#if defined(__x86_64__)
constexpr std::uint64_t pthread_tid = 720;
#else
constexpr std::uint64_t pthread_tid = 0;   // not measured
#endif

std::string task_path(int pid, int tid) { return "/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/"; }

/// What shows whether a thread ran meanwhile.
struct Moment { char state = '?'; std::uint64_t switches = 0; int ns_tid = 0; };

std::optional<Moment> moment_of(const source::Host& host, int pid, int tid) {
  const auto status = host.read(task_path(pid, tid) + "status", 8192);
  if (!status) return std::nullopt;
  Moment moment;
  for (const auto line : base::split(*status, '\n')) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto name = line.substr(0, colon), value = base::trim(line.substr(colon + 1));
    if (name == "State" && !value.empty()) moment.state = value[0];
    else if (name == "voluntary_ctxt_switches" || name == "nonvoluntary_ctxt_switches") moment.switches += static_cast<std::uint64_t>(base::read_number(value).value_or(0));
    else if (name == "NSpid") moment.ns_tid = static_cast<int>(base::read_number(value.substr(value.find_last_of("\t ") == std::string_view::npos ? 0 : value.find_last_of("\t ") + 1)).value_or(0));
  }
  if (moment.ns_tid == 0) moment.ns_tid = tid;
  return moment;
}

bool stands(char state) { return state != 'R' && state != '?'; }

/// Python's threads of one read by the kernel's number as the process itself knows it.
std::map<int, PythonThread> by_number(const Memory& memory, PythonThreads read, const std::set<int>& numbers, std::vector<PythonThread>& strays) {
  std::map<int, PythonThread> known;
  // A C library that keeps it elsewhere: where there is only one of each, they are the same.
  const bool alone = read.threads.size() == 1 && numbers.size() == 1;
  for (PythonThread& thread : read.threads) {
    std::int32_t number = 0;
    if (alone) number = *numbers.begin();
    else if (pthread_tid == 0 || !memory.read(thread.thread + pthread_tid, &number, sizeof number)) number = 0;
    if (!numbers.contains(number)) {
      strays.push_back(std::move(thread));
      continue;
    }
    // A thread has one state in every interpreter that it has been in; the one that runs has frames.
    const auto found = known.find(number);
    if (found == known.end()) known.emplace(number, std::move(thread));
    else if (found->second.frames.empty()) found->second = std::move(thread);
  }
  return known;
}

void take(ThreadStack& stack, PythonThread thread) {
  stack.python = std::move(thread.frames);
  stack.gil = thread.gil;
  stack.beyond = thread.beyond;
  stack.doubt = std::move(thread.doubt);
}

bool same_place(const StackFrame& a, const StackFrame& b) { return a.function == b.function && a.file == b.file; }

/// The whole line table of a frame that brought its beginning only: the code is still there.
void complete_table(int pid, const Interpreter* python, DyingFrame& frame) {
  constexpr std::uint32_t longest = 1 << 18;
  if (!python || frame.table.size() >= frame.table_size || frame.table_size > longest) return;
  std::uint64_t at = 0, size = 0;
  std::string whole(frame.table_size, '\0');
  if (!read_memory(pid, frame.code + python->layout.code_table, &at, sizeof(at)) || !read_memory(pid, at + python->layout.bytes_size, &size, sizeof(size)) || size != frame.table_size ||
      !read_memory(pid, at + python->layout.bytes_value, whole.data(), whole.size()) || !base::starts_with(whole, frame.table))
    return;
  frame.table = std::move(whole);
}

/// A thread's native stack, copied while it did not run.
struct Kept { std::size_t thread = 0; StackCopy copy; };

/// The registers that BPF reads complete those that are still where they were as the stack was copied.
void complete(Kept& one, int tid, const std::map<int, Sampler::Registers>& registers) {
  constexpr std::size_t sp = 7, pc = 16;
  const auto known = registers.find(tid);
  if (known == registers.end() || known->second[sp] != one.copy.sp || known->second[pc] != one.copy.pc) return;
  one.copy.registers.emplace();
  std::copy_n(known->second.begin(), one.copy.registers->size(), one.copy.registers->begin());
}

void unwind(int pid, HowToRead how, std::vector<Kept> kept, ProcessDoing& process, std::vector<Gap>& gaps) {
  if (kept.empty()) return;
  auto unwinder = Unwinder::open(pid);
  if (!unwinder) {
    gaps.push_back(gap_of("the native stacks of pid " + std::to_string(pid), unwinder.error()));
    return;
  }
  std::vector<Kept*> early;
  std::size_t left_out = 0;
  for (Kept& one : kept) {
    if (HowToRead::Steady::now() >= how.until) {
      ++left_out;
      continue;
    }
    bool whole = false;
    process.threads[one.thread].stack.native = unwinder->frames(one.copy, how.native == Native::to_python, &whole);
    if (!whole && !one.copy.registers) early.push_back(&one);
  }
  if (left_out) gaps.push_back({"the native stacks of some threads of pid " + std::to_string(pid), "the time for reading it was over", ask_again, left_out, {}});
  if (early.empty() || left_out || !how.sampler) return;
  const auto registers = how.sampler->registers(pid);
  if (!registers) {
    gaps.push_back(gap_of("the outer frames of some native stacks of pid " + std::to_string(pid), registers.error()));
    return;
  }
  for (Kept* const one : early) {
    ThreadDoing& thread = process.threads[one->thread];
    complete(*one, thread.tid, *registers);
    if (!one->copy.registers) continue;
    auto frames = unwinder->frames(one->copy, how.native == Native::to_python);
    if (frames.size() >= thread.stack.native.size()) thread.stack.native = std::move(frames);
  }
}

/// What waits in a loop of its own stands on no thread: that is said of the loop's thread, which seems to do nothing.
void miss_parked(const ProcessDoing& process, std::vector<Gap>& gaps) {
  constexpr std::size_t innermost = 2;                   // asyncio's loop waits in the selectors module
  const auto stands_in = [&](std::string_view file, std::string_view function) {
    return std::any_of(process.threads.begin(), process.threads.end(), [&](const ThreadDoing& thread) {
      const auto& frames = thread.stack.python;
      return std::any_of(frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(std::min(innermost, frames.size())), [&](const StackFrame& frame) { return frame.file.ends_with(file) && frame.function.ends_with(function); });
    });
  };
  const std::string of = " of pid " + std::to_string(process.pid);
  if (stands_in("/gevent/hub.py", "run")) gaps.push_back({"the parked greenlets" + of, "they stand on no thread; only the one that runs is seen, here the hub", "from inside: gevent.util.print_run_info(), called by a signal's handler", 1, {}});
  if (stands_in("/eventlet/hubs/hub.py", "run")) gaps.push_back({"the parked greenlets" + of, "they stand on no thread; only the one that runs is seen, here the hub", "from inside: traceback.print_stack(g.gr_frame) of each greenlet, called by a signal's handler", 1, {}});
  if (stands_in("/asyncio/base_events.py", "_run_once")) gaps.push_back({"the parked tasks" + of, "they stand on no thread; only the one that runs is seen", "from inside: task.print_stack() for each of asyncio.all_tasks(), called by loop.add_signal_handler; Python 3.14: python3 -m asyncio pstree " + std::to_string(process.pid), 1, {}});
}

/// What runs, or ran while it was read, as it was when a timer of its own interrupted it. Those that did not run meanwhile stay as they are.
/// What was sampled is taken out of `tids`.
void sample(ProcessDoing& process, const Interpreter* python, HowToRead how, std::vector<int>& tids, std::vector<Gap>& gaps) {
  if (tids.empty() || !how.sampler) return;
  const auto samples = how.sampler->running(process.pid, tids, python ? std::optional(for_bpf(*python)) : std::nullopt, most_sampling);
  if (!samples) {
    gaps.push_back(gap_of("samples of the running threads of pid " + std::to_string(process.pid), samples.error()));
    return;
  }
  std::vector<Kept> kept;
  for (std::size_t i = 0; i < process.threads.size(); ++i) {
    ThreadDoing& thread = process.threads[i];
    const auto sampled = samples->find(thread.tid);
    if (sampled == samples->end() || std::find(tids.begin(), tids.end(), thread.tid) == tids.end()) continue;
    DyingThread read = sampled->second;
    for (DyingFrame& frame : read.frames) complete_table(process.pid, python, frame);
    thread.stack = stack_of(read, python, {});
    thread.stack.runtime = process.runtime;
    thread.stack.how = "sample";
    if (how.native != Native::none) kept.push_back({i, std::move(read.native)});
    std::erase(tids, thread.tid);
  }
  unwind(process.pid, how, std::move(kept), process, gaps);
}

class Reader {
 public:
  Reader(const source::Host& host, int pid, HowToRead::Steady::time_point until, std::vector<Gap>& gaps) : host_(host), pid_(pid), memory_(pid, until), gaps_(gaps) {}

  void stacks_of(ProcessDoing& process, const Interpreter& python, HowToRead how) {
    std::map<int, ThreadDoing*> open;
    for (ThreadDoing& thread : process.threads) {
      thread.stack.runtime = process.runtime;
      open[thread.ns_tid] = &thread;
    }
    if (memory_.over()) {
      gaps_.push_back({"the Python stacks of pid " + std::to_string(pid_), "the time for reading it was over", ask_again, 1, {}});
      return;
    }
    std::map<int, std::vector<std::vector<StackFrame>>> reads;
    std::vector<PythonThread> strays;
    std::string doubt;
    const std::set<int> numbers = [&] { std::set<int> all; for (const auto& [number, thread] : open) all.insert(number); return all; }();
    for (int round = 0; round < most_rounds && (!open.empty() || !doubt.empty()) && (round == 0 || !memory_.over()); ++round) {
      std::map<int, Moment> before;
      for (const auto& [number, thread] : open)
        if (const auto moment = moment_of(host_, pid_, thread->tid)) before[number] = *moment;
      PythonThreads read = read_python(memory_, python);
      doubt = read.doubt;
      strays.clear();
      auto known = by_number(memory_, std::move(read), numbers, strays);
      for (auto one = open.begin(); one != open.end();) {
        const auto [number, thread] = *one;
        const auto found = known.find(number), none = known.end();
        const auto then = before.find(number);
        const auto now = moment_of(host_, pid_, thread->tid);
        const bool steady = then != before.end() && now && stands(then->second.state) && stands(now->state) && now->switches == then->second.switches;
        thread->state = now ? now->state : thread->state;
        if (found != none) {
          reads[number].push_back(found->second.frames);
          take(thread->stack, std::move(found->second));
        }
        // A thread that is none of Python's is looked for again only where the list broke off.
        const bool settled = steady && (found == none ? doubt.empty() : thread->stack.doubt.empty());
        thread->stack.how = steady ? (now->state == 'T' || now->state == 't' ? "stop" : "asleep") : "moving";
        one = settled ? open.erase(one) : std::next(one);
      }
    }
    if (how.stop && !memory_.over()) stopped_stacks(process, python, how, open, numbers);
    std::vector<int> running;
    for (const auto& [number, thread] : open)
      if (thread->stack.how == "moving") running.push_back(thread->tid);
    sample(process, &python, how, running, gaps_);
    bool moved = false;
    for (const auto& [number, thread] : open) {
      if (thread->stack.how != "moving") continue;
      settle_moving(thread->stack, reads[number]);
      moved = true;
    }
    if (moved) gaps_.push_back({"where the running threads of pid " + std::to_string(pid_) + " are", "they ran while they were read, and no sample of them came; a stop would tell", "triage stacks " + std::to_string(pid_) + " --stop (its system calls may see EINTR), or py-spy dump --pid " + std::to_string(pid_), 1, {}});
    if (!doubt.empty()) gaps_.push_back({"some Python stacks of pid " + std::to_string(pid_), doubt, "look again", 1, {}});
    for (PythonThread& stray : strays) {
      if (stray.frames.empty() || process.left_out) continue;   // the kernel's thread was left out, too
      ThreadDoing thread;
      thread.stack.runtime = process.runtime;
      thread.stack.how = "moving";
      take(thread.stack, std::move(stray));
      thread.stack.doubt = "which thread of the kernel this is could not be told, nor whether it ran meanwhile";
      process.threads.push_back(std::move(thread));
    }
  }

 private:
  /// Those that ran, once more while they stand; what stopped is taken out of `open`.
  void stopped_stacks(ProcessDoing& process, const Interpreter& python, HowToRead how, std::map<int, ThreadDoing*>& open, const std::set<int>& numbers) {
    std::vector<int> tids;
    for (const auto& [number, thread] : open)
      if (thread->stack.how == "moving") tids.push_back(thread->tid);
    std::vector<Kept> kept;
    std::map<int, PythonThread> known;
    {
      const Stop stop(tids);
      std::vector<PythonThread> strays;
      known = by_number(memory_, read_python(memory_, python), numbers, strays);
      for (auto one = open.begin(); one != open.end();) {
        const auto [number, thread] = *one;
        const bool stands_now = std::find(stop.stopped().begin(), stop.stopped().end(), thread->tid) != stop.stopped().end();
        if (stands_now) {
          if (const auto found = known.find(number); found != known.end()) take(thread->stack, std::move(found->second));
          thread->stack.how = "stop";
          const auto text = how.native == Native::none ? base::Result<std::string>(std::string()) : host_.read(task_path(pid_, thread->tid) + "syscall", 512);
          if (const auto line = text ? read_call_line(*text) : std::nullopt; line && line->sp) kept.push_back({static_cast<std::size_t>(thread - process.threads.data()), copy_stack(pid_, line->sp, line->pc)});
        }
        one = stands_now ? open.erase(one) : std::next(one);
      }
    }
    unwind(pid_, how, std::move(kept), process, gaps_);
  }

  static void settle_moving(ThreadStack& stack, const std::vector<std::vector<StackFrame>>& reads) {
    if (reads.empty()) return;
    const std::size_t had = stack.python.size();
    stack.python = agreed(reads);
    const std::string lost = had > stack.python.size() ? "; inside of these it was somewhere else at every look" : "";
    stack.doubt = "it ran meanwhile: these are the frames on which " + base::counted(reads.size(), "read") + " agree, with lines that move" + lost;
  }

  const source::Host& host_;
  int pid_;
  LiveMemory memory_;
  std::vector<Gap>& gaps_;
};

ThreadDoing thread_now(const source::Host& host, int pid, int tid, const TableOf& table, const Memory& memory, bool& refused, std::optional<StackCopy>* native) {
  ThreadDoing thread;
  thread.tid = tid;
  thread.stack.tid = tid;
  const std::string at = task_path(pid, tid);
  const auto before = moment_of(host, pid, tid);
  if (before) {
    thread.state = before->state;
    thread.ns_tid = before->ns_tid;
  }
  if (const auto comm = host.read(at + "comm", 64)) thread.comm = base::trim(*comm);
  if (const auto symbol = host.read(at + "wchan", 128); symbol && *symbol != "0") thread.wchan = *symbol;
  const auto text = host.read(at + "syscall", 512);
  if (!text) {
    refused = true;
    return thread;
  }
  if (const auto line = read_call_line(*text)) {
    thread.call = call_of(host, pid, *line, table, &memory);
    if (line->running) thread.state = 'R';
    if (!native || line->sp == 0 || !before || !stands(before->state)) return thread;
    StackCopy copy = copy_stack(pid, line->sp, line->pc);
    const auto after = moment_of(host, pid, tid);
    if (after && stands(after->state) && after->switches == before->switches) *native = std::move(copy);
  }
  return thread;
}

}  // namespace

std::vector<StackFrame> agreed(const std::vector<std::vector<StackFrame>>& reads) {
  if (reads.empty()) return {};
  std::size_t same = SIZE_MAX;
  const auto& last = reads.back();
  for (const auto& read : reads) {
    std::size_t here = 0;
    while (here < read.size() && here < last.size() && same_place(read[read.size() - 1 - here], last[last.size() - 1 - here])) ++here;
    same = std::min(same, here);
  }
  return {last.end() - static_cast<std::ptrdiff_t>(same), last.end()};
}

ProcessDoing what_it_does(const source::Host& host, int pid, const TableOf& table, HowToRead how, std::vector<Gap>& gaps) {
  how.until = std::min(how.until, HowToRead::Steady::now() + longest_look);
  ProcessDoing process;
  process.pid = pid;
  const std::string name = "pid " + std::to_string(pid), at = "/proc/" + std::to_string(pid) + "/";
  const auto tasks = host.list(at + "task");
  if (!tasks) {
    if (host.kind() == "live" && ::kill(pid, 0) != 0 && errno == ESRCH) gaps.push_back({"what " + name + " is doing", "there is no such process", "ps -e, or triage stacks for the servers of this host", 1, {}});
    else gaps.push_back(gap_of("what " + name + " is doing", tasks.error()));
    return process;
  }
  if (const auto comm = host.read(at + "comm", 64)) process.comm = base::trim(*comm);
  if (const auto words = host.read(at + "cmdline", 65536)) process.title = command_text(read_cmdline(*words));
  std::vector<int> tids;
  for (const auto& entry : *tasks)
    if (const auto tid = base::read_number(entry.name); tid && *tid > 0) tids.push_back(static_cast<int>(*tid));
  std::sort(tids.begin(), tids.end());
  if (const auto main = std::find(tids.begin(), tids.end(), pid); main != tids.end()) std::rotate(tids.begin(), main, main + 1);
  if (tids.size() > most_threads) {
    process.left_out = tids.size() - most_threads;
    tids.resize(most_threads);
    gaps.push_back({"some threads of " + name, "it has more than " + std::to_string(most_threads), "", process.left_out, {}});
  }
  const LiveMemory memory(pid, how.until);
  bool refused = false;
  std::vector<Kept> kept;
  for (const int tid : tids) {
    if (!process.threads.empty() && memory.over()) {
      const std::size_t rest = tids.size() - process.threads.size();
      process.left_out += rest;
      gaps.push_back({"some threads of " + name, "the time for reading it was over", ask_again, rest, {}});
      break;
    }
    std::optional<StackCopy> copy;
    process.threads.push_back(thread_now(host, pid, tid, table, memory, refused, how.native == Native::none || kept.size() >= most_unwound ? nullptr : &copy));
    process.threads.back().stack.how = copy ? "asleep" : "moving";
    if (copy) kept.push_back({process.threads.size() - 1, std::move(*copy)});
  }
  unwind(pid, how, std::move(kept), process, gaps);
  if (refused) gaps.push_back({"the system calls of " + name, "/proc/PID/syscall may not be read", "run as root, or grant CAP_SYS_PTRACE", 1, {}});
  if (!process.threads.empty() && process.threads.front().state == 'Z') return process;
  const auto python = interpreter_of(pid);
  if (!python) {
    std::vector<int> running;
    for (const ThreadDoing& thread : process.threads)
      if (thread.stack.how == "moving") running.push_back(thread.tid);
    if (how.native != Native::none) sample(process, nullptr, how, running, gaps);
    // What runs no Python is no blind spot of ours.
    if (python.error().kind != base::Kind::missing) gaps.push_back(gap_of("the Python stacks of " + name, python.error()));
    return process;
  }
  process.runtime = python->name();
  Reader(host, pid, how.until, gaps).stacks_of(process, *python, how);
  miss_parked(process, gaps);
  return process;
}

void name_peers(const source::Host& host, std::vector<ProcessDoing>& all, const std::map<std::uint64_t, NetTable>& tables, std::vector<Gap>& gaps, HowToRead::Steady::time_point until) {
  // The other end of a connection has our ends the other way round; a unix socket's is told by the kernel.
  std::map<std::uint64_t, std::vector<ThreadDoing*>> wanted;
  std::optional<std::map<std::uint64_t, std::uint64_t>> local;
  for (ProcessDoing& process : all)
    for (ThreadDoing& thread : process.threads) {
      if (thread.call.inode == 0) continue;
      for (const auto& [space, table] : tables) {
        const auto own = table.find(thread.call.inode);
        if (own == table.end() || own->second.listening) continue;
        if (own->second.kind == Socket::Kind::local) {
          if (!local) local = unix_peers(process.pid).value_or(std::map<std::uint64_t, std::uint64_t>{});
          if (const auto peer = local->find(thread.call.inode); peer != local->end()) wanted[peer->second].push_back(&thread);
          continue;
        }
        for (const auto& [inode, socket] : table)
          if (socket.kind == own->second.kind && inode != thread.call.inode && !socket.local.empty() && socket.local == own->second.peer && socket.peer == own->second.local) wanted[inode].push_back(&thread);
      }
    }
  if (wanted.empty()) return;
  std::size_t left_out = 0;
  for (const int pid : everybody(host, most_scanned, left_out)) {
    if (wanted.empty()) return;
    if (HowToRead::Steady::now() >= until) {
      gaps.push_back({"who is at the other end of some connections", "the time for this look was over", "look at fewer: triage stacks PID", 1, {}});
      return;
    }
    const auto descriptors = read_descriptors(host, pid);
    if (!descriptors) continue;
    for (const Descriptor& open : *descriptors) {
      const auto inode = socket_inode(open.target);
      const auto found = inode ? wanted.find(*inode) : wanted.end();
      if (found == wanted.end()) continue;
      const auto comm = host.read("/proc/" + std::to_string(pid) + "/comm", 64);
      for (ThreadDoing* thread : found->second) thread->peer = "pid " + std::to_string(pid) + (comm ? " (" + std::string(base::trim(*comm)) + ")" : std::string());
      wanted.erase(found);
    }
  }
  if (left_out) gaps.push_back({"who is at the other end of some connections", "there are too many processes", "", left_out, {}});
}

}  // namespace probe
