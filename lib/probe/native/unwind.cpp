#include "probe/native/unwind.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "probe/python/interpreter.hpp"

#if defined(TRIAGE_HAVE_DW) && defined(__x86_64__)
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <map>

#include "base/owner.hpp"
#include "base/text.hpp"
#include "source/live_host.hpp"
#endif

namespace probe {

StackCopy copy_stack(int pid, std::uint64_t sp, std::uint64_t pc) {
  StackCopy copy{sp, pc, {}};
  if (sp == 0) return copy;
  copy.bytes.resize(most_stack_copy);
  // A shallow stack ends before that: page by page then.
  if (read_memory(pid, sp, copy.bytes.data(), copy.bytes.size())) return copy;
  constexpr std::uint64_t page = 4096;
  std::size_t have = 0;
  while (have < copy.bytes.size()) {
    const std::size_t size = std::min<std::size_t>(page - (sp + have) % page, copy.bytes.size() - have);
    if (!read_memory(pid, sp + have, copy.bytes.data() + have, size)) break;
    have += size;
  }
  copy.bytes.resize(have);
  return copy;
}

#if defined(TRIAGE_HAVE_DW) && defined(__x86_64__)

namespace {

std::string_view last_name(std::string_view path) { return path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1); }

constexpr std::size_t most_maps = 16 << 20, most_modules = 4096;
constexpr int dwarf_sp = 7;                      // System V ABI, AMD64 supplement, figure 3.36

bool python_itself(std::string_view file) { return file.starts_with("libpython3") || file.starts_with("python3") || file == "python"; }

struct File { std::uint64_t from = 0, to = 0, inode = 0; std::string range, path; };

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

/// The mapped files, each from its first mapping to its last; `range`: of the one that begins the file.
std::vector<File> files_of(std::string_view maps) {
  std::vector<File> all;
  for (const auto line : base::split(maps, '\n')) {
    const std::size_t slash = line.find('/');
    const auto words = base::split(line.substr(0, slash == std::string_view::npos ? line.size() : slash), ' ');
    const std::size_t dash = words[0].find('-');
    if (slash == std::string_view::npos || words.size() < 4 || dash == std::string_view::npos) continue;
    const auto from = hex(words[0].substr(0, dash)), to = hex(words[0].substr(dash + 1));
    if (!from || !to || *from >= *to) continue;
    const std::string_view path = line.substr(slash);
    if (!all.empty() && all.back().path == path && *from >= all.back().to) {
      all.back().to = *to;
    } else if (words[2] == "00000000" && all.size() < most_modules) {
      all.push_back({*from, *to, words.size() > 4 ? static_cast<std::uint64_t>(base::read_number(words[4]).value_or(0)) : 0, std::string(words[0]), std::string(path)});
    }
  }
  return all;
}

/// Is the outermost of these where a process or a thread begins? start_thread has no exported name.
bool begins_a_thread(const std::vector<evidence::StackFrame>& frames) {
  if (frames.size() < 2) return false;
  const evidence::StackFrame& outer = frames.back();
  const bool of_libc = outer.file.starts_with("libc.") || outer.file.starts_with("libpthread") || outer.file.starts_with("ld-");
  return outer.function == "_start" || (of_libc && (outer.function.empty() || outer.function == "__libc_start_main" || outer.function.starts_with("clone") || outer.function == "start_thread"));
}

// Devices are mapped, too: what is opened by its name must not wait.
base::Fd open_by_name(const std::string& path) { return base::Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)); }

base::Fd file_of_living(int pid, const File& file) {
  const std::string proc = "/proc/" + std::to_string(pid);
  base::Fd fd(::open((proc + "/map_files/" + file.range).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && file.path.find(" (deleted)") == std::string::npos) fd = open_by_name(proc + "/root" + file.path);
  return fd;
}

base::Fd file_of_dead(const std::vector<int>& relatives, const File& file) {
  const source::LiveHost host;
  for (const int pid : relatives) {
    const std::string proc = "/proc/" + std::to_string(pid), mapped = proc + "/map_files/" + file.range;
    if (const auto link = host.link(mapped); link && *link == file.path)
      if (base::Fd fd(::open(mapped.c_str(), O_RDONLY | O_CLOEXEC)); fd) return fd;
    base::Fd fd = open_by_name(proc + "/root" + file.path);
    struct stat about {};
    if (fd && ::fstat(fd.get(), &about) == 0 && about.st_ino == file.inode) return fd;
  }
  return {};
}

}  // namespace

struct Unwinder::Loaded {
  int pid = 0;
  bool dead = false;
  std::vector<int> relatives;
  Dwfl* dwfl = nullptr;
  std::map<std::uint64_t, File> files;           // by where they begin
  std::map<Dwarf_Addr, std::string> names;       // libdwfl goes through all symbols of a file for each
  StackCopy copy;
  std::vector<evidence::StackFrame>* into = nullptr;
  bool to_python = false;

  Loaded() = default;
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() {
    if (dwfl) ::dwfl_end(dwfl);
  }

  // What libdwfl asks. The argument of each is the Loaded itself.
  static int find_elf(Dwfl_Module*, void** user, const char*, Dwarf_Addr base, char** name, Elf**) {
    const auto* const self = static_cast<const Loaded*>(*user);
    if (!self) return -1;
    const auto file = self->files.find(base);
    if (file == self->files.end()) return -1;
    base::Fd fd = self->dead ? file_of_dead(self->relatives, file->second) : file_of_living(self->pid, file->second);
    *name = ::strdup(file->second.path.c_str());
    return fd.release();
  }
  static int find_debuginfo(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*, GElf_Word, char**) { return -1; }

  static pid_t next_thread(Dwfl*, void* argument, void** thread) {
    if (*thread) return 0;
    *thread = argument;
    return static_cast<const Loaded*>(argument)->pid;
  }
  static bool one_thread(Dwfl*, pid_t, void* argument, void** thread) {
    *thread = argument;
    return true;
  }
  static bool read(Dwfl*, Dwarf_Addr address, Dwarf_Word* result, void* argument) {
    const auto* const self = static_cast<const Loaded*>(argument);
    const StackCopy& copy = self->copy;
    if (address >= copy.sp && address - copy.sp <= copy.bytes.size() && copy.bytes.size() - (address - copy.sp) >= sizeof *result) {
      std::memcpy(result, copy.bytes.data() + (address - copy.sp), sizeof *result);
      return true;
    }
    return !self->dead && read_memory(self->pid, address, result, sizeof *result);
  }
  static bool registers(Dwfl_Thread* thread, void* argument) {
    const StackCopy& copy = static_cast<const Loaded*>(argument)->copy;
    if (copy.registers) {
      std::array<Dwarf_Word, 16> all{};
      std::copy(copy.registers->begin(), copy.registers->end(), all.begin());
      if (!::dwfl_thread_state_registers(thread, 0, all.size(), all.data())) return false;
    } else {
      const Dwarf_Word sp = copy.sp;
      if (!::dwfl_thread_state_registers(thread, dwarf_sp, 1, &sp)) return false;
    }
    ::dwfl_thread_state_register_pc(thread, copy.pc);
    return true;
  }
  static int frame(Dwfl_Frame* state, void* argument) {
    auto* const self = static_cast<Loaded*>(argument);
    Dwarf_Addr pc = 0;
    bool exact = false;
    if (!::dwfl_frame_pc(state, &pc, &exact) || self->into->size() >= most_native_frames) return DWARF_CB_ABORT;
    const Dwarf_Addr inside = pc - (exact ? 0 : 1);  // a return address may stand behind the end of its function
    evidence::StackFrame told;
    if (Dwfl_Module* const module = ::dwfl_addrmodule(self->dwfl, inside)) {
      const char* const file = ::dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
      if (file) told.file = last_name(file);
      if (self->to_python && python_itself(told.file)) return DWARF_CB_ABORT;
      const auto [known, fresh] = self->names.try_emplace(inside);
      if (const char* const name = fresh ? ::dwfl_module_addrname(module, inside) : nullptr) known->second = name;
      told.function = known->second;
    }
    self->into->push_back(std::move(told));
    return DWARF_CB_OK;
  }
};

Unwinder::Unwinder(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
Unwinder::Unwinder(Unwinder&&) noexcept = default;
Unwinder& Unwinder::operator=(Unwinder&&) noexcept = default;
Unwinder::~Unwinder() = default;

base::Result<Unwinder> Unwinder::open(int pid) {
  const source::LiveHost host;
  TRY(maps, host.read("/proc/" + std::to_string(pid) + "/maps", most_maps));
  auto loaded = std::make_unique<Loaded>();
  loaded->pid = pid;
  return with_modules(std::move(loaded), maps);
}

base::Result<Unwinder> Unwinder::of_the_dead(int pid, const std::string& maps, const std::vector<int>& relatives) {
  auto loaded = std::make_unique<Loaded>();
  loaded->pid = pid;
  loaded->dead = true;
  loaded->relatives = relatives;
  return with_modules(std::move(loaded), maps);
}

base::Result<Unwinder> Unwinder::with_modules(std::unique_ptr<Loaded> loaded, const std::string& maps) {
  static char* no_path = nullptr;
  static const Dwfl_Callbacks files{Loaded::find_elf, Loaded::find_debuginfo, nullptr, &no_path};
  static const Dwfl_Thread_Callbacks threads{Loaded::next_thread, Loaded::one_thread, Loaded::read, Loaded::registers, nullptr, nullptr};
  const auto refuse = [pid = loaded->pid](const char* answer) { return base::fail({base::Kind::internal, "unwinding the native stacks of pid " + std::to_string(pid), answer ? answer : "it is refused", "", 0}); };
  loaded->dwfl = ::dwfl_begin(&files);
  if (!loaded->dwfl) return refuse(::dwfl_errmsg(-1));
  ::dwfl_report_begin(loaded->dwfl);
  for (File& file : files_of(maps)) {
    Dwfl_Module* const module = ::dwfl_report_module(loaded->dwfl, file.path.c_str(), file.from, file.to);
    if (!module) continue;
    void** user = nullptr;
    ::dwfl_module_info(module, &user, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
    if (user) *user = loaded.get();
    loaded->files.emplace(file.from, std::move(file));
  }
  if (::dwfl_report_end(loaded->dwfl, nullptr, nullptr) != 0) return refuse(::dwfl_errmsg(-1));
  if (!::dwfl_attach_state(loaded->dwfl, nullptr, loaded->pid, &threads, loaded.get())) return refuse(::dwfl_errmsg(-1));
  return Unwinder(std::move(loaded));
}

std::vector<evidence::StackFrame> Unwinder::frames(const StackCopy& copy, bool to_python, bool* whole) {
  std::vector<evidence::StackFrame> all;
  if (copy.bytes.empty() || copy.pc == 0) return all;
  loaded_->copy = copy;
  loaded_->into = &all;
  loaded_->to_python = to_python;
  // -1 where it had to end early, and 0 where a register that is not known tells how to go on: what it gave until then stands.
  const int ended = ::dwfl_getthread_frames(loaded_->dwfl, loaded_->pid, Loaded::frame, loaded_.get());
  if (whole) *whole = ended == DWARF_CB_ABORT || (ended == 0 && begins_a_thread(all));
  loaded_->into = nullptr;
  return all;
}

#else

struct Unwinder::Loaded {};
Unwinder::Unwinder(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
Unwinder::Unwinder(Unwinder&&) noexcept = default;
Unwinder& Unwinder::operator=(Unwinder&&) noexcept = default;
Unwinder::~Unwinder() = default;

base::Result<Unwinder> Unwinder::of_the_dead(int pid, const std::string&, const std::vector<int>&) { return open(pid); }
base::Result<Unwinder> Unwinder::open(int) { return base::fail({base::Kind::unsupported, "unwinding native stacks", "this build is without libdw, or not for x86-64", "build with libdw-dev", 0}); }
std::vector<evidence::StackFrame> Unwinder::frames(const StackCopy&, bool, bool*) { return {}; }

#endif

}  // namespace probe
