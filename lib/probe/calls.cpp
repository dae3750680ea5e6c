#include "probe/calls.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "base/text.hpp"
#include "probe/system_calls.hpp"

namespace probe {

using namespace evidence;

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

}  // namespace probe
