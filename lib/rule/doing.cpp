#include "rule/doing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace rule {

using namespace evidence;

namespace {

constexpr std::size_t most_lines = 24, most_others = 3;
// SIGABRT, then SIGKILL a loop of the master later; a fault's handler may dump for a while. What is older belongs to no death.
constexpr std::int64_t one_death_ns = 60 * base::second_ns;
constexpr std::int64_t one_snapshot_ns = 300 * base::second_ns;
constexpr std::int64_t one_signal_ns = base::second_ns;      // delivered to all threads

constexpr std::size_t most_waits = 4;

std::string span_text(double seconds) { return base::duration_text(static_cast<std::int64_t>(seconds * 1e9)); }

std::string frame_text(const StackFrame& frame) {
  std::string text = frame.function.empty() ? "?" : frame.function;
  if (frame.file.empty()) return text;
  return text + " (" + frame.file + (frame.line > 0 ? ":" + std::to_string(frame.line) : "") + ")";
}

bool of_application(const StackFrame& frame) { return owner_of(frame.file).empty(); }

/// "12 frames of gunicorn, django"
std::string run_text(const std::vector<StackFrame>& frames, std::size_t from, std::size_t to) {
  std::vector<std::string> owners;
  for (std::size_t i = from; i < to; ++i) {
    std::string owner = owner_of(frames[i].file);
    if (std::find(owners.begin(), owners.end(), owner) == owners.end()) owners.push_back(std::move(owner));
  }
  std::string text = base::counted(to - from, "frame") + " of ";
  for (std::size_t i = 0; i < owners.size() && i < 4; ++i) text += (i ? ", " : "") + owners[i];
  if (owners.size() > 4) text += " and others";
  return text;
}

bool has_application(const ThreadStack& stack) { return std::any_of(stack.python.begin(), stack.python.end(), of_application); }

/// Which of a death's stacks says most: the thread that the fault came to, one in the application's code, the one that holds the lock, the main one.
int weight(const ThreadStack& stack, int pid) {
  int weight = 0;
  if (!stack.python.empty()) weight += 1;
  if (has_application(stack)) weight += in_the_background(stack) ? 1 : 8;
  if (stack.gil) weight += 4;
  if (stack.tid == pid) weight += 2;
  return weight;
}

FactId telling(const Look& look, const model::Life& life) {
  const auto stack_of = [&](FactId id) { return as<ThreadStack>(look.evidence.facts[id]); };
  const auto at = [&](FactId id) { const auto& when = look.evidence.facts[id].when; return when ? when->at : 0; };
  std::vector<FactId> dying, before;
  for (const FactId id : life.stacks) {
    if (stack_of(id)->how == "signal") dying.push_back(id);
    // What it did long before it ended by something else says nothing of its end.
    else if (!life.ended || life.ended->clock != base::Clock::wall || life.ended->at - at(id) <= one_snapshot_ns) before.push_back(id);
  }
  const auto by_time = [&](FactId a, FactId b) { return at(a) < at(b); };
  std::stable_sort(dying.begin(), dying.end(), by_time);
  std::stable_sort(before.begin(), before.end(), by_time);
  std::vector<FactId> choice;
  if (!dying.empty()) {
    // The first signal of this death: at the SIGKILL after a SIGABRT the stack is unwound already.
    const std::int64_t last = at(dying.back());
    const auto first = std::find_if(dying.begin(), dying.end(), [&](FactId id) { return last - at(id) <= one_death_ns; });
    for (auto id = first; id != dying.end(); ++id)
      if (stack_of(*id)->signal == stack_of(*first)->signal && at(*id) - at(*first) <= one_signal_ns) choice.push_back(*id);
  }
  const bool bare = std::none_of(choice.begin(), choice.end(), [&](FactId id) { return !stack_of(id)->python.empty() || !stack_of(id)->native.empty(); });
  if (bare && !before.empty()) {
    choice.clear();
    for (const FactId id : before)
      if (at(before.back()) - at(id) <= one_signal_ns) choice.push_back(id);
  }
  FactId best = no_fact;
  for (const FactId id : choice) {
    const int pid = look.evidence.facts[id].about.pid;
    if (best == no_fact || weight(*stack_of(id), pid) > weight(*stack_of(best), pid)) best = id;
  }
  return best;
}

}  // namespace

std::string owner_of(std::string_view file) {
  if (file.empty() || file.front() == '<') return "python";        // "<frozen importlib._bootstrap>", "<string>"
  for (const std::string_view folder : {"/site-packages/", "/dist-packages/"}) {
    const std::size_t at = file.rfind(folder);
    if (at == std::string_view::npos) continue;
    std::string_view rest = file.substr(at + folder.size());
    rest = rest.substr(0, rest.find('/'));
    if (rest.ends_with(".py")) rest.remove_suffix(3);
    return std::string(rest);
  }
  // ".../lib/python3.11/socket.py", "/usr/lib/python3/..." is dist-packages; a zip of the library.
  std::size_t at = file.find("/lib/python3.");
  if (at == std::string_view::npos) at = file.find("/lib64/python3.");
  if (at != std::string_view::npos) return "python";
  // Started from a folder of its own, as a package's script is: .../bin/gunicorn.
  constexpr std::array scripts{"gunicorn", "uvicorn", "uwsgi", "celery", "hypercorn", "daphne", "granian", "waitress-serve"};
  const std::string_view name = file.substr(file.rfind('/') == std::string_view::npos ? 0 : file.rfind('/') + 1);
  for (const std::string_view script : scripts)
    if (name == script) return std::string(script);
  return {};
}

bool in_the_background(const ThreadStack& stack) {
  const auto outermost = std::find_if(stack.python.rbegin(), stack.python.rend(), of_application);
  return outermost != stack.python.rend() && outermost != stack.python.rbegin() &&
         std::all_of(stack.python.rbegin(), outermost, [](const StackFrame& frame) { return frame.file.ends_with("/threading.py"); });
}

std::vector<std::string> folded(const std::vector<StackFrame>& frames) {
  std::vector<std::string> lines;
  const auto innermost = std::find_if(frames.begin(), frames.end(), of_application);
  if (innermost == frames.end()) {
    for (std::size_t i = 0; i < frames.size() && i < most_others; ++i) lines.push_back(frame_text(frames[i]));
    if (frames.size() > most_others) lines.push_back("called by " + run_text(frames, most_others, frames.size()));
    return lines;
  }
  const auto own = static_cast<std::size_t>(innermost - frames.begin());
  lines.push_back(frame_text(frames[own]));
  if (own > 0) lines.push_back("in " + frame_text(frames[0]) + (own > 1 ? ", through " + run_text(frames, 1, own) : ""));
  for (std::size_t i = own + 1; i < frames.size() && lines.size() < most_lines;) {
    if (of_application(frames[i])) {
      lines.push_back("called by " + frame_text(frames[i++]));
      continue;
    }
    const auto next = static_cast<std::size_t>(std::find_if(frames.begin() + static_cast<std::ptrdiff_t>(i), frames.end(), of_application) - frames.begin());
    lines.push_back("called by " + run_text(frames, i, next));
    i = next;
  }
  return lines;
}

std::vector<std::string> native_lines(const std::vector<StackFrame>& frames, bool within) {
  const auto of_libc = [](const StackFrame& frame) { return frame.file.starts_with("libc.so") || frame.file.starts_with("libpthread"); };
  std::vector<std::string> lines;
  if (within && std::all_of(frames.begin(), frames.end(), of_libc)) return lines;
  for (std::size_t i = 0; i < frames.size();) {
    std::size_t end = i + 1;
    while (end < frames.size() && frames[i].function.empty() && frames[end].function.empty() && frames[end].file == frames[i].file) ++end;
    lines.push_back(end - i > 1 && !frames[i].file.empty() ? base::counted(end - i, "frame") + " in " + frames[i].file : frame_text(frames[i]));
    i = end;
  }
  return lines;
}

FactId stack_at_death(const Look& look, const model::Life& life) { return telling(look, life); }

FactId served_by(const Look& look, const model::Life& life) {
  if (life.requests.empty()) return no_fact;
  const FactId stack = telling(look, life);
  const int tid = stack == no_fact ? 0 : as<ThreadStack>(look.evidence.facts[stack])->tid;
  for (const FactId id : life.requests)
    if (as<RequestServed>(look.evidence.facts[id])->tid == tid) return id;
  return life.requests.back();
}

void tell_doing(const Look& look, const model::Life& life, Doing& doing) {
  const FactId stacked = telling(look, life), request = served_by(look, life);
  int tid = life.host_pid ? life.host_pid : life.pid;
  if (request != no_fact) {
    const auto& served = *as<RequestServed>(look.evidence.facts[request]);
    if (served.tid) tid = served.tid;                    // 0: its server told of it, and names no thread
    doing.request = served.line;
    if (!served.headers.empty()) doing.request += ", " + served.headers;
    if (served.seconds >= 0.05) doing.request += ", for " + span_text(served.seconds);
    if (!served.peer.empty()) doing.request += ", from " + served.peer;
  }
  if (stacked != no_fact) {
    const auto& stack = *as<ThreadStack>(look.evidence.facts[stacked]);
    tid = stack.tid;
    if (doing.python.empty()) {
      doing.python = folded(stack.python);
      doing.frames = stack.python;
    }
    if (doing.native.empty()) doing.native = native_lines(stack.native, !stack.python.empty());
    if (!stack.doubt.empty()) (doing.python.empty() ? doing.native : doing.python).push_back(stack.doubt);
  }
  std::vector<const TimeBlocked*> over;
  const TimeBlocked* now = nullptr;                      // the call it was in
  std::string on;
  for (const FactId id : life.blocked) {
    const auto* blocked = as<TimeBlocked>(look.evidence.facts[id]);
    if (blocked->tid != tid) continue;
    if (blocked->ended) {
      over.push_back(blocked);
      continue;
    }
    if (on.empty()) on = blocked->on;                    // whoever told the time may not have told where it leads
    if (!now || blocked->seconds >= now->seconds) now = blocked;
  }
  if (now && doing.syscall.empty()) {
    doing.syscall = now->call;
    if (now->seconds >= 0.05) doing.syscall += " for " + span_text(now->seconds);
    doing.fd = now->fd;
    doing.peer = now->on.empty() ? on : now->on;
  }
  std::stable_sort(over.begin(), over.end(), [](const TimeBlocked* a, const TimeBlocked* b) { return a->seconds > b->seconds; });
  for (const TimeBlocked* blocked : over) {
    if (blocked->seconds < 0.05 || doing.waits.size() >= most_waits) break;
    doing.waits.push_back("before that " + span_text(blocked->seconds) + " in " + blocked->call + (blocked->on.empty() ? "" : " on " + blocked->on) + (blocked->count > 1 ? ", " + base::counted(blocked->count, "time") : ""));
  }
}

}  // namespace rule
