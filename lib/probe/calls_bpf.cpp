#include "probe/calls_bpf.hpp"

#ifdef TRIAGE_HAVE_BPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <set>

// After libbpf's headers: what bpftool makes is not held to our warnings.
#include "bpf/calls.event.h"
#include "probe/kernel_shape.hpp"
#include "calls.skel.h"

namespace probe {

namespace {

struct Does { long number; unsigned char what; };

// What moves bytes through the descriptor that is its first argument. io_uring does so without a call of its own and is not seen.
constexpr Does calls_that_move[] = {
    {SYS_read, CALL_READS},   {SYS_readv, CALL_READS},   {SYS_recvfrom, CALL_READS | CALL_FLAGS_4TH}, {SYS_recvmsg, CALL_READS | CALL_FLAGS_3RD}, {SYS_recvmmsg, CALL_READS | CALL_FLAGS_4TH},
    {SYS_write, CALL_WRITES}, {SYS_writev, CALL_WRITES}, {SYS_sendto, CALL_WRITES},                   {SYS_sendmsg, CALL_WRITES},                 {SYS_sendmmsg, CALL_WRITES},
    {SYS_sendfile, CALL_WRITES},
};

long number_of(unsigned call) { return call == CALL_OF_OTHER_ABI ? -1 : static_cast<long>(call); }

int on_event(void* into, void* bytes, std::size_t size) {
  call_event raw{};
  if (size < sizeof(raw)) return 0;
  std::memcpy(&raw, bytes, sizeof(raw));
  CallEvent event;
  event.what = raw.type == call_event_refused ? CallEvent::What::refused : raw.way & CALL_READS ? CallEvent::What::read : CallEvent::What::wrote;
  event.at_ns = static_cast<std::int64_t>(raw.at);
  event.inode = raw.inode;
  event.pid = static_cast<int>(raw.tgid);
  event.call = number_of(raw.call);
  if (event.what == CallEvent::What::refused) event.error = static_cast<int>(raw.way);
  static_cast<std::vector<CallEvent>*>(into)->push_back(event);
  return 0;
}

}  // namespace

struct CallsBpf::Loaded {
  calls_bpf* skeleton = nullptr;
  ring_buffer* ring = nullptr;
  std::vector<CallEvent> events;
  std::set<std::uint64_t> asked;

  Loaded() = default;
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() {
    ring_buffer__free(ring);
    calls_bpf__destroy(skeleton);
  }
  int map(const bpf_map* of) const { return bpf_map__fd(of); }
};

CallsBpf::CallsBpf(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
CallsBpf::CallsBpf(CallsBpf&&) noexcept = default;
CallsBpf& CallsBpf::operator=(CallsBpf&&) noexcept = default;
CallsBpf::~CallsBpf() = default;

base::Result<CallsBpf> CallsBpf::open(const BpfWatch& deaths) {
  be_silent();
  auto loaded = std::make_unique<Loaded>();
  const auto open_with = [&](const std::string& btf_path) {
    bpf_object_open_opts opts{};
    opts.sz = sizeof(opts);
    if (!btf_path.empty()) opts.btf_custom_path = btf_path.c_str();
    calls_bpf__destroy(loaded->skeleton);
    loaded->skeleton = calls_bpf__open_opts(&opts);
    return loaded->skeleton != nullptr;
  };
  const BpfWatch::Watched watched = deaths.watched();
  const auto load = [&]() {
    calls_bpf& skeleton = *loaded->skeleton;
    for (const Does& call : calls_that_move) skeleton.rodata->does[call.number] = call.what;
    skeleton.rodata->marks_at = static_cast<unsigned>(watched.marks_at);
    if (const int refused = bpf_map__reuse_fd(skeleton.maps.watched, watched.table); refused != 0) return refused;
    if (const int refused = bpf_map__reuse_fd(skeleton.maps.marks, watched.marks); refused != 0) return refused;
    return calls_bpf__load(&skeleton);
  };
  if (!open_with("")) return base::fail(base::from_errno(errno, "opening the BPF program of --syscalls", remedy_for_bpf(errno)));
  TRY(shape, shape_of_kernel(bpf_object__btf(loaded->skeleton->obj), ""));
  int answer = -1;
  if (shape.small && open_with(shape.path())) answer = load();
  if (answer != 0) {   // with the kernel's whole BTF
    if (!open_with("")) return base::fail(base::from_errno(errno, "opening the BPF program of --syscalls", remedy_for_bpf(errno)));
    answer = load();
  }
  if (answer != 0) return base::fail(base::from_errno(-answer, "loading the BPF program of --syscalls", remedy_for_bpf(-answer)));
  loaded->ring = ring_buffer__new(loaded->map(loaded->skeleton->maps.ring), on_event, &loaded->events, nullptr);
  if (loaded->ring == nullptr) return base::fail(base::from_errno(errno, "mapping the BPF ring of --syscalls", remedy_for_bpf(errno)));
  if (const int refused = calls_bpf__attach(loaded->skeleton); refused != 0) return base::fail(base::from_errno(-refused, "attaching to the end of system calls", remedy_for_bpf(-refused)));
  return CallsBpf(std::move(loaded));
}

int CallsBpf::fd() const { return ring_buffer__epoll_fd(loaded_->ring); }

void CallsBpf::drain(std::vector<CallEvent>& into) {
  ring_buffer__consume(loaded_->ring);
  into.insert(into.end(), loaded_->events.begin(), loaded_->events.end());
  loaded_->events.clear();
}

bool CallsBpf::ask(std::uint64_t inode) {
  const __u64 key = inode;
  const unsigned char yes = 1;
  if (bpf_map_update_elem(loaded_->map(loaded_->skeleton->maps.sockets), &key, &yes, BPF_ANY) != 0) return false;
  loaded_->asked.insert(inode);
  __atomic_store_n(&loaded_->skeleton->bss->asked, static_cast<unsigned>(loaded_->asked.size()), __ATOMIC_SEQ_CST);
  return true;
}

void CallsBpf::forget(std::uint64_t inode) {
  const __u64 key = inode;
  bpf_map_delete_elem(loaded_->map(loaded_->skeleton->maps.sockets), &key);
  loaded_->asked.erase(inode);
  __atomic_store_n(&loaded_->skeleton->bss->asked, static_cast<unsigned>(loaded_->asked.size()), __ATOMIC_SEQ_CST);
}

std::vector<Refusals> CallsBpf::refusals() const {
  std::vector<Refusals> all;
  const int table = loaded_->map(loaded_->skeleton->maps.refusals);
  call_refused key{}, next{};
  // Bounded by what the table holds: one that is deleted meanwhile sends the walk to its beginning.
  for (bool more = bpf_map_get_next_key(table, nullptr, &next) == 0; more && all.size() < 1024; more = bpf_map_get_next_key(table, &key, &next) == 0) {
    key = next;
    call_refusals row{};
    if (bpf_map_lookup_elem(table, &key, &row) != 0) continue;
    all.push_back({static_cast<int>(key.tgid), key.error, number_of(key.call), row.count, static_cast<std::int64_t>(row.first), static_cast<std::int64_t>(row.last)});
  }
  return all;
}

void CallsBpf::ended(int pid) {
  for (const Refusals& row : refusals()) {
    if (row.pid != pid) continue;
    const call_refused key{static_cast<unsigned>(pid), row.call < 0 ? CALL_OF_OTHER_ABI : static_cast<unsigned>(row.call), row.error};
    bpf_map_delete_elem(loaded_->map(loaded_->skeleton->maps.refusals), &key);
  }
}

std::uint64_t CallsBpf::lost() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return 0;
  std::uint64_t sum = 0;
  std::vector<__u64> values(static_cast<std::size_t>(cpus));
  for (__u32 row = 0; row < call_lost_rows; ++row) {
    if (bpf_map_lookup_elem(loaded_->map(loaded_->skeleton->maps.lost), &row, values.data()) != 0) continue;
    for (const __u64 value : values) sum += value;
  }
  return sum;
}

std::vector<BpfWatch::Cost> CallsBpf::costs() const {
  std::vector<BpfWatch::Cost> costs;
  const int fd = bpf_program__fd(loaded_->skeleton->progs.sys_exit);
  bpf_prog_info about{};
  __u32 size = sizeof(about);
  if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &about, &size) == 0) costs.push_back({"sys_exit", about.run_time_ns, about.run_cnt});
  return costs;
}

}  // namespace probe

#else

namespace probe {

struct CallsBpf::Loaded {};
CallsBpf::CallsBpf(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
CallsBpf::CallsBpf(CallsBpf&&) noexcept = default;
CallsBpf& CallsBpf::operator=(CallsBpf&&) noexcept = default;
CallsBpf::~CallsBpf() = default;

base::Result<CallsBpf> CallsBpf::open(const BpfWatch&) {
  return base::fail({base::Kind::unsupported, "loading the BPF program of --syscalls", "this program was built without BPF", "build it where clang, bpftool and libbpf are installed", 0});
}

int CallsBpf::fd() const { return -1; }
void CallsBpf::drain(std::vector<CallEvent>&) {}
bool CallsBpf::ask(std::uint64_t) { return false; }
void CallsBpf::forget(std::uint64_t) {}
std::vector<Refusals> CallsBpf::refusals() const { return {}; }
void CallsBpf::ended(int) {}
std::uint64_t CallsBpf::lost() const { return 0; }
std::vector<BpfWatch::Cost> CallsBpf::costs() const { return {}; }

}  // namespace probe

#endif
