#include "probe/kernel_shape.hpp"

#ifdef TRIAGE_HAVE_BPF
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "probe/watch_btf.hpp"

namespace probe {

namespace {

int silent(enum libbpf_print_level, const char*, va_list) { return 0; }

KernelShape shape_from(std::string_view whole, const btf* ours, std::string_view tracepoint) {
  KernelShape shape;
  __u32 size = 0;
  const void* const bytes = btf__raw_data(ours, &size);
  const auto own = bytes ? Btf::read({static_cast<const char*>(bytes), size}) : std::nullopt;
  Btf::Names asked = own ? own->names() : Btf::Names{};
  if (!tracepoint.empty()) asked.types.insert(Btf::trace_type(tracepoint));
  const auto kernel = Btf::read(whole, &asked);
  if (!kernel) return shape;
  if (!tracepoint.empty()) shape.first_is_pointer = kernel->argument_is_pointer(tracepoint, 0).value_or(false);
  const auto cut = own ? kernel->cut(asked) : std::nullopt;
  if (!cut) return shape;
  base::Fd small(memfd_create("triage-btf", MFD_CLOEXEC));
  if (small && ::write(small.get(), cut->data(), cut->size()) == static_cast<ssize_t>(cut->size())) shape.small = std::move(small);
  return shape;
}

}  // namespace

base::Result<KernelShape> shape_of_kernel(const btf* ours, std::string_view tracepoint) {
  const auto refuse = [](int code) { return base::fail(base::from_errno(code, "reading the kernel's BTF", "a kernel with CONFIG_DEBUG_INFO_BTF (/sys/kernel/btf/vmlinux)")); };
  const base::Fd file(::open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC));
  struct stat about{};
  if (!file || fstat(file.get(), &about) != 0) return refuse(errno);
  const auto size_of_all = static_cast<std::size_t>(about.st_size);
  // Since 6.16 it can be mapped; read() hands out a page at a time.
  std::string copy;
  std::string_view whole;
  void* const mapped = mmap(nullptr, size_of_all, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file.get(), 0);
  if (mapped != MAP_FAILED) {
    whole = {static_cast<const char*>(mapped), size_of_all};
  } else {
    copy.resize(size_of_all);
    std::size_t have = 0;
    while (have < copy.size()) {
      const ssize_t got = ::read(file.get(), copy.data() + have, copy.size() - have);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return refuse(got < 0 ? errno : EIO);
      have += static_cast<std::size_t>(got);
    }
    whole = copy;
  }
  auto shape = shape_from(whole, ours, tracepoint);
  if (mapped != MAP_FAILED) munmap(mapped, size_of_all);
  return shape;
}

void be_silent() {
  libbpf_set_print(silent);
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
}

std::string remedy_for_bpf(int code) {
  if (code == EPERM || code == EACCES) return "run as root, or grant CAP_BPF and CAP_PERFMON (and CAP_SYS_RESOURCE before Linux 5.11)";
  if (code == ENOENT || code == ESRCH) return "a kernel with CONFIG_DEBUG_INFO_BTF (/sys/kernel/btf/vmlinux)";
  return "";
}

}  // namespace probe

#endif
