#include "probe/outputs.hpp"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace probe {

namespace {

constexpr std::string_view deleted_mark = " (deleted)";

bool ends_with(std::string_view text, std::string_view end) { return text.size() >= end.size() && text.substr(text.size() - end.size()) == end; }

// Who else holds this pipe, for reading. Only looked for when a server writes to a pipe; bounded, for every process has descriptors.
std::optional<Process> reader_of(const source::Host& host, const std::string& pipe, int not_this) {
  const auto table = read_processes(host, 5000);
  if (!table) return std::nullopt;
  std::size_t looked = 0;
  for (const auto& [pid, process] : table->all) {
    if (pid == not_this || looked > 50'000) continue;
    const auto descriptors = read_descriptors(host, pid, 1024);
    if (!descriptors) continue;
    for (auto open : *descriptors) {
      ++looked;
      if (open.target != pipe) continue;
      read_descriptor_flags(host, pid, open);
      if ((open.flags & O_ACCMODE) == O_RDONLY) return process;
    }
  }
  return std::nullopt;
}

// The one or few files that a reader (tee, rotatelogs, svlogd) writes what it reads to.
std::string file_written_by(const source::Host& host, int pid) {
  const auto descriptors = read_descriptors(host, pid, 1024);
  if (!descriptors) return {};
  std::set<std::string> files;
  for (auto open : *descriptors) {
    if (open.target.empty() || open.target[0] != '/' || base::starts_with(open.target, "/dev/") || ends_with(open.target, deleted_mark)) continue;
    read_descriptor_flags(host, pid, open);
    if ((open.flags & O_ACCMODE) == O_WRONLY) files.insert(open.target);
  }
  return files.size() == 1 ? *files.begin() : "";
}

}  // namespace

base::Result<std::vector<Output>> outputs_of(const source::Host& host, const Process& process, const std::string& root) {
  TRY(descriptors, read_descriptors(host, process.pid));
  std::vector<Output> outputs;
  std::set<std::string> known;
  for (auto& open : descriptors) {
    const bool standard = open.fd == 1 || open.fd == 2;
    const std::string& target = open.target;
    if (target.empty()) continue;
    Output output;
    output.fd = open.fd;
    output.target = target;
    const std::string itself = "/proc/" + std::to_string(process.pid) + "/fd/" + std::to_string(open.fd);
    if (base::starts_with(target, "/dev/")) {
      if (!standard) continue;
      output.kind = target == "/dev/null" ? Output::Kind::null : Output::Kind::terminal;
    } else if (target[0] == '/') {
      read_descriptor_flags(host, process.pid, open);
      // A log is opened by Python's FileHandler with mode "a"; standard ones by a shell also without it.
      if (!standard && (open.flags & (O_ACCMODE | O_APPEND)) != (O_WRONLY | O_APPEND)) continue;
      if (base::contains(target, "/wgunicorn-")) continue;
      if (ends_with(target, deleted_mark)) {
        output.kind = Output::Kind::deleted;
        output.target.resize(target.size() - deleted_mark.size());
        output.readable = itself;
      } else {
        const auto there = host.stat(root + target), here = host.stat(itself);
        const bool same = there && (!here || (there->inode == here->inode && there->device == here->device));
        output.readable = same ? root + target : itself;
      }
    } else if (base::starts_with(target, "pipe:") && standard) {
      output.kind = Output::Kind::pipe;
      if (!known.contains(target)) {
        if (const auto reader = reader_of(host, target, process.pid)) {
          output.reader = reader->comm + " (pid " + std::to_string(reader->pid) + ")";
          output.readable = file_written_by(host, reader->pid);
        }
      }
    } else if (base::starts_with(target, "socket:") && standard) {
      output.kind = Output::Kind::socket;
    } else {
      continue;
    }
    if (!known.insert(target).second) {
      // Both standard streams into one place: it is named as stderr's, for what matters is said there.
      if (open.fd == 2)
        for (auto& before : outputs)
          if (before.fd == 1 && before.target == target) before.fd = 2;
      continue;
    }
    outputs.push_back(std::move(output));
  }
  return outputs;
}

base::Result<std::vector<Output>> outputs_of(const source::Host& host, const FoundServer& server) {
  return outputs_of(host, server.master.pid || server.workers.empty() ? server.master : server.workers.front(), server.root);
}

std::vector<std::string> container_logs(const source::Host& host, const std::string& container) {
  std::vector<std::string> logs;
  if (container.empty()) return logs;
  const std::string docker = "/var/lib/docker/containers/" + container + "/" + container + "-json.log";
  for (const std::string& path : {docker + ".1", docker})
    if (host.stat(path)) logs.push_back(path);
  if (!logs.empty()) return logs;
  // kubelet links POD_NAMESPACE_CONTAINER-ID.log to /var/log/pods/...; podman keeps ctr.log.
  if (const auto entries = host.list("/var/log/containers"))
    for (const auto& entry : *entries)
      if (base::contains(entry.name, container)) logs.push_back("/var/log/containers/" + entry.name);
  const std::string podman = "/var/lib/containers/storage/overlay-containers/" + container + "/userdata/ctr.log";
  if (host.stat(podman)) logs.push_back(podman);
  return logs;
}

std::vector<std::string> with_rotated(const source::Host& host, const std::string& path, const std::optional<base::Instant>& since) {
  std::vector<std::string> paths;
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || base::starts_with(path, "/proc/self") || (base::starts_with(path, "/proc/") && base::contains(path, "/fd/"))) return {path};
  const std::string folder = path.substr(0, std::max<std::size_t>(slash, 1)), name = path.substr(slash + 1);
  if (const auto entries = host.list(folder)) {
    for (const auto& entry : *entries) {
      if (entry.name.size() <= name.size() + 1 || !base::starts_with(entry.name, name) || (entry.name[name.size()] != '.' && entry.name[name.size()] != '-')) continue;
      if (entry.name[name.size() + 1] < '0' || entry.name[name.size() + 1] > '9') continue;
      const auto stat = host.stat(folder + "/" + entry.name);
      if (!stat || stat->kind != source::EntryKind::file || paths.size() >= 20) continue;
      if (since && stat->mtime_ns < since->at) continue;
      paths.push_back(folder + "/" + entry.name);
    }
  }
  paths.push_back(path);
  return paths;
}

}  // namespace probe
