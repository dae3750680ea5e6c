#include "reproduce/server_kind.hpp"

namespace reproduce::servers_of {

namespace {

constexpr std::string_view version[] = {"--version"};
// harakiri is looked at by a clock of whole seconds: 1 may mean none at all.
constexpr Native settings[] = {{"workers", "processes"}, {"threads", "threads"}, {"timeout", "harakiri", 2}, {"graceful_timeout", "worker-reload-mercy"}, {"backlog", "listen"}, {"max_requests", "max-requests"}, {"umask", "umask"}};
constexpr std::string_view faults[] = {"hang", "spin", "deadlock", "leak", "eat", "eat_in_child", "fd_leak", "segfault", "ping_false_positive", "slow_boot", "boot_loop", "boot_halt", "shared_upstream"};

// What Debian's package uwsgi has in default.ini (master, no-orphans, log-date), for its package uwsgi-core.
Composed compose(const Asked& asked) {
  const std::string& folder = asked.site.folder;
  std::string ini = "[uwsgi]\nplugin = python3\nmaster = true\nno-orphans = true\nlog-date = true\nlogto = " + folder + "/error.log\npidfile = " + folder + "/server.pid\nchdir = " + folder + "\nwsgi-file = place.py\n";
  ini += (asked.scenario.proxy.present ? "socket = " : "http-socket = ") + (asked.on_socket() ? asked.site.back.path : asked.host_port()) + "\n";
  if (!asked.scenario.server.user.empty()) ini += "uid = " + asked.scenario.server.user + "\n";
  for (const auto& [name, value] : asked.settings) ini += name + " = " + value + "\n";
  for (const std::string& line : asked.also) ini += line + "\n";
  return {{"--ini", folder + "/uwsgi.ini"}, {}, {{"uwsgi.ini", ini}, {"place.py", wsgi_application}}, {}};
}

}  // namespace

extern const ServerKind uwsgi = {
    .name = "uwsgi", .programs = "uwsgi uwsgi-core", .needs = "/usr/lib/uwsgi/plugins/python3_plugin.so", .package = "uwsgi-core and uwsgi-plugin-python3", .version = version,
    .speaks = "uwsgi", .settings = settings, .faults = faults, .born = "uWSGI worker ", .compose = compose};

}  // namespace reproduce::servers_of
