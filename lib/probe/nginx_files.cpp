#include "probe/nginx_files.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "parse/nginx/syntax.hpp"

namespace probe {

namespace {

constexpr std::size_t most_files = 2000, most_bytes = 4 << 20;

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// glob(3): each component on its own; names in byte order, hidden ones only where the pattern names the dot.
void expand(const source::Host& host, const std::string& root, const std::string& at, std::string_view rest, std::vector<std::string>& found) {
  while (base::starts_with(rest, "/")) rest.remove_prefix(1);
  const auto slash = rest.find('/');
  const std::string_view part = rest.substr(0, slash), further = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  std::vector<std::string> names;
  if (part.find_first_of("*?[") == std::string_view::npos) names.emplace_back(part);
  else if (const auto entries = host.list(root + (at.empty() ? "/" : at))) {
    for (const auto& entry : *entries)
      if (fits(entry.name, part)) names.push_back(entry.name);
    std::sort(names.begin(), names.end());
  }
  for (const auto& name : names) {
    if (found.size() >= most_files) return;
    const std::string path = at + "/" + name;
    if (!further.empty()) expand(host, root, path, further, found);
    else if (host.stat(root + path)) found.push_back(path);
  }
}

class Collector {
 public:
  Collector(const source::Host& host, NginxFiles& files) : host_(host), files_(files), folder_(folder_of(files.main)) {}

  void add(const std::string& path, int depth) {
    if (depth > 32 || files_.all.size() >= most_files || !done_.insert(path).second) return;
    const auto text = host_.read(files_.root + path, most_bytes);
    if (!text) {
      files_.missing.push_back(path);
      return;
    }
    files_.all.push_back(path);
    // What map and geo include is data, but no harm to look at: it has no include of its own.
    parse::nginx::walk(*text, {[&](const parse::nginx::Directive& directive, std::span<const parse::nginx::Directive>) {
                                 if (directive.name() != "include" || directive.block || directive.words.size() != 2) return;
                                 const std::string word = directive.argument(0);
                                 const std::string full = base::starts_with(word, "/") ? word : folder_ + "/" + word;
                                 if (word.find_first_of("*?[") == std::string::npos) { add(full, depth + 1); return; }
                                 std::vector<std::string> found;
                                 expand(host_, files_.root, "", full, found);
                                 for (const auto& one : found) add(one, depth + 1);
                               },
                               {}});
  }

 private:
  const source::Host& host_;
  NginxFiles& files_;
  const std::string folder_;
  std::set<std::string> done_;
};

// What the common builds were configured with (--conf-path); nginx -V would say it, but we start nothing.
std::string built_in(const source::Host& host, const Process& master, const std::string& root) {
  std::vector<std::string> places{"/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/usr/local/openresty/nginx/conf/nginx.conf", "/usr/local/etc/nginx/nginx.conf", "/opt/nginx/conf/nginx.conf"};
  if (const auto at = master.exe.rfind("/sbin/"); at != std::string::npos && base::contains(master.exe, "nginx/sbin/")) places.insert(places.begin(), master.exe.substr(0, at) + "/conf/nginx.conf");
  for (const auto& place : places)
    if (host.stat(root + place)) return place;
  return places.front();
}

}  // namespace

bool fits(std::string_view name, std::string_view pattern) {
  if (base::starts_with(name, ".") && !base::starts_with(pattern, ".")) return false;
  std::size_t n = 0, p = 0, star = std::string_view::npos, from = 0;
  const auto one = [&](std::size_t& at) {  // does the pattern at `at` take name[n]? moves `at` behind it
    if (pattern[at] == '?') { ++at; return true; }
    if (pattern[at] == '[') {
      std::size_t i = at + 1;
      const bool no = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
      if (no) ++i;
      bool in = false;
      for (const std::size_t first = i; i < pattern.size() && (pattern[i] != ']' || i == first); ++i) {
        if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
          in = in || (pattern[i] <= name[n] && name[n] <= pattern[i + 2]);
          i += 2;
        } else {
          in = in || pattern[i] == name[n];
        }
      }
      if (i < pattern.size()) { at = i + 1; return in != no; }
    } else if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      ++at;
    }
    return pattern[at++] == name[n];
  };
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') { star = p++; from = n; continue; }
    std::size_t next = p;
    if (p < pattern.size() && one(next)) { p = next; ++n; continue; }
    if (star == std::string_view::npos) return false;
    p = star + 1;
    n = ++from;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

NginxFiles nginx_files_of(const source::Host& host, const std::string& root, const std::string& main) {
  NginxFiles files;
  files.root = root;
  files.main = main;
  Collector(host, files).add(main, 0);
  return files;
}

NginxFiles nginx_files(const source::Host& host, const Process& master, const std::string& root) {
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
  if (main[0] != '/') main = master.cwd + "/" + main;
  return nginx_files_of(host, root, main);
}

}  // namespace probe
