#include "probe/nginx_files.hpp"

#include <vector>

#include "base/text.hpp"

namespace probe {

namespace {

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// What the common builds were configured with (--conf-path); nginx -V would say it, but we start nothing.
std::string built_in(const source::Host& host, const Process& master, const std::string& root) {
  std::vector<std::string> places{"/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/usr/local/openresty/nginx/conf/nginx.conf", "/usr/local/etc/nginx/nginx.conf", "/opt/nginx/conf/nginx.conf"};
  if (const auto at = master.exe.rfind("/sbin/"); at != std::string::npos && base::contains(master.exe, "nginx/sbin/")) places.insert(places.begin(), master.exe.substr(0, at) + "/conf/nginx.conf");
  for (const auto& place : places)
    if (host.stat(root + place)) return place;
  return places.front();
}

}  // namespace

std::string root_of(const source::Host& host, int pid) {
  const std::string at = "/proc/" + std::to_string(pid) + "/root";
  const auto theirs = host.stat(at + "/"), ours = host.stat("/");
  return theirs && ours && (theirs->inode != ours->inode || theirs->device != ours->device) ? at : std::string();
}

std::string nginx_main_file(const source::Host& host, const Process& master, const std::string& root) {
  // "nginx: master process /usr/sbin/nginx -p /srv -c conf/nginx.conf": a title, in which the arguments are joined by blanks.
  std::string prefix, main;
  std::vector<std::string> words;
  for (const auto& argument : master.argv)
    for (const auto word : base::split(argument, ' '))
      if (!word.empty()) words.emplace_back(word);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto value = [&](std::string_view option) -> std::string {
      if (!base::starts_with(words[i], option)) return {};
      return words[i].size() > 2 ? words[i].substr(2) : i + 1 < words.size() ? words[i + 1] : std::string();
    };
    if (const auto given = value("-c"); !given.empty()) main = given;
    if (const auto given = value("-p"); !given.empty()) prefix = given;
  }
  if (main.empty()) main = prefix.empty() ? built_in(host, master, root) : prefix + "/conf/nginx.conf";
  else if (main[0] != '/') {
    if (prefix.empty()) prefix = folder_of(folder_of(built_in(host, master, root)));
    main = prefix + "/" + main;
  }
  return main[0] == '/' ? main : master.cwd + "/" + main;
}

}  // namespace probe
