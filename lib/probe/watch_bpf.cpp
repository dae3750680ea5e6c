#include "probe/watch_bpf.hpp"

#ifdef TRIAGE_HAVE_BPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <chrono>
#include <cerrno>
#include <cstring>

// After libbpf's headers: what bpftool makes is not held to our warnings.
#include "bpf/deaths.event.h"
#include "base/text.hpp"
#include "probe/kernel_shape.hpp"
#include "source/live_host.hpp"
#include "deaths.skel.h"

namespace probe {

namespace {

// 6 9 15 by others; 1 2 3 4 7 8 11 31 end a process that does not catch them; 24 comes before RLIMIT_CPU's SIGKILL.
constexpr int signals_wanted[] = {1, 2, 3, 4, 6, 7, 8, 9, 11, 15, 24, 31};

using Steady = std::chrono::steady_clock;

double ms_since(Steady::time_point from) { return std::chrono::duration<double, std::milli>(Steady::now() - from).count(); }

/// kernel.pid_max: every pid is smaller. 2^22, the most there can be, where it cannot be read.
std::size_t largest_pid() {
  const auto text = source::LiveHost().read("/proc/sys/kernel/pid_max", 32);
  const auto number = text ? base::read_number(base::trim(*text)) : std::nullopt;
  return number && *number > 0 ? static_cast<std::size_t>(*number) : 1 << 22;
}

template <std::size_t N>
std::string text_of(const char (&field)[N]) { return std::string(field, strnlen(field, N)); }

Event event_of(const death_event& raw) {
  Event event;
  switch (raw.type) {
    case death_event_signal: event.what = Event::What::signal; break;
    case death_event_fork: event.what = Event::What::fork; break;
    case death_event_exec: event.what = Event::What::exec; break;
    case death_event_oom: event.what = Event::What::oom; break;
    default: event.what = Event::What::exit; break;
  }
  event.sent_by = raw.sent_by == death_sent_noinfo ? Event::SentBy::noinfo : raw.sent_by == death_sent_priv ? Event::SentBy::kernel : Event::SentBy::real;
  event.at_ns = static_cast<std::int64_t>(raw.at);
  event.start_ns = static_cast<std::int64_t>(raw.start);
  event.mm = raw.mm;
  event.pid = static_cast<int>(raw.tgid);
  event.tid = static_cast<int>(raw.tid);
  event.ns_pid = static_cast<int>(raw.ns_pid);
  event.parent = static_cast<int>(raw.parent);
  event.status = raw.status;
  event.signal = raw.signal;
  event.code = raw.code;
  event.outcome = static_cast<int>(raw.outcome);
  event.sender = static_cast<int>(raw.sender);
  event.sender_tid = static_cast<int>(raw.sender_tid);
  event.sender_ns_pid = static_cast<int>(raw.sender_ns_pid);
  event.sender_parent = static_cast<int>(raw.sender_parent);
  event.sender_uid = raw.sender_uid;
  event.sender_exiting = raw.sender_exiting != 0;
  event.comm = text_of(raw.comm);
  event.sender_comm = text_of(raw.sender_comm);
  event.sender_parent_comm = text_of(raw.sender_parent_comm);
  event.sender_exe = text_of(raw.sender_exe);
  event.sender_cgroup = text_of(raw.sender_cgroup);
  event.by = "bpf";
  return event;
}

int on_event(void* into, void* bytes, std::size_t size) {
  if (size < DEATH_OF_ITSELF) return 0;
  death_event whole{};
  std::memcpy(&whole, bytes, std::min(size, sizeof(whole)));
  static_cast<std::vector<Event>*>(into)->push_back(event_of(whole));
  return 0;
}

}  // namespace

struct BpfWatch::Loaded {
  deaths_bpf* skeleton = nullptr;
  ring_buffer* ring = nullptr;
  std::vector<Event> events;
  std::vector<std::pair<std::string, double>> times;

  Loaded() = default;
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() {
    ring_buffer__free(ring);
    deaths_bpf__destroy(skeleton);
  }
};

BpfWatch::BpfWatch(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
BpfWatch::BpfWatch(BpfWatch&&) noexcept = default;
BpfWatch& BpfWatch::operator=(BpfWatch&&) noexcept = default;
BpfWatch::~BpfWatch() = default;

base::Result<BpfWatch> BpfWatch::open(const Options& options) {
  be_silent();
  auto loaded = std::make_unique<Loaded>();

  auto from = Steady::now();
  const auto open_with = [&](const std::string& btf_path) {
    bpf_object_open_opts opts{};
    opts.sz = sizeof(opts);
    if (!btf_path.empty()) opts.btf_custom_path = btf_path.c_str();
    deaths_bpf__destroy(loaded->skeleton);
    loaded->skeleton = deaths_bpf__open_opts(&opts);
    return loaded->skeleton != nullptr;
  };
  if (!open_with("")) return base::fail(base::from_errno(errno, "opening the BPF programs", remedy_for_bpf(errno)));
  loaded->times.emplace_back("open", ms_since(from));

  from = Steady::now();
  TRY(shape, shape_of_kernel(bpf_object__btf(loaded->skeleton->obj), "mark_victim"));
  loaded->times.emplace_back("btf", ms_since(from));

  from = Steady::now();
  const auto load = [&]() {
    deaths_bpf& skeleton = *loaded->skeleton;
    skeleton.rodata->watch_all = options.everything;
    skeleton.rodata->marks_are_exact = largest_pid() <= std::size(skeleton.bss->mark);
    for (const int signal : signals_wanted) skeleton.rodata->signals_wanted |= 1ULL << signal;
    const std::size_t rows = std::min(options.server_names.size(), std::size(skeleton.rodata->name_is));
    for (std::size_t row = 0; row < rows; ++row) {
      const std::string& name = options.server_names[row];
      const std::size_t bytes = std::min<std::size_t>(name.size(), sizeof(__u64));
      __u64 is = 0, mask = 0;
      std::memcpy(&is, name.data(), bytes);
      std::memset(&mask, 0xff, bytes);
      skeleton.rodata->name_is[row] = is;
      skeleton.rodata->name_mask[row] = mask;
    }
    // The task was backported (5.10.262, 6.1.192 have it): the prototype says it, the version does not.
    bpf_program__set_autoload(skeleton.progs.mark_victim_task, shape.first_is_pointer);
    bpf_program__set_autoload(skeleton.progs.mark_victim_pid, !shape.first_is_pointer);
    return deaths_bpf__load(&skeleton);
  };
  int answer = -1;
  if (shape.small && open_with(shape.path())) answer = load();
  if (answer != 0) {   // with the kernel's whole BTF
    if (!open_with("")) return base::fail(base::from_errno(errno, "opening the BPF programs", remedy_for_bpf(errno)));
    answer = load();
    loaded->times.emplace_back("whole btf", ms_since(from));
  }
  if (answer != 0) return base::fail(base::from_errno(-answer, "loading the BPF programs", remedy_for_bpf(-answer)));
  deaths_bpf& skeleton = *loaded->skeleton;
  loaded->times.emplace_back("load", ms_since(from));

  from = Steady::now();
  if (const int refused = deaths_bpf__attach(&skeleton); refused != 0) return base::fail(base::from_errno(-refused, "attaching to the raw tracepoints", remedy_for_bpf(-answer)));
  loaded->ring = ring_buffer__new(bpf_map__fd(skeleton.maps.ring), on_event, &loaded->events, nullptr);
  if (loaded->ring == nullptr) return base::fail(base::from_errno(errno, "mapping the BPF ring", remedy_for_bpf(errno)));
  loaded->times.emplace_back("attach", ms_since(from));
  return BpfWatch(std::move(loaded));
}

BpfWatch::Watched BpfWatch::watched() const {
  const deaths_bpf& skeleton = *loaded_->skeleton;
  return {bpf_map__fd(skeleton.maps.watched), bpf_map__fd(skeleton.maps.bss), static_cast<std::size_t>(reinterpret_cast<const char*>(&skeleton.bss->mark) - reinterpret_cast<const char*>(skeleton.bss))};
}

int BpfWatch::fd() const { return ring_buffer__epoll_fd(loaded_->ring); }

void BpfWatch::drain(std::vector<Event>& into) {
  // Cleared first: what comes from here on wakes us again.
  __atomic_store_n(&loaded_->skeleton->bss->woken, 0U, __ATOMIC_SEQ_CST);
  ring_buffer__consume(loaded_->ring);
  std::move(loaded_->events.begin(), loaded_->events.end(), std::back_inserter(into));
  loaded_->events.clear();
}

bool BpfWatch::add(int pid) {
  const auto key = static_cast<__u32>(pid);
  const __u64 start = 0;
  const bool fits = bpf_map_update_elem(bpf_map__fd(loaded_->skeleton->maps.watched), &key, &start, BPF_ANY) == 0;
  auto& marks = loaded_->skeleton->bss->mark;
  __atomic_store_n(&marks[key % std::size(marks)], 1, __ATOMIC_SEQ_CST);
  return fits;
}

void BpfWatch::remove(int pid) {
  const auto key = static_cast<__u32>(pid);
  bpf_map_delete_elem(bpf_map__fd(loaded_->skeleton->maps.watched), &key);
}

std::uint64_t BpfWatch::lost() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return 0;
  std::uint64_t sum = 0;
  std::vector<__u64> values(static_cast<std::size_t>(cpus));
  for (__u32 row = 0; row < death_lost_rows; ++row) {
    if (bpf_map_lookup_elem(bpf_map__fd(loaded_->skeleton->maps.lost), &row, values.data()) != 0) continue;
    for (const __u64 value : values) sum += value;
  }
  return sum;
}

const std::vector<std::pair<std::string, double>>& BpfWatch::times() const { return loaded_->times; }

std::vector<BpfWatch::Cost> BpfWatch::costs() const {
  std::vector<Cost> costs;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, loaded_->skeleton->obj) {
    const int fd = bpf_program__fd(program);
    bpf_prog_info about{};
    __u32 size = sizeof(about);
    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &about, &size) != 0) continue;
    costs.push_back({bpf_program__name(program), about.run_time_ns, about.run_cnt});
  }
  return costs;
}

}  // namespace probe

#else

namespace probe {

struct BpfWatch::Loaded {};
BpfWatch::BpfWatch(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
BpfWatch::BpfWatch(BpfWatch&&) noexcept = default;
BpfWatch& BpfWatch::operator=(BpfWatch&&) noexcept = default;
BpfWatch::~BpfWatch() = default;

base::Result<BpfWatch> BpfWatch::open(const Options&) {
  return base::fail({base::Kind::unsupported, "loading the BPF programs", "this program was built without BPF", "build it where clang, bpftool and libbpf are installed", 0});
}

BpfWatch::Watched BpfWatch::watched() const { return {}; }
int BpfWatch::fd() const { return -1; }
void BpfWatch::drain(std::vector<Event>&) {}
bool BpfWatch::add(int) { return false; }
void BpfWatch::remove(int) {}
std::uint64_t BpfWatch::lost() const { return 0; }
const std::vector<std::pair<std::string, double>>& BpfWatch::times() const {
  static const std::vector<std::pair<std::string, double>> none;
  return none;
}
std::vector<BpfWatch::Cost> BpfWatch::costs() const { return {}; }

}  // namespace probe

#endif
