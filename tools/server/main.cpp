// triage-server: the reference pre-fork server.
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hpp"
#include "base/words.hpp"
#include "config.hpp"
#include "options.hpp"
#include "prefork/built_in.hpp"
#include "prefork/check.hpp"
#include "prefork/faults.hpp"
#include "prefork/master.hpp"

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

int fail(const base::Error& error, int code) {
  std::fprintf(stderr, "\nError: %s\n", base::printable(base::sentence(error), 2000).c_str());
  return code;
}

int print_lists(const server::Options& options) {
  if (options.list_faults)
    for (const prefork::FaultRow& row : prefork::fault_rows()) std::printf("%.*s (%g)\n    %.*s\n", static_cast<int>(row.name.size()), row.name.data(), row.value, static_cast<int>(row.about.size()), row.about.data());
  if (options.list_apps)
    for (const prefork::BuiltIn* app : prefork::apps()) std::printf("builtin:%-8.*s %.*s\n", static_cast<int>(app->name.size()), app->name.data(), static_cast<int>(app->about.size()), app->about.data());
  return 0;
}

int print_settings(const prefork::Settings& settings) {
  for (const prefork::SettingRow& row : prefork::setting_rows()) std::printf("%-34.*s = %s\n", static_cast<int>(row.name.size()), row.name.data(), base::printable(prefork::shown(settings, row.name)).c_str());
  return 0;
}

// util.py daemonize: two forks, a session of its own, nothing on the three descriptors.
void leave_terminal() {
  if (::fork() != 0) ::_exit(0);
  ::setsid();
  if (::fork() != 0) ::_exit(0);
  const int null = ::open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) ::dup2(null, fd);
  if (null > 2) ::close(null);
}

prefork::StartContext context_of(int count, char** words) {
  prefork::StartContext start;
  start.arguments.assign(words, words + count);
  char path[PATH_MAX];
  if (const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path); size > 0) start.program.assign(path, static_cast<std::size_t>(size));
  if (::getcwd(path, sizeof path)) start.folder = path;
  for (char** one = environ; one && *one; ++one) start.environment.emplace_back(*one);
  start.title = prefork::Title::take(count, words);
  return start;
}

}  // namespace

int main(int count, char** words) {
  server::Sources sources{{}, {}, variable("PORT"), variable("WEB_CONCURRENCY")};
  const server::Asked asked = server::read_options({words + 1, words + count});
  const server::Asked from_environment = server::read_options(base::shell_words(variable("GUNICORN_CMD_ARGS")));
  for (const server::Asked* one : {&asked, &from_environment})
    if (!one->options) {
      std::fputs(one->text.c_str(), one->code == 0 ? stdout : stderr);
      return one->code;
    }
  sources.command_line = *asked.options;
  sources.environment = *from_environment.options;
  const server::Options& options = sources.command_line;
  if (options.list_faults || options.list_apps) return print_lists(options);

  auto settings = server::read_settings(sources);
  if (!settings) return fail(settings.error(), 1);
  if (options.print_config) return print_settings(*settings);
  if (settings->app.empty()) return fail({base::Kind::usage, "starting", "No application module specified.", "name one: triage-server builtin:hello", 0}, 1);
  prefork::StartContext start = context_of(count, words);
  if (!settings->chdir.empty() && ::chdir(settings->chdir.c_str()) != 0) return fail(base::from_errno(errno, "changing to '" + settings->chdir + "'", ""), 1);
  if (options.check_config) return prefork::check_config(*settings);
  start.read_settings = [sources] { return server::read_settings(sources); };
  // sock.py and util.py: of an upgrade's new master the old one is already in the background.
  if (settings->daemon && variable("GUNICORN_PID").empty()) leave_terminal();
  ::umask(static_cast<mode_t>(settings->umask));
  return prefork::Master(std::move(*settings), std::move(start)).run();
}
