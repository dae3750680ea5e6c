#include "probe/death_stacks.hpp"

#include <algorithm>
#include <array>
#include <functional>

#include "base/text.hpp"
#include "probe/system_calls.hpp"
#include "source/live_host.hpp"

namespace probe {

using namespace evidence;

namespace {

// Of what is mapped, the files: all that an unwinder needs.
std::string files_alone(std::string_view maps) {
  std::string files;
  for (const auto line : base::split(maps, '\n'))
    if (line.find('/') != std::string_view::npos) files += std::string(line) + "\n";
  return files;
}

}  // namespace

std::vector<Fact> facts_of(const DyingThread& thread, const Interpreter* python, std::vector<StackFrame> native, std::int64_t wall_minus_boot) {
  std::vector<Fact> facts;
  Fact form;
  form.about = {thread.pid, PidSpace::host, {}};
  form.when = base::Instant{base::Clock::wall, thread.at_ns + wall_minus_boot, 1'000'000};
  const std::string moment = "as " + base::signal_text(thread.signal) + " came to " + (thread.tid == thread.pid ? "it" : "its thread " + std::to_string(thread.tid));
  if ((python && (!thread.frames.empty() || thread.tid == thread.pid)) || !native.empty()) {
    ThreadStack stack = stack_of(thread, python, std::move(native));
    stack.how = "signal";
    Fact fact = form;
    fact.text = moment + ": ";
    if (stack.python.empty() && !stack.native.empty()) fact.text += (stack.native.front().function.empty() ? "?" : stack.native.front().function) + " (" + stack.native.front().file + "), " + base::counted(stack.native.size(), "native frame");
    else if (stack.python.empty()) fact.text += thread.flags & stack_found ? "it ran no Python code" : "no thread of Python's";
    else fact.text += stack.python.front().function + " (" + stack.python.front().file + ":" + std::to_string(stack.python.front().line) + "), " + base::counted(stack.python.size(), "frame");
    fact.what = std::move(stack);
    facts.push_back(std::move(fact));
  }
  const SystemCall* const call = system_call(thread.call);       // one in which a worker is found; kill() of itself says nothing
  if (call && (python == nullptr || !facts.empty())) {
    TimeBlocked blocked;
    blocked.call = std::string(call->name);
    blocked.tid = thread.tid;
    const bool polled = blocked.call == "poll" || blocked.call == "ppoll";      // BPF tells the descriptor where it is one
    if (thread.fd >= 0 && !thread.on.empty() && (polled || call->descriptor)) {
      blocked.fd = thread.fd;
      blocked.on = thread.on;
    }
    Fact fact = form;
    fact.text = moment + ": in " + blocked.call + (blocked.on.empty() ? "" : " on " + blocked.on);
    fact.what = std::move(blocked);
    facts.push_back(std::move(fact));
  }
  return facts;
}

base::Result<DeathStacks> DeathStacks::open(const BpfWatch& deaths, bool everything) {
  TRY(bpf, StacksBpf::open(deaths, everything));
  return DeathStacks(std::move(bpf));
}

void DeathStacks::add(int pid, std::vector<Gap>& gaps) {
  auto python = interpreter_of(pid);
  if (!python) {
    const base::Error& error = python.error();
    // What is gone meanwhile, or runs no Python, is no blind spot.
    if (error.kind != base::Kind::missing) gaps.push_back({"the Python stacks of pid " + std::to_string(pid) + " as it dies", base::sentence({error.kind, error.doing, error.answer, "", error.code}), error.remedy, 1, {}});
    return;
  }
  if (!bpf_.add(pid, for_bpf(*python))) {
    gaps.push_back({"the Python stacks of some processes as they die", "the table of interpreters is full", "name one server: triage watch PID", 1, {}});
    return;
  }
  pythons_.insert_or_assign(pid, std::move(*python));
}

bool DeathStacks::add_fork(int pid, int of) {
  const auto known = pythons_.find(of);
  if (known == pythons_.end()) return false;
  // The auxiliary vector holds addresses that every exec draws anew (AT_RANDOM, AT_BASE) and a fork keeps.
  const source::LiveHost host;
  const auto own = host.read("/proc/" + std::to_string(pid) + "/auxv", 4096), its = host.read("/proc/" + std::to_string(of) + "/auxv", 4096);
  if (!own || !its || own->empty() || *own != *its || !bpf_.add(pid, for_bpf(known->second))) return false;
  const Interpreter same = known->second;
  pythons_.insert_or_assign(pid, same);
  return true;
}

std::shared_ptr<const std::string> DeathStacks::shared(std::string maps) {
  auto& known = texts_[std::hash<std::string>{}(maps)];
  if (auto same = known.lock(); same && *same == maps) return same;
  auto text = std::make_shared<const std::string>(std::move(maps));
  known = text;
  std::erase_if(texts_, [](const auto& entry) { return entry.second.expired(); });
  return text;
}

void DeathStacks::follow(int pid, int group) {
  if (followed_.contains(pid) || followed_.size() >= most_followed) return;
  followed_[pid] = {group, 0, Steady::now(), nullptr};
}

void DeathStacks::look() {
  using namespace std::chrono_literals;
  static constexpr std::array<Steady::duration, 3> soon{300ms, 2s, 8s};
  const auto now = Steady::now();
  const source::LiveHost host;
  std::size_t looks = 0;
  for (auto& [pid, process] : followed_) {
    if (process.due > now) continue;
    if (++looks > most_looks) return;                    // the others at the next call
    process.due = now + (static_cast<std::size_t>(process.looks) < soon.size() ? soon[static_cast<std::size_t>(process.looks)] : Steady::duration(30s));
    ++process.looks;
    if (const auto maps = host.read("/proc/" + std::to_string(pid) + "/maps", 16 << 20); maps && !maps->empty()) process.maps = shared(files_alone(*maps));
  }
}

std::vector<StackFrame> DeathStacks::native_of(const DyingThread& thread, bool to_python, Unwinders& unwinders) const {
  auto known = followed_.find(thread.pid);
  if (known == followed_.end() && (known = followed_gone_.find(thread.pid)) == followed_gone_.end()) return {};
  const Followed& process = known->second;
  if (!process.maps || thread.native.bytes.empty()) return {};
  auto unwinder = unwinders.find(process.maps.get());
  if (unwinder == unwinders.end()) {
    std::vector<int> relatives;
    for (const auto& [pid, other] : followed_)
      if (pid != thread.pid && other.group == process.group && relatives.size() < most_relatives) relatives.insert(other.maps == process.maps ? relatives.begin() : relatives.end(), pid);
    auto made = Unwinder::of_the_dead(thread.pid, *process.maps, relatives);
    if (!made) return {};
    unwinder = unwinders.emplace(process.maps.get(), std::move(*made)).first;
  }
  return unwinder->second.frames(thread.native, to_python);
}

void DeathStacks::ended(int pid) {
  if (const auto process = followed_.find(pid); process != followed_.end()) {
    while (followed_gone_.size() >= most_gone) followed_gone_.erase(followed_gone_.begin());
    followed_gone_.insert_or_assign(pid, std::move(process->second));
    followed_.erase(process);
  }
  const auto known = pythons_.find(pid);
  if (known == pythons_.end()) return;
  bpf_.remove(pid);
  while (gone_.size() >= most_gone) gone_.erase(gone_.begin());
  gone_.insert_or_assign(pid, std::move(known->second));
  pythons_.erase(known);
}

void DeathStacks::complete(DyingThread& thread, const PythonLayout& layout) {
  for (DyingFrame& frame : thread.frames) {
    if (frame.table.size() >= frame.table_size || frame.table.empty() || frame.table_size > longest_table) continue;
    const std::string key = frame.table + std::to_string(frame.table_size);
    if (const auto known = tables_.find(key); known != tables_.end()) {
      frame.table = known->second;
      continue;
    }
    std::size_t asked = 0;
    for (const auto& [pid, python] : pythons_) {
      if (pid == thread.pid || python.layout.minor != layout.minor || ++asked > most_asked) continue;
      std::uint64_t at = 0, size = 0;
      std::string whole(frame.table_size, '\0');
      if (!read_memory(pid, frame.code + layout.code_table, &at, sizeof(at)) || !read_memory(pid, at + layout.bytes_size, &size, sizeof(size)) || size != frame.table_size ||
          !read_memory(pid, at + layout.bytes_value, whole.data(), whole.size()) || !base::starts_with(whole, frame.table))
        continue;
      if (tables_.size() >= most_tables) tables_.clear();
      tables_.emplace(key, whole);
      frame.table = std::move(whole);
      break;
    }
  }
}

std::vector<Fact> DeathStacks::drain(std::int64_t wall_minus_boot) {
  std::vector<DyingThread> threads;
  bpf_.drain(threads);
  std::stable_sort(threads.begin(), threads.end(), [](const DyingThread& a, const DyingThread& b) { return a.at_ns < b.at_ns; });
  std::vector<Fact> facts;
  Unwinders unwinders;                                   // for this moment: they hold files open
  for (DyingThread& thread : threads) {
    const auto known = pythons_.find(thread.python), gone = gone_.find(thread.python);
    const Interpreter* const python = known != pythons_.end() ? &known->second : gone != gone_.end() ? &gone->second : nullptr;
    if (python) complete(thread, python->layout);
    auto native = native_of(thread, python && !thread.frames.empty(), unwinders);
    for (Fact& fact : facts_of(thread, python, std::move(native), wall_minus_boot)) facts.push_back(std::move(fact));
  }
  return facts;
}

}  // namespace probe
