#include "probe/watch_bpf.hpp"

#ifdef TRIAGE_HAVE_BPF
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

// After libbpf's headers: what bpftool makes is not held to our warnings.
#include "bpf/deaths.event.h"
#include "deaths.skel.h"

namespace probe {

namespace {

// 6 9 15 by others; 1 2 3 4 7 8 11 31 end a process that does not catch them; 24 comes before RLIMIT_CPU's SIGKILL.
constexpr int signals_wanted[] = {1, 2, 3, 4, 6, 7, 8, 9, 11, 15, 24, 31};

using Steady = std::chrono::steady_clock;

double ms_since(Steady::time_point from) { return std::chrono::duration<double, std::milli>(Steady::now() - from).count(); }

int silent(enum libbpf_print_level, const char*, va_list) { return 0; }

std::string remedy_for(int code) {
  if (code == EPERM || code == EACCES) return "run as root, or grant CAP_BPF and CAP_PERFMON (and CAP_SYS_RESOURCE before Linux 5.11)";
  if (code == ENOENT || code == ESRCH) return "a kernel with CONFIG_DEBUG_INFO_BTF (/sys/kernel/btf/vmlinux)";
  return "";
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
  if (size < sizeof(death_event)) return 0;
  static_cast<std::vector<Event>*>(into)->push_back(event_of(*static_cast<const death_event*>(bytes)));
  return 0;
}

/// Does mark_victim hand over the task (true) or its pid? The typedef's prototype says it: it was backported, so the version does not.
bool mark_victim_has_task(const btf* kernel) {
  const int id = btf__find_by_name_kind(kernel, "btf_trace_mark_victim", BTF_KIND_TYPEDEF);
  if (id < 0) return false;
  const btf_type* type = btf__type_by_id(kernel, static_cast<__u32>(id));
  type = btf__type_by_id(kernel, type->type);                             // pointer
  if (type != nullptr && btf_is_ptr(type)) type = btf__type_by_id(kernel, type->type);
  if (type == nullptr || !btf_is_func_proto(type) || btf_vlen(type) < 2) return false;
  const btf_type* first = btf__type_by_id(kernel, btf_params(type)[1].type);   // params[0] is the tracepoint's own void*
  return first != nullptr && btf_is_ptr(first);
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
  libbpf_set_print(silent);
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  auto loaded = std::make_unique<Loaded>();

  auto from = Steady::now();
  btf* kernel = btf__load_vmlinux_btf();
  if (kernel == nullptr) return base::fail(base::from_errno(errno, "reading the kernel's BTF", "a kernel with CONFIG_DEBUG_INFO_BTF (/sys/kernel/btf/vmlinux)"));
  const bool has_task = mark_victim_has_task(kernel);
  btf__free(kernel);
  loaded->times.emplace_back("btf", ms_since(from));

  from = Steady::now();
  loaded->skeleton = deaths_bpf__open();
  if (loaded->skeleton == nullptr) return base::fail(base::from_errno(errno, "opening the BPF programs", remedy_for(errno)));
  deaths_bpf& skeleton = *loaded->skeleton;
  skeleton.rodata->watch_all = options.everything;
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
  bpf_program__set_autoload(skeleton.progs.mark_victim_task, has_task);
  bpf_program__set_autoload(skeleton.progs.mark_victim_pid, !has_task);
  loaded->times.emplace_back("open", ms_since(from));

  from = Steady::now();
  if (const int answer = deaths_bpf__load(&skeleton); answer != 0) return base::fail(base::from_errno(-answer, "loading the BPF programs", remedy_for(-answer)));
  loaded->times.emplace_back("load", ms_since(from));

  from = Steady::now();
  if (const int answer = deaths_bpf__attach(&skeleton); answer != 0) return base::fail(base::from_errno(-answer, "attaching to the raw tracepoints", remedy_for(-answer)));
  loaded->ring = ring_buffer__new(bpf_map__fd(skeleton.maps.ring), on_event, &loaded->events, nullptr);
  if (loaded->ring == nullptr) return base::fail(base::from_errno(errno, "mapping the BPF ring", remedy_for(errno)));
  loaded->times.emplace_back("attach", ms_since(from));
  return BpfWatch(std::move(loaded));
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
  return bpf_map_update_elem(bpf_map__fd(loaded_->skeleton->maps.watched), &key, &start, BPF_ANY) == 0;
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
