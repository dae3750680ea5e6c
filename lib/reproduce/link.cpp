#include "reproduce/link.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <deque>
#include <random>
#include <vector>

namespace reproduce {

namespace {

constexpr std::size_t most_waiting = 4096;

double seconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Packet { double due = 0; std::vector<char> bytes; };

}  // namespace

void interface_up(const char* name, const char* address) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (address) {
    auto* in = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    in->sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &in->sin_addr);
    ::ioctl(fd, SIOCSIFADDR, &request);
    ::inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
    ::ioctl(fd, SIOCSIFNETMASK, &request);
  }
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  ::ioctl(fd, SIOCSIFFLAGS, &request);
  ::close(fd);
}

int open_tunnel(const char* name, const char* address) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (fd >= 0 && ::ioctl(fd, TUNSETIFF, &request) == 0) {
    interface_up(name, address);
    return fd;
  }
  if (fd >= 0) ::close(fd);
  return -1;
}

void mirror(int tunnel, const LinkLaw& law) {
  constexpr std::size_t least_header = 20, addresses = 12;
  std::mt19937_64 chance(law.seed);
  std::uniform_real_distribution<double> share(0, 1);
  std::deque<Packet> waiting;                    // by due: the delay is the same for all
  std::array<char, 1 << 16> room{};
  for (;;) {
    const double now = seconds_now();
    while (!waiting.empty() && waiting.front().due <= now) {
      (void)!::write(tunnel, waiting.front().bytes.data(), waiting.front().bytes.size());
      waiting.pop_front();
    }
    timespec left{1, 0};
    if (!waiting.empty()) {
      const double wait = std::min(1.0, std::max(0.0, waiting.front().due - now));
      left = {wait >= 1 ? 1 : 0, wait >= 1 ? 0 : static_cast<long>(wait * 1e9)};
    }
    pollfd ready{tunnel, POLLIN, 0};
    if (::ppoll(&ready, 1, &left, nullptr) <= 0) continue;
    const ssize_t size = ::read(tunnel, room.data(), room.size());
    if (size < 0 && errno != EINTR && errno != EAGAIN) ::_exit(0);
    // IPv4 alone: the device has no other address.
    if (size < static_cast<ssize_t>(least_header) || (room[0] & 0xf0) != 0x40 || share(chance) < law.loss || waiting.size() >= most_waiting) continue;
    Packet packet{seconds_now() + law.delay, {room.begin(), room.begin() + size}};
    std::swap_ranges(packet.bytes.begin() + addresses, packet.bytes.begin() + addresses + 4, packet.bytes.begin() + addresses + 4);
    waiting.push_back(std::move(packet));
  }
}

}  // namespace reproduce
