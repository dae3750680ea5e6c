#include "probe/requests_bpf.hpp"

#ifdef TRIAGE_HAVE_BPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/syscall.h>

#include <cerrno>

// After libbpf's headers: what bpftool makes is not held to our warnings.
#include "probe/kernel_shape.hpp"
#include "requests.skel.h"

namespace probe {

namespace {

struct Does { long number; unsigned char what; };

// What makes, fills, answers and closes a connection, and the calls whose waits are told by their descriptor. io_uring has no calls and is not seen.
constexpr Does calls[] = {
    {SYS_accept, REQUEST_ACCEPTS | REQUEST_ON_FD}, {SYS_accept4, REQUEST_ACCEPTS | REQUEST_ON_FD}, {SYS_read, REQUEST_READS | REQUEST_ON_FD}, {SYS_recvfrom, REQUEST_READS | REQUEST_ON_FD},
    {SYS_readv, REQUEST_GATHERS | REQUEST_ON_FD}, {SYS_recvmsg, REQUEST_GATHERS | REQUEST_ON_FD}, {SYS_write, REQUEST_WRITES | REQUEST_ON_FD},
    {SYS_writev, REQUEST_WRITES | REQUEST_ON_FD}, {SYS_sendto, REQUEST_WRITES | REQUEST_ON_FD}, {SYS_sendmsg, REQUEST_WRITES | REQUEST_ON_FD},
    {SYS_sendfile, REQUEST_WRITES | REQUEST_ON_FD}, {SYS_close, REQUEST_CLOSES | REQUEST_ON_FD}, {SYS_connect, REQUEST_ON_FD}, {SYS_fsync, REQUEST_ON_FD}, {SYS_fdatasync, REQUEST_ON_FD},
    {SYS_flock, REQUEST_ON_FD}, {SYS_pread64, REQUEST_ON_FD}, {SYS_pwrite64, REQUEST_ON_FD}, {SYS_ppoll, REQUEST_POLLS},
#ifdef SYS_poll
    {SYS_poll, REQUEST_POLLS},
#endif
};
constexpr int of_a_death[] = {4, 6, 7, 8, 9, 11};     // ILL ABRT BUS FPE KILL SEGV
constexpr const char* opening = "opening the BPF programs of --requests";

}  // namespace

struct RequestsBpf::Loaded {
  requests_bpf* skeleton = nullptr;

  Loaded() = default;
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() { requests_bpf__destroy(skeleton); }

  /// The keys of a process's connections.
  std::vector<request_connection> keys(int pid) const {
    std::vector<request_connection> found;
    const int table = bpf_map__fd(skeleton->maps.connections);
    request_connection key{}, next{};
    std::size_t seen = 0;
    // Bounded: one that is deleted meanwhile sends the walk to its beginning.
    for (bool more = bpf_map_get_next_key(table, nullptr, &next) == 0; more && ++seen < 3 * 4096; more = bpf_map_get_next_key(table, &key, &next) == 0) {
      key = next;
      if (key.tgid == static_cast<unsigned>(pid)) found.push_back(key);
    }
    return found;
  }
};

RequestsBpf::RequestsBpf(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
RequestsBpf::RequestsBpf(RequestsBpf&&) noexcept = default;
RequestsBpf& RequestsBpf::operator=(RequestsBpf&&) noexcept = default;
RequestsBpf::~RequestsBpf() = default;

base::Result<RequestsBpf> RequestsBpf::open(const BpfWatch& deaths) {
  be_silent();
  auto loaded = std::make_unique<Loaded>();
  const auto open_with = [&](const std::string& btf_path) {
    bpf_object_open_opts opts{};
    opts.sz = sizeof(opts);
    if (!btf_path.empty()) opts.btf_custom_path = btf_path.c_str();
    requests_bpf__destroy(loaded->skeleton);
    loaded->skeleton = requests_bpf__open_opts(&opts);
    return loaded->skeleton != nullptr;
  };
  const BpfWatch::Watched watched = deaths.watched();
  const auto load = [&]() {
    requests_bpf& skeleton = *loaded->skeleton;
    for (const Does& call : calls) skeleton.rodata->does[call.number] = call.what;
    for (const int signal : of_a_death) skeleton.rodata->signals_wanted |= 1ULL << signal;
    skeleton.rodata->marks_at = static_cast<unsigned>(watched.marks_at);
    if (const int refused = bpf_map__reuse_fd(skeleton.maps.watched, watched.table); refused != 0) return refused;
    if (const int refused = bpf_map__reuse_fd(skeleton.maps.marks, watched.marks); refused != 0) return refused;
    return requests_bpf__load(&skeleton);
  };
  if (!open_with("")) return base::fail(base::from_errno(errno, opening, remedy_for_bpf(errno)));
  TRY(shape, shape_of_kernel(bpf_object__btf(loaded->skeleton->obj), ""));
  int answer = -1;
  if (shape.small && open_with(shape.path())) answer = load();
  if (answer != 0) {   // with the kernel's whole BTF
    if (!open_with("")) return base::fail(base::from_errno(errno, opening, remedy_for_bpf(errno)));
    answer = load();
  }
  if (answer != 0) return base::fail(base::from_errno(-answer, "loading the BPF programs of --requests", remedy_for_bpf(-answer)));
  if (const int refused = requests_bpf__attach(loaded->skeleton); refused != 0) return base::fail(base::from_errno(-refused, "attaching to the end of system calls", remedy_for_bpf(-refused)));
  return RequestsBpf(std::move(loaded));
}

std::vector<ServedConnection> RequestsBpf::of(int pid) const {
  std::vector<ServedConnection> all;
  for (const request_connection& key : loaded_->keys(pid)) {
    ServedConnection one;
    one.fd = key.fd;
    if (bpf_map_lookup_elem(bpf_map__fd(loaded_->skeleton->maps.connections), &key, &one.row) != 0) continue;
    const __u32 tid = one.row.tid;
    if (bpf_map_lookup_elem(bpf_map__fd(loaded_->skeleton->maps.threads), &tid, &one.thread) != 0 || one.thread.tgid != static_cast<unsigned>(pid)) one.thread = {};
    all.push_back(one);
  }
  return all;
}

void RequestsBpf::ended(int pid) {
  for (const request_connection& key : loaded_->keys(pid)) bpf_map_delete_elem(bpf_map__fd(loaded_->skeleton->maps.connections), &key);
  const int table = bpf_map__fd(loaded_->skeleton->maps.threads);
  std::vector<__u32> tids;
  __u32 key = 0, next = 0;
  std::size_t seen = 0;
  for (bool more = bpf_map_get_next_key(table, nullptr, &next) == 0; more && ++seen < 3 * 4096; more = bpf_map_get_next_key(table, &key, &next) == 0) {
    key = next;
    request_thread thread{};
    if (bpf_map_lookup_elem(table, &key, &thread) == 0 && thread.tgid == static_cast<unsigned>(pid)) tids.push_back(key);
  }
  for (const __u32 tid : tids) bpf_map_delete_elem(table, &tid);
}

std::uint64_t RequestsBpf::lost() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return 0;
  std::uint64_t sum = 0;
  std::vector<__u64> values(static_cast<std::size_t>(cpus));
  for (__u32 row = 0; row < request_lost_rows; ++row) {
    if (bpf_map_lookup_elem(bpf_map__fd(loaded_->skeleton->maps.lost), &row, values.data()) != 0) continue;
    for (const __u64 value : values) sum += value;
  }
  return sum;
}

std::vector<BpfWatch::Cost> RequestsBpf::costs() const {
  std::vector<BpfWatch::Cost> costs;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, loaded_->skeleton->obj) {
    const int fd = bpf_program__fd(program);
    bpf_prog_info about{};
    __u32 size = sizeof(about);
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &about, &size) == 0) costs.push_back({bpf_program__name(program), about.run_time_ns, about.run_cnt});
  }
  return costs;
}

}  // namespace probe

#else

namespace probe {

struct RequestsBpf::Loaded {};
RequestsBpf::RequestsBpf(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
RequestsBpf::RequestsBpf(RequestsBpf&&) noexcept = default;
RequestsBpf& RequestsBpf::operator=(RequestsBpf&&) noexcept = default;
RequestsBpf::~RequestsBpf() = default;

base::Result<RequestsBpf> RequestsBpf::open(const BpfWatch&) {
  return base::fail({base::Kind::unsupported, "loading the BPF programs of --requests", "this program was built without BPF", "build it where clang, bpftool and libbpf are installed", 0});
}

std::vector<ServedConnection> RequestsBpf::of(int) const { return {}; }
void RequestsBpf::ended(int) {}
std::uint64_t RequestsBpf::lost() const { return 0; }
std::vector<BpfWatch::Cost> RequestsBpf::costs() const { return {}; }

}  // namespace probe

#endif
