// Past 300 lines because it is a list of wordings, one reader each, and splitting the list would only hide which is missing.
#include "parse/kernel/lines.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <climits>

#include "base/instant.hpp"
#include "base/text.hpp"

namespace parse::kernel {

namespace {

using base::between;
using base::contains;
using base::starts_with;
constexpr auto none = std::string_view::npos;

// A comm is at most 15 bytes; /dev/kmsg writes each as \xNN at worst. Longer is no comm.
constexpr std::size_t longest_comm = 64;
constexpr std::size_t longest_path = 4096;

std::optional<int> take_int(std::string_view& text) {
  std::string_view rest = text;
  const auto number = base::take_number(rest);
  if (!number || *number < INT_MIN || *number > INT_MAX) return std::nullopt;
  text = rest;
  return static_cast<int>(*number);
}

std::optional<int> take_pid(std::string_view& text) {
  std::string_view rest = text;
  const auto number = take_int(rest);
  if (!number || *number < 0) return std::nullopt;
  text = rest;
  return number;
}

bool take(std::string_view& text, std::string_view front) {
  if (!starts_with(text, front)) return false;
  text.remove_prefix(front.size());
  return true;
}

// "anon-rss:123kB" -> bytes; 0 when it is not there.
std::uint64_t kilobytes(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == none) return 0;
  text.remove_prefix(at + key.size());
  const auto number = base::take_number(text);
  if (!number || *number < 0 || *number > INT64_MAX / 1024) return 0;
  return static_cast<std::uint64_t>(*number) * 1024;
}

// The words before "Killed process" say whose memory ran out; "?" when they are no words of the kernel.
std::string_view prefix_meaning(std::string_view prefix) {
  if (prefix.empty()) return "";
  const bool memcg = take(prefix, "Memory cgroup out of memory");
  if (!memcg && !take(prefix, "Out of memory") && !take(prefix, "Out of Memory")) return "?";
  if (take(prefix, " (")) {
    const std::size_t end = prefix.find(')');
    if (end == none) return "?";
    prefix.remove_prefix(end + 1);
  }
  if (prefix != ": ") return "?";
  return memcg ? "memcg" : "none";
}

// "(comm" up to the last `end`, which a comm cannot fake because the real one follows it.
std::optional<std::string> take_comm(std::string_view& text, std::string_view end) {
  if (text.empty() || text.front() != '(') return std::nullopt;
  const std::size_t at = text.rfind(end);
  if (at == none || at == 0 || at - 1 > longest_comm) return std::nullopt;
  std::string comm(text.substr(1, at - 1));
  text.remove_prefix(at + end.size());
  return comm;
}

// Past the pid: a vserver patch's ":#xid" and el6's ", UID 48,".
bool take_old_marks(std::string_view& text, std::optional<int>& uid) {
  if (take(text, ":#") && !take_int(text)) return false;
  if (take(text, ", UID ")) {
    uid = take_pid(text);
    if (!uid || !take(text, ",")) return false;
  }
  return take(text, " ");
}

}  // namespace

std::optional<KillLine> read_kill(std::string_view text) {
  KillLine kill;
  // Only the first "Killed process" can be the kernel's: what stands before it is one of its own prefixes.
  const std::size_t at = text.find("Killed process ");
  if (at == none) {
    const std::size_t sharing = text.find("Kill process ");
    if (sharing != 0) return std::nullopt;
    text.remove_prefix(13);
    const auto pid = take_pid(text);
    if (!pid || *pid == 0 || !take(text, " ")) return std::nullopt;
    auto comm = take_comm(text, ") sharing same memory");
    if (!comm) return std::nullopt;
    kill.pid = *pid;
    kill.comm = std::move(*comm);
    kill.sharer = true;
    return kill;
  }
  const std::string_view meaning = prefix_meaning(text.substr(0, at));
  if (meaning == "?") return std::nullopt;
  kill.prefix = std::string(meaning);
  text.remove_prefix(at + 15);
  const auto pid = take_pid(text);
  if (!pid || *pid == 0 || !take_old_marks(text, kill.uid)) return std::nullopt;
  kill.pid = *pid;
  std::optional<std::string> comm;
  if (contains(text, ") total-vm:")) comm = take_comm(text, ") total-vm:");
  else if (contains(text, ") vsz:")) comm = take_comm(text, ") vsz:");  // 2.6.33 to 2.6.35
  else {
    // 2.4 ends "(identd)." and plain 2.6.32 "(httpd)": nothing may follow.
    std::string_view rest = base::trim(text);
    if (!rest.empty() && rest.back() == '.') rest.remove_suffix(1);
    if (rest.size() < 2 || rest.back() != ')') return std::nullopt;
    comm = take_comm(rest, ")");
    if (!comm) return std::nullopt;
    kill.comm = std::move(*comm);
    return kill;
  }
  if (!comm) return std::nullopt;
  kill.comm = std::move(*comm);
  std::string_view size = text;
  if (const auto total = base::take_number(size); total && *total >= 0 && *total <= INT64_MAX / 1024) kill.total_vm = static_cast<std::uint64_t>(*total) * 1024;
  kill.anon_rss = kilobytes(text, "anon-rss:");
  if (auto uid = between(text, "UID:", "")) {
    kill.uid = take_pid(*uid);
    kill.modern = kill.uid.has_value();
  }
  return kill;
}

bool torn_at_comm(std::string_view text) {
  if (text.size() > 1024) return false;
  if (starts_with(text, "oom-kill:constraint=")) return !contains(text, ",uid=") && contains(text, ",task=");
  const std::size_t at = text.find("Killed process ");
  if (at == none || prefix_meaning(text.substr(0, at)) == "?") return false;
  return !contains(text, ") total-vm:") && !contains(text, ") vsz:") && contains(text, " (") && !read_kill(text);
}

std::optional<evidence::OomCandidate> read_candidate(std::string_view text, std::string& prefix) {
  // 2.6.3x writes "kill process", later ones "Kill process".
  std::size_t at = text.find("Kill process ");
  if (at == none) at = text.find("kill process ");
  if (at == none) return std::nullopt;
  const std::string_view meaning = prefix_meaning(text.substr(0, at));
  if (meaning == "?") return std::nullopt;
  text.remove_prefix(at + 13);
  const auto pid = take_pid(text);
  std::optional<int> uid;
  if (!pid || *pid == 0 || !take_old_marks(text, uid)) return std::nullopt;
  auto comm = take_comm(text, ") score ");
  if (!comm) return std::nullopt;
  prefix = std::string(meaning);
  return evidence::OomCandidate{*pid, std::move(*comm)};
}

std::optional<OomKillLine> read_oom_kill(std::string_view text) {
  if (!take(text, "oom-kill:constraint=CONSTRAINT_")) return std::nullopt;
  // From the end: uid and pid are the last two, and what a process or a cgroup may be called stands before them.
  OomKillLine line;
  const std::size_t uid_at = text.rfind(",uid=");
  if (uid_at == none) return std::nullopt;
  std::string_view number = text.substr(uid_at + 5);
  const auto uid = base::take_number(number);
  const std::string_view before_uid = text.substr(0, uid_at);
  const std::size_t pid_at = before_uid.rfind(",pid=");
  if (!uid || pid_at == none) return std::nullopt;
  number = before_uid.substr(pid_at + 5);
  const auto pid = take_pid(number);
  if (!pid || *pid == 0 || !number.empty()) return std::nullopt;
  line.tgid = *pid;
  line.uid = *uid >= 0 && *uid <= INT_MAX ? static_cast<int>(*uid) : 0;
  const std::string_view rest = before_uid.substr(0, pid_at);
  const std::size_t memcg_at = rest.find(",task_memcg=");
  const std::size_t task_at = rest.find(",task=", memcg_at == none ? 0 : memcg_at + 12);
  if (task_at == none || rest.size() - task_at - 6 > longest_comm) return std::nullopt;
  line.comm = std::string(rest.substr(task_at + 6));
  if (memcg_at != none) line.task_memcg = std::string(rest.substr(memcg_at + 12, std::min(task_at - memcg_at - 12, longest_path)));
  const std::string_view front = rest.substr(0, std::min(memcg_at, task_at));
  if (const std::size_t oom_at = front.find(",oom_memcg="); oom_at != none) line.oom_memcg = std::string(front.substr(oom_at + 11, longest_path));
  const std::string_view word = front.substr(0, front.find(','));
  line.constraint = word == "MEMCG" ? "memcg" : word == "NONE" ? "none" : word == "CPUSET" ? "cpuset" : word == "MEMORY_POLICY" ? "mempolicy" : "";
  return line;
}

std::optional<evidence::OomInvoked> read_invoked(std::string_view text) {
  constexpr std::string_view words = " invoked oom-killer: ";
  const std::size_t at = text.rfind(words);
  if (at == none || at > longest_comm) return std::nullopt;
  evidence::OomInvoked invoked;
  invoked.comm = std::string(text.substr(0, at));
  text.remove_prefix(at + words.size());
  if (auto order = between(text, "order=", "")) invoked.order = take_int(*order).value_or(0);
  if (auto adj = between(text, "oom_score_adj=", "")) invoked.oom_score_adj = take_int(*adj).value_or(0);
  return invoked;
}

std::optional<int> read_running_pid(std::string_view text, std::string_view comm) {
  std::string_view rest;
  std::string_view named;
  if (starts_with(text, "CPU: ")) {
    const auto pid = between(text, " PID: ", "");
    if (!pid) return std::nullopt;
    rest = *pid;
    named = " Comm: ";
  } else if (take(text, "Pid: ")) {
    rest = text;
    named = ", comm: ";
  } else {
    return std::nullopt;
  }
  const auto pid = take_pid(rest);
  if (!pid || *pid == 0 || !take(rest, named) || !starts_with(rest, comm)) return std::nullopt;
  return pid;
}

std::optional<MemoryLine> read_memory(std::string_view text) {
  if (!starts_with(text, "memory: usage ")) return std::nullopt;
  MemoryLine line;
  line.usage = kilobytes(text, "usage ");
  line.limit = kilobytes(text, "limit ");
  // PAGE_COUNTER_MAX in kB: no limit. The figure differs by version (2^63 or 2^64 bytes), all are far over any machine's memory.
  if (line.limit == 0 || line.limit >= std::uint64_t{1} << 60) line.limit = 0;
  return line;
}

std::optional<std::size_t> read_table_head(std::string_view text) {
  text = base::trim(text);
  if (!take(text, "[")) return std::nullopt;
  const std::size_t close = text.find(']');
  if (close == none || base::trim(text.substr(0, close)) != "pid") return std::nullopt;
  std::size_t words = 0;
  bool named = false;
  for (const auto word : base::split(text.substr(close + 1), ' ')) {
    if (word.empty()) continue;
    named = word == "name";
    ++words;
  }
  if (!named || words < 5 || words > 20) return std::nullopt;
  return words - 1;
}

std::optional<TaskRow> read_task_row(std::string_view text, std::size_t numbers) {
  if (!take(text, "[")) return std::nullopt;
  while (take(text, " ")) {}
  const auto pid = take_pid(text);
  if (!pid || *pid == 0) return std::nullopt;
  while (take(text, " ")) {}
  if (!take(text, "]")) return std::nullopt;
  std::array<std::int64_t, 20> values{};
  std::size_t count = 0;
  // The name begins one blank after the last number and may itself begin with blanks or digits.
  while (count < values.size() && (numbers == 0 || count < numbers)) {
    std::string_view rest = text;
    while (take(rest, " ")) {}
    const auto value = base::take_number(rest);
    if (!value || rest.empty() || rest.front() != ' ') break;
    values[count++] = *value;
    text = rest;
  }
  if (count < 5 || (numbers != 0 && count != numbers) || !take(text, " ") || text.empty() || text.size() > longest_comm) return std::nullopt;
  if (values[1] <= 0 || values[1] > INT_MAX || values[2] < 0 || values[3] < 0) return std::nullopt;
  TaskRow row;
  row.pid = *pid;
  row.tgid = static_cast<int>(values[1]);
  row.total_vm = static_cast<std::uint64_t>(values[2]);
  row.rss = static_cast<std::uint64_t>(values[3]);
  row.comm = std::string(text);
  return row;
}

namespace {

// "python3[123]" at the end of `text`.
std::optional<evidence::KernelCrash> read_comm_and_tid(std::string_view text) {
  if (text.empty() || text.back() != ']') return std::nullopt;
  text.remove_suffix(1);
  const std::size_t open = text.rfind('[');
  if (open == none || open > longest_comm) return std::nullopt;
  std::string_view number = text.substr(open + 1);
  const auto tid = take_pid(number);
  if (!tid || *tid == 0 || !number.empty()) return std::nullopt;
  evidence::KernelCrash crash;
  crash.tid = *tid;
  crash.comm = std::string(text.substr(0, open));
  return crash;
}

// " in libc.so.6[167ad8,7f76+156000]", " in libc-2.31.so[7f76+156000]" or arm64's ", in lab[400000+1000]".
std::string library_in(std::string_view text) {
  const std::size_t in = text.find(" in ");
  if (in == none) return "";
  text.remove_prefix(in + 4);
  const std::size_t open = text.rfind('[');
  if (open == none || !contains(text.substr(open), "+")) {
    const std::size_t first = text.find('[');
    return std::string(text.substr(0, std::min({first, text.find(' '), std::size_t{255}})));
  }
  return std::string(text.substr(0, std::min<std::size_t>(open, 255)));
}

std::string hex_word(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && end < 18 && (std::isxdigit(static_cast<unsigned char>(text[end])) || text[end] == 'x')) ++end;
  return std::string(text.substr(0, end));
}

}  // namespace

std::optional<evidence::KernelCrash> read_crash(std::string_view text) {
  if (const std::size_t at = text.rfind(": segfault at "); at != none) {
    auto crash = read_comm_and_tid(text.substr(0, at));
    if (!crash) return std::nullopt;
    const std::string_view rest = text.substr(at + 14);
    crash->kind = "segfault";
    crash->address = hex_word(rest);
    crash->library = library_in(rest);
    return crash;
  }
  // arm64: "lab[99]: unhandled level 2 translation fault (11) at 0x10, esr 0x92000006, in lab[400000+1000]"
  if (const std::size_t at = text.rfind(": unhandled "); at != none) {
    auto crash = read_comm_and_tid(text.substr(0, at));
    const std::string_view rest = text.substr(at + 12);
    const auto signal = between(rest, "(", ")");
    if (!crash || !signal) return std::nullopt;
    crash->kind = *signal == "11" ? "segfault" : *signal == "7" ? "bus" : *signal == "4" ? "invalid-opcode" : *signal == "8" ? "divide" : "";
    if (crash->kind.empty()) return std::nullopt;
    if (const auto address = between(rest, ") at ", "")) crash->address = hex_word(*address);
    crash->library = library_in(rest);
    return crash;
  }
  // x86 traps: "traps: lab[100] general protection fault ip:.. sp:.. error:0 in lab[..]"; before 5.x "general protection ip:".
  const std::size_t ip = text.rfind(" ip:");
  if (ip == none || !contains(text.substr(ip), " sp:")) return std::nullopt;
  std::string_view front = text.substr(0, ip);
  take(front, "traps: ");
  std::size_t at = front.rfind("] trap ");
  std::string kind;
  if (at != none) {
    const std::string_view word = front.substr(at + 7);
    if (word == "divide error") kind = "divide";
    else if (word == "invalid opcode") kind = "invalid-opcode";
    else if (word.size() < 40) {
      kind = std::string(word);
      std::replace(kind.begin(), kind.end(), ' ', '-');
    }
  } else {
    at = front.rfind("] general protection");
    kind = "general-protection";
  }
  if (at == none || kind.empty()) return std::nullopt;
  auto crash = read_comm_and_tid(front.substr(0, at + 1));
  if (!crash) return std::nullopt;
  crash->kind = std::move(kind);
  crash->address = hex_word(text.substr(ip + 4));
  crash->library = library_in(text.substr(ip));
  return crash;
}

std::optional<evidence::KernelHung> read_hung(std::string_view text) {
  while (take(text, " ")) {}
  if (!take(text, "INFO: task ")) return std::nullopt;
  // 7.x may say "blocked in I/O wait for more than".
  const std::size_t at = text.rfind(" for more than ");
  if (at == none) return std::nullopt;
  const std::size_t blocked = text.substr(0, at + 1).rfind(" blocked ");
  if (blocked == none) return std::nullopt;
  const std::string_view who = text.substr(0, blocked);
  const std::size_t colon = who.rfind(':');
  if (colon == none || colon > longest_comm) return std::nullopt;
  std::string_view number = who.substr(colon + 1);
  const auto pid = take_pid(number);
  if (!pid || !number.empty()) return std::nullopt;
  std::string_view seconds = text.substr(at + 15);
  const auto count = take_int(seconds);
  if (!count || !starts_with(seconds, " second")) return std::nullopt;
  return evidence::KernelHung{*pid, std::string(who.substr(0, colon)), static_cast<double>(*count)};
}

namespace {

// comm="x", or comm=68656C6C6F in hex where the name holds a blank, a quote or a control character (kernel/audit.c).
std::string audit_value(std::string_view text, std::string_view key) {
  const auto found = between(text, key, "");
  if (!found || found->empty()) return "";
  if (found->front() == '"') return std::string(found->substr(1, std::min<std::size_t>(found->find('"', 1) - 1, 1024)));
  const std::string_view word = found->substr(0, std::min<std::size_t>(found->find(' '), 1024));
  if (word.size() % 2 != 0 || !std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c) || (c >= 'A' && c <= 'F'); })) return std::string(word);
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'A' + 10; };
  std::string plain;
  for (std::size_t i = 0; i + 1 < word.size(); i += 2) plain += static_cast<char>(digit(word[i]) * 16 + digit(word[i + 1]));
  return plain;
}

std::string audit_number(std::string_view text, std::string_view key) {
  auto found = between(text, key, "");
  if (!found) return "";
  return std::string(found->substr(0, std::min<std::size_t>(found->find(' '), 32)));
}

}  // namespace

std::optional<evidence::KernelRefused> read_refusal(std::string_view text, int& pid) {
  const auto until_blank = [](std::string_view rest) { return std::string(rest.substr(0, std::min(rest.find(' '), longest_path))); };
  if (const auto where = between(text, "cgroup: fork rejected by pids controller in ", "")) return evidence::KernelRefused{"pids", std::string(where->substr(0, longest_path)), ""};
  if (starts_with(text, "VFS: file-max limit ")) return evidence::KernelRefused{"file-max", "", until_blank(text.substr(20))};
  if (const auto port = between(text, "Possible SYN flooding on port ", "")) {
    // "port 8000. Sending cookies." and "port 127.0.0.1:8000. Sending cookies."
    std::string who = until_blank(*port);
    if (!who.empty() && who.back() == '.') who.pop_back();
    return evidence::KernelRefused{"syn-flood", std::move(who), contains(text, "Dropping request") ? "dropping" : "cookies"};
  }
  if (starts_with(text, "TCP: out of memory")) return evidence::KernelRefused{"tcp-memory", "", "out of memory"};
  if (contains(text, "TCP: too many orphaned sockets") || contains(text, "TCP: too many of orphaned sockets")) return evidence::KernelRefused{"tcp-memory", "", "too many orphaned sockets"};
  if (contains(text, "no killable processes")) return evidence::KernelRefused{"oom-no-victim", "", std::string(text.substr(0, 120))};
  const bool seccomp = contains(text, "type=1326 ") || starts_with(text, "SECCOMP ");
  const bool apparmor = contains(text, "apparmor=\"DENIED\"");
  if ((!seccomp && !apparmor) || !(contains(text, "audit(") || starts_with(text, "SECCOMP ") || starts_with(text, "AVC "))) return std::nullopt;
  // The first pid= stands before comm=, which is quoted or hex; exe= and name= come later.
  std::string_view number = between(text, " pid=", "").value_or(std::string_view{});
  pid = take_pid(number).value_or(0);
  evidence::KernelRefused refused{seccomp ? "seccomp" : "apparmor", audit_value(text, " comm="), ""};
  if (seccomp) refused.detail = "sig=" + audit_number(text, " sig=") + " syscall=" + audit_number(text, " syscall=");
  else refused.detail = audit_value(text, " operation=") + " " + audit_value(text, " name=") + " denied " + audit_value(text, " denied_mask=");
  return refused;
}

std::optional<evidence::ClockPair> read_wall(std::string_view text) {
  constexpr std::int64_t latest = INT64_MAX / base::second_ns / 2;
  // "rtc_cmos 00:03: setting system clock to 2026-11-22T11:30:32 UTC (1795347032)": whole seconds, and the clock may be set again later.
  if (const auto set = between(text, ": setting system clock to ", "")) {
    auto seconds = between(*set, " UTC (", "");
    const auto at = seconds ? base::take_number(*seconds) : std::nullopt;
    if (!at || *at <= 0 || *at > latest) return std::nullopt;
    return evidence::ClockPair{*at * base::second_ns + base::second_ns / 2, base::second_ns};
  }
  // type=2000 stands before the clock is set. The others are printed by kauditd, a few milliseconds after their stamp (0.2 to 4 ms in
  // samples of 5.10 to 6.18).
  if (!starts_with(text, "audit: type=") || contains(text.substr(0, 24), "type=2000 ")) return std::nullopt;
  auto stamp = between(text.substr(0, 96), " audit(", "");
  if (!stamp) return std::nullopt;
  const auto at = base::take_number(*stamp);
  if (!at || *at <= 0 || *at > latest || !take(*stamp, ".") || stamp->size() < 4) return std::nullopt;
  std::string_view fraction = stamp->substr(0, 3);
  const auto milliseconds = base::read_number(fraction);
  if (!milliseconds || *milliseconds < 0 || (*stamp)[3] != ':') return std::nullopt;
  return evidence::ClockPair{*at * base::second_ns + *milliseconds * 1'000'000, 50'000'000};
}

std::optional<evidence::KernelSuppressed> read_suppressed(std::string_view text) {
  if (base::trim(text).size() > 200) return std::nullopt;
  if (const std::size_t at = text.rfind(" callbacks suppressed"); at != none) {
    const std::string_view front = text.substr(0, at);
    const std::size_t colon = front.rfind(": ");
    if (colon == none) return std::nullopt;
    const auto count = base::read_number(front.substr(colon + 2));
    if (!count || *count < 0) return std::nullopt;
    return evidence::KernelSuppressed{std::string(front.substr(0, colon)), static_cast<std::uint64_t>(*count)};
  }
  // The ring was overrun before the console had it: "** 12 printk messages dropped **", "printk: 12 messages suppressed."
  if (contains(text, "printk messages dropped") || (starts_with(text, "printk: ") && contains(text, " messages "))) {
    const std::size_t digit = text.find_first_of("0123456789");
    if (digit == none) return std::nullopt;
    std::string_view number = text.substr(digit);
    const auto count = base::take_number(number);
    return evidence::KernelSuppressed{"printk", static_cast<std::uint64_t>(std::max<std::int64_t>(count.value_or(1), 1))};
  }
  return std::nullopt;
}

}  // namespace parse::kernel
