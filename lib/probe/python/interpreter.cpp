#include "probe/python/interpreter.hpp"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "base/owner.hpp"
#include "base/text.hpp"
#include "probe/elf/symbols.hpp"
#include "source/live_host.hpp"

namespace probe {

namespace {

constexpr std::size_t most_maps = 16 << 20;
constexpr std::string_view cookie = "xdebugpy";

struct Mapped { std::uint64_t from = 0; std::string range, path; int rank = 0; };

std::string_view last_name(std::string_view path) { return path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1); }

std::optional<std::uint64_t> hex(std::string_view text) {
  std::uint64_t value = 0;
  if (text.empty() || text.size() > 16) return std::nullopt;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<unsigned>(digit);
  }
  return value;
}

/// The beginnings of the files that may hold the runtime, the likeliest first: libpython, the program, what else calls itself so.
std::vector<Mapped> files_of(std::string_view maps, std::string_view exe) {
  std::vector<Mapped> all;
  for (const auto line : base::split(maps, '\n')) {
    // "7f0000000000-7f0000001000 r--p 00000000 08:01 123   /usr/lib/libpython3.11.so.1.0"
    const std::size_t slash = line.find('/');
    const auto words = base::split(line.substr(0, slash == std::string_view::npos ? line.size() : slash), ' ');
    if (slash == std::string_view::npos || words.size() < 4 || words[2] != "00000000") continue;
    std::string path(line.substr(slash));
    if (path.ends_with(" (deleted)")) path.resize(path.size() - 10);
    if (std::any_of(all.begin(), all.end(), [&](const Mapped& known) { return known.path == path; })) continue;
    const std::string_view name = last_name(path);
    const int rank = base::starts_with(name, "libpython3") ? 0 : path == exe ? 1 : base::contains(name, "python") ? 2 : 3;
    const auto from = hex(words[0].substr(0, words[0].find('-')));
    if (rank == 3 || !from) continue;
    all.push_back({*from, std::string(words[0]), std::move(path), rank});
  }
  std::stable_sort(all.begin(), all.end(), [](const Mapped& a, const Mapped& b) { return a.rank < b.rank; });
  return all;
}

base::Fd open_mapped(int pid, const Mapped& file) {
  const std::string proc = "/proc/" + std::to_string(pid);
  base::Fd fd(::open((proc + "/map_files/" + file.range).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) fd = base::Fd(::open((proc + "/root" + file.path).c_str(), O_RDONLY | O_CLOEXEC));   // map_files wants CAP_CHECKPOINT_RESTORE
  if (!fd && file.rank == 1) fd = base::Fd(::open((proc + "/exe").c_str(), O_RDONLY | O_CLOEXEC));
  return fd;
}

std::string version_text(std::uint64_t hex) {
  return std::to_string(hex >> 24 & 255) + "." + std::to_string(hex >> 16 & 255) + "." + std::to_string(hex >> 8 & 255);
}

base::Result<Interpreter> interpreter_at(int pid, std::uint64_t runtime, std::optional<std::uint64_t> version_at, std::string_view path) {
  const auto refuse = [](base::Kind kind, std::string answer) { return base::fail({kind, "reading the Python of a process", std::move(answer), "CPython 3.8 to 3.15, a release build", 0}); };
  Interpreter found;
  found.runtime = runtime;
  std::string begin(debug_offsets_most, '\0');
  if (!read_memory(pid, runtime, begin.data(), begin.size())) return refuse(base::Kind::refused, "its memory cannot be read");
  std::uint64_t number = 0;
  int minor = 0;
  const bool described = base::starts_with(begin, cookie);
  if (described) std::memcpy(&number, begin.data() + cookie.size(), sizeof(number));
  else if (version_at && !read_memory(pid, *version_at, &number, sizeof(number))) number = 0;
  if (number >> 24 == 3) {
    minor = static_cast<int>(number >> 16 & 255);
    found.version = version_text(number);
  } else {
    minor = minor_of_name(path);
    found.version = "3." + std::to_string(minor);
  }
  if (minor == 0) return refuse(base::Kind::unsupported, "its version cannot be told");
  if (described) {
    TRY(layout, layout_from(minor, begin));
    found.layout = layout;
  } else {
    TRY(layout, layout_of(minor));
    found.layout = layout;
  }
  return found;
}

}  // namespace

bool read_memory(int pid, std::uint64_t address, void* into, std::size_t size) {
  iovec here{into, size}, there{reinterpret_cast<void*>(address), size};
  return ::process_vm_readv(pid, &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
}

int minor_of_name(std::string_view path) {
  const std::string_view name = last_name(path);
  const std::size_t at = name.find("python3.");
  if (at == std::string_view::npos) return 0;
  std::string_view rest = name.substr(at + 8);
  const auto number = base::take_number(rest);
  return number && *number < 100 ? static_cast<int>(*number) : 0;
}

base::Result<Interpreter> interpreter_of(int pid) {
  const source::LiveHost host;
  const std::string proc = "/proc/" + std::to_string(pid);
  TRY(maps, host.read(proc + "/maps", most_maps));
  const auto exe = host.link(proc + "/exe");
  static const std::vector<std::string> names{"_PyRuntime", "Py_Version"};
  std::optional<base::Error> refused;
  for (const Mapped& file : files_of(maps, exe ? std::string_view(*exe) : std::string_view())) {
    const base::Fd fd = open_mapped(pid, file);
    if (!fd) {
      refused = base::from_errno(errno, "opening " + base::printable(file.path, 100) + " of pid " + std::to_string(pid), "run as root");
      continue;
    }
    const auto symbols = read_symbols(fd.get(), names);
    if (!symbols) continue;
    const auto runtime = symbols->addresses.find(names[0]), version = symbols->addresses.find(names[1]);
    if (runtime == symbols->addresses.end()) continue;
    const std::uint64_t bias = file.from - symbols->base;
    return interpreter_at(pid, bias + runtime->second, version == symbols->addresses.end() ? std::nullopt : std::optional(bias + version->second), file.path);
  }
  if (refused) return base::fail(std::move(*refused));
  return base::fail({base::Kind::missing, "looking for Python in pid " + std::to_string(pid), "no file with _PyRuntime is mapped", "", 0});
}

}  // namespace probe
