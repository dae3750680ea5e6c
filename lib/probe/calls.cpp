#include "probe/calls.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "base/text.hpp"
#include "probe/system_calls.hpp"

namespace probe {

namespace {

using namespace evidence;

struct Then { const DescriptorsSeen* seen = nullptr; const Fact* fact = nullptr; std::optional<std::int64_t> started_ns; };

// The last word of each process.
std::map<int, Then> by_pid(const Evidence& evidence) {
  std::map<int, Then> all;
  for (const Fact& fact : evidence.facts) {
    if (fact.about.space != PidSpace::host || !fact.about.pid) continue;
    if (const auto* seen = as<DescriptorsSeen>(fact)) {
      all[fact.about.pid].seen = seen;
      all[fact.about.pid].fact = &fact;
    } else if (const auto* process = as<ProcessSeen>(fact); process && process->started_ns) {
      all[fact.about.pid].started_ns = process->started_ns;
    }
  }
  return all;
}

}  // namespace

std::string name_of_call(long number) {
  if (number < 0) return "a 32-bit system call";
  const SystemCall* const call = system_call(number);
  return call ? std::string(call->name) : "system call " + std::to_string(number);
}

std::string_view limit_behind(std::string_view call, int error, std::uint64_t used, std::uint64_t soft) {
  // fs/pipe.c create_pipe_files: a user over the hard page limit gets ENFILE, too.
  if (error == ENFILE) return base::starts_with(call, "pipe") ? "fs.file-max or fs.pipe-user-pages-hard" : "fs.file-max";
  // fs/notify/inotify/inotify_user.c, fanotify_user.c: EMFILE also for their own counters, which a full table comes after.
  const bool room = soft && used + 1 < soft;
  if (room && base::starts_with(call, "inotify_init")) return "fs.inotify.max_user_instances";
  if (room && call == "fanotify_init") return "fs.fanotify.max_user_groups";
  return "RLIMIT_NOFILE";
}

bool SocketUse::step(const CallEvent& event) {
  if (reads + writes >= most) {
    full = true;
    return false;
  }
  if (!first_ns) first_ns = event.at_ns;
  last_ns = event.at_ns;
  const bool read = event.what == CallEvent::What::read, same = event.pid == last_;
  if (last_ && !same) ++turns;
  users.insert(event.pid);
  if (read) {
    ++reads;
    const bool goes_on = same && last_read_;
    if (!waiting_.erase(event.pid) && !goes_on) ++stray;
  } else {
    ++writes;
    if (waiting_.size() > (waiting_.contains(event.pid) ? 1U : 0U)) ++mixed;
    waiting_.insert(event.pid);
  }
  last_ = event.pid;
  last_read_ = read;
  return true;
}

std::string use_text(const SocketUsed& used) {
  const std::size_t users = used.pids.empty() ? 0 : base::split(used.pids, ' ').size();
  if (users == 0) return "nobody used it in " + base::duration_text(static_cast<std::int64_t>(used.seconds * 1e9));
  std::string text = fmt::format("{} used it in {}: {} and {}", users == 1 ? "only " + used.pids : "pids " + used.pids, base::duration_text(static_cast<std::int64_t>(used.seconds * 1e9)),
                                 base::counted(used.writes, "write"), base::counted(used.reads, "read"));
  if (used.full) text += " (the first ones; there were more)";
  if (users > 1) {
    text += fmt::format(", changing hands {}", base::counted(used.turns, "time"));
    if (used.mixed) text += fmt::format("; {} while another waited for its reply", base::counted(used.mixed, "write"));
    if (used.stray) text += fmt::format("; {} of what another had asked for", base::counted(used.stray, "read"));
    if (!used.mixed && !used.stray) text += "; each exchange was over before the next";
  }
  return text;
}

std::string refusal_text(const DescriptorRefused& refused) {
  std::string text = fmt::format("{} failed {} with {}", refused.call, base::counted(refused.count, "time"), refused.error);
  if (refused.seconds >= 0.1) text += " in " + base::duration_text(static_cast<std::int64_t>(refused.seconds * 1e9));
  text += ": " + refused.limit;
  if (refused.soft && refused.limit == "RLIMIT_NOFILE") text += fmt::format(" is {}", refused.soft);
  if (refused.soft && refused.limit == "fs.file-max") text += fmt::format(", {} of {} on the machine", refused.used, refused.soft);
  return text;
}

std::vector<Fact> grown_since(const Evidence& earlier, const Evidence& now) {
  std::vector<Fact> facts;
  const auto before = by_pid(earlier);
  for (const auto& [pid, late] : by_pid(now)) {
    const auto found = before.find(pid);
    if (found == before.end() || !late.seen || !found->second.seen) continue;
    const Then& early = found->second;
    // A tick of 10 ms is all the start's precision; another life of this pid began much later.
    if (early.started_ns && late.started_ns && std::abs(*early.started_ns - *late.started_ns) > base::second_ns) continue;
    if (!early.fact->when || !late.fact->when || late.fact->when->clock != early.fact->when->clock || late.fact->when->at <= early.fact->when->at) continue;
    DescriptorsGrown grown;
    grown.before = early.seen->used;
    grown.used = late.seen->used;
    grown.seconds = static_cast<double>(late.fact->when->at - early.fact->when->at) / 1e9;
    grown.most = late.seen->most;
    grown.most_count = late.seen->most_count;
    // Only the commonest target of each look is known; one that was not the first then was open no more often than the one that was.
    if (early.seen->most == grown.most) grown.most_before = early.seen->most_count;
    else grown.most_before = std::min(early.seen->most_count, grown.most_count);
    Fact fact;
    fact.about = late.fact->about;
    fact.when = late.fact->when;
    fact.text = fmt::format("pid {}: {} open ({} before: {})", pid, grown.used, base::duration_text(static_cast<std::int64_t>(grown.seconds * 1e9)), grown.before);
    if (grown.most_count > 9) fact.text += fmt::format("; {} x {}, {} then", grown.most_count, grown.most, early.seen->most == grown.most ? std::to_string(grown.most_before) : "fewer");
    fact.what = std::move(grown);
    facts.push_back(std::move(fact));
  }
  return facts;
}

}  // namespace probe
