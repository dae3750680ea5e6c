#include "probe/servers.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/text.hpp"
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"
#include "flavour/gunicorn_args.hpp"
#include "probe/net_table.hpp"
#include "probe/reach.hpp"
#include "probe/settings.hpp"

namespace probe {

namespace {

constexpr std::uint64_t bit(int signal) { return 1ull << (signal - 1); }
constexpr int hup = 1, usr2 = 12, term = 15, chld = 17;

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// python, python3, python3.11, python3-dbg, pypy3
bool python_name(std::string_view name) { return base::starts_with(name, "python") || base::starts_with(name, "pypy"); }

bool is_title(const std::vector<std::string>& argv) { return argv.size() == 1 && base::starts_with(argv[0], "gunicorn: "); }
bool master_title(const std::vector<std::string>& argv) { return is_title(argv) && base::starts_with(argv[0], "gunicorn: master"); }

bool may_be_python(const Process& process) { return !process.argv.empty() && (python_name(base_name(process.argv[0])) || python_name(process.comm)); }

// A program that runs gunicorn inside itself (airflow, superset, BaseApplication) without setproctitle: only the heartbeat files tell.
bool holds_heartbeat(const source::Host& host, int pid) {
  const auto descriptors = read_descriptors(host, pid, 512);
  if (!descriptors) return false;
  return std::any_of(descriptors->begin(), descriptors->end(), [](const Descriptor& open) { return base::contains(open.target, "/wgunicorn-"); });
}

// /proc/PID/root reads "/" in a container too; only its inode tells whether it is ours.
std::string other_root(const source::Host& host, const Process& process) {
  const std::string at = "/proc/" + std::to_string(process.pid) + "/root";
  if (!process.root.empty() && process.root != "/") return at;
  const auto theirs = host.stat(at + "/"), ours = host.stat("/");
  if (theirs && ours && (theirs->inode != ours->inode || theirs->device != ours->device)) return at;
  return {};
}

const std::vector<std::string> kept_names{"GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "PORT"};

void complete(const source::Host& host, FoundServer& server) {
  const Process* const one = server.master.pid ? &server.master : server.workers.empty() ? nullptr : &server.workers.front();
  if (!one) return;
  server.args = command_text(one->argv);
  server.title = is_title(one->argv) || (server.flavour != "gunicorn" && one->argv.size() == 1 && !flavour::starts_gunicorn(server.args));
  server.environment = read_environment(host, one->pid, kept_names);
  server.cgroup = read_cgroup(one->cgroup);
  server.root = other_root(host, *one);
}

std::set<std::uint64_t> sockets_of(const source::Host& host, int pid) {
  std::set<std::uint64_t> sockets;
  if (const auto descriptors = read_descriptors(host, pid, 256))
    for (const auto& open : *descriptors)
      if (const auto inode = socket_inode(open.target)) sockets.insert(*inode);
  return sockets;
}

// Whose workers multiprocessing spawned: their command line is the same for all that do so, and what is installed beside them tells.
std::string_view spawner_of(const source::Host& host, const Process& process) {
  std::string_view found;
  for (const flavour::Flavour* const known : flavour::flavours()) {
    if (known->distribution.empty() || known->kin || known->name == "celery") continue;   // titled ones were told already
    FoundServer asked;
    asked.flavour = known->name;
    asked.master = process;
    std::string where;
    if (!version_of(host, asked, {command_text(process.argv), {}, "", 0}, where).empty()) found = found.empty() ? known->name : found == "uvicorn" ? found : known->name;
  }
  return found;
}

// Applications that fork by themselves and serve with a library in C: a Python process with children of its own command line, by what it has mapped.
void add_by_module(const source::Host& host, ProcessTable& table, Found& found, std::set<int>& placed) {
  for (auto& [pid, process] : table.all) {
    if (placed.contains(pid) || process.state == 'Z' || !may_be_python(process)) continue;
    std::vector<int> forked;
    for (const auto& [child, other] : table.all)
      if (other.ppid == pid && !placed.contains(child) && (other.argv == process.argv || (other.state == 'Z' && other.comm == process.comm))) forked.push_back(child);
    const flavour::Flavour* own = nullptr;
    if (forked.empty() || flavour::kin_of(command_text(process.argv), own) != flavour::Kin::none) continue;
    const auto maps = host.read("/proc/" + std::to_string(pid) + "/maps", 1 << 20);
    if (!maps) continue;
    for (const flavour::Flavour* const known : flavour::flavours()) {
      if (known->module.empty() || !base::contains(*maps, known->module)) continue;
      FoundServer server;
      server.flavour = known->name;
      read_more(host, process);
      server.master = process;
      placed.insert(pid);
      for (const int child : forked) {
        read_more(host, table.all.at(child));
        server.workers.push_back(table.all.at(child));
        placed.insert(child);
      }
      found.servers.push_back(std::move(server));
      break;
    }
  }
}

// Workers that keep their master's command line (Apache's), or carry none of their server (uvicorn's, hypercorn's), and go on without it: two or
// more that share a socket, below nobody of their kind.
void add_untitled_orphans(const source::Host& host, ProcessTable& table, Found& found, std::set<int>& placed) {
  std::map<std::string, std::vector<int>> groups;
  for (const auto& [pid, process] : table.all) {
    if (process.argv.empty() || placed.contains(pid) || process.state == 'Z') continue;
    const std::string args = command_text(process.argv);
    const auto parent = table.all.find(process.ppid);
    const std::string above = parent == table.all.end() ? std::string() : command_text(parent->second.argv);
    const flavour::Flavour* known = nullptr;
    const bool spawned = flavour::spawned_child(args);
    if (!spawned && flavour::kin_of(args, known) != flavour::Kin::either) continue;
    if (known && (known->like_gunicorn || known->on_master_death != flavour::OnMasterDeath::workers_serve)) continue;
    // A spawned child whose parent runs Python is somebody's (a task queue's, a script's).
    if (spawned ? parent != table.all.end() && may_be_python(parent->second) : above == args) continue;
    groups[(spawned ? "spawned " : args + " ") + process.cgroup + " " + std::to_string(process.pid_namespace)].push_back(pid);
  }
  for (const auto& [key, pids] : groups) {
    if (pids.size() < 2 || pids.size() > 1000) continue;
    std::set<std::uint64_t> common = sockets_of(host, pids.front());
    for (std::size_t i = 1; i < pids.size() && !common.empty(); ++i) {
      const auto own = sockets_of(host, pids[i]);
      std::erase_if(common, [&](std::uint64_t inode) { return !own.contains(inode); });
    }
    bool cut = false;
    const NetTable table_of_net = common.empty() ? NetTable{} : read_net_table(host, pids.front(), cut);
    std::erase_if(common, [&](std::uint64_t inode) { const auto socket = table_of_net.find(inode); return socket == table_of_net.end() || !socket->second.listening; });
    if (common.empty()) continue;
    const Process& first = table.all.at(pids.front());
    const flavour::Flavour* known = nullptr;
    flavour::kin_of(command_text(first.argv), known);
    const std::string_view name = known ? known->name : spawner_of(host, first);
    if (name.empty()) continue;
    FoundServer server;
    server.flavour = name;
    for (const int pid : pids) {
      read_more(host, table.all.at(pid));
      server.workers.push_back(table.all.at(pid));
      server.orphans.push_back(pid);
      placed.insert(pid);
    }
    found.servers.push_back(std::move(server));
  }
}

// The servers that their command lines or titles tell (flavour::kin_of): a master, and its children that serve. One without any worker is a single
// process, or one that starts: it is found once it has forked.
void add_others(const source::Host& host, ProcessTable& table, Found& found, std::set<int>& placed) {
  struct Told { const flavour::Flavour* flavour = nullptr; flavour::Kin kin = flavour::Kin::none; };
  std::map<int, Told> told;
  for (const auto& [pid, process] : table.all) {
    if (process.argv.empty() || placed.contains(pid)) continue;
    Told one;
    one.kin = flavour::kin_of(command_text(process.argv), one.flavour);
    if (one.flavour && one.flavour->name != "gunicorn" && one.flavour->name != "nginx") told.emplace(pid, one);
  }
  const auto same = [&](int pid, const Told& one) {
    const auto other = told.find(pid);
    return other != told.end() && other->second.flavour == one.flavour && other->second.kin != flavour::Kin::aside;
  };
  std::map<int, std::size_t> index;
  const auto make = [&](int pid, const Told& one) {
    FoundServer server;
    server.flavour = one.flavour->name;
    server.master = table.all.at(pid);
    read_more(host, server.master);
    index[pid] = found.servers.size();
    found.servers.push_back(std::move(server));
    placed.insert(pid);
  };
  std::map<int, std::vector<int>> children;
  for (const auto& [pid, process] : table.all) children[process.ppid].push_back(pid);
  for (const auto& [pid, one] : told) {
    if (one.kin != flavour::Kin::master && one.kin != flavour::Kin::either) continue;
    // A worker keeps its master's command line. One below another of its kind with a line of its own is a master: a vassal of uWSGI's emperor.
    const auto parent = table.all.find(table.all.at(pid).ppid);
    if (one.kin == flavour::Kin::either && same(table.all.at(pid).ppid, one) && parent != table.all.end() && parent->second.argv == table.all.at(pid).argv) continue;
    const auto serves = [&](int child) {
      const Process& process = table.all.at(child);
      if (process.state == 'Z') return process.comm == table.all.at(pid).comm;
      const auto known = told.find(child);
      if (known != told.end()) return known->second.flavour == one.flavour && (known->second.kin == flavour::Kin::worker || (known->second.kin == flavour::Kin::either && process.argv == table.all.at(pid).argv));
      const std::string args = command_text(process.argv);
      return base::contains(args, "multiprocessing.spawn") && base::contains(args, "spawn_main");
    };
    std::vector<int> workers;
    for (const int child : children[pid])
      if (serves(child)) workers.push_back(child);
    if (one.flavour->name == "passenger")   // the preloader is their parent
      for (const auto& [other, worker] : told)
        if (worker.flavour == one.flavour && worker.kin == flavour::Kin::worker) workers.push_back(other);
    if (workers.empty()) continue;
    make(pid, one);
    for (const int worker : workers) {
      read_more(host, table.all.at(worker));
      found.servers.back().workers.push_back(table.all.at(worker));
      placed.insert(worker);
    }
  }
  // Titled workers without their master: orphans, which go on serving (php-fpm) or are about to leave.
  for (const auto& [pid, one] : told) {
    if (one.kin != flavour::Kin::worker || placed.contains(pid) || same(table.all.at(pid).ppid, one)) continue;
    const auto group = std::find_if(found.servers.begin(), found.servers.end(), [&](const FoundServer& server) { return server.flavour == one.flavour->name && server.master.pid == 0; });
    FoundServer& server = group != found.servers.end() ? *group : found.servers.emplace_back();
    server.flavour = one.flavour->name;
    read_more(host, table.all.at(pid));
    server.workers.push_back(table.all.at(pid));
    server.orphans.push_back(pid);
    placed.insert(pid);
  }
  add_by_module(host, table, found, placed);
  add_untitled_orphans(host, table, found, placed);
}

// Everything below `pids` in the tree that is not itself one of `known`.
std::vector<Process> below(const ProcessTable& table, const std::set<int>& pids, const std::set<int>& known) {
  std::vector<Process> found;
  std::set<int> parents = pids;
  for (int depth = 0; depth < 8; ++depth) {
    std::set<int> next;
    for (const auto& [pid, process] : table.all)
      if (parents.contains(process.ppid) && !known.contains(pid)) { next.insert(pid); found.push_back(process); }
    if (next.empty() || found.size() > 1000) break;
    parents = std::move(next);
  }
  return found;
}

bool same_file(const source::Host& host, const FoundServer& server, const std::string& word) {
  const auto wanted = host.stat(word);
  if (!wanted || wanted->kind != source::EntryKind::socket) return false;
  return base::contains(server.args, word) || base::contains(server.args, base_name(word));
}

bool wanted(const source::Host& host, const FoundServer& server, const Target& target) {
  if (target.pids.empty() && target.words.empty()) return true;
  const auto ours = [&](std::int64_t pid) {
    return server.master.pid == pid || std::any_of(server.workers.begin(), server.workers.end(), [&](const Process& worker) { return worker.pid == pid; });
  };
  for (const int pid : target.pids)
    if (ours(pid)) return true;
  for (const auto& word : target.words) {
    if (word.empty()) continue;
    if (const auto pid = base::read_number(word); pid && ours(*pid)) return true;
    if (server.cgroup.unit == word || server.cgroup.unit == word + ".service" || (word.size() >= 12 && base::starts_with(server.cgroup.container, word))) return true;
    if (word[0] != '/') continue;
    if (same_file(host, server, word)) return true;
    // A pid file names the master as its own namespace does.
    if (const auto text = host.read(word, 64))
      if (const auto pid = base::read_number(base::trim(*text)); pid && (ours(*pid) || server.master.ns_pid == *pid)) return true;
  }
  return false;
}

}  // namespace

std::string FoundServer::path(std::string_view as_it_sees) const {
  std::string full(as_it_sees);
  const std::string& cwd = master.pid ? master.cwd : workers.empty() ? master.cwd : workers.front().cwd;
  if (full.empty() || full[0] != '/') full = (cwd.empty() ? "" : cwd) + "/" + full;
  return root + full;
}

std::string_view server_started_by(const std::vector<std::string>& argv) {
  if (argv.empty()) return {};
  const std::string text = command_text(argv);
  for (const flavour::Flavour* known : flavour::flavours())
    if (known->recognise && known->recognise(text)) return known->name;
  return {};
}

bool catches_as_master(std::uint64_t caught) { return (caught & bit(hup)) && (caught & bit(usr2)) && (caught & bit(chld)) && (caught & bit(term)); }
bool catches_as_worker(std::uint64_t caught) { return !(caught & bit(hup)) && (caught & bit(term)); }

Found find(const source::Host& host, const Target& target) {
  Found found;
  auto table_or_error = read_processes(host);
  if (!table_or_error) {
    const auto& error = table_or_error.error();
    found.gaps.push_back({"processes", error.doing + ": " + error.answer, error.remedy.empty() ? "run where /proc is mounted" : error.remedy, 1, {}});
    return found;
  }
  ProcessTable& table = *table_or_error;
  if (table.cut) found.gaps.push_back({"processes", "there are more than 50000; the later ones were not looked at", "name the server: triage PID", 1, {}});

  std::set<int> ours;
  for (auto& [pid, process] : table.all) {
    if (server_started_by(process.argv) == "gunicorn") {
      read_more(host, process);
      ours.insert(pid);
    } else if (may_be_python(process) && process.caught && catches_as_master(*process.caught)) {
      if (const auto status = host.read("/proc/" + std::to_string(pid) + "/status", 1 << 16)) read_status(*status, process);
      if (process.caught && catches_as_master(*process.caught) && holds_heartbeat(host, pid)) {
        read_more(host, process);
        ours.insert(pid);
      }
    } else if (!process.argv.empty() && base::starts_with(process.argv[0], "nginx: master process")) {
      read_more(host, process);
      found.proxies.push_back(process);
    }
  }
  // The forked workers of an embedded gunicorn share its arguments.
  for (auto& [pid, process] : table.all) {
    const auto parent = table.all.find(process.ppid);
    if (ours.contains(pid) || !ours.contains(process.ppid) || parent == table.all.end()) continue;
    const bool forked = !process.argv.empty() && process.argv == parent->second.argv;
    const bool zombie = process.state == 'Z' && process.comm == parent->second.comm;
    if (forked || zombie) { read_more(host, process); ours.insert(pid); }
  }

  const auto has_child = [&](int pid) { return std::any_of(ours.begin(), ours.end(), [&](int other) { return table.all.at(other).ppid == pid; }); };
  const auto reexecuted = [&](const Process& process) {
    const auto parent = table.all.find(process.ppid);
    if (parent == table.all.end() || !ours.contains(process.ppid)) return false;
    const auto environment = read_environment(host, process.pid, {"GUNICORN_PID"});
    const auto named = environment.find("GUNICORN_PID");
    return named != environment.end() && base::read_number(named->second) == parent->second.ns_pid;
  };
  const auto is_master = [&](const Process& process) {
    const bool below_ours = ours.contains(process.ppid);
    if (is_title(process.argv)) return master_title(process.argv);
    if (process.state == 'Z') return !below_ours;
    if (!process.caught) return !below_ours;
    if (!below_ours) return catches_as_master(*process.caught) || !(*process.caught & bit(term));  // without TERM: it still starts
    if (reexecuted(process)) return true;
    return catches_as_master(*process.caught) && has_child(process.pid);
  };

  std::set<int> masters, placed;
  for (const int pid : ours)
    if (is_master(table.all.at(pid))) masters.insert(pid);
  for (const int pid : masters) {
    FoundServer server;
    server.flavour = "gunicorn";
    server.master = table.all.at(pid);
    if (masters.contains(server.master.ppid)) server.replaces = server.master.ppid;
    for (const int other : ours)
      if (!masters.contains(other) && table.all.at(other).ppid == pid) { server.workers.push_back(table.all.at(other)); placed.insert(other); }
    found.servers.push_back(std::move(server));
  }
  // Gunicorn processes below a worker are its children; those below nothing of ours lost their master.
  for (const int pid : ours) {
    const Process& process = table.all.at(pid);
    if (masters.contains(pid) || placed.contains(pid) || ours.contains(process.ppid)) continue;
    const auto group = std::find_if(found.servers.begin(), found.servers.end(), [&](const FoundServer& server) {
      return server.master.pid == 0 && server.workers.front().argv == process.argv && server.workers.front().cgroup == process.cgroup && server.workers.front().pid_namespace == process.pid_namespace;
    });
    FoundServer& server = group != found.servers.end() ? *group : found.servers.emplace_back();
    server.flavour = "gunicorn";
    server.workers.push_back(process);
    server.orphans.push_back(pid);
    placed.insert(pid);
  }
  placed.insert(masters.begin(), masters.end());
  add_others(host, table, found, placed);
  for (auto& server : found.servers) {
    std::set<int> tops;
    if (server.master.pid) tops.insert(server.master.pid);
    for (const auto& worker : server.workers) tops.insert(worker.pid);
    server.children = below(table, tops, placed);
    for (auto& child : server.children) read_more(host, child);
    complete(host, server);
  }
  std::erase_if(found.servers, [&](const FoundServer& server) { return !wanted(host, server, target); });
  if ((!target.pids.empty() || !target.words.empty()) && target.url.empty() && target.nginx.empty() && !found.servers.empty())
    std::erase_if(found.proxies, [&](const Process& proxy) { return !may_reach(host, proxy, found.servers); });
  std::stable_sort(found.servers.begin(), found.servers.end(), [](const FoundServer& a, const FoundServer& b) { return a.master.started_ns < b.master.started_ns; });
  return found;
}

std::vector<FoundServer> find_servers(const source::Host& host, const Target& target) { return find(host, target).servers; }

}  // namespace probe
