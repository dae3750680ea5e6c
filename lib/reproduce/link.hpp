// A line with delay and loss between the two ends of a run's connections, packet by packet, so that TCP itself waits, sends again and gives up as it
// would. A tunnel whose one end is a mirror: what is sent to the far address comes back to the near one as if from the far, later, or never. Source and
// destination change places, which leaves every checksum as it was. Not tc's netem: many kernels are built without it, and its losses have no seed.
#pragma once

#include <cstdint>
#include <string>

namespace reproduce {

inline constexpr const char *near_address = "10.77.0.1", *far_address = "10.77.0.2";
inline constexpr std::uint32_t far_number = 0x0a4d0002;   // the same, in the host's order

struct LinkLaw {
  double delay = 0;              // seconds, each way
  double loss = 0;               // share of the packets, 0 to 1, each way
  std::uint64_t seed = 1;
};

/// Of this network namespace; `address`: its own, of a /24; nullptr: as it is.
void interface_up(const char* name, const char* address);
/// A tunnel device in this network namespace, up, with this /24 address; -1 where it is refused. Whoever holds the descriptor is its other end.
int open_tunnel(const char* name, const char* address);
/// Carries packets until the tunnel ends. At most 4,096 wait; more are lost, as in any queue.
[[noreturn]] void mirror(int tunnel, const LinkLaw& law);

}  // namespace reproduce
