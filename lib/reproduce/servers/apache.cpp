#include "reproduce/server_kind.hpp"

namespace reproduce::servers_of {

namespace {

constexpr std::string_view version[] = {"-v"};
// Of the daemon processes of mod_wsgi, which are what is called workers here. request-timeout is the mean over the threads.
constexpr Native settings[] = {{"workers", "processes"}, {"threads", "threads"}, {"timeout", "request-timeout"}, {"graceful_timeout", "graceful-timeout"}, {"backlog", "listen-backlog"}, {"max_requests", "maximum-requests"}};
constexpr std::string_view faults[] = {"hang", "spin", "deadlock", "leak", "eat", "eat_in_child", "fd_leak", "segfault", "ping_false_positive", "slow_boot", "boot_loop", "boot_halt"};

Composed compose(const Asked& asked) {
  const std::string& folder = asked.site.folder;
  const std::string user = asked.scenario.server.user.empty() ? "www-data" : asked.scenario.server.user, modules = "/usr/lib/apache2/modules/";
  std::string text = "ServerRoot " + folder + "\nServerName localhost\nListen " + asked.host_port() + "\nPidFile " + folder + "/server.pid\nDefaultRuntimeDir " + folder + "\nUser " + user + "\nGroup www-data\n";
  for (const char* module : {"mpm_prefork", "authz_core", "wsgi"}) text += "LoadModule " + std::string(module) + "_module " + modules + "mod_" + module + ".so\n";
  // At Debian's LogLevel, warn, mod_wsgi tells of no death at all.
  text += "LogLevel warn wsgi:info\nErrorLog " + folder + "/error.log\nCustomLog " + folder + "/access.log \"%h %l %u %t \\\"%r\\\" %>s %b %D\"\n";
  text += "StartServers 5\nMinSpareServers 5\nMaxSpareServers 10\nMaxRequestWorkers 150\n";
  text += "WSGISocketPrefix " + folder + "/wsgi\nWSGIDaemonProcess app display-name=%{GROUP} home=" + folder;
  for (const auto& [name, value] : asked.settings) text += " " + name + "=" + value;
  if (asked.value("threads").empty()) text += " threads=1";   // one request at a time where nothing is said, as elsewhere
  text += "\nWSGIScriptAlias / " + folder + "/place.py process-group=app application-group=%{GLOBAL}\n<Directory " + folder + ">\n  Require all granted\n</Directory>\n";
  for (const std::string& line : asked.also) text += line + "\n";
  return {{"-d", folder, "-f", folder + "/apache2.conf", "-DFOREGROUND"}, {}, {{"apache2.conf", text}, {"place.py", wsgi_application}}, {}};
}

}  // namespace

extern const ServerKind apache = {
    .name = "apache", .programs = "apache2 httpd", .needs = "/usr/lib/apache2/modules/mod_wsgi.so", .package = "apache2 and libapache2-mod-wsgi-py3", .version = version,
    .on_tcp_only = true, .settings = settings, .faults = faults, .title = "(wsgi:", .compose = compose};

}  // namespace reproduce::servers_of
