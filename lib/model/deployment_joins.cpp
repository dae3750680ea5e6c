// Which server a pass of nginx reaches: by the same socket or port, by the name of a compose service; where there is only one of each and nothing
// speaks against it, as a guess that says so.
#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "model/deployment.hpp"

namespace model {

namespace {

struct Address { std::string host, port, path; };

Address read_address(std::string_view text) {
  Address out;
  if (base::starts_with(text, "unix:")) {
    text.remove_prefix(5);
    while (base::starts_with(text, "//")) text.remove_prefix(1);
    out.path = text;
    return out;
  }
  if (base::starts_with(text, "/")) { out.path = text; return out; }
  const auto colon = text.rfind(':');
  const bool bracket = base::contains(text, "]");
  if (colon == std::string_view::npos || (bracket && colon < text.find(']'))) { out.host = text; return out; }
  out.host = text.substr(0, colon);
  out.port = text.substr(colon + 1);
  return out;
}

bool local(std::string_view host) { return host == "127.0.0.1" || host == "localhost" || host == "[::1]" || host == "" || host == "0.0.0.0" || host == "[::]" || host == "*"; }

// What the server listens at: its binds, or the socket unit that hands them over.
std::vector<std::string> listens_of(const Deployment& all, const Backend& server, bool& known) {
  std::vector<std::string> out;
  known = true;
  const auto bind = server.settings.find("bind");
  if (bind != server.settings.end())
    for (const Choice& choice : bind->second) {
      if (!choice.value.known()) known = false;
      for (const auto& item : choice.value.items) out.push_back(item);
      if (choice.value.kind == Value::Kind::text) out.push_back(choice.value.text);
    }
  if (server.holder >= 0) {
    const Holder& holder = all.holders[static_cast<std::size_t>(server.holder)];
    const std::string socket = holder.name.substr(0, holder.name.find(".service")) + ".socket";
    for (const Holder& other : all.holders)
      if (other.kind == Holder::Kind::unit && other.name == socket)
        if (const Choice* listen = only_choice(other.settings, "listen")) out.insert(out.begin(), listen->value.items.begin(), listen->value.items.end());
  }
  return out;
}

}  // namespace

bool same_address(std::string_view peer_text, std::string_view listen_text) {
  const Address peer = read_address(peer_text), own = read_address(listen_text);
  if (!peer.path.empty() || !own.path.empty()) return peer.path == own.path;
  if (own.port.empty() || own.port != (peer.port.empty() ? "80" : peer.port)) return false;
  return own.host == peer.host || (local(peer.host) && local(own.host));
}

bool socket_activated(const Deployment& all, const Holder& holder) {
  if (holder.kind != Holder::Kind::unit) return false;
  const std::string socket = holder.name.substr(0, holder.name.find(".service")) + ".socket";
  const bool here = std::ranges::any_of(all.holders, [&](const Holder& other) { return other.kind == Holder::Kind::unit && other.name == socket; });
  const Choice* needs = only_choice(holder.settings, "requires");
  return here || holder.settings.contains("sockets") || (needs && base::contains(needs->value.text, ".socket"));
}

void add_joins(Deployment& all) {
  const bool one_server = all.servers.size() == 1;
  for (std::size_t n = 0; n < all.nginx.size(); ++n) {
    const Nginx& nginx = *all.nginx[n];
    for (std::size_t p = 0; p < nginx.passes.size(); ++p) {
      const Pass& pass = nginx.passes[p];
      if (pass.prefix != "proxy") continue;  // gunicorn speaks HTTP
      std::vector<Address> peers;
      if (pass.upstream >= 0) for (const Peer& peer : nginx.upstreams[static_cast<std::size_t>(pass.upstream)].peers) peers.push_back(read_address(peer.address));
      else if (!pass.address.empty()) peers.push_back(read_address(pass.address));
      std::vector<std::size_t> exact, maybe;
      for (std::size_t s = 0; s < all.servers.size(); ++s) {
        const Backend& server = all.servers[s];
        bool known = true, contradicts = false, found = false, near = false;
        const auto listens = listens_of(all, server, known);
        const Holder* holder = server.holder >= 0 ? &all.holders[static_cast<std::size_t>(server.holder)] : nullptr;
        for (const Address& peer : peers) {
          for (const std::string& text : listens) {
            const Address own = read_address(text);
            if (!peer.path.empty() || !own.path.empty()) { found |= peer.path == own.path; continue; }
            const std::string peer_port = peer.port.empty() ? "80" : peer.port;
            const bool same_port = own.port == peer_port;
            const bool by_name = holder && holder->kind == Holder::Kind::service && (holder->name == peer.host || (only_choice(holder->settings, "container_name") && only_choice(holder->settings, "container_name")->value.text == peer.host));
            if (by_name && same_port) found = true;
            else if (same_port && local(peer.host) && local(own.host) && !(holder && holder->container() && peer.host == "127.0.0.1")) found = true;
            else if (same_port && own.host == peer.host) found = true;
            else if (same_port) near = true;
          }
          if (listens.empty()) near = true;
        }
        if (peers.empty() && one_server) near = true;
        contradicts = !known;
        if (found) exact.push_back(s);
        else if (near || contradicts) maybe.push_back(s);
      }
      if (!exact.empty()) for (const std::size_t s : exact) all.links.push_back({n, p, s, exact.size() > 1, exact.size() > 1 ? "several servers listen there" : ""});
      else if (maybe.size() == 1 && one_server) all.links.push_back({n, p, maybe.front(), true, "it is the only server here, and nothing says that it is another"});
    }
  }
}

}  // namespace model
