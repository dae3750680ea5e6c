// systemd's .service and .socket files, their drop-ins and the manager's own defaults (system.conf): how the server is started and when the service
// manager ends it. Specifiers (%i) stay as they are written. Of Environment= only what gunicorn itself reads is kept with its value: the rest
// may be secrets, and only its names are.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/gunicorn_args.hpp"
#include "parse/format.hpp"
#include "parse/systemd/syntax.hpp"

namespace parse {

namespace {

using std::string_view_literals::operator""sv;

constexpr std::array kept{"Type"sv, "NotifyAccess"sv, "ExecReload"sv, "ExecStop"sv, "TimeoutStopSec"sv, "TimeoutStartSec"sv, "TimeoutSec"sv, "TimeoutAbortSec"sv, "WatchdogSec"sv, "KillMode"sv,
                          "KillSignal"sv, "SendSIGKILL"sv, "FinalKillSignal"sv, "Restart"sv, "RestartSec"sv, "StartLimitBurst"sv, "StartLimitIntervalSec"sv, "MemoryMax"sv, "MemoryHigh"sv,
                          "MemoryLimit"sv, "MemorySwapMax"sv, "OOMPolicy"sv, "OOMScoreAdjust"sv, "ManagedOOMMemoryPressure"sv, "TasksMax"sv, "CPUQuota"sv, "LimitNOFILE"sv, "LimitNPROC"sv, "LimitCORE"sv,
                          "LimitAS"sv, "Slice"sv, "Delegate"sv, "Sockets"sv, "Service"sv, "User"sv, "Group"sv, "SupplementaryGroups"sv, "UMask"sv, "DynamicUser"sv, "RuntimeDirectory"sv, "RuntimeDirectoryMode"sv,
                          "RuntimeDirectoryPreserve"sv, "WorkingDirectory"sv, "RootDirectory"sv, "PIDFile"sv, "PrivateTmp"sv, "JoinsNamespaceOf"sv, "ProtectHome"sv, "EnvironmentFile"sv, "ListenStream"sv, "SocketMode"sv,
                          "SocketUser"sv, "SocketGroup"sv, "Backlog"sv, "Accept"sv, "DefaultTimeoutStopSec"sv, "DefaultTimeoutStartSec"sv, "DefaultLimitNOFILE"sv, "DefaultTasksMax"sv};

void read(std::string_view text, Sink& sink) {
  evidence::Subject about;
  about.unit = unit_of_path(sink.source().name);
  const auto add = [&](evidence::What what, const UnitEntry& entry) {
    Record record;
    record.origin.line = entry.line;
    record.origin.column = entry.column;
    record.origin.offset = entry.offset;
    if (entry.key != "Environment") record.line = entry.source;
    sink.add(std::move(what), about, record);
  };
  std::vector<const UnitEntry*> commands;
  std::string environment;
  const auto entries = unit_entries(text);
  for (const UnitEntry& entry : entries) {
    if (entry.section != "Service" && entry.section != "Socket" && entry.section != "Unit" && entry.section != "Manager") continue;
    if (entry.key == "ExecStart") {
      if (entry.value.empty()) commands.clear();  // an empty one in a drop-in takes back those before
      else commands.push_back(&entry);
      add(evidence::SettingRead{"systemd.ExecStart", entry.value, "file", "", true}, entry);
    } else if (entry.key == "Environment") {
      if (entry.value.empty()) environment.clear();
      for (const auto& word : base::shell_words(entry.value)) {
        const auto name = std::string_view(word).substr(0, word.find('='));
        if (name != "GUNICORN_CMD_ARGS" && name != "WEB_CONCURRENCY" && name != "PORT") {
          add(evidence::SettingRead{"systemd.Environment", std::string(name), "file", "", false}, entry);
          continue;
        }
        environment += (environment.empty() ? "" : "\n") + word;
        add(evidence::SettingRead{"systemd.Environment", word, "file", "", true}, entry);
      }
    } else if (std::ranges::find(kept, entry.key) != kept.end()) {
      add(evidence::SettingRead{"systemd." + std::string(entry.key), entry.value, "file", "", true}, entry);
    }
  }
  for (const UnitEntry* const entry : commands) {
    const auto command = unit_command(entry->value);
    if (flavour::starts_gunicorn(command)) add(evidence::ServerCommand{std::string(command), environment}, *entry);
  }
}

int sure(std::string_view, std::string_view head) {
  bool service = false, other = false, foreign = false, entry = false;
  std::size_t lines = 0;
  for (const auto whole : base::split(head, '\n')) {
    const auto line = base::trim(whole);
    if (line.size() > 2 && line.front() == '[' && line.back() == ']') {
      service |= line == "[Service]" || line == "[Socket]" || line == "[Timer]" || line == "[Manager]";
      other |= line == "[Unit]" || line == "[Install]";
      foreign |= !service && !other && !base::starts_with(line, "[X-");
    } else if (!line.empty() && line.front() != '#' && line.front() != ';') {
      if (!service && !other) return 0;  // text before the first section
      entry |= base::contains(line, "=");
      ++lines;
    }
  }
  if (foreign || (!entry && lines > 0)) return 0;
  return service ? 90 : other ? 70 : 0;
}

}  // namespace

namespace configs_of {

extern const Document systemd_unit = {.name = "systemd unit", .kind = evidence::SourceKind::config, .sure = sure, .read = read};

}  // namespace configs_of
}  // namespace parse
