// systemd-oomd (src/oom/oomd-util.c, v248 on) and Facebook's oomd (its "oomd kill:" records in /dev/kmsg, BaseKillPlugin.cpp): daemons that
// kill a whole cgroup on memory pressure. Neither names pids.
#include <memory>
#include <string>

#include "base/text.hpp"
#include "parse/format.hpp"

namespace parse {
namespace {

using base::starts_with;
constexpr auto none = std::string_view::npos;
constexpr std::size_t longest_path = 1024;

// The last unit of a cgroup path: /system.slice/gunicorn.service/payload -> gunicorn.service
std::string unit_of(std::string_view path) {
  std::string unit;
  for (const auto part : base::split(path, '/'))
    if (part.size() > 8 && (part.substr(part.size() - 8) == ".service" || part.substr(part.size() - 6) == ".scope")) unit = std::string(part);
  return unit;
}

bool add(std::string_view killer, std::string_view cgroup, std::string_view why, const Record& record, Sink& sink) {
  evidence::UserspaceKill kill;
  kill.killer = std::string(killer);
  kill.cgroup = std::string(cgroup.substr(0, longest_path));
  kill.why = std::string(why.substr(0, 240));
  kill.signal = 9;
  evidence::Subject about;
  about.unit = unit_of(cgroup);
  sink.add(std::move(kill), std::move(about), record);
  return true;
}

bool step(State&, const Record& record, Sink& sink) {
  std::string_view text = record.text;
  // Anybody may write a kmsg record; a facility that says kernel would be a lie here, and oomd's own is "user".
  if (starts_with(text, "oomd kill: ") && (record.from_kernel_form || record.ident == "oomd" || record.ident.empty())) {
    // "oomd kill: 78.13 12.01 3.20 workload.slice/web.service 123456 ruleset:[..] detectorgroup:[..] killer:kill_by_pressure v2"
    text.remove_prefix(11);
    std::string_view cgroup;
    int word = 0;
    for (const auto part : base::split(text.substr(0, 2048), ' ')) {
      if (part.empty()) continue;
      if (word++ == 3) { cgroup = part; break; }
    }
    const auto killer = base::between(text, "killer:", "");
    if (cgroup.empty() || !killer || starts_with(*killer, "(dry)")) return true;
    return add("oomd", cgroup, *killer, record, sink);
  }
  if (record.ident != "systemd-oomd") {
    if (!record.ident.empty() && !record.from_kernel_form) return false;
    if (!starts_with(text, "systemd-oomd[")) return false;
    const std::size_t at = text.find("]: ");
    if (at == none || at > 24) return false;
    text.remove_prefix(at + 3);
  }
  // "Killed /system.slice/web.service due to memory pressure for /system.slice being 65.43% > 60.00% for > 20s with reclaim activity"
  // "Killed /system.slice/web.service due to memory used (..) / total (..) and swap used (..) / total (..) being more than 90.00%"
  if (starts_with(text, "Killed /")) {
    const auto cgroup = base::between(text, "Killed ", " due to ");
    const auto why = base::between(text, " due to ", "");
    if (cgroup && why) return add("systemd-oomd", *cgroup, *why, record, sink);
  }
  return true;
}

constexpr std::string_view marks[] = {
    "systemd-oomd", "oomd kill: ",
};

std::unique_ptr<State> start() { return std::make_unique<State>(); }
void finish(State&, Sink&) {}

}  // namespace

namespace formats_of {
extern const Format oomd = {"systemd-oomd and oomd", evidence::SourceKind::journal, start, step, finish, marks};
}

}  // namespace parse
