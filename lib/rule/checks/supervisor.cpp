// What a systemd unit sets against what its server needs: read from the unit's files, and said as long as it only threatens as a note; a
// warning where the log shows that it has already bitten. Four of the cards are the linter's, whose words are their slots.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "flavour/gunicorn_args.hpp"
#include "flavour/systemd.hpp"
#include "rule/path.hpp"
#include "rule/supervisor.hpp"

namespace rule {

using namespace evidence;

namespace {

struct Case {
  const Look& look;
  const model::Unit& unit;
  const Server* server = nullptr;      // its last run; null where no log tells of one
  const LiveServer* live = nullptr;    // null without a live look
};

const model::Setting* setting_of(const model::Unit& unit, const std::string& key) {
  const auto found = unit.settings.find(key);
  return found == unit.settings.end() ? nullptr : &found->second;
}

std::string raw_of(const Case& c, const model::Setting& setting) {
  const auto* read = setting.because == no_fact ? nullptr : as<SettingRead>(c.look.evidence.facts[setting.because]);
  return read ? read->value : setting.values.empty() ? std::string() : setting.values.front().value;
}

// A shell or cron in a unit of its own may have started the server by hand: what ends that unit is not what people call its supervisor.
bool is_supervisor(const Case& c) {
  if (const auto* start = setting_of(c.unit, "ExecStart"))
    if (flavour::starts_gunicorn(raw_of(c, *start))) return true;
  if (!c.live || c.live->master.seen == no_fact) return false;
  const auto* seen = as<ProcessSeen>(c.look.evidence.facts[c.live->master.seen]);
  return seen && seen->ppid == 1;
}

Draft draft_about(const Case& c, const std::string& rule, const std::string& key) {
  Draft draft;
  if (c.live) draft = draft_about(c.look, rule, *c.live);
  else if (c.server) draft = draft_about(c.look, rule, *c.server);
  draft.rule = rule;
  draft.subject.role = "config";
  draft.level = Level::note;
  draft.sure = Confidence::certain;
  draft.sure_because = "both settings were read, and nothing changed them since";
  draft.values["unit"] = base::printable(c.unit.name, 80);
  draft.values["name"] = draft.values["unit"];
  draft.values["setting"] = key;
  draft.group = c.unit.name;
  if (const auto* setting = setting_of(c.unit, key)) {
    draft.values["value"] = base::printable(raw_of(c, *setting), 80);
    const std::string at = set_at(c.look, c.unit, key);
    draft.values["where"] = !at.empty() ? at : fmt::format("{}={} (systemd's default)", key, draft.values["value"]);
    if (setting->because != no_fact) {
      const Fact& fact = c.look.evidence.facts[setting->because];
      draft.subject.where = base::printable(fmt::format("{}:{}:{}", c.look.evidence.source_of(fact).name, fact.origin.line, fact.origin.column), 200);
    }
    because(draft, setting->because);
  }
  return draft;
}

// The file that sets it was changed after the start: what it says now need not be in force.
bool changed(const model::Setting& setting) { return setting.from == model::From::unknown; }

void doubt(Draft& draft, const Case& c, const std::string& key) {
  draft.truth = Truth::unknown;
  draft.sure = Confidence::unknown;
  draft.sure_because = "the file was changed after the unit was started; whether systemd was told is not known";
  draft.missing.push_back(fmt::format("what is in force: systemctl show {} -p {}", base::printable(c.unit.name, 80), key));
}

std::optional<double> seconds_of(const Case& c, const model::Setting& setting) {
  if (!changed(setting)) return model::number_setting(c.unit, setting.name);
  return flavour::systemd_seconds(raw_of(c, setting));
}

void stop_timeout(const Case& c, std::vector<Draft>& drafts) {
  const auto* setting = setting_of(c.unit, "TimeoutStopSec");
  if (!c.server || !setting) return;
  const auto stop = seconds_of(c, *setting);
  const auto kill_mode = model::text_setting(c.unit, "KillMode"), kills = model::text_setting(c.unit, "SendSIGKILL");
  if (!stop || std::isinf(*stop) || kill_mode == "none" || (kills && flavour::systemd_truth(*kills) == false)) return;
  const auto graceful_at = c.server->settings.find("graceful_timeout");
  const auto graceful = model::number_setting(*c.server, "graceful_timeout");
  if (graceful && *stop >= *graceful) return;
  // Not known, and not even suspicious: no file says how long systemd waits, or it waits longer than gunicorn's default.
  if (!graceful && (setting->because == no_fact || *stop >= 30)) return;
  Draft draft = draft_about(c, "systemd.stop-timeout-below-graceful", "TimeoutStopSec");
  draft.values["timeout_stop"] = base::duration_text(static_cast<std::int64_t>(*stop * 1e9));
  if (graceful) draft.values["graceful_timeout"] = fmt::format("{:g} s", *graceful);
  if (graceful_at != c.server->settings.end()) because(draft, graceful_at->second.because);
  if (changed(*setting)) doubt(draft, c, "TimeoutStopUSec");
  else if (!graceful) {
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "graceful_timeout is not known";
    draft.missing.push_back("graceful_timeout of the server: its configuration file, or gunicorn --print-config");
  } else if (const FactId bitten = stop_timeout_of(c.look, c.unit); bitten != no_fact) {
    draft.level = Level::warning;
    draft.when = c.look.evidence.facts[bitten].when;
    because(draft, bitten, "it has already ended one stop");
  }
  if (graceful) draft.first.push_back({"then", fmt::format("systemctl edit {}: longer than graceful_timeout, with room for the last requests", draft.values["unit"]), "", "slower stops when a worker hangs", fmt::format("[Service]\nTimeoutStopSec={:g}", std::ceil(*graceful + 5))});
  drafts.push_back(std::move(draft));
}

void kill_mode(const Case& c, std::vector<Draft>& drafts) {
  const auto* setting = setting_of(c.unit, "KillMode");
  if (!setting || setting->because == no_fact) return;
  const std::string mode = raw_of(c, *setting);
  if (mode != "process" && mode != "none") return;
  Draft draft = draft_about(c, "systemd.killmode-process-none", "KillMode");
  draft.values["kill_mode"] = mode;
  draft.sure_because = "the unit's file says so, and nothing changed it since";
  if (changed(*setting)) doubt(draft, c, "KillMode");
  drafts.push_back(std::move(draft));
}

void kill_signal(const Case& c, std::vector<Draft>& drafts) {
  const auto* setting = setting_of(c.unit, "KillSignal");
  if (!setting || setting->because == no_fact) return;
  const auto number = base::signal_number(raw_of(c, *setting));
  if (!number || (*number != 2 && *number != 3)) return;  // others do not stop it at all, and that shows at the first stop
  Draft draft = draft_about(c, "systemd.kill-signal-not-graceful", "KillSignal");
  draft.values["kill_signal"] = base::signal_text(*number);
  draft.sure_because = "the unit's file says so, and nothing changed it since";
  if (changed(*setting)) doubt(draft, c, "KillSignal");
  drafts.push_back(std::move(draft));
}

bool below_tmp(std::string_view path) { return base::starts_with(path, "/tmp/") || base::starts_with(path, "/var/tmp/"); }

// The socket below /tmp that the server binds, by what listens now, by its log, else by its settings.
std::string tmp_socket(const Case& c, FactId& witness) {
  if (c.live)
    for (const FactId id : c.live->listeners) {
      const auto& listener = std::get<ListenerSeen>(c.look.evidence.facts[id].what);
      if (!base::starts_with(listener.address, "unix:") || !below_tmp(std::string_view(listener.address).substr(5))) continue;
      witness = id;
      return listener.address.substr(5);
    }
  if (!c.server) return {};
  std::string addresses = c.server->listening;
  if (const auto bind = c.server->settings.find("bind"); addresses.empty() && bind != c.server->settings.end() && !bind->second.values.empty()) { addresses = bind->second.values.front().value; witness = bind->second.because; }
  for (std::size_t at = addresses.find("unix:"); at != std::string::npos; at = addresses.find("unix:", at + 5)) {
    const auto path = addresses.substr(at + 5, addresses.find_first_of(", '\"]", at) - at - 5);
    if (below_tmp(path)) return path;
  }
  return {};
}

void private_tmp(const Case& c, std::vector<Draft>& drafts) {
  const auto* setting = setting_of(c.unit, "PrivateTmp");
  if (!setting || setting->because == no_fact || flavour::systemd_truth(raw_of(c, *setting)) == false) return;
  FactId witness = no_fact;
  const std::string path = tmp_socket(c, witness);
  if (path.empty()) return;
  Draft draft = draft_about(c, "systemd.privatetmp-socket", "PrivateTmp");
  draft.values["path"] = base::printable(path, 160);
  because(draft, witness);
  if (changed(*setting)) doubt(draft, c, "PrivateTmp");
  else if (const auto* joins = setting_of(c.unit, "JoinsNamespaceOf"); joins && !joins->values.empty()) {
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "it shares its /tmp with other units (JoinsNamespaceOf=); whether the proxy's is one of them was not read";
    draft.missing.push_back("the proxy's mount namespace: ls -l /proc/PID/ns/mnt of both");
  } else {
    // A proxy that walks there and finds nothing is what it leads to.
    for (const Peer& peer : peers(c.look))
      if (peer.address == "unix:" + path)
        for (const FactId walk : peer.walks)
          if (as<SocketWalk>(c.look.evidence.facts[walk])->result == "missing") { draft.level = Level::warning; because(draft, walk, "the proxy finds nothing there"); }
  }
  drafts.push_back(std::move(draft));
}

// Classes whose workers hold many connections at a time, each a descriptor.
bool many_connections(std::string_view kind) {
  for (const char* one : {"gthread", "gevent", "eventlet", "tornado", "uvicorn", "asgi"})
    if (base::contains(kind, one)) return true;
  return false;
}

void descriptors(const Case& c, std::vector<Draft>& drafts) {
  const auto* setting = setting_of(c.unit, "LimitNOFILE");
  if (!c.server || !setting) return;
  const auto connections = c.server->settings.find("worker_connections");
  const auto count = model::number_setting(*c.server, "worker_connections");
  const std::string kind = !c.server->worker_class.empty() ? c.server->worker_class : model::text_setting(*c.server, "worker_class").value_or("");
  const bool set = connections != c.server->settings.end() && connections->second.from == model::From::configured;
  // Defaults against defaults: true for nearly every server, and seldom what ends one.
  if ((setting->because == no_fact && !set) || !many_connections(kind)) return;
  const auto limit = flavour::systemd_limit(raw_of(c, *setting));
  constexpr double besides = 20;  // log, heartbeat, listener, epoll, the standard three, and what a worker's libraries keep open
  if (!limit || *limit == UINT64_MAX || (count && static_cast<double>(*limit) >= *count + besides)) return;
  if (!count && *limit > 1024) return;
  Draft draft = draft_about(c, "systemd.nofile-low", "LimitNOFILE");
  draft.values["limit"] = std::to_string(*limit);
  if (count) draft.values["count"] = fmt::format("{:g}", *count);
  draft.values["worker_class"] = base::printable(kind, 60);
  if (connections != c.server->settings.end()) because(draft, connections->second.because);
  if (changed(*setting)) doubt(draft, c, "LimitNOFILE");
  else if (!count) {
    draft.truth = Truth::unknown;
    draft.sure = Confidence::unknown;
    draft.sure_because = "worker_connections is not known";
    draft.missing.push_back("worker_connections of the server: its configuration file, or gunicorn --print-config");
  }
  drafts.push_back(std::move(draft));
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  const auto live = live_servers(look);
  std::vector<std::string> said;
  for (std::size_t i = 0; i < look.stack.units.size(); ++i) {
    const model::Unit& unit = look.stack.units[i];
    if (unit.settings.empty() || std::find(said.begin(), said.end(), unit.name) != said.end()) continue;
    Case c{look, unit};
    for (const Server& server : look.stack.servers)
      if (server.unit == i) c.server = &server;
    for (const LiveServer& one : live)
      if (unit_of(look, one) == &unit) { c.live = &one; if (one.server) c.server = one.server; }
    if ((!c.server && !c.live) || !is_supervisor(c)) continue;
    said.push_back(unit.name);
    stop_timeout(c, drafts);
    kill_mode(c, drafts);
    kill_signal(c, drafts);
    private_tmp(c, drafts);
    descriptors(c, drafts);
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check supervisor = {"supervisor",
                                 {"systemd.stop-timeout-below-graceful", "systemd.killmode-process-none", "systemd.kill-signal-not-graceful", "systemd.privatetmp-socket", "systemd.nofile-low"},
                                 look_at};
}
}  // namespace rule
