#include "probe/kmsg.hpp"

#include <fcntl.h>
#include <sys/klog.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/owner.hpp"
#include "base/text.hpp"

namespace probe {

namespace {

constexpr char remedy[] = "run as root, grant CAP_SYSLOG, or set kernel.dmesg_restrict=0";

base::Result<KernelText> from_device(std::size_t most) {
  base::Fd fd(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return base::fail(base::from_errno(errno, "cannot open /dev/kmsg", remedy));
  ::lseek(fd.get(), 0, SEEK_SET);  // the oldest record; SEEK_DATA would skip what an earlier `dmesg -C` hid
  KernelText kernel;
  kernel.name = "/dev/kmsg";
  kernel.records = true;
  std::vector<char> record(1 << 16);  // one read is one record, at most CONSOLE_EXT_LOG_MAX = 8 KiB (kernel/printk/printk.c)
  for (;;) {
    const ssize_t count = ::read(fd.get(), record.data(), record.size());
    if (count == 0) break;
    if (count > 0) {
      if (kernel.text.empty()) {
        const std::string_view first(record.data(), static_cast<std::size_t>(count));
        const auto fields = base::split(first.substr(0, first.find(';')), ',');
        kernel.from_start = fields.size() > 1 && fields[1] == "0";
      }
      kernel.text.append(record.data(), static_cast<std::size_t>(count));
      if (kernel.text.size() > most) {
        const std::size_t cut = kernel.text.find('\n', kernel.text.size() - most / 2);
        kernel.text.erase(0, cut == std::string::npos ? kernel.text.size() : cut + 1);
        kernel.lost = true;
        kernel.from_start = false;
      }
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EPIPE) { kernel.lost = true; continue; }  // overrun: the next read goes on at the oldest record
    if (errno == EAGAIN) break;
    if (kernel.text.empty()) return base::fail(base::from_errno(errno, "cannot read /dev/kmsg", remedy));
    kernel.lost = true;
    break;
  }
  return kernel;
}

base::Result<KernelText> from_syslog(std::size_t most) {
  constexpr int read_all = 3, size_of_buffer = 10;  // SYSLOG_ACTION_*, include/linux/syslog.h
  const int size = ::klogctl(size_of_buffer, nullptr, 0);
  if (size <= 0) return base::fail(base::from_errno(errno, "cannot read the kernel log by syslog(2)", remedy));
  KernelText kernel;
  kernel.name = "syslog(2)";
  kernel.text.resize(std::min(most, static_cast<std::size_t>(size)));
  const int count = ::klogctl(read_all, kernel.text.data(), static_cast<int>(kernel.text.size()));
  if (count < 0) return base::fail(base::from_errno(errno, "cannot read the kernel log by syslog(2)", remedy));
  kernel.text.resize(static_cast<std::size_t>(count));
  return kernel;
}

}  // namespace

base::Result<KernelText> read_kernel_text(std::size_t most) {
  auto kernel = from_device(most);
  if (kernel) return kernel;
  // The device is missing in many containers while the call is allowed; the device's refusal is the one worth telling.
  if (auto other = from_syslog(most)) return other;
  return kernel;
}

}  // namespace probe
