#include "reproduce/server_kind.hpp"

namespace reproduce::servers_of {

namespace {

constexpr std::string_view version[] = {"--version"};
// It takes no timeout below 3 (unicorn/configurator.rb, `timeout`, 6.0.0).
constexpr Native settings[] = {{"workers", "worker_processes"}, {"timeout", "timeout", 3}, {"preload_app", "preload_app"}, {"backlog", ":backlog"}, {"umask", ":umask"}};
constexpr std::string_view faults[] = {"hang", "spin", "leak", "eat", "eat_in_child", "fd_leak", "segfault", "slow_boot", "boot_loop", "boot_halt", "shared_upstream"};

Composed compose(const Asked& asked) {
  const std::string& folder = asked.site.folder;
  std::string text = "working_directory '" + folder + "'\npid '" + folder + "/server.pid'\nstderr_path '" + folder + "/error.log'\nlisten '" + (asked.on_socket() ? asked.site.back.path : asked.host_port()) + "'";
  std::string rest;
  for (const auto& [name, value] : asked.settings) {
    if (name.starts_with(':')) text += ", " + name + " => " + value;   // of the listener
    else rest += name + " " + value + "\n";
  }
  text += "\n" + rest;
  if (!asked.scenario.server.user.empty()) text += "user '" + asked.scenario.server.user + "'\n";
  for (const std::string& line : asked.also) text += line + "\n";
  return {{"-E", "deployment", "-c", folder + "/unicorn.rb", "config.ru"}, {}, {{"unicorn.rb", text}, {"config.ru", rack_application}}, {}};
}

}  // namespace

extern const ServerKind unicorn = {
    .name = "unicorn", .programs = "unicorn", .needs = {}, .package = "unicorn", .version = version, .settings = settings, .faults = faults, .born = " ready", .compose = compose};

}  // namespace reproduce::servers_of
