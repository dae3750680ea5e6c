// The path from nginx to the servers: where its running configuration sends requests, and for every unix socket on the way whether its worker
// processes may connect: the same walk that the kernel takes, with their user, groups, capabilities, root and ACLs.
#include <array>
#include <map>
#include <set>

#include "base/text.hpp"
#include "parse/nginx/route.hpp"
#include "parse/read.hpp"
#include "probe/gap.hpp"
#include "probe/look.hpp"
#include "probe/members.hpp"
#include "probe/names.hpp"
#include "probe/nginx_files.hpp"
#include "probe/permission.hpp"
#include "probe/probe.hpp"
#include "probe/send.hpp"

namespace probe {

namespace {

constexpr std::size_t most_walks = 500;

std::string proc(int pid) { return "/proc/" + std::to_string(pid); }

// One worker stands for all that have the same rights.
struct Walker { int pid = 0; Identity who; std::string root, confined; };

std::vector<Walker> walkers_of(const source::Host& host, int master) {
  std::vector<Walker> walkers;
  std::set<std::string> known;
  for (const int pid : children_of(host, master)) {
    const auto command = host.read(proc(pid) + "/cmdline", 4096);
    if (!command || !base::starts_with(*command, "nginx: worker process") || base::contains(*command, "shutting down")) continue;
    const auto status = host.read(proc(pid) + "/status", 1 << 16);
    if (!status) continue;
    Walker walker{pid, read_identity(*status), root_of(host, pid), {}};
    if (const auto label = host.read(proc(pid) + "/attr/current", 4096)) {
      const auto text = base::trim(label->substr(0, label->find('\0')));
      if (text != "unconfined" && !base::contains(text, "unconfined_t") && !text.empty() && text != "kernel") walker.confined = std::string(text);
    }
    std::string rights = walker.root + "|" + walker.confined + "|" + std::to_string(walker.who.uid) + "|" + std::to_string(walker.who.gid) + (walker.who.overrides ? "o" : "") + (walker.who.searches ? "s" : "");
    for (const auto group : walker.who.groups) rights += "," + std::to_string(group);
    if (known.insert(rights).second) walkers.push_back(std::move(walker));
  }
  return walkers;
}

std::string octal(std::uint32_t mode) {
  std::string text;
  for (int shift = 9; shift >= 0; shift -= 3) text += static_cast<char>('0' + ((mode >> shift) & 7));
  return text;
}

std::string_view result_text(Walk::End end) {
  switch (end) {
    case Walk::End::open: return "open";
    case Walk::End::denied: return "denied";
    case Walk::End::missing: return "missing";
    case Walk::End::not_a_socket: return "not-a-socket";
    case Walk::End::loop: return "loop";
    case Walk::End::unseen: return "unseen";
  }
  return "unseen";
}

// "drwxr-x---"
std::string mode_text(const source::Stat& stat) {
  std::string text(1, stat.kind == source::EntryKind::folder ? 'd' : stat.kind == source::EntryKind::socket ? 's' : '-');
  for (int bit = 8; bit >= 0; --bit) text += (stat.mode >> bit) & 1 ? "xwr"[bit % 3] : '-';
  return text;
}

// Of one root, each name looked up once.
class Names {
 public:
  Names(const source::Host& host, const std::string& root) : host_(host), root_(root) {}
  const std::string& user(std::uint32_t uid) { return known(users_, uid, user_name); }
  const std::string& group(std::uint32_t gid) { return known(groups_, gid, group_name); }

 private:
  using Known = std::map<std::uint32_t, std::string>;
  const std::string& known(Known& names, std::uint32_t number, std::string (*name)(const source::Host&, const std::string&, std::uint32_t)) const {
    const auto found = names.find(number);
    return found != names.end() ? found->second : names.emplace(number, name(host_, root_, number)).first->second;
  }
  const source::Host& host_;
  const std::string root_;
  Known users_, groups_;
};

std::string steps_text(const Walk& walk, Names& names) {
  constexpr std::size_t most = 32;
  std::string text;
  for (std::size_t i = 0; i < walk.steps.size() && i < most; ++i) {
    const Step& step = walk.steps[i];
    text += i ? "; " : "";
    if (!step.leads_to.empty()) text += "link - - link " + step.at + " -> " + step.leads_to;
    else text += mode_text(step.stat) + " " + names.user(step.stat.uid) + ":" + names.group(step.stat.gid) + (step.need == Need::search ? " x " : " w ") + (!step.decision.granted ? "denied " : "ok ") + step.at;
  }
  return text;
}

void add_walk(const source::Host& host, const Walker& walker, Names& names, const std::string& path, const std::string& unit, evidence::SourceId source, evidence::Evidence& evidence) {
  const Walk walk = walk_to_socket(host, walker.root, path, walker.who);
  evidence::SocketWalk fact;
  fact.path = path;
  fact.result = result_text(walk.end);
  fact.wall = walk.at;
  fact.need = walk.need == Need::search ? "x" : "w";
  fact.decided_as = walk.decision.as;
  fact.by_acl = walk.decision.by_acl;
  fact.walker = names.user(walker.who.uid);
  fact.steps = steps_text(walk, names);
  fact.confined = walker.confined;
  if (walk.end != Walk::End::missing && walk.end != Walk::End::unseen) {
    fact.mode = octal(walk.stat.mode);
    fact.owner_uid = walk.stat.uid;
    fact.owner_gid = walk.stat.gid;
    fact.user = names.user(walk.stat.uid);
    fact.group = names.group(walk.stat.gid);
    fact.file = std::to_string(walk.stat.inode & 0xffffffffu) + "@" + std::to_string(walk.stat.device);
  }
  std::string text = "as " + fact.walker + " (pid " + std::to_string(walker.pid) + ") to " + path + ": " + fact.result + " at " + fact.wall;
  if (!fact.mode.empty()) text += " (" + fact.mode + " " + fact.user + ":" + fact.group + ")";
  if (!walk.answer.empty()) text += ": " + walk.answer;
  auto whole = seen(std::move(fact), walker.pid, source, host);
  whole.about.unit = unit;
  whole.text = std::move(text);
  evidence.add(std::move(whole));
}

std::string block_text(const parse::nginx::Tree& tree, const parse::nginx::Node& node) {
  std::string text = node.directive.name();
  for (std::size_t i = 1; i < node.directive.words.size(); ++i) text += " " + node.directive.words[i].text;
  if (node.directive.name() == "server")
    if (const auto* name = parse::nginx::child(node, "server_name")) text += " " + name->directive.argument(0);
  return text + " (" + tree.place(node) + ")";
}

// Which way the URL asked about takes through this proxy; false when none of its server blocks takes that address.
bool route(const source::Host& host, const parse::nginx::Tree& tree, const parse::nginx::Request& request, const Target& target, int proxy, evidence::Evidence& evidence) {
  const auto way = parse::nginx::route_of(tree, request);
  if (!way.server) return false;
  evidence::RequestRouted fact;
  fact.url = target.url;
  fact.server = block_text(tree, *way.server);
  if (way.location) fact.location = block_text(tree, *way.location);
  if (way.pass) {
    fact.pass = way.pass->directive.name() + " " + way.pass->directive.argument(0);
    fact.where = tree.place(*way.pass);
  }
  fact.upstream = way.upstream;
  for (const auto& peer : way.peers) fact.peers += (fact.peers.empty() ? "" : " ") + peer;
  for (const auto& note : way.notes) fact.notes += (fact.notes.empty() ? "" : "; ") + note;
  std::string text = request.path + " takes " + fact.server + (fact.location.empty() ? "" : ", " + fact.location) + ": " + (fact.pass.empty() ? "nginx answers by itself" : fact.pass);
  if (!fact.upstream.empty()) text += " (" + fact.peers + ")";
  if (!fact.notes.empty()) evidence.gap({"the way of " + target.url, fact.notes, "look at those lines; a request with --send shows the outcome", 1, {}});
  if (fact.pass.empty()) evidence.gap({"a server behind " + target.url, "nginx answers by itself there: " + (fact.location.empty() ? fact.server : fact.location), "name a path that is passed on", 1, {}});
  const auto source = add_live_source(evidence, "route", evidence::SourceKind::config, host);
  auto whole = seen(std::move(fact), proxy, source, host);
  whole.text = std::move(text);
  evidence.add(std::move(whole));
  return true;
}

void send(const source::Host& host, const parse::nginx::Request& request, const Target& target, evidence::Evidence& evidence) {
  const auto source = add_live_source(evidence, "one request", evidence::SourceKind::proc, host);
  const auto answer = send_request(request);
  evidence::RequestSent fact{target.url, answer ? "" : answer.error().answer, answer ? answer->status : 0, answer ? answer->seconds : 0};
  if (!answer && answer.error().kind == base::Kind::unsupported) {
    evidence.gap(gap_of("the answer to " + target.url, answer.error()));
    return;
  }
  auto whole = seen(std::move(fact), 0, source, host);
  whole.text = answer ? "GET " + target.url + ": " + std::to_string(answer->status) + " after " + base::duration_text(static_cast<std::int64_t>(answer->seconds * 1e9)) : "GET " + target.url + ": " + answer.error().answer;
  evidence.add(std::move(whole));
}

// One proxy's configuration: of a running master, or (pid 0) a file that the user names.
bool of_proxy(const source::Host& host, const Process& proxy, const Target& target, const std::optional<parse::nginx::Request>& request, evidence::Evidence& evidence) {
  const std::string name = "nginx (pid " + std::to_string(proxy.pid) + ")", unit = read_cgroup(proxy.cgroup).unit;
  const std::string root = root_of(host, proxy.pid), main = target.nginx.empty() ? nginx_main_file(host, proxy, root) : target.nginx;
  const auto files = parse::nginx::read_tree(host, root, main);
  for (const auto& missing : files.missing)
    evidence.gap({"configuration of " + name, missing + (missing == main ? " cannot be read" : " is included, and cannot be read"), missing == main ? "name it: triage --nginx FILE" : "nginx -t", 1, {}});
  if (files.files.empty()) return false;

  const auto walkers = walkers_of(host, proxy.pid);
  std::optional<base::Instant> loaded;  // its workers are made anew at every reload
  for (const int pid : children_of(host, proxy.pid)) {
    Process worker;
    const auto stat = host.read(proc(pid) + "/stat", 4096);
    if (!stat || !read_stat(*stat, worker)) continue;
    if (const auto started = started_at(host, worker); started && (!loaded || started->at < loaded->at)) loaded = started;
  }
  std::vector<std::string> paths;
  for (const auto& file : files.files) {
    paths.push_back(files.root + file);
    const auto about = host.stat(files.root + file);
    if (about && loaded && about->mtime_ns > loaded->at + base::second_ns)
      evidence.gap({"running configuration of " + name, file + " was changed after its workers started", "nginx -T shows the files, not what runs; nginx -s reload makes them the same", 1, {}});
  }
  const evidence::FactId before = static_cast<evidence::FactId>(evidence.facts.size());
  parse::read(host, paths, {}, evidence);
  std::set<std::string> sockets;
  for (evidence::FactId id = before; id < evidence.facts.size(); ++id) {
    auto& fact = evidence.facts[id];
    const auto* route = evidence::as<evidence::ProxyRoute>(fact);
    // Another nginx here may have an upstream of the same name.
    if (const auto* setting = evidence::as<evidence::SettingRead>(fact); route || (setting && base::starts_with(setting->name, "nginx."))) fact.about = {proxy.pid, evidence::PidSpace::host, {}};
    if (route && base::starts_with(route->address, "unix:/")) sockets.insert(route->address.substr(5));
  }
  const bool routed = request && route(host, files, *request, target, proxy.pid, evidence);
  if (sockets.empty()) return routed;
  if (walkers.empty()) {
    evidence.gap({"whether nginx may open its upstream sockets", "none of the workers of " + name + " can be seen", "run as root", 1, {}});
    return routed;
  }
  const auto source = add_live_source(evidence, "path permissions", evidence::SourceKind::proc, host);
  std::size_t walks = 0;
  for (const auto& walker : walkers) {
    Names names(host, walker.root);
    for (const auto& socket : sockets) {
      if (++walks > most_walks) {
        evidence.gap({"whether nginx may open its upstream sockets", "there are more than " + std::to_string(most_walks) + "; the later ones were not walked", "name one server: triage PID", 1, {}});
        return routed;
      }
      add_walk(host, walker, names, socket, unit, source, evidence);
    }
  }
  return routed;
}

void observe(const source::Host& host, const Target& target, const Found& found, evidence::Evidence& evidence) {
  std::optional<parse::nginx::Request> request;
  if (!target.url.empty()) {
    if (auto asked = parse::nginx::read_url(target.url)) request = std::move(*asked);
    else evidence.gap(gap_of("the way of " + target.url, asked.error()));
  }
  bool routed = false;
  for (const auto& proxy : found.proxies) routed |= of_proxy(host, proxy, target, request, evidence);
  if (found.proxies.empty() && !target.nginx.empty()) routed = of_proxy(host, {}, target, request, evidence);
  if (!request) return;
  if (!routed) evidence.gap({"the way of " + target.url, found.proxies.empty() ? "no nginx runs here" : "no server block of a running nginx takes that address", "name its configuration: triage " + target.url + " --nginx CONF; or run this where nginx runs", 1, {}});
  if (target.send) send(host, *request, target, evidence);
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "nginx's way to the servers", "", "", "", ""};
  const Found found = find(host);
  if (found.proxies.empty()) {
    sight.detail = "no nginx runs";
    return sight;
  }
  std::size_t files = 0;
  for (const auto& proxy : found.proxies) {
    const std::string root = root_of(host, proxy.pid);
    const auto of_it = parse::nginx::read_tree(host, root, nginx_main_file(host, proxy, root));
    files += of_it.files.size();
    for (const auto& missing : of_it.missing) {
      sight.state = Sight::State::partial;
      sight.why = missing + " cannot be read";
      sight.remedy = "run as root, or name the file: triage --nginx FILE";
      sight.instead = "its error log alone says which upstream fails";
    }
  }
  sight.detail = base::counted(files, "file") + " of configuration";
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe proxy = {"proxy", observe, sight};
}  // namespace probes_of
}  // namespace probe
