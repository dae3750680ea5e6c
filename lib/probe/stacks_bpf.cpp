#include "probe/stacks_bpf.hpp"

#if defined(TRIAGE_HAVE_BPF) && defined(__x86_64__)
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

// After libbpf's headers: what bpftool makes is not held to our warnings.
#include "probe/kernel_shape.hpp"
#include "stacks.skel.h"

namespace probe {

namespace {

constexpr int of_a_death[] = {4, 6, 7, 8, 9, 11};     // ILL ABRT BUS FPE KILL SEGV
constexpr const char* opening = "opening the BPF program that reads stacks";
constexpr const char* loading = "loading the BPF program that reads stacks";

struct Sink {
  StackRecords records;
  std::vector<DyingThread> threads;
};

int on_record(void* into, void* bytes, std::size_t size) {
  auto& sink = *static_cast<Sink*>(into);
  if (auto thread = sink.records.step({static_cast<const char*>(bytes), size})) sink.threads.push_back(std::move(*thread));
  return 0;
}

std::string remedy(int code) {
  if (const std::string known = remedy_for_bpf(code); !known.empty()) return known;
  return "Linux 5.17 or newer (bpf_loop)";
}

}  // namespace

struct StacksBpf::Loaded {
  stacks_bpf* skeleton = nullptr;
  ring_buffer* ring = nullptr;
  Sink sink;

  Loaded() = default;
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() {
    ring_buffer__free(ring);
    stacks_bpf__destroy(skeleton);
  }
};

StacksBpf::StacksBpf(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
StacksBpf::StacksBpf(StacksBpf&&) noexcept = default;
StacksBpf& StacksBpf::operator=(StacksBpf&&) noexcept = default;
StacksBpf::~StacksBpf() = default;

base::Result<StacksBpf> StacksBpf::open(const BpfWatch& deaths, bool everything) {
  be_silent();
  auto loaded = std::make_unique<Loaded>();
  const auto open_with = [&](const std::string& btf_path) {
    bpf_object_open_opts opts{};
    opts.sz = sizeof(opts);
    if (!btf_path.empty()) opts.btf_custom_path = btf_path.c_str();
    stacks_bpf__destroy(loaded->skeleton);
    loaded->skeleton = stacks_bpf__open_opts(&opts);
    return loaded->skeleton != nullptr;
  };
  const BpfWatch::Watched watched = deaths.watched();
  const auto load = [&]() {
    stacks_bpf& skeleton = *loaded->skeleton;
    skeleton.rodata->watch_all = everything;
    skeleton.rodata->marks_at = static_cast<unsigned>(watched.marks_at);
    for (const int signal : of_a_death) skeleton.rodata->signals_wanted |= 1ULL << signal;
    skeleton.rodata->call_poll = SYS_poll;
    skeleton.rodata->call_ppoll = SYS_ppoll;
    if (const int refused = bpf_map__reuse_fd(skeleton.maps.watched, watched.table); refused != 0) return refused;
    if (const int refused = bpf_map__reuse_fd(skeleton.maps.marks, watched.marks); refused != 0) return refused;
    return stacks_bpf__load(&skeleton);
  };
  if (!open_with("")) return base::fail(base::from_errno(errno, opening, remedy(errno)));
  TRY(shape, shape_of_kernel(bpf_object__btf(loaded->skeleton->obj), ""));
  int answer = -1;
  if (shape.small && open_with(shape.path())) answer = load();
  if (answer != 0) {   // with the kernel's whole BTF
    if (!open_with("")) return base::fail(base::from_errno(errno, opening, remedy(errno)));
    answer = load();
  }
  if (answer != 0) return base::fail(base::from_errno(-answer, loading, remedy(-answer)));
  loaded->ring = ring_buffer__new(bpf_map__fd(loaded->skeleton->maps.ring), on_record, &loaded->sink, nullptr);
  if (loaded->ring == nullptr) return base::fail(base::from_errno(errno, "mapping the BPF ring of stacks", remedy(errno)));
  if (const int refused = stacks_bpf__attach(loaded->skeleton); refused != 0) return base::fail(base::from_errno(-refused, "attaching to the delivery of signals", remedy(-refused)));
  return StacksBpf(std::move(loaded));
}

int StacksBpf::fd() const { return ring_buffer__epoll_fd(loaded_->ring); }

void StacksBpf::drain(std::vector<DyingThread>& into) {
  // Cleared first: what comes from here on wakes us again.
  __atomic_store_n(&loaded_->skeleton->bss->woken, 0U, __ATOMIC_SEQ_CST);
  ring_buffer__consume(loaded_->ring);
  std::move(loaded_->sink.threads.begin(), loaded_->sink.threads.end(), std::back_inserter(into));
  loaded_->sink.threads.clear();
}

bool StacksBpf::add(int pid, const stack_python& python) {
  const auto key = static_cast<__u32>(pid);
  return bpf_map_update_elem(bpf_map__fd(loaded_->skeleton->maps.pythons), &key, &python, BPF_ANY) == 0;
}

void StacksBpf::remove(int pid) {
  const auto key = static_cast<__u32>(pid);
  bpf_map_delete_elem(bpf_map__fd(loaded_->skeleton->maps.pythons), &key);
}

std::uint64_t StacksBpf::lost() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return 0;
  std::uint64_t sum = 0;
  std::vector<__u64> values(static_cast<std::size_t>(cpus));
  for (__u32 row = 0; row < stack_lost_rows; ++row) {
    if (bpf_map_lookup_elem(bpf_map__fd(loaded_->skeleton->maps.lost), &row, values.data()) != 0) continue;
    for (const __u64 value : values) sum += value;
  }
  return sum;
}

std::vector<BpfWatch::Cost> StacksBpf::costs() const {
  std::vector<BpfWatch::Cost> costs;
  const int fd = bpf_program__fd(loaded_->skeleton->progs.signal_deliver);
  bpf_prog_info about{};
  __u32 size = sizeof(about);
  if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &about, &size) == 0) costs.push_back({"signal_deliver", about.run_time_ns, about.run_cnt});
  return costs;
}

}  // namespace probe

#else

namespace probe {

struct StacksBpf::Loaded {};
StacksBpf::StacksBpf(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
StacksBpf::StacksBpf(StacksBpf&&) noexcept = default;
StacksBpf& StacksBpf::operator=(StacksBpf&&) noexcept = default;
StacksBpf::~StacksBpf() = default;

base::Result<StacksBpf> StacksBpf::open(const BpfWatch&, bool) {
#ifdef TRIAGE_HAVE_BPF
  return base::fail({base::Kind::unsupported, "loading the BPF program that reads stacks", "where a thread keeps its pthread address is known of x86-64 only", "", 0});
#else
  return base::fail({base::Kind::unsupported, "loading the BPF program that reads stacks", "this program was built without BPF", "build it where clang, bpftool and libbpf are installed", 0});
#endif
}

int StacksBpf::fd() const { return -1; }
void StacksBpf::drain(std::vector<DyingThread>&) {}
bool StacksBpf::add(int, const stack_python&) { return false; }
void StacksBpf::remove(int) {}
std::uint64_t StacksBpf::lost() const { return 0; }
std::vector<BpfWatch::Cost> StacksBpf::costs() const { return {}; }

}  // namespace probe

#endif
