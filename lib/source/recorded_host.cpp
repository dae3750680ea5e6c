#include "source/recorded_host.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/text.hpp"

namespace source {

RecordedHost::RecordedHost(std::string root, std::string kind) : root_(std::move(root)), kind_(std::move(kind)) {
  while (root_.size() > 1 && root_.back() == '/') root_.pop_back();
}

// A recording may name any path, but never one outside its root: ".." is resolved as in a chroot.
std::string RecordedHost::under(const std::string& path) const {
  std::vector<std::string_view> parts;
  for (const auto part : base::split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") { if (!parts.empty()) parts.pop_back(); }
    else parts.push_back(part);
  }
  std::string full = root_;
  for (const auto part : parts) { full += '/'; full += part; }
  return full;
}

base::Result<std::string> RecordedHost::read(const std::string& path, std::size_t most) const { return disk_.read(under(path), most); }
base::Result<std::unique_ptr<Stream>> RecordedHost::open(const std::string& path) const { return disk_.open(under(path)); }
base::Result<std::vector<Entry>> RecordedHost::list(const std::string& path) const { return disk_.list(under(path)); }

// Links of /proc (fd/3, exe, ns/pid) are recorded as small files NAME.link, for their targets mean nothing elsewhere.
base::Result<std::string> RecordedHost::link(const std::string& path) const {
  if (auto text = disk_.read(under(path) + ".link", 4096)) return std::string(base::trim(*text));
  return disk_.link(under(path));
}

base::Result<Stat> RecordedHost::stat(const std::string& path) const { return disk_.stat(under(path)); }

base::Instant RecordedHost::now() const {
  if (auto text = disk_.read(root_ + "/now.txt", 64))
    if (auto when = base::read_iso(base::trim(*text))) return *when;
  return {base::Clock::wall, 0, 0};
}

namespace {
base::Error absent(const std::string& path) { return base::from_errno(ENOENT, "opening " + path); }
}  // namespace

base::Result<std::string> TextHost::read(const std::string& path, std::size_t most) const {
  const auto found = files_.find(path);
  if (found == files_.end()) return base::fail(absent(path));
  return found->second.substr(0, most);
}

base::Result<std::unique_ptr<Stream>> TextHost::open(const std::string& path) const {
  const auto found = files_.find(path);
  if (found == files_.end()) return base::fail(absent(path));
  return decompressed(memory_stream(found->second));
}

base::Result<std::vector<Entry>> TextHost::list(const std::string& path) const {
  std::string start = path == "." || path.empty() ? "" : path;
  if (!start.empty() && start.back() != '/') start += '/';
  std::set<std::string> seen;
  std::vector<Entry> entries;
  for (const auto& [name, text] : files_) {
    if (!base::starts_with(name, start)) continue;
    const std::string rest = name.substr(start.size());
    const std::size_t slash = rest.find('/');
    const std::string first = rest.substr(0, slash);
    if (seen.insert(first).second) entries.push_back({first, slash == std::string::npos ? EntryKind::file : EntryKind::folder});
  }
  if (entries.empty()) return base::fail(absent(path));
  return entries;
}

base::Result<std::string> TextHost::link(const std::string& path) const { return base::fail(absent(path)); }

base::Result<Stat> TextHost::stat(const std::string& path) const {
  const auto found = files_.find(path);
  if (found != files_.end()) return Stat{EntryKind::file, found->second.size(), 0, 0, 0100644, 0, 0, 0, 0};
  TRY(entries, list(path));
  (void)entries;
  return Stat{EntryKind::folder, 0, 0, 0, 040755, 0, 0, 0, 0};
}

}  // namespace source
