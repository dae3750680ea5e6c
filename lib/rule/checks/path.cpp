// What a live look shows of the way from the proxy to the server: the walk to each unix socket, and who listens at its end. What is broken
// now is said with the one component that breaks it.
// Past 300 lines: one function for each way to be broken, and what the other members of the upstream leave of it.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "rule/draft.hpp"
#include "rule/path.hpp"
#include "rule/supervisor.hpp"
#include "rule/upstream.hpp"

namespace rule {

using namespace evidence;

namespace {

const SocketWalk& walk_of(const Look& look, FactId id) { return *as<SocketWalk>(look.evidence.facts[id]); }
const ListenerSeen& listener_of(const Look& look, FactId id) { return std::get<ListenerSeen>(look.evidence.facts[id].what); }

constexpr double just_now_s = 600;

std::string path_of(std::string_view address) { return std::string(base::starts_with(address, "unix:") ? address.substr(5) : address); }

Draft about(const Look& look, std::string rule, const Peer& peer) {
  Draft draft;
  draft.rule = std::move(rule);
  draft.sure = Confidence::certain;
  draft.subject.role = "socket";
  draft.subject.where = base::printable(peer.address, 200);
  draft.group = base::printable(peer.address, 200);
  draft.values["path"] = base::printable(path_of(peer.address), 200);
  draft.values["upstream"] = base::printable(peer.address, 200);
  draft.values["count"] = "all";
  for (const FactId id : look.evidence.ids_of<RequestRouted>())
    if (as<RequestRouted>(look.evidence.facts[id])) because(draft, id, "the way of the URL");
  for (const FactId id : peer.walks) draft.when = look.evidence.facts[id].when;
  for (const FactId id : peer.listeners) draft.when = look.evidence.facts[id].when;
  return draft;
}

// The nginx rows that say the same in its own words.
void add_rows(const Look& look, const Peer& peer, std::string_view kind, Draft& draft) {
  FactId last = no_fact;
  std::size_t count = 0;
  for (const FactId id : look.evidence.ids_of<ProxyError>()) {
    const auto* row = as<ProxyError>(look.evidence.facts[id]);
    if (!row || row->kind != kind || !base::contains(row->upstream, peer.address)) continue;
    last = id;
    ++count;
  }
  if (count == 0) return;
  because(draft, last);
  draft.values["count"] = std::to_string(count);
}

std::string quoted(const std::string& path) { return path.find_first_of(" '\"$&;()<>*?[]\\`|") == std::string::npos ? path : "'" + path + "'"; }

Draft denied(const Look& look, const Peer& peer, FactId id) {
  const SocketWalk& walk = walk_of(look, id);
  Draft draft = about(look, "socket.permission", peer);
  const std::string wall = base::printable(walk.wall, 200), walker = base::printable(walk.walker, 40), owner = base::printable(walk.user, 40) + ":" + base::printable(walk.group, 40);
  const bool folder = walk.need == "x";
  draft.sure_because = "the same walk that the kernel takes, redone as " + walker;
  draft.values["reason"] = folder ? fmt::format("; the wall is the folder {} ({} {}): {} may not pass it", wall, walk.mode, owner, walker)
                                  : fmt::format("; the socket itself is the wall ({} {}): {} may not write to it", walk.mode, owner, walker);
  // What is behind the wall and would refuse too, once that is open.
  std::size_t walls = 0;
  for (std::size_t at = 0; (at = walk.steps.find(" denied ", at)) != std::string::npos; ++at) ++walls;
  if (walls > 1) draft.values["reason"] += fmt::format("; behind it {} more would refuse", walls - 1);
  because(draft, id, walk.by_acl ? "its ACL decides, not the mode bits" : "");
  add_rows(look, peer, "denied", draft);
  const std::string at = quoted(wall);
  if (folder) {
    draft.first.push_back({"now", fmt::format("let {} pass that folder alone: setfacl -m u:{}:x {}", walker, walker, at), "", "nothing, if the folder stays", ""});
    draft.first.push_back({"now", fmt::format("or through its group: chgrp {} {} && chmod g+x {}", walker, at, at), "", "nothing, if the folder stays", ""});
    rule_out(draft, "the mode of the socket", "the walk ends before it: chmod 777 on the socket does not help");
  } else if (walk.by_acl) {
    draft.first.push_back({"now", fmt::format("give it in the ACL: setfacl -m u:{}:rw {}", walker, at), "", "until the server makes its socket anew", ""});
  } else {
    draft.first.push_back({"now", fmt::format("let {} write: setfacl -m u:{}:rw {}", walker, walker, at), "", "until the server makes its socket anew", ""});
    draft.first.push_back({"then", walk.decided_as == "others" ? fmt::format("umask = 0o007 in gunicorn and a group that both have (group = '{}'): the socket becomes 0770", walker) : "umask = 0o007 in gunicorn: its group may then write", "", "a restart", ""});
    rule_out(draft, "a folder on the way", "all of them let " + walker + " pass");
  }
  rule_out(draft, "proxy.server-down", "the walk ends before anybody is asked whether he listens");
  return draft;
}

// SELinux and AppArmor answer 13 too, after every mode has granted. Their decision cannot be redone from here: what is known is that nginx was
// refused, that no mode refuses, and that a policy confines it.
std::optional<Draft> by_policy(const Look& look, const Peer& peer, FactId id) {
  const SocketWalk& walk = walk_of(look, id);
  if (walk.confined.empty() || walk.result != "open") return std::nullopt;
  Draft draft = about(look, "socket.permission", peer);
  add_rows(look, peer, "denied", draft);
  const auto row = std::find_if(draft.because.begin(), draft.because.end(), [&](FactId one) { return as<ProxyError>(look.evidence.facts[one]); });
  if (row == draft.because.end()) return std::nullopt;
  const auto ago = seconds_between(look.evidence.facts[*row].when, look.evidence.facts[id].when);
  if (ago && *ago > just_now_s) return std::nullopt;  // it may have been mended since
  const std::string label = base::printable(walk.confined, 80);
  draft.sure = Confidence::likely;
  draft.sure_because = "nginx was refused, every mode and ACL on the way lets " + base::printable(walk.walker, 40) + " pass, and a policy confines it; the policy's own decision is not seen";
  draft.values["reason"] = fmt::format("; no mode on the way refuses, so it is the policy that confines nginx as {}", label);
  draft.own_steps = true;
  because(draft, id);
  rule_out(draft, "the mode of the socket", "all of the way lets it pass: chmod does not help");
  draft.missing.push_back("the policy's own record: ausearch -m avc -ts recent, or journalctl -k | grep -i -e avc: -e apparmor");
  draft.first.push_back({"now", "what it refused: ausearch -m avc -ts recent | audit2why; or journalctl -k | grep -i apparmor", "", "nothing", ""});
  if (base::contains(label, ":")) draft.first.push_back({"then", "give the socket's folder a type that nginx may connect to: semanage fcontext -a -t httpd_var_run_t 'FOLDER(/.*)?' && restorecon -R FOLDER", "", "nothing", ""});
  else draft.first.push_back({"then", "add the socket's path to its profile in /etc/apparmor.d, then apparmor_parser -r PROFILE", "", "nothing", ""});
  return draft;
}

// The fact that the unix listeners of every network namespace were seen, if they were.
FactId searched(const Look& look) {
  for (const FactId id : look.evidence.ids_of<NamespacesListed>())
    if (const auto* listed = as<NamespacesListed>(look.evidence.facts[id]); listed && listed->unseen == 0) return id;
  return no_fact;
}

// The unit of its holder has a /tmp of its own.
void name_private_tmp(const Look& look, const ListenerSeen& listener, Draft& draft) {
  for (const LiveServer& live : live_servers(look)) {
    const model::Unit* unit = unit_of(look, live);
    const bool holds = std::any_of(live.listeners.begin(), live.listeners.end(), [&](FactId id) { return listener_of(look, id).inode == listener.inode && listener.inode; });
    if (!unit || !holds) continue;
    const std::string at = set_at(look, *unit, "PrivateTmp");
    if (at.empty()) continue;
    because(draft, unit->settings.at("PrivateTmp").because, "its unit has a /tmp of its own");
    draft.caused_by_rule = "systemd.privatetmp-socket";
    return;
  }
}

std::optional<Draft> of_socket(const Look& look, const Peer& peer) {
  for (const FactId id : peer.walks)
    if (walk_of(look, id).result == "denied") return denied(look, peer, id);
  if (peer.walks.empty()) return std::nullopt;
  const FactId id = peer.walks.front();
  const SocketWalk& walk = walk_of(look, id);
  const std::string path = base::printable(path_of(peer.address), 200), wall = base::printable(walk.wall, 200);

  FactId nameless = no_fact, here = no_fact, elsewhere = no_fact;
  for (const FactId listener : peer.listeners) {
    const ListenerSeen& seen = listener_of(look, listener);
    if (walk.result == "open" && !another_file(seen, walk.file)) here = listener;
    else if (seen.named == "no") nameless = listener;
    else if (seen.named == "yes") elsewhere = listener;
  }
  if (here != no_fact) {
    if (nameless == no_fact) return by_policy(look, peer, id);
    Draft draft = about(look, "socket.stolen", peer);
    draft.sure_because = "two sockets listen under this path, and only one of them has the file";
    draft.values["reason"] = fmt::format("; {} has the file now, {} listens where nobody can reach it", holder_text(look, listener_of(look, here)), holder_text(look, listener_of(look, nameless)));
    because(draft, here, "has the file");
    because(draft, nameless, "has lost its file");
    return draft;
  }
  if (walk.result == "missing") {
    Draft draft = about(look, "socket.missing", peer);
    draft.sure_because = "the path was walked as nginx sees it";
    because(draft, id);
    if (nameless != no_fact) {
      draft.values["reason"] = fmt::format("; {} still listens, but its file was removed: nothing can reach it", holder_text(look, listener_of(look, nameless)));
      because(draft, nameless, "listens on a file that is gone");
      draft.first.push_back({"now", "restart that server: only a new bind makes the file again", "", "its running requests, unless graceful", ""});
      rule_out(draft, "proxy.server-down", "its socket is open and listens");
    } else if (elsewhere != no_fact) {
      draft.values["reason"] = fmt::format("; {} has it, in another mount namespace (PrivateTmp=, a container): the two do not see the same files", holder_text(look, listener_of(look, elsewhere)));
      because(draft, elsewhere, "its file is there for its holder");
      name_private_tmp(look, listener_of(look, elsewhere), draft);
      draft.first.push_back({"then", "put the socket where both see it: RuntimeDirectory= in /run, not /tmp; a volume that both mount", "", "a restart", ""});
    } else if (wall != path) {
      draft.values["reason"] = fmt::format("; already {} does not exist", wall);
    } else if (sockets_listed(look)) {
      draft.values["reason"] = "; and nobody listens under that name";
    }
    add_rows(look, peer, "missing", draft);
    return draft;
  }
  if (walk.result == "not-a-socket") {
    Draft draft = about(look, "socket.refused", peer);
    draft.sure_because = "the path leads to a file that is no socket";
    draft.values["reason"] = fmt::format("; {} is no socket", wall);
    because(draft, id);
    return draft;
  }
  if (walk.result != "open") return std::nullopt;
  Draft draft = about(look, "socket.refused", peer);
  because(draft, id, "the file is there, and nginx may open it");
  if (!sockets_listed(look)) {
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "the file is there; whether anybody listens on it could not be seen";
    draft.missing.push_back("who listens: ss -lxp, as root");
    return draft;
  }
  draft.sure_because = nameless != no_fact ? "the file is there, and the one who listened under its name has lost his" : "the file is there, no listener that was seen is bound to it, and nginx was refused";
  draft.values["reason"] = "; the file was left behind by a server that is gone";
  if (nameless != no_fact) {
    draft.values["reason"] = fmt::format("; {} listened there until the file was replaced", holder_text(look, listener_of(look, nameless)));
    because(draft, nameless, "has lost its file");
  }
  const std::size_t before = draft.because.size();
  add_rows(look, peer, "refused", draft);
  const bool refused = draft.because.size() != before;
  // A listener in the network namespace of a container that was not looked into would take it: nginx's own refusal settles that, or a look into all.
  const FactId everywhere = searched(look);
  if (!refused && everywhere != no_fact) {
    draft.sure_because = "the file is there, and no listener of any network namespace of this host is bound to it";
    because(draft, everywhere);
  } else if (!refused && nameless == no_fact) {
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "no listener of the namespaces that were looked into is bound to this file; a container's may be";
    draft.missing.push_back("one request: curl -sS --unix-socket " + path + " http://localhost/ says whether it is refused");
  }
  return draft;
}

std::optional<Draft> of_port(const Look& look, const Peer& peer) {
  if (!peer.listeners.empty() || !sockets_listed(look)) return std::nullopt;
  Draft draft = about(look, "socket.refused", peer);
  draft.sure_because = "every listening socket of its network namespace was listed, and none takes this address";
  because(draft, peer.routes.front());
  // One that another route leads to is where it should be.
  const auto dialled = [&](const Server& server) {
    return std::any_of(look.evidence.facts.begin(), look.evidence.facts.end(), [&](const Fact& fact) {
      const auto* route = as<ProxyRoute>(fact);
      return route && !route->address.empty() && base::contains(server.listening, route->address);
    });
  };
  for (const Server& server : look.stack.servers)
    if (!server.listening.empty() && server.stopped == no_fact && !dialled(server)) draft.values["reason"] = "; " + server_text(server) + " listens at " + base::printable(server.listening, 100);
  if (!peer.elsewhere.empty()) {
    draft.values["reason"] = fmt::format("; {} listens there in another network namespace (a container), whose loopback is not that of nginx", holder_text(look, listener_of(look, peer.elsewhere.front())));
    because(draft, peer.elsewhere.front(), "in another network namespace");
    draft.first.push_back({"then", "let it bind 0.0.0.0 in its namespace and publish the port, or name its address in proxy_pass; or bind a unix socket on a volume that both mount", "", "a restart", ""});
  }
  add_rows(look, peer, "refused", draft);
  return draft;
}

// Socket activation: the service manager holds the listener while no service takes from it. Without anybody waiting that is its idle state.
std::optional<Draft> held(const Look& look, const Peer& peer) {
  for (const FactId id : peer.listeners) {
    const ListenerSeen& listener = listener_of(look, id);
    if (listener.queue == 0 || (!listener.holders.empty() && listener.holders != "1")) continue;
    Draft draft = about(look, "socket.held-by-supervisor", peer);
    draft.values["count"] = base::counted(listener.queue, "connection");
    because(draft, id);
    if (listener.holders.empty()) {
      draft.truth = Truth::unknown;
      draft.sure = Confidence::unknown;
      draft.sure_because = "connections wait, and no process that could be seen has this listener open";
      draft.missing.push_back("who holds it: run as root, or ss -lxtnp on the host");
    } else {
      draft.sure_because = "process 1 alone has this listener open, and connections wait in it";
    }
    return draft;
  }
  return std::nullopt;
}

std::optional<Draft> full(const Look& look, const Peer& peer) {
  for (const FactId id : peer.listeners) {
    const ListenerSeen& listener = listener_of(look, id);
    if (listener.limit == 0 || listener.queue <= listener.limit) continue;  // full is one more than the limit (sk_acceptq_is_full, unix_recvq_full)
    Draft draft = about(look, "socket.backlog-full", peer);
    draft.sure_because = "the kernel's own count of its queue";
    draft.values["limit"] = std::to_string(listener.limit);
    draft.values["count"] = std::to_string(listener.queue);
    because(draft, id);
    return draft;
  }
  return std::nullopt;
}

// Does nginx get an answer to its connect there? The queue of a busy server still takes connections.
Standing standing_of(const Look& look, const Peer& peer) {
  if (base::starts_with(peer.address, "unix:")) {
    if (peer.walks.empty() || peer.listeners.empty()) return Standing::unseen;
    return std::all_of(peer.walks.begin(), peer.walks.end(), [&](FactId id) { return walk_of(look, id).result == "open"; }) ? Standing::answers : Standing::unseen;
  }
  return peer.listeners.empty() ? Standing::unseen : Standing::answers;
}

std::vector<Draft> look_at(const Look& look) {
  const auto all = peers(look);
  std::vector<std::pair<const Peer*, Draft>> dead;
  std::map<std::string, Standing, std::less<>> standing;
  std::vector<Draft> drafts;
  for (const Peer& peer : all) {
    auto broken = base::starts_with(peer.address, "unix:") ? of_socket(look, peer) : of_port(look, peer);
    const bool stolen = broken && broken->rule == "socket.stolen";  // somebody answers there, though not who should
    standing[peer.address] = !broken || stolen ? standing_of(look, peer) : broken->truth == Truth::yes ? Standing::dead : Standing::unseen;
    if (broken) {
      dead.emplace_back(&peer, std::move(*broken));
      continue;
    }
    if (!on_the_way(look, peer.address)) continue;
    broken = held(look, peer);
    if (!broken) broken = full(look, peer);
    if (broken) drafts.push_back(std::move(*broken));
  }
  for (auto& [peer, draft] : dead) {
    if (!on_the_way(look, peer->address)) continue;
    Effect effect = draft.rule == "socket.stolen" ? Effect{} : effect_of(look, peer->address, standing);
    if (effect.eased) draft.level = Level::warning;
    if (!effect.text.empty()) draft.values["effect"] = std::move(effect.text);
    if (!effect.remark.empty()) rule_out(draft, "proxy.retries", std::move(effect.remark));
    drafts.push_back(std::move(draft));
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check path = {"path", {"socket.permission", "socket.missing", "socket.stolen", "socket.refused", "socket.backlog-full", "socket.held-by-supervisor"}, look_at};
}
}  // namespace rule
