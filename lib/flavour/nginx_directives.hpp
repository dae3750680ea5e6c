// nginx's directives: where each may stand, how many arguments it takes, what its value must be. The union of 1.18 to 1.31, so that what is
// refused here no version of them accepts.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace flavour {

/// Bits of NginxDirective::where, in the order of ngx_http_config.h and its siblings.
enum class NginxContext : std::uint8_t { main, events, http, server, location, upstream, if_in_server, if_in_location, limit_except, stream, stream_server, stream_upstream, mail, mail_server };

struct NginxDirective {
  /// flag: on or off; size: 8k; number; time; once: any value, but not twice (so are the former); block; other: nginx's own function reads it.
  enum class Slot : std::uint8_t { flag, size, number, time, once, block, other };
  std::string_view name;
  std::uint16_t where = 0;
  std::uint16_t arguments = 0;  // bit n: n arguments; bit 15: more than that
  Slot slot = Slot::other;

  bool stands_in(NginxContext context) const { return (where >> static_cast<unsigned>(context) & 1U) != 0; }
  bool takes(std::size_t count) const { return (arguments >> (count < 15 ? count : 15) & 1U) != 0; }
};

/// Sorted by name; a name that several modules define has several rows.
std::span<const NginxDirective> nginx_directives();
/// Its rows; empty when no module that comes with nginx knows it.
std::span<const NginxDirective> nginx_directive(std::string_view name);

}  // namespace flavour
