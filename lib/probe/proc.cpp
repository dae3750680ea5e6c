#include "probe/proc.hpp"

#include <algorithm>
#include <cctype>

#include "base/text.hpp"

namespace probe {

namespace {

// /proc counts start times in USER_HZ, which is 100 on every architecture Linux has left (include/asm-generic/param.h).
constexpr std::int64_t tick_ns = 10'000'000;
constexpr std::uint64_t page = 4096;

std::string folder(int pid) { return "/proc/" + std::to_string(pid); }

std::optional<std::uint64_t> read_hex(std::string_view text) {
  if (text.empty() || text.size() > 16) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!std::isxdigit(static_cast<unsigned char>(c))) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return value;
}

bool hex_id(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

bool ends_with(std::string_view text, std::string_view end) { return text.size() >= end.size() && text.substr(text.size() - end.size()) == end; }

}  // namespace

bool read_stat(std::string_view text, Process& process) {
  // The comm may hold blanks and brackets: it ends at the last one.
  const std::size_t open = text.find('('), close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open || close + 2 >= text.size()) return false;
  const auto pid = base::read_number(base::trim(text.substr(0, open)));
  if (!pid) return false;
  const auto fields = base::split(base::trim(text.substr(close + 2)), ' ');
  if (fields.size() < 22) return false;
  const auto number = [&](std::size_t field) { return base::read_number(fields[field - 3]).value_or(0); };  // as proc(5) counts them
  process.pid = static_cast<int>(*pid);
  process.comm = std::string(text.substr(open + 1, close - open - 1));
  process.state = fields[0].empty() ? '?' : fields[0][0];
  process.ppid = static_cast<int>(number(4));
  process.threads = static_cast<std::uint64_t>(std::max<std::int64_t>(0, number(20)));
  process.started_ns = number(22) * tick_ns;
  process.rss = static_cast<std::uint64_t>(std::max<std::int64_t>(0, number(24))) * page;
  // Of the first 31 signals (fs/proc/array.c, do_task_stat); status has them all.
  if (fields.size() >= 32) {
    process.ignored = static_cast<std::uint64_t>(std::max<std::int64_t>(0, number(33)));
    process.caught = static_cast<std::uint64_t>(std::max<std::int64_t>(0, number(34)));
  }
  if (fields.size() >= 50 && (process.state == 'Z' || process.state == 'X')) process.exit_code = static_cast<int>(number(52));
  return true;
}

void read_status(std::string_view text, Process& process) {
  for (const auto line : base::split(text, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto key = line.substr(0, colon);
    const auto value = base::trim(line.substr(colon + 1));
    if (key == "NSpid") {
      const std::size_t blank = value.find_last_of(" \t");
      process.ns_pid = static_cast<int>(base::read_number(blank == std::string_view::npos ? value : value.substr(blank + 1)).value_or(0));
    } else if (key == "Uid") {
      auto rest = value;
      process.uid = static_cast<std::uint32_t>(base::take_number(rest).value_or(0));
    } else if (key == "SigCgt") {
      process.caught = read_hex(value);
    } else if (key == "SigIgn") {
      process.ignored = read_hex(value);
    } else if (key == "VmRSS") {
      auto rest = value;
      process.rss = static_cast<std::uint64_t>(base::take_number(rest).value_or(0)) * 1024;
    } else if (key == "Threads") {
      process.threads = static_cast<std::uint64_t>(base::read_number(value).value_or(0));
    }
  }
}

std::vector<std::string> read_cmdline(std::string_view text) {
  // setproctitle fills the rest of the old arguments with NULs.
  while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  std::vector<std::string> argv;
  if (text.empty()) return argv;
  for (const auto word : base::split(text, '\0')) argv.emplace_back(word);
  return argv;
}

std::string command_text(const std::vector<std::string>& argv) {
  // A title written over the arguments is no command: it is shown as it stands.
  if (argv.size() == 1) return argv[0];
  std::string text;
  for (const auto& word : argv) {
    if (!text.empty()) text += ' ';
    const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isalnum(c) || std::string_view("-_./:=,@%+[]").find(static_cast<char>(c)) != std::string_view::npos; });
    if (plain) { text += word; continue; }
    text += '\'';
    for (const char c : word) { if (c == '\'') text += "'\\''"; else text += c; }
    text += '\'';
  }
  return text;
}

base::Result<ProcessTable> read_processes(const source::Host& host, std::size_t most) {
  TRY(entries, host.list("/proc"));
  ProcessTable table;
  // In a pid namespace 2 is a process like others.
  const auto second = host.read(folder(2) + "/stat", 4096);
  const bool threads = second && base::starts_with(*second, "2 (kthreadd) ");
  for (const auto& entry : entries) {
    const auto pid = base::read_number(entry.name);
    if (!pid || *pid <= 0 || *pid > INT32_MAX) continue;
    if (table.all.size() >= most) { table.cut = true; break; }
    const std::string at = folder(static_cast<int>(*pid));
    const auto stat = host.read(at + "/stat", 4096);
    Process process;
    if (!stat || !read_stat(*stat, process)) { ++table.refused; continue; }
    if (threads && (process.ppid == 2 || process.pid == 2)) continue;  // kernel threads
    if (const auto cmdline = host.read(at + "/cmdline", 1 << 17)) process.argv = read_cmdline(*cmdline);
    table.all.emplace(process.pid, std::move(process));
  }
  return table;
}

void read_more(const source::Host& host, Process& process) {
  const std::string at = folder(process.pid);
  if (const auto status = host.read(at + "/status", 1 << 16)) read_status(*status, process);
  if (const auto cgroup = host.read(at + "/cgroup", 1 << 16)) process.cgroup = *cgroup;
  process.exe = host.link(at + "/exe").value_or("");
  process.cwd = host.link(at + "/cwd").value_or("");
  process.root = host.link(at + "/root").value_or("");
  if (const auto ns = host.link(at + "/ns/pid"))
    if (const auto inode = base::between(*ns, "[", "]")) process.pid_namespace = static_cast<std::uint64_t>(base::read_number(*inode).value_or(0));
}

Cgroup read_cgroup(std::string_view text) {
  Cgroup cgroup;
  std::string unified, named;
  for (const auto line : base::split(text, '\n')) {
    const std::size_t first = line.find(':'), second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if (controllers.empty()) unified = path;
    else if (controllers == "name=systemd") named = path;
    else for (const auto controller : base::split(controllers, ','))
      if (controller == "memory") { cgroup.memory = path; cgroup.version = 1; }
  }
  if (cgroup.version == 0 && !unified.empty()) { cgroup.memory = unified; cgroup.version = 2; }
  // The service manager's own hierarchy says the unit; in hybrid mode that is name=systemd, else the unified one.
  for (const std::string* path : {&named, &unified, &cgroup.memory}) {
    for (const auto part : base::split(*path, '/')) {
      if (ends_with(part, ".service") || ends_with(part, ".scope")) cgroup.unit = std::string(part);
      // docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope, or the bare ID (cgroupfs driver)
      auto name = part;
      if (ends_with(name, ".scope")) name.remove_suffix(6);
      if (const std::size_t dash = name.rfind('-'); dash != std::string_view::npos) name.remove_prefix(dash + 1);
      if (const std::size_t colon = name.rfind(':'); colon != std::string_view::npos) name.remove_prefix(colon + 1);
      if (hex_id(name)) cgroup.container = std::string(name);
    }
    if (!cgroup.unit.empty() || !cgroup.container.empty()) break;
  }
  return cgroup;
}

std::map<std::string, std::string> read_environment(const source::Host& host, int pid, const std::vector<std::string>& names) {
  std::map<std::string, std::string> found;
  const auto text = host.read(folder(pid) + "/environ", 1 << 20);
  if (!text) return found;
  for (const auto entry : base::split(*text, '\0')) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string name(entry.substr(0, equals));
    if (std::find(names.begin(), names.end(), name) != names.end()) found[name] = std::string(entry.substr(equals + 1, 4096));
  }
  return found;
}

base::Result<std::vector<Descriptor>> read_descriptors(const source::Host& host, int pid, std::size_t most) {
  TRY(entries, host.list(folder(pid) + "/fd"));
  std::vector<Descriptor> all;
  for (const auto& entry : entries) {
    std::string_view name = entry.name;
    if (ends_with(name, ".link")) name.remove_suffix(5);  // as a recording stores them
    const auto fd = base::read_number(name);
    if (!fd || *fd < 0 || all.size() >= most) continue;
    Descriptor descriptor;
    descriptor.fd = static_cast<int>(*fd);
    if (auto target = host.link(folder(pid) + "/fd/" + std::string(name))) descriptor.target = std::move(*target);
    all.push_back(std::move(descriptor));
  }
  std::sort(all.begin(), all.end(), [](const Descriptor& a, const Descriptor& b) { return a.fd < b.fd; });
  all.erase(std::unique(all.begin(), all.end(), [](const Descriptor& a, const Descriptor& b) { return a.fd == b.fd; }), all.end());
  return all;
}

void read_descriptor_flags(const source::Host& host, int pid, Descriptor& descriptor) {
  const auto text = host.read(folder(pid) + "/fdinfo/" + std::to_string(descriptor.fd), 4096);
  if (!text) return;
  for (const auto line : base::split(*text, '\n')) {
    if (base::starts_with(line, "flags:")) {
      std::uint32_t flags = 0;
      for (const char c : base::trim(line.substr(6))) {
        if (c < '0' || c > '7') break;
        flags = flags * 8 + static_cast<std::uint32_t>(c - '0');
      }
      descriptor.flags = flags;
    } else if (base::starts_with(line, "pos:")) {
      descriptor.position = static_cast<std::uint64_t>(base::read_number(base::trim(line.substr(4))).value_or(0));
    }
  }
}

}  // namespace probe
