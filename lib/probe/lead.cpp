#include "probe/lead.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

#include "probe/net_table.hpp"

namespace probe {

std::string lead_text(const lead& lead, std::string_view path) {
  if (lead.mode == 0) return {};
  const std::string name(path.substr(0, path.find('\0')));
  if (S_ISFIFO(lead.mode)) return "a pipe";
  if (!S_ISSOCK(lead.mode)) return name.empty() ? "a file" : name;
  if (lead.family == AF_UNIX) {
    if (!name.empty()) return "unix:" + name;
    // An abstract name begins with 0; its end is not told, and it may hold zeros.
    const std::string_view rest = path.empty() ? path : path.substr(1, path.find('\0', 1) == std::string_view::npos ? path.size() : path.find('\0', 1) - 1);
    return rest.empty() ? "a unix socket" : "unix:@" + std::string(rest);
  }
  if (lead.family != AF_INET && lead.family != AF_INET6) return "a socket";
  if (lead.port == 0) return "the listener on port " + std::to_string(lead.lport);
  char text[INET6_ADDRSTRLEN] = {};
  const bool mapped = lead.family == AF_INET6 && std::all_of(lead.address, lead.address + 10, [](unsigned char byte) { return byte == 0; }) && lead.address[10] == 0xff && lead.address[11] == 0xff;
  const bool four = lead.family == AF_INET || mapped;
  if (four) ::inet_ntop(AF_INET, lead.address + (mapped ? 12 : 0), text, sizeof text);
  else ::inet_ntop(AF_INET6, lead.address, text, sizeof text);
  const std::string address = (four ? std::string(text) : "[" + std::string(text) + "]") + ":" + std::to_string(ntohs(lead.port));
  const auto service = service_at(address);
  return service.empty() ? address : address + " (" + std::string(service) + ")";
}

}  // namespace probe
