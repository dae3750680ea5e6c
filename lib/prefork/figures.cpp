// What the admin socket answers: figures for Prometheus and for people, and the faults' switches.
#include <unistd.h>

#include "base/near.hpp"
#include "base/text.hpp"
#include "prefork/clock.hpp"
#include "prefork/master.hpp"

namespace prefork {

std::string Master::figures() const {
  std::string out;
  const auto add = [&](std::string_view name, std::string_view kind, std::string_view help) { out += fmt::format("# HELP triage_server_{0} {2}\n# TYPE triage_server_{0} {1}\n", name, kind, help); };
  const auto one = [&](std::string_view name, std::string_view kind, std::string_view help, std::uint64_t value) {
    add(name, kind, help);
    out += fmt::format("triage_server_{} {}\n", name, value);
  };
  one("workers", "gauge", "Worker processes that live.", workers_.size());
  one("workers_wanted", "gauge", "Worker processes that should.", static_cast<std::uint64_t>(wanted_));
  one("workers_spawned_total", "counter", "Workers forked.", board_->spawned);
  one("workers_reaped_total", "counter", "Children whose end was noticed.", board_->reaped);
  one("workers_timed_out_total", "counter", "Workers that missed their timeout.", board_->timed_out);
  one("workers_killed_total", "counter", "SIGKILLs that followed.", board_->killed);
  one("boot_failures_total", "counter", "Workers that died before they had booted.", board_->boot_failures);
  one("reloads_total", "counter", "SIGHUPs obeyed.", board_->reloads);
  one("upgrades_total", "counter", "SIGUSR2s obeyed.", board_->upgrades);
  one("signals_total", "counter", "Signals that the master took.", board_->signals);
  struct Row { const char* name; const char* kind; const char* help; std::atomic<std::uint64_t> Slot::*word; };
  static constexpr Row rows[] = {{"requests_total", "counter", "Requests answered, of the live workers.", &Slot::requests},
                                 {"connections_total", "counter", "Connections accepted, of the live workers.", &Slot::connections},
                                 {"connections_open", "gauge", "Connections open.", &Slot::open},
                                 {"requests_refused_total", "counter", "Requests that were not HTTP.", &Slot::refused},
                                 {"response_bytes_total", "counter", "Bytes of bodies sent.", &Slot::bytes_out},
                                 {"accept_again_total", "counter", "Times that a worker woke and nobody was there.", &Slot::accept_again}};
  for (const Row& row : rows) {
    add(row.name, row.kind, row.help);
    for (const auto& [pid, worker] : workers_) out += fmt::format("triage_server_{}{{pid=\"{}\"}} {}\n", row.name, pid, (board_->slots[static_cast<std::size_t>(worker.slot)].*row.word).load());
  }
  add("heartbeat_age_seconds", "gauge", "Since a worker's last sign of life.");
  for (const auto& [pid, worker] : workers_) out += fmt::format("triage_server_heartbeat_age_seconds{{pid=\"{}\"}} {:.3f}\n", pid, worker.heartbeat.age());
  add("responses_total", "counter", "Answers by the first digit of their status, of the live workers.");
  for (const auto& [pid, worker] : workers_)
    for (int hundred = 1; hundred <= 5; ++hundred) out += fmt::format("triage_server_responses_total{{pid=\"{}\",status=\"{}xx\"}} {}\n", pid, hundred, board_->slots[static_cast<std::size_t>(worker.slot)].status_class[hundred].load());
  return out;
}

std::string Master::do_command(std::string_view line) {
  if (line == "metrics") return figures();
  if (line == "faults") return faults_.list();
  if (line == "config") {
    std::string out;
    for (const SettingRow& row : setting_rows()) out += fmt::format("{} = {}\n", row.name, shown(settings_, row.name));
    return out;
  }
  if (line == "workers") {
    std::string out;
    for (const auto& [pid, worker] : workers_) {
      const Slot& slot = board_->slots[static_cast<std::size_t>(worker.slot)];
      out += fmt::format("pid={} age={} booted={} requests={} heartbeat_age={:.3f} fd={}{}{}\n", pid, worker.age, slot.booted.load(), slot.requests.load(), worker.heartbeat.age(), worker.heartbeat.fd(), worker.aborted ? " aborted" : "", worker.terms > 0 ? fmt::format(" terms={}", worker.terms) : "");
    }
    return out;
  }
  const auto result = [](const base::Result<>& done) { return done ? std::string("ok\n") : "error: " + base::sentence(done.error()) + "\n"; };
  if (line.starts_with("fault on ") || line.starts_with("fault off ")) {
    const bool on = line[7] == 'n';
    const auto done = on ? faults_.turn_on(base::trim(line.substr(9))) : faults_.turn_off(base::trim(line.substr(10)));
    apply_faults();
    return result(done);
  }
  if (line == "accept lock") return fmt::format("{}\n", board_->accept_lock.load());
  return "error: '" + base::printable(line, 60) + "' is no command" + base::did_you_mean(line, {"metrics", "workers", "faults", "config", "fault on", "fault off"}) + "\ncommands: metrics, workers, faults, config, fault on NAME[=VALUE][,path=/x][,every=N][,chance=P], fault off NAME|all\n";
}

}  // namespace prefork
