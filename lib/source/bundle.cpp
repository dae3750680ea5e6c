// Both halves in one file: what RecordingHost writes and what BundleHost reads back must agree line by line.
#include "source/bundle.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.hpp"
#include "source/recorded_host.hpp"
#include "source/tar.hpp"

namespace source {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view stats_name = "stats.ndjson", now_name = "now.txt", evidence_name = "evidence.ndjson", top = "triage-bundle/";

// The path as a name inside the bundle; empty for one that cannot stand there.
std::string inside(const std::string& path) {
  std::vector<std::string_view> parts;
  for (const auto part : base::split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") { if (!parts.empty()) parts.pop_back(); }
    else parts.push_back(part);
  }
  std::string name;
  for (const auto part : parts) { if (!name.empty()) name += '/'; name += part; }
  return name;
}

// A long log's beginning and end.
struct Excerpt {
  std::string head, tail;
  std::uint64_t seen = 0;

  void take(std::string_view bytes, const RecordingLimits& limits) {
    seen += bytes.size();
    const std::size_t room = limits.head - std::min(limits.head, head.size());
    head += bytes.substr(0, room);
    bytes.remove_prefix(std::min(room, bytes.size()));
    tail += bytes;
    if (tail.size() > 2 * limits.tail) tail.erase(0, tail.size() - limits.tail);
  }
  std::string text(const RecordingLimits& limits) const {
    if (seen <= head.size() + limits.tail) return head + tail;
    std::string_view end = tail;
    if (end.size() > limits.tail) end.remove_prefix(end.size() - limits.tail);
    // Whole lines on both sides of the hole.
    const std::string_view begin = std::string_view(head).substr(0, head.rfind('\n') + 1);
    if (const std::size_t newline = end.find('\n'); newline != std::string_view::npos) end.remove_prefix(newline + 1);
    return std::string(begin) + std::string(end);
  }
};

}  // namespace

struct RecordingHost::Memory {
  RecordingLimits limits;
  std::map<std::string, std::string> files;
  std::map<std::string, Excerpt> logs;
  std::map<std::string, std::string> links;
  std::map<std::string, Stat> stats;
  std::set<std::string> folders;
  std::size_t total = 0, left_out = 0;
};

namespace {

class Tee : public Stream {
 public:
  Tee(std::unique_ptr<Stream> from, std::shared_ptr<RecordingHost::Memory> memory, std::string name) : from_(std::move(from)), memory_(std::move(memory)), name_(std::move(name)) {}
  base::Result<std::size_t> read(char* into, std::size_t size) override {
    auto count = from_->read(into, size);
    if (count && *count > 0 && !name_.empty()) memory_->logs[name_].take(std::string_view(into, *count), memory_->limits);
    return count;
  }

 private:
  std::unique_ptr<Stream> from_;
  std::shared_ptr<RecordingHost::Memory> memory_;
  std::string name_;
};

}  // namespace

RecordingHost::RecordingHost(const Host& inner, RecordingLimits limits) : inner_(inner), memory_(std::make_shared<Memory>()) { memory_->limits = limits; }
RecordingHost::~RecordingHost() = default;

base::Result<std::string> RecordingHost::read(const std::string& path, std::size_t most) const {
  auto text = inner_.read(path, most);
  const std::string name = inside(path);
  if (!text || name.empty()) return text;
  auto& kept = memory_->files[name];
  if (text->size() <= kept.size() && !kept.empty()) return text;
  if (memory_->total + text->size() > memory_->limits.total) { ++memory_->left_out; if (kept.empty()) memory_->files.erase(name); return text; }
  memory_->total += text->size() - kept.size();
  kept = *text;
  return text;
}

base::Result<std::unique_ptr<Stream>> RecordingHost::open(const std::string& path) const {
  auto stream = inner_.open(path);
  if (!stream) return stream;
  std::string name = inside(path);
  if (memory_->logs.contains(name)) return stream;  // the second reading of a log brings nothing new
  if (memory_->logs.size() * (memory_->limits.head + memory_->limits.tail) > memory_->limits.total) { ++memory_->left_out; return stream; }
  return std::unique_ptr<Stream>(std::make_unique<Tee>(std::move(*stream), memory_, std::move(name)));
}

base::Result<std::vector<Entry>> RecordingHost::list(const std::string& path) const { return inner_.list(path); }

base::Result<std::string> RecordingHost::link(const std::string& path) const {
  auto target = inner_.link(path);
  if (target && memory_->links.size() < 100'000) memory_->links[inside(path)] = *target;
  return target;
}

base::Result<Stat> RecordingHost::stat(const std::string& path) const {
  auto stat = inner_.stat(path);
  if (stat && memory_->stats.size() < 100'000) memory_->stats[inside(path)] = *stat;
  return stat;
}

Files RecordingHost::files() const {
  Files all = memory_->files;
  for (const auto& [name, log] : memory_->logs) all[name] = log.text(memory_->limits);
  for (const auto& [name, target] : memory_->links) all[name + ".link"] = target + "\n";
  std::string stats;
  for (const auto& [name, stat] : memory_->stats) {
    Json json;
    json["path"] = base::printable("/" + name);
    json["kind"] = static_cast<int>(stat.kind);
    json["size"] = stat.size; json["inode"] = stat.inode; json["device"] = stat.device; json["mode"] = stat.mode; json["uid"] = stat.uid; json["gid"] = stat.gid;
    json["mtime_ns"] = stat.mtime_ns; json["ctime_ns"] = stat.ctime_ns;
    stats += json.dump() + "\n";
  }
  all[std::string(stats_name)] = std::move(stats);
  all[std::string(now_name)] = base::iso(now()) + "\n";
  return all;
}

std::size_t RecordingHost::left_out() const { return memory_->left_out; }

namespace {
bool is_environment(std::string_view name) { return base::starts_with(name, "proc/") && name.size() > 8 && name.substr(name.size() - 8) == "/environ"; }
}  // namespace

Files redacted(const Files& files, Redactor& redactor, const std::vector<std::string>& kept) {
  for (const auto& [name, text] : files) {
    if (is_environment(name)) redactor.learn_environment(text, kept);
    else redactor.learn(text);
  }
  Files clean;
  for (const auto& [name, text] : files) clean[redactor.text(name)] = is_environment(name) ? redactor.environment(text, kept) : redactor.text(text);
  return clean;
}

base::Result<std::string> pack(const Files& files, std::int64_t mtime_s) {
  TarWriter tar;
  for (const auto& [name, text] : files) tar.add(std::string(top) + name, text, mtime_s);
  return tar.finish();
}

namespace {

class BundleHost : public Host {
 public:
  explicit BundleHost(std::unique_ptr<Host> files) : files_(std::move(files)) {
    if (const auto text = files_->read("/" + std::string(now_name), 64))
      if (const auto when = base::read_iso(base::trim(*text))) now_ = *when;
    if (const auto text = files_->read("/" + std::string(stats_name), 64 << 20)) read_stats(*text);
  }

  base::Result<std::string> read(const std::string& path, std::size_t most) const override { return files_->read(rooted(path), most); }
  base::Result<std::unique_ptr<Stream>> open(const std::string& path) const override { return files_->open(rooted(path)); }
  base::Result<std::string> link(const std::string& path) const override {
    TRY(text, files_->read(rooted(path) + ".link", 4096));
    return std::string(base::trim(text));
  }
  base::Result<std::vector<Entry>> list(const std::string& path) const override {
    TRY(entries, files_->list(rooted(path)));
    std::vector<Entry> shown;
    std::set<std::string> names;
    for (auto entry : entries) {
      if (entry.name.size() > 5 && entry.name.substr(entry.name.size() - 5) == ".link") { entry.name.resize(entry.name.size() - 5); entry.kind = EntryKind::link; }
      if (names.insert(entry.name).second) shown.push_back(std::move(entry));
    }
    return shown;
  }
  base::Result<Stat> stat(const std::string& path) const override {
    if (const auto found = stats_.find(inside(path)); found != stats_.end()) return found->second;
    return files_->stat(rooted(path));
  }
  base::Instant now() const override { return now_; }
  std::string_view kind() const override { return "bundle"; }

 private:
  static std::string rooted(const std::string& path) { return "/" + inside(path); }

  void read_stats(std::string_view text) {
    for (const auto line : base::split(text, '\n')) {
      const Json json = Json::parse(line, nullptr, false);
      if (!json.is_object() || !json.contains("path") || !json["path"].is_string() || stats_.size() > 200'000) continue;
      const auto number = [&](const char* name) -> std::int64_t { const auto found = json.find(name); return found != json.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0; };
      Stat stat;
      const std::int64_t kind = number("kind");
      stat.kind = kind >= 0 && kind <= static_cast<int>(EntryKind::other) ? static_cast<EntryKind>(kind) : EntryKind::other;
      stat.size = static_cast<std::uint64_t>(number("size"));
      stat.inode = static_cast<std::uint64_t>(number("inode"));
      stat.device = static_cast<std::uint64_t>(number("device"));
      stat.mode = static_cast<std::uint32_t>(number("mode"));
      stat.uid = static_cast<std::uint32_t>(number("uid"));
      stat.gid = static_cast<std::uint32_t>(number("gid"));
      stat.mtime_ns = number("mtime_ns");
      stat.ctime_ns = number("ctime_ns");
      stats_[inside(json["path"].get<std::string>())] = stat;
    }
  }

  std::unique_ptr<Host> files_;
  std::map<std::string, Stat> stats_;
  base::Instant now_{};
};

bool holds_bundle(const Host& host) { return host.read("/" + std::string(stats_name), 1).has_value() || host.read("/" + std::string(evidence_name), 1).has_value(); }

base::Error no_bundle(const std::string& path) { return {base::Kind::unsupported, "opening " + path, "it is no bundle", "give what `triage bundle` wrote, or the folder it was unpacked to", 0}; }

}  // namespace

bool is_bundle(const std::string& path) {
  if (path == "-") return false;
  const LiveHost disk;
  const auto stat = disk.stat(path);
  if (!stat) return false;
  if (stat->kind == EntryKind::folder)
    return holds_bundle(RecordedHost(path)) || holds_bundle(RecordedHost(path + "/" + std::string(top)));
  auto stream = disk.open(path);
  if (!stream) return false;
  const auto head = slurp(**stream, 512);
  return head && head->size() == 512 && std::string_view(*head).substr(257, 5) == "ustar";
}

std::unique_ptr<Host> bundle_host(const Files& files) {
  std::map<std::string, std::string> rooted;
  for (const auto& [name, text] : files) rooted["/" + (base::starts_with(name, top) ? name.substr(top.size()) : name)] = text;
  return std::make_unique<BundleHost>(std::make_unique<TextHost>(std::move(rooted)));
}

base::Result<std::unique_ptr<Host>> open_bundle(const std::string& path) {
  const LiveHost disk;
  TRY(stat, disk.stat(path));
  if (stat.kind == EntryKind::folder) {
    for (const std::string& folder : {path, path + "/" + std::string(top)}) {
      auto files = std::make_unique<RecordedHost>(folder);
      if (holds_bundle(*files)) return std::unique_ptr<Host>(std::make_unique<BundleHost>(std::move(files)));
    }
    return base::fail(no_bundle(path));
  }
  TRY(stream, disk.open(path));
  TRY(found, read_tar(*stream));
  const bool held = std::any_of(found.begin(), found.end(), [](const auto& file) {
    std::string_view name = file.first;
    if (base::starts_with(name, top)) name.remove_prefix(top.size());
    return name == stats_name || name == evidence_name;
  });
  if (!held) return base::fail(no_bundle(path));
  return bundle_host(found);
}

}  // namespace source
