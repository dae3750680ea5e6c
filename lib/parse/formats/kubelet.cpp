// The kubelet and the container runtimes, where they name a kill, a failed probe or an eviction. Structured klog of kubelet 1.20 on
// (pkg/kubelet/kuberuntime/kuberuntime_container.go, prober/prober.go, eviction/eviction_manager.go), containerd's and dockerd's logrus lines.
#include <memory>
#include <optional>
#include <string>

#include "base/text.hpp"
#include "parse/format.hpp"

namespace parse {
namespace {

using base::contains;
using base::starts_with;
constexpr auto none = std::string_view::npos;

// key="value" with \" inside, or key=value; at most 240 bytes of it, escapes kept.
std::string value_of(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == none || (at > 0 && text[at - 1] != ' ')) return "";
  text.remove_prefix(at + key.size());
  if (text.empty() || text.front() != '"') return std::string(text.substr(0, std::min(text.find(' '), std::size_t{240})));
  std::string value;
  for (std::size_t i = 1; i < text.size() && text[i] != '"' && value.size() < 240; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    value += text[i];
  }
  return value;
}

// "I1122 10:31:08.123456    1234 prober.go:107] " in front of klog's message.
bool klog_line(std::string_view text) {
  if (text.size() < 24 || (text[0] != 'I' && text[0] != 'W' && text[0] != 'E' && text[0] != 'F')) return false;
  for (std::size_t i = 1; i < 5; ++i)
    if (text[i] < '0' || text[i] > '9') return false;
  return text[5] == ' ' && text[8] == ':' && contains(text.substr(0, 96), ".go:");
}

evidence::Subject pod_of(std::string_view text) {
  evidence::Subject about;
  about.unit = value_of(text, "pod=");
  const std::string container = value_of(text, "containerName=");
  if (!container.empty()) about.unit += (about.unit.empty() ? "" : "/") + container;
  return about;
}

bool read_kubelet(std::string_view text, const Record& record, Sink& sink) {
  if (contains(text, "Probe failed") && contains(text, "probeType=")) {
    evidence::UnitEvent event;
    event.event = "probe-failed";
    event.result = value_of(text, "probeType=");
    sink.add(std::move(event), pod_of(text), record);
    return true;
  }
  if (contains(text, "\"Killing container with a grace period\"") || contains(text, "liveness probe, will be restarted") || contains(text, "startup probe, will be restarted")) {
    evidence::UserspaceKill kill;
    kill.killer = "kubelet";
    kill.why = contains(text, "will be restarted") ? value_of(text, "containerMessage=") : "grace period " + value_of(text, "gracePeriod=") + " s";
    kill.cgroup = value_of(text, "containerID=");
    sink.add(std::move(kill), pod_of(text), record);
    return true;
  }
  if (contains(text, "is evicted successfully") || contains(text, "must evict pod(s) to reclaim") || contains(text, "pods evicted, waiting for pod")) {
    if (!contains(text, "evicted successfully")) return true;
    evidence::UserspaceKill kill;
    kill.killer = "kubelet";
    kill.why = "eviction";
    sink.add(std::move(kill), pod_of(text), record);
    return true;
  }
  return false;
}

// time="..." level=info msg="Container failed to exit within 10s of signal 15 - using the force" container=abc
bool read_runtime(std::string_view text, const Record& record, Sink& sink) {
  const std::string message = value_of(text, "msg=");
  evidence::UserspaceKill kill;
  if (contains(message, "using the force")) {
    kill.killer = "dockerd";
    kill.signal = 9;
  } else if (starts_with(message, "Kill container ")) {
    kill.killer = "containerd";
    kill.signal = 9;
  } else if (starts_with(message, "Stop container ") && contains(message, " with signal ")) {
    kill.killer = "containerd";
    const auto word = base::between(message, " with signal ", "");
    // Go names them: "terminated", "killed", "quit".
    kill.signal = *word == "killed" ? 9 : *word == "terminated" ? 15 : *word == "quit" ? 3 : base::signal_number(*word);
  } else if (starts_with(message, "TaskOOM event")) {
    // The runtime repeats what the kernel did; the kernel's own lines say which process.
    evidence::UnitEvent event;
    event.event = "oom-kill";
    evidence::Subject about;
    if (const auto id = base::between(message, "container_id:\"", "\"")) about.unit = std::string(id->substr(0, 80));
    sink.add(std::move(event), std::move(about), record);
    return true;
  } else {
    return false;
  }
  kill.why = message;
  evidence::Subject about;
  about.unit = value_of(text, "container=");
  if (about.unit.empty())
    if (const auto id = base::between(message, "container \"", "\"")) about.unit = std::string(id->substr(0, 80));
  sink.add(std::move(kill), std::move(about), record);
  return true;
}

constexpr std::string_view marks[] = {
    "kubelet", "containerd", "dockerd", "Probe failed", "Killing container with a grace", "probe, will be restarted", "evicted successfully",
    "must evict pod", "pods evicted, waiting", "using the force", "Kill container ", "Stop container ", "TaskOOM event",
};

std::unique_ptr<State> start() { return std::make_unique<State>(); }
void finish(State&, Sink&) {}

bool step(State&, const Record& record, Sink& sink) {
  const std::string_view text = record.text;
  const bool kubelet = record.ident == "kubelet";
  if (kubelet || (record.ident.empty() && klog_line(text))) return read_kubelet(text, record, sink) || kubelet;
  const bool runtime = record.ident == "containerd" || record.ident == "dockerd";
  if (runtime || (record.ident.empty() && starts_with(text, "time=\"") && contains(text, " level="))) return read_runtime(text, record, sink) || runtime;
  return false;
}

}  // namespace

namespace formats_of {
extern const Format kubelet = {"kubelet and container runtimes", evidence::SourceKind::container, start, step, finish, marks};
}

}  // namespace parse
