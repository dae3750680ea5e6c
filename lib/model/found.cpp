#include "model/found.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "base/words.hpp"

namespace model {

namespace {

using std::string_view_literals::operator""sv;
constexpr std::size_t largest = 2 << 20, most_files = 50'000;
constexpr int deepest = 24;

// Folders that hold other people's files or none of ours.
constexpr std::array passed_over{".git"sv, ".hg"sv, ".svn"sv, "node_modules"sv, ".venv"sv, "venv"sv, "__pycache__"sv, ".tox"sv, ".mypy_cache"sv, "site-packages"sv, "vendor"sv, ".terraform"sv, "dist"sv, ".next"sv};
constexpr std::array never{".png"sv, ".jpg"sv, ".jpeg"sv, ".gif"sv, ".svg"sv, ".ico"sv, ".woff"sv, ".woff2"sv, ".ttf"sv, ".pdf"sv, ".zip"sv, ".gz"sv, ".xz"sv, ".zst"sv, ".tar"sv, ".whl"sv, ".so"sv, ".o"sv, ".a"sv, ".pyc"sv, ".js"sv, ".css"sv, ".html"sv, ".md"sv, ".rst"sv, ".c"sv, ".h"sv,
                             ".cpp"sv, ".hpp"sv, ".go"sv, ".rs"sv, ".java"sv, ".ts"sv, ".tsx"sv, ".vue"sv, ".scss"sv, ".po"sv, ".mo"sv, ".csv"sv, ".tsv"sv, ".sql"sv, ".db"sv, ".sqlite3"sv, ".log"sv, ".mp4"sv, ".webp"sv, ".pem"sv, ".key"sv, ".crt"sv};

class Finder {
 public:
  Finder(const source::Host& host, const std::string& working_folder, Found& found) : host_(host), working_(working_folder), found_(found) {}

  void named(const std::string& path) {
    const std::string whole = absolute(path, working_);
    const auto about = host_.stat(whole);
    if (!about) {
      ++found_.unreadable;
      found_.gaps.push_back({path, about.error().answer, "give a file or folder that exists", 1, {}});
      return;
    }
    if (about->kind == source::EntryKind::folder) {
      found_.roots.push_back(whole);
      below(whole, 0);
      return;
    }
    found_.roots.push_back(whole.substr(0, std::max<std::size_t>(whole.rfind('/'), 1)));
    if (!file(whole, true)) found_.gaps.push_back({path, "it is no configuration that I know", "dialects are recognised by name and content: triage explain parse", 1, {}});
  }

 private:
  std::string shown(const std::string& path) const {
    const std::string folder = working_.ends_with("/") ? working_ : working_ + "/";
    return base::starts_with(path, folder) ? path.substr(folder.size()) : path;
  }

  void below(const std::string& folder, int depth) {
    auto entries = host_.list(folder);
    if (!entries) {
      ++found_.unreadable;
      found_.gaps.push_back({shown(folder), entries.error().answer, "read permission", 1, {}});
      return;
    }
    std::sort(entries->begin(), entries->end(), [](const source::Entry& a, const source::Entry& b) { return a.name < b.name; });
    for (const source::Entry& entry : *entries) {
      const std::string path = (folder == "/" ? "" : folder) + "/" + entry.name;
      if (entry.kind == source::EntryKind::folder) {
        if (depth < deepest && std::ranges::find(passed_over, entry.name) == passed_over.end()) below(path, depth + 1);
      } else if (entry.kind == source::EntryKind::file || entry.kind == source::EntryKind::link) {
        if (std::ranges::any_of(never, [&](std::string_view ending) { return entry.name.ends_with(ending); })) continue;
        if (entry.kind == source::EntryKind::link) {
          const auto about = host_.stat(path);
          if (!about || about->kind != source::EntryKind::file) continue;
        }
        file(path, false);
      }
    }
  }

  bool file(const std::string& path, bool asked) {
    if (found_.files.size() >= most_files || !seen_.insert(path).second) return true;
    auto text = host_.read(path, largest + 1);
    if (!text) {
      ++found_.unreadable;
      found_.gaps.push_back({shown(path), text.error().answer, "read permission", 1, {}});
      return true;
    }
    if (text->size() > largest) {
      // What looks like one of ours is said wherever it lies: passed over in silence it would read as "nothing found".
      const bool ours = parse::settings::recognise(path, *text) != parse::settings::Dialect::none;
      if (ours) ++found_.unreadable;
      if (asked || ours) found_.gaps.push_back({shown(path), "it is larger than " + base::bytes_text(largest) + ", and was not read", "split it", 1, {}});
      return true;
    }
    File file = file_of(path, shown(path), std::move(*text));
    if (file.document.dialect == parse::settings::Dialect::none) return false;
    found_.files.push_back(std::move(file));
    return true;
  }

  const source::Host& host_;
  const std::string working_;
  Found& found_;
  std::set<std::string> seen_;
};

}  // namespace

std::string absolute(const std::string& path, const std::string& working_folder) {
  const std::string whole = base::starts_with(path, "/") ? path : working_folder + "/" + path;
  std::vector<std::string_view> parts;
  for (const std::string_view part : base::split(whole, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") { if (!parts.empty()) parts.pop_back(); }
    else parts.push_back(part);
  }
  std::string out;
  for (const std::string_view part : parts) (out += '/') += part;
  return out.empty() ? "/" : out;
}

Found find_files(const source::Host& host, const std::vector<std::string>& paths, const std::string& working_folder) {
  Found found;
  Finder finder(host, working_folder, found);
  for (const std::string& path : paths) finder.named(path);
  return found;
}

parse::nginx::Locate locate_in(const Found& found) {
  std::string own;
  for (const File& file : found.files)
    if (own.empty() && file.path.ends_with("/nginx.conf")) own = file.path.substr(0, file.path.rfind('/') + 1);
  std::vector<std::string> roots;
  for (const std::string& root : found.roots) roots.push_back(root == "/" ? root : root + "/");
  return [own, roots](const std::string& path) -> std::string {
    for (const std::string& root : roots)
      if (base::starts_with(path, root)) return path;
    for (const std::string_view home : {"/etc/nginx/", "/usr/local/nginx/conf/", "/usr/local/etc/nginx/"})
      if (base::starts_with(path, home) && !own.empty()) return own + path.substr(home.size());
    return "";
  };
}

}  // namespace model
