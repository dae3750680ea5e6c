#include "probe/members.hpp"

#include "base/text.hpp"

namespace probe {

std::vector<Member> members(const Found& found, std::size_t& left_out) {
  std::vector<Member> all;
  const auto add = [&](const Process& process, const FoundServer* server, bool master) {
    if (process.pid == 0 || process.state == 'Z') return;
    if (all.size() >= most_members) ++left_out;
    else all.push_back({&process, server, master});
  };
  for (const auto& server : found.servers) add(server.master, &server, true);
  for (const auto& server : found.servers)
    for (const auto& worker : server.workers) add(worker, &server, false);
  for (const auto& proxy : found.proxies) add(proxy, nullptr, true);
  return all;
}

std::vector<int> children_of(const source::Host& host, int pid) {
  std::vector<int> all;
  const std::string at = "/proc/" + std::to_string(pid);
  if (const auto text = host.read(at + "/task/" + std::to_string(pid) + "/children", 1 << 16))
    for (const auto word : base::split(*text, ' '))
      if (const auto child = base::read_number(base::trim(word))) all.push_back(static_cast<int>(*child));
  return all;
}

}  // namespace probe
