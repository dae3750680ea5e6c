#include "reproduce/stack.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/text.hpp"
#include "probe/child.hpp"
#include "reproduce/link.hpp"
#include "reproduce/server_kind.hpp"

namespace reproduce {

namespace {

std::string address_text(const Address& address) { return address.path.empty() ? "127.0.0.1:" + std::to_string(address.port) : "unix:" + address.path; }

base::Result<> made(const File& file, const Site& site) {
  const std::string path = site.folder + "/" + file.path;
  for (std::size_t at = site.folder.size() + 1; (at = path.find('/', at)) != std::string::npos; ++at) ::mkdir(path.substr(0, at).c_str(), 0755);
  const auto failed = [&] { return base::fail(base::from_errno(errno, "making " + file.path)); };
  if (file.kind == File::Kind::folder) {
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return failed();
  } else if (file.kind == File::Kind::socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    base::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));   // bound and closed: a stale socket, as a killed server leaves it
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return failed();
  } else if (!write_file(path, site.fill(file.text))) return failed();
  if (file.mode >= 0 && ::chmod(path.c_str(), static_cast<mode_t>(file.mode)) != 0) return failed();
  if (!file.owner.empty()) {
    const auto ids = user_ids(file.owner);
    if (!ids) return base::fail({base::Kind::missing, "giving " + file.path + " to " + base::printable(file.owner, 40), "there is no such user here", "", 0});
    if (::chown(path.c_str(), ids->first, ids->second) != 0) return failed();
  }
  if (!file.acl.empty()) {
    const std::string setfacl = program("setfacl");
    if (setfacl.empty()) return base::fail({base::Kind::unsupported, "giving " + file.path + " an ACL", "setfacl is not installed", "install the package acl", 0});
    const auto got = probe::run({setfacl, "-m", file.acl, path}, 5000, 4096);
    if (!got || got->status != 0) return base::fail({base::Kind::refused, "giving " + file.path + " an ACL", got ? base::printable(got->err, 200) : base::sentence(got.error()), "", 0});
  }
  return {};
}

base::Result<> written(const File& file, const Site& site, const std::string& text) {
  const std::string path = site.folder + "/" + file.path;
  for (std::size_t at = site.folder.size() + 1; (at = path.find('/', at)) != std::string::npos; ++at) ::mkdir(path.substr(0, at).c_str(), 0755);
  if (!write_file(path, text)) return base::fail(base::from_errno(errno, "writing " + file.path));
  return {};
}

std::string every_fault_of(const Server& server, const Site& site) {
  std::string faults;
  for (const std::string& fault : server.faults) faults += site.fill(fault) + "\n";
  return faults;
}

Words environment_of(const Site& site, const std::string& faults) {
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + site.folder, "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1", "TRIAGE_FAULTS=" + faults};
}

// The settings in the server's own words, and what cannot be done there refused.
base::Result<Composed> compose(const ServerKind& kind, const Scenario& scenario, const Site& site) {
  const Server& server = scenario.server;
  const auto refused = [&](std::string answer) { return base::fail({base::Kind::unsupported, "running " + scenario.name + " on " + site.server, std::move(answer), "leave " + site.server + " out of 'on'", 0}); };
  if (scenario.network.link.of == "peer" || (!scenario.network.link.of.empty() && !scenario.proxy.present) || scenario.network.link.of == "upstream") return refused("it listens on loopback alone, which no link leads to");
  if (server.bind == "held") return refused("its socket cannot be held by the runner");
  if (server.bind == "unix" && kind.on_tcp_only) return refused("its clients come by TCP alone");
  if (!server.config.empty()) return refused("'config' is a file of gunicorn's");
  for (const Load& load : scenario.loads)
    if (load.to == "server" && scenario.proxy.present && kind.speaks != "proxy") return refused("load '" + load.name + "' speaks HTTP, and it does not");
  for (const std::string& fault : server.faults) {
    const std::string name = fault.substr(0, fault.find_first_of("=,"));
    if (std::ranges::find(kind.faults, name) == kind.faults.end()) return refused("its application cannot make '" + name + "'");
  }
  Asked asked{scenario, site, {}, {}};
  for (const auto& [name, value] : server.settings) {
    const auto native = std::ranges::find(kind.settings, name, &Native::setting);
    const auto row = std::ranges::find(server_settings(), name, &ServerSetting::name);
    if (native == kind.settings.end() || row == server_settings().end()) continue;
    const double seconds = row->is_time ? read_seconds(value).value_or(0) : 0;
    asked.settings.emplace_back(native->own, row->is_time ? std::to_string(seconds <= 0 ? 0 : std::max(native->least, site.scale.whole("", seconds))) : site.fill(value));
  }
  for (const auto& [name, lines] : server.also)
    if (name == kind.name)
      for (const std::string& line : lines) asked.also.push_back(site.fill(line));
  return kind.compose(asked);
}

}  // namespace

std::vector<Named> Site::names() const {
  return {{"folder", folder}, {"port", std::to_string(back.port)}, {"server", address_text(back)}, {"proxy_port", std::to_string(front.port)}, {"socket", back.path}, {"far", far_address}};
}

std::optional<std::pair<unsigned, unsigned>> user_ids(const std::string& name) {
  if (const auto number = base::read_number(name); number && *number >= 0) return std::pair{static_cast<unsigned>(*number), static_cast<unsigned>(*number)};
  const std::string users = read_file("/etc/passwd");
  for (const auto line : base::split(users, '\n')) {
    const auto words = base::split(line, ':');
    if (words.size() < 4 || words[0] != name) continue;
    const auto uid = base::read_number(words[2]), gid = base::read_number(words[3]);
    if (uid && gid) return std::pair{static_cast<unsigned>(*uid), static_cast<unsigned>(*gid)};
  }
  return std::nullopt;
}

bool gunicorn_can(std::string_view fault) {
  constexpr std::array can{"hang", "spin", "deadlock", "leak", "eat", "eat_in_child", "fd_leak", "segfault", "ping_false_positive", "slow_boot", "boot_loop", "boot_halt", "refuse_term", "shared_upstream"};
  return std::ranges::find(can, fault) != can.end();
}

std::string version_of(const std::string& server) {
  const ServerKind* kind = server_kind(server);
  const std::string path = server_program(server);
  if (path.empty()) return {};
  std::vector<std::string> words{path};
  if (kind) words.insert(words.end(), kind->version.begin(), kind->version.end());
  else words.push_back(server == "nginx" ? "-v" : "--version");
  const auto got = probe::run(words, 20'000, 4096);
  if (!got) return {};
  std::string text(base::trim(got->out + got->err));
  text = text.substr(0, text.find('\n'));
  if (kind) {   // "uwsgi 2.0.21", of "Server version: Apache/2.4.71 (Debian)" too
    const auto digit = text.find_first_of("0123456789");
    return server + (digit == std::string::npos ? "" : " " + text.substr(digit, text.find_first_of(" -(", digit) - digit));
  }
  if (const auto version = base::between(text, "(version ", ")")) return server + " " + std::string(*version);
  if (const auto version = base::between(text, "nginx/", "")) return "nginx " + std::string(*version);
  return base::printable(text, 60);
}

base::Result<> lay_out(const Scenario& scenario, const Site& site) {
  if (::mkdir(site.folder.c_str(), 0755) != 0) return base::fail(base::from_errno(errno, "making " + site.folder));
  for (const File& file : scenario.files) {
    if (!meant(file.on, site.server)) continue;
    if (auto done = made(file, site); !done) return done;
  }
  if (const ServerKind* kind = server_kind(site.server)) {
    TRY(composed, compose(*kind, scenario, site));
    for (const auto& [path, text] : composed.files) {
      File file;
      file.path = path;
      if (const auto own = std::ranges::find(scenario.files, path, &File::path); own != scenario.files.end() && meant(own->on, site.server)) continue;   // the scenario's stands there
      if (auto done = written(file, site, text); !done) return done;
    }
  }
  if (site.server == gunicorn && !write_file(site.folder + "/place.py", wsgi_application)) return base::fail(base::from_errno(errno, "writing the application"));
  if (scenario.proxy.present && scenario.proxy.conf.empty() && !write_file(site.folder + "/nginx.conf", proxy_conf(scenario, site))) return base::fail(base::from_errno(errno, "writing nginx.conf"));
  // Others than root must write there: Apache's and php-fpm's workers are www-data.
  if (server_kind(site.server)) {
    write_file(site.folder + "/requests.log", "");
    ::chmod((site.folder + "/requests.log").c_str(), 0666);
  }
  if (!scenario.server.user.empty()) {
    const auto ids = user_ids(scenario.server.user);
    if (!ids) return base::fail({base::Kind::missing, "running workers as " + base::printable(scenario.server.user, 40), "there is no such user here", "", 0});
    write_file(site.folder + "/requests.log", "");
    ::chmod((site.folder + "/requests.log").c_str(), 0666);
  }
  return {};
}

base::Result<Command> server_command(const Scenario& scenario, const Site& site) {
  const Server& server = scenario.server;
  const bool own = site.server == triage_server;
  const ServerKind* kind = server_kind(site.server);
  Command command;
  command.folder = site.folder;
  command.output = site.folder + "/server.out";
  command.limited = true;
  command.descriptors = scenario.limits.descriptors;
  const std::string path = server_program(site.server);
  if (kind && !path.empty()) {
    TRY(composed, compose(*kind, scenario, site));
    command.words = {path};
    command.words.insert(command.words.end(), composed.words.begin(), composed.words.end());
    command.environment = environment_of(site, every_fault_of(server, site));
    command.environment.insert(command.environment.end(), composed.environment.begin(), composed.environment.end());
    return command;
  }
  if (path.empty()) return base::fail({base::Kind::missing, "starting " + site.server, "it is not installed here", own ? "it lies beside triage-repro" : "install it", 0});
  auto& words = command.words;
  const std::string every = "0.0.0.0:" + std::to_string(site.back.port);   // peers are 127.0.0.1, 127.0.0.2..., and a link's ends none of them
  words = {path, "-b", (scenario.proxy.peers > 1 || !scenario.network.link.of.empty()) && site.back.path.empty() ? every : address_text(site.back), "--error-logfile", site.folder + "/error.log", "--access-logfile", site.folder + "/access.log", "--pid", site.folder + "/server.pid"};
  if (server.debug) words.insert(words.end(), {"--log-level", "debug"});
  if (own) words.insert(words.end(), {"--admin", "unix:" + site.folder + "/admin", "--seed", std::to_string(site.seed), "--access-log-buffer", "0"});
  if (own && !server.like.empty()) words.insert(words.end(), {"--like", server.like});
  for (const auto& [name, value] : server.settings) {
    const auto row = std::ranges::find(server_settings(), name, &ServerSetting::name);
    if (row == server_settings().end() || (row->ours && !own)) continue;
    if (row->is_switch) {
      if (value == "true") words.emplace_back(row->flag);
      else if (own) words.push_back("--no-" + std::string(row->flag.substr(2)));
    } else {
      words.emplace_back(row->flag);
      words.push_back(!row->is_time ? site.fill(value) : row->ours ? number_text(site.scale.seconds(read_seconds(value).value_or(0))) : std::to_string(site.scale.whole(name, read_seconds(value).value_or(0))));
    }
  }
  if (!server.user.empty()) words.insert(words.end(), {"--user", server.user});
  std::string faults;
  Words every_fault = server.faults;
  if (own) every_fault.insert(every_fault.end(), server.own_faults.begin(), server.own_faults.end());
  for (const std::string& fault : every_fault) {
    const std::string spec = site.fill(fault), name = spec.substr(0, spec.find_first_of("=,"));
    if (!own && !gunicorn_can(name)) return base::fail({base::Kind::unsupported, "making '" + name + "' on gunicorn", "its application cannot do that", "leave gunicorn out of 'on'", 0});
    faults += spec + "\n";
    if (!own) continue;
    words.emplace_back("--fault");
    // What eats without end there takes more than any limit here, in one piece.
    words.push_back(name == "eat" ? "leak=8000000000" + spec.substr(3) : spec);
  }
  for (const std::string& word : server.args) words.push_back(site.fill(word));
  if (!own)
    for (const std::string& word : server.gunicorn_args) words.push_back(site.fill(word));
  if (!own && !server.config.empty()) words.insert(words.end(), {"-c", server.config});
  words.push_back(own ? server.app : base::starts_with(server.app, "builtin:") ? "place:application" : server.app);
  command.environment = environment_of(site, faults);
  return command;
}

base::Result<Command> beside_command(const Scenario& scenario, const Site& site) {
  Command command;
  const ServerKind* kind = server_kind(site.server);
  if (!kind) return command;
  TRY(composed, compose(*kind, scenario, site));
  if (composed.beside.empty()) return command;
  command.folder = site.folder;
  command.output = site.folder + "/beside.out";
  command.words = {server_program(site.server)};
  command.words.insert(command.words.end(), composed.beside.begin(), composed.beside.end());
  command.environment = environment_of(site, "");
  return command;
}

Words left_out(const Scenario& scenario, const std::string& server) {
  Words names;
  if (const ServerKind* kind = server_kind(server))
    for (const auto& [name, value] : scenario.server.settings) {
      const auto row = std::ranges::find(server_settings(), name, &ServerSetting::name);
      if ((row == server_settings().end() || !row->ours) && std::ranges::find(kind->settings, name, &Native::setting) == kind->settings.end()) names.push_back(name);
    }
  return names;
}

Scenario with_front(const Scenario& scenario, const std::string& server) {
  Scenario out = scenario;
  const ServerKind* kind = server_kind(server);
  out.proxy.present = out.proxy.present || (kind && kind->fronted);
  return out;
}

std::string proxy_conf(const Scenario& scenario, const Site& site) {
  const Proxy& proxy = scenario.proxy;
  const ServerKind* kind = server_kind(site.server);
  const std::string speaks(kind ? kind->speaks : "proxy");
  std::string text = "user " + proxy.user + ";\nworker_processes 1;\npid nginx.pid;\nerror_log nginx-error.log info;\nevents { worker_connections 512; }\nhttp {\n";
  text += "  log_format timed '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" "
          "rt=$request_time uct=$upstream_connect_time uht=$upstream_header_time urt=$upstream_response_time us=$upstream_status ua=$upstream_addr';\n";
  text += "  access_log nginx-access.log timed;\n";
  for (const char* temporary : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) text += "  " + std::string(temporary) + "_temp_path nginx-temp;\n";
  for (const std::string& line : proxy.http) text += "  " + site.fill(line) + "\n";
  text += "  upstream app {\n";
  const bool far = scenario.network.link.of == "upstream" && site.back.path.empty();
  for (int i = 0; i < proxy.peers; ++i) text += "    server " + (far ? std::string(far_address) + ":" + std::to_string(site.back.port) : site.back.path.empty() ? "127.0.0." + std::to_string(i + 1) + ":" + std::to_string(site.back.port) : address_text(site.back)) + ";\n";
  for (const std::string& line : proxy.upstream) text += "    " + site.fill(line) + "\n";
  text += std::string("  }\n  server {\n    listen ") + (scenario.network.link.of == "clients" ? "" : "127.0.0.1:") + std::to_string(site.front.port) + ";\n    location / {\n      ";
  if (speaks == "uwsgi") text += "include /etc/nginx/uwsgi_params;\n      uwsgi_pass app;\n";
  else if (speaks == "fastcgi") text += "include /etc/nginx/fastcgi_params;\n      fastcgi_param SCRIPT_FILENAME " + site.folder + "/place.php;\n      fastcgi_pass app;\n";
  else text += "proxy_pass http://app;\n";
  for (const auto& [word, value] : proxy.set) {
    const std::string name = base::starts_with(word, "proxy_") ? speaks + word.substr(5) : word;   // each has its own proxy_read_timeout
    // A time of the incident, as somebody would write it there: it scales with the others.
    const auto seconds = base::contains(name, "timeout") && !value.empty() && (value.back() < '0' || value.back() > '9') ? read_seconds(value) : std::nullopt;
    text += "      " + name + " " + (seconds ? std::to_string(std::max(1L, std::lround(1000 * site.scale.seconds(*seconds)))) + "ms" : site.fill(value)) + ";\n";
  }
  return text + "    }\n  }\n}\n";
}

base::Result<Command> proxy_command(const Scenario& scenario, const Site& site) {
  const std::string path = program("nginx");
  if (path.empty()) return base::fail({base::Kind::missing, "starting nginx", "it is not installed here", "install it", 0});
  Command command;
  command.folder = site.folder;
  command.output = site.folder + "/nginx.out";
  const std::string conf = site.folder + "/" + (scenario.proxy.conf.empty() ? "nginx.conf" : scenario.proxy.conf);
  command.words = {path, "-p", site.folder, "-c", conf, "-e", site.folder + "/nginx-error.log", "-g", "daemon off;"};
  command.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
  return command;
}

}  // namespace reproduce
