#include "reproduce/server_kind.hpp"

namespace reproduce::servers_of {

namespace {

constexpr std::string_view version[] = {"--version"};
// worker_timeout must exceed the interval in which workers check in, which is 5 (puma/dsl.rb:781, 5.6.5).
constexpr Native settings[] = {{"workers", "workers"}, {"threads", "threads"}, {"timeout", "worker_timeout", 6}, {"graceful_timeout", "worker_shutdown_timeout"}, {"keepalive", "persistent_timeout"}, {"preload_app", "preload_app!"}, {"backlog", "backlog"}, {"umask", "umask"}};
constexpr std::string_view faults[] = {"hang", "spin", "leak", "eat", "eat_in_child", "fd_leak", "segfault", "slow_boot", "boot_loop", "boot_halt", "shared_upstream"};

Composed compose(const Asked& asked) {
  const std::string& folder = asked.site.folder;
  std::string address = asked.on_socket() ? "unix://" + asked.site.back.path : "tcp://" + asked.host_port(), text;
  for (const auto& [name, value] : asked.settings) {
    if (name == "backlog" || name == "umask") address += (address.find('?') == std::string::npos ? "?" : "&") + name + "=" + value;
    else if (name == "preload_app!") text += value == "true" ? "preload_app!\n" : "";
    else if (name != "threads") text += name + " " + value + "\n";
  }
  const std::string threads = asked.value("threads", "1");   // one request at a time where nothing is said, as elsewhere
  text += "threads " + threads + ", " + threads + "\n";
  text = "directory '" + folder + "'\nrackup 'config.ru'\nenvironment 'production'\npidfile '" + folder + "/server.pid'\nbind '" + address + "'\n" + text;
  for (const std::string& line : asked.also) text += line + "\n";
  // Where it looks by itself: its title takes the place of its command line, so that no reader finds a file that was named there.
  return {{}, {}, {{"config/puma.rb", text}, {"config.ru", rack_application}}, {}};
}

}  // namespace

extern const ServerKind puma = {
    .name = "puma", .programs = "puma", .needs = {}, .package = "puma", .version = version, .settings = settings, .faults = faults, .born = " booted", .compose = compose};

}  // namespace reproduce::servers_of
