#include "probe/samples_bpf.hpp"

#if defined(TRIAGE_HAVE_BPF) && defined(__x86_64__)
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/owner.hpp"
// After libbpf's headers: what bpftool makes is not held to our warnings.
#include "probe/kernel_shape.hpp"
#include "samples.skel.h"

namespace probe {

namespace {

constexpr const char* loading = "loading the BPF programs that read threads where they stand";
constexpr std::uint64_t every_ns = 1'000'000;
constexpr std::size_t most_registers = 20'000;           // threads of one process that are read

std::string remedy(int code) {
  if (const std::string known = remedy_for_bpf(code); !known.empty()) return known;
  return "Linux 5.17 or newer (bpf_loop)";
}

struct Sink {
  StackRecords records;
  std::map<int, DyingThread> threads;                    // the first of each
};

int on_record(void* into, void* bytes, std::size_t size) {
  auto& sink = *static_cast<Sink*>(into);
  if (auto thread = sink.records.step({static_cast<const char*>(bytes), size})) sink.threads.try_emplace(thread->tid, std::move(*thread));
  return 0;
}

// Counts the time that the thread itself is on a processor.
base::Fd timer_of(int tid) {
  perf_event_attr about{};
  about.size = sizeof(about);
  about.type = PERF_TYPE_SOFTWARE;
  about.config = PERF_COUNT_SW_TASK_CLOCK;
  about.sample_period = every_ns;
  return base::Fd(static_cast<int>(::syscall(SYS_perf_event_open, &about, tid, -1, -1, PERF_FLAG_FD_CLOEXEC)));
}

}  // namespace

struct Sampler::Loaded {
  samples_bpf* skeleton = nullptr;
  ring_buffer* ring = nullptr;
  Sink sink;

  Loaded() = default;
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() {
    ring_buffer__free(ring);
    samples_bpf__destroy(skeleton);
  }
};

Sampler::Sampler() = default;
Sampler::~Sampler() = default;

base::Result<Sampler::Loaded*> Sampler::loaded(Which which) {
  auto& [kept, refused] = which == Which::samples ? samples_ : registers_;
  if (kept) return kept.get();
  if (refused) return base::fail(*refused);
  const auto refuse = [&, &why = refused](int code) {
    why = base::from_errno(code, loading, remedy(code));
    return base::fail(*why);
  };
  be_silent();
  auto made = std::make_unique<Loaded>();
  const auto open_with = [&](const std::string& btf_path) {
    bpf_object_open_opts opts{};
    opts.sz = sizeof(opts);
    if (!btf_path.empty()) opts.btf_custom_path = btf_path.c_str();
    samples_bpf__destroy(made->skeleton);
    made->skeleton = samples_bpf__open_opts(&opts);
    if (!made->skeleton) return false;
    bpf_program__set_autoload(made->skeleton->progs.sample, which == Which::samples);
    bpf_program__set_autoload(made->skeleton->progs.registers, which == Which::registers);
    return true;
  };
  if (!open_with("")) return refuse(errno);
  int answer = -1;
  // The iterator is found in the kernel's own BTF, which is then read whole anyway.
  if (which == Which::samples)
    if (const auto shape = shape_of_kernel(bpf_object__btf(made->skeleton->obj), ""); shape && shape->small && open_with(shape->path())) answer = samples_bpf__load(made->skeleton);
  if (answer != 0) {
    if (!open_with("")) return refuse(errno);
    answer = samples_bpf__load(made->skeleton);
  }
  if (answer != 0) return refuse(-answer);
  made->ring = ring_buffer__new(bpf_map__fd(made->skeleton->maps.ring), on_record, &made->sink, nullptr);
  if (!made->ring) return refuse(errno);
  kept = std::move(made);
  return kept.get();
}

base::Result<std::map<int, DyingThread>> Sampler::running(int pid, const std::vector<int>& tids, const std::optional<stack_python>& python, std::chrono::milliseconds most) {
  TRY(loaded, this->loaded(Which::samples));
  const auto key = static_cast<__u32>(pid);
  const stack_python how = python.value_or(stack_python{});
  const int table = bpf_map__fd(loaded->skeleton->maps.pythons);
  if (bpf_map_update_elem(table, &key, &how, BPF_ANY) != 0) return base::fail(base::from_errno(errno, "telling BPF which process to sample", ""));
  loaded->sink = {};
  std::vector<bpf_link*> links;
  int refused = 0;
  for (const int tid : tids) {
    if (links.size() >= most_sampled) break;
    base::Fd timer = timer_of(tid);
    if (!timer) {
      if (errno != ESRCH) refused = errno;
      continue;
    }
    if (bpf_link* const link = bpf_program__attach_perf_event(loaded->skeleton->progs.sample, timer.get())) {
      timer.release();                                   // the link closes it
      links.push_back(link);
    } else {
      refused = errno;
    }
  }
  // Those that run come within a few milliseconds of one another; those that only ran for a moment while they were read, never.
  constexpr std::chrono::milliseconds then{12};
  using Steady = std::chrono::steady_clock;
  auto end = Steady::now() + most;
  for (std::size_t had = 0; had < links.size();) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now());
    if (left.count() <= 0) break;
    ring_buffer__poll(loaded->ring, static_cast<int>(left.count()));
    if (loaded->sink.threads.size() > had) end = std::min(end, Steady::now() + then);
    had = loaded->sink.threads.size();
  }
  for (bpf_link* const link : links) bpf_link__destroy(link);
  ring_buffer__consume(loaded->ring);
  bpf_map_delete_elem(table, &key);
  if (links.empty() && refused != 0) return base::fail(base::from_errno(refused, "sampling the running threads of pid " + std::to_string(pid), "run as root, or grant CAP_PERFMON"));
  return std::move(loaded->sink.threads);
}

base::Result<std::map<int, Sampler::Registers>> Sampler::registers(int pid) {
  TRY(loaded, this->loaded(Which::registers));
  const auto refuse = [&](int code) { return base::fail(base::from_errno(code, "reading the registers of pid " + std::to_string(pid), remedy(code))); };
  loaded->skeleton->bss->wanted = static_cast<__u32>(pid);
  bpf_link* const link = bpf_program__attach_iter(loaded->skeleton->progs.registers, nullptr);
  if (!link) return refuse(errno);
  const base::Fd reader(bpf_iter_create(bpf_link__fd(link)));
  const int code = errno;
  bpf_link__destroy(link);
  if (!reader) return refuse(code);
  std::map<int, Registers> all;
  std::vector<char> bytes;
  std::array<char, 1 << 14> part{};
  for (ssize_t size = 0; (size = ::read(reader.get(), part.data(), part.size())) != 0 && bytes.size() < most_registers * sizeof(stack_registers);) {
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return refuse(errno);
    bytes.insert(bytes.end(), part.begin(), part.begin() + size);
  }
  for (std::size_t at = 0; at + sizeof(stack_registers) <= bytes.size(); at += sizeof(stack_registers)) {
    stack_registers told{};
    std::memcpy(&told, bytes.data() + at, sizeof(told));
    std::copy(std::begin(told.registers), std::end(told.registers), all[static_cast<int>(told.tid)].begin());
  }
  return all;
}

}  // namespace probe

#else

namespace probe {

struct Sampler::Loaded {};
Sampler::Sampler() = default;
Sampler::~Sampler() = default;

base::Result<Sampler::Loaded*> Sampler::loaded(Which) {
#ifdef TRIAGE_HAVE_BPF
  return base::fail({base::Kind::unsupported, "reading threads where they stand", "registers are known of x86-64 only", "", 0});
#else
  return base::fail({base::Kind::unsupported, "reading threads where they stand", "this program was built without BPF", "build it where clang, bpftool and libbpf are installed", 0});
#endif
}
base::Result<std::map<int, DyingThread>> Sampler::running(int, const std::vector<int>&, const std::optional<stack_python>&, std::chrono::milliseconds) {
  TRY(nothing, loaded(Which::samples));
  (void)nothing;
  return std::map<int, DyingThread>{};
}
base::Result<std::map<int, Sampler::Registers>> Sampler::registers(int) {
  TRY(nothing, loaded(Which::registers));
  (void)nothing;
  return std::map<int, Registers>{};
}

}  // namespace probe

#endif
