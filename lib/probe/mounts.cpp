#include "probe/mounts.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace probe {

namespace {

// Blanks, tabs, newlines and backslashes stand as three octal digits (fs/proc_namespace.c, mangle()).
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octal = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else plain += text[i];
  }
  return plain;
}

}  // namespace

std::vector<Mount> read_mounts(const source::Host& host, int pid) {
  std::vector<Mount> mounts;
  const auto text = host.read("/proc/" + (pid ? std::to_string(pid) : "self") + "/mountinfo", 4 << 20);
  if (!text) return mounts;
  for (const auto line : base::split(*text, '\n')) {
    // 36 35 98:0 /root /at rw,noatime shared:1 - ext4 /dev/x rw
    const auto fields = base::split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), std::string_view("-"));
    if (fields.size() < 10 || fields.end() - dash < 4 || dash - fields.begin() < 6) continue;
    mounts.push_back({unescaped(fields[3]), unescaped(fields[4]), std::string(dash[1]), std::string(fields[5]) + "," + std::string(dash[3])});
  }
  return mounts;
}

const Mount* mount_at(const std::vector<Mount>& mounts, const std::string& path) {
  const Mount* last = nullptr;  // the later one covers the earlier
  for (const auto& mount : mounts)
    if (mount.at == path) last = &mount;
  return last;
}

bool has_option(const Mount& mount, std::string_view option) {
  const auto all = base::split(mount.options, ',');
  return std::find(all.begin(), all.end(), option) != all.end();
}

namespace {

const Mount* mount_of(const std::vector<Mount>& mounts, std::string_view controller) {
  for (const auto& mount : mounts)
    if (controller.empty() ? mount.type == "cgroup2" : mount.type == "cgroup" && has_option(mount, controller)) return &mount;
  return nullptr;
}

std::string_view memory_controller(int version) { return version == 1 ? "memory" : ""; }

}  // namespace

std::string memory_mount(const std::vector<Mount>& mounts, int version) {
  const Mount* const mount = version ? mount_of(mounts, memory_controller(version)) : nullptr;
  return mount ? mount->at : "";
}

std::optional<std::string> folder_of(const std::vector<Mount>& mounts, const Cgroup& cgroup) {
  if (!cgroup.version) return std::nullopt;
  return folder_of(mounts, memory_controller(cgroup.version), cgroup.memory);
}

std::optional<std::string> folder_of(const std::vector<Mount>& mounts, std::string_view controller, std::string_view path) {
  const Mount* const mount = mount_of(mounts, controller);
  // "/../x": seen from another cgroup namespace, the path leads out of ours.
  if (!mount || base::starts_with(path, "/..")) return std::nullopt;
  if (mount->root != "/") {
    if (!base::starts_with(path, mount->root) || (path.size() > mount->root.size() && path[mount->root.size()] != '/')) return std::nullopt;
    path.remove_prefix(mount->root.size());
  }
  std::string folder = mount->at + std::string(path);
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder;
}

}  // namespace probe
