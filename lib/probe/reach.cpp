#include "probe/reach.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "base/text.hpp"
#include "parse/nginx/route.hpp"
#include "probe/net_table.hpp"
#include "probe/nginx_files.hpp"

namespace probe {

namespace {

// Each side has its own view of a socket's path: the name of its file, "" for an address that is no path.
std::string socket_name(std::string_view address) {
  const auto slash = address.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(address.substr(slash + 1));
}

bool has_network(const source::Host& host, int pid) {
  const auto text = host.read("/proc/" + std::to_string(pid) + "/net/dev", 1 << 16);
  if (!text) return true;
  for (const auto line : base::split(*text, '\n')) {
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && base::trim(line.substr(0, colon)) != "lo") return true;
  }
  return false;
}

// The unix sockets that a configuration sends requests to; nullopt when some of it is not known.
std::optional<std::set<std::string>> sockets_of(const parse::nginx::Tree& tree) {
  if (tree.files.empty() || !tree.missing.empty() || !tree.unread.empty()) return std::nullopt;
  std::set<std::string> names;
  std::vector<const parse::nginx::Node*> open;
  for (const auto& node : tree.top) open.push_back(&node);
  while (!open.empty()) {
    const auto& node = *open.back();
    open.pop_back();
    for (const auto& child : node.children) open.push_back(&child);
    const std::string& name = node.directive.name();
    if (!name.ends_with("_pass") && !(name == "server" && node.children.empty())) continue;
    const std::string address = parse::nginx::address_of(node.directive.argument(0));
    if (base::contains(address, "$")) return std::nullopt;
    if (base::starts_with(address, "unix:")) names.insert(socket_name(address));
  }
  return names;
}

}  // namespace

bool may_reach(const source::Host& host, const Process& proxy, const std::vector<FoundServer>& servers) {
  const auto home = namespace_of(host, proxy.pid, "net");
  if (home == 0) return true;
  const bool goes_out = has_network(host, proxy.pid);
  for (const auto& server : servers) {
    const auto space = server.pid() ? namespace_of(host, server.pid(), "net") : 0;
    if (space == 0 || space == home || (goes_out && has_network(host, server.pid()))) return true;
  }
  const std::string root = root_of(host, proxy.pid);
  const auto names = sockets_of(parse::nginx::read_tree(host, root, nginx_main_file(host, proxy, root)));
  if (!names) return true;
  NetTables tables(host);
  return std::ranges::any_of(servers, [&](const FoundServer& server) {
    return std::ranges::any_of(tables.of(server.pid()), [&](const auto& entry) { return entry.second.listening && entry.second.kind == Socket::Kind::local && names->contains(socket_name(entry.second.local)); });
  });
}

}  // namespace probe
