// systemd's .service and .socket files and their drop-ins: how the server is started and when the service manager ends it. Specifiers (%i) stay
// as they are written. Of Environment= only what gunicorn itself reads is kept: the rest may be secrets.
#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/gunicorn_args.hpp"
#include "parse/format.hpp"

namespace parse {

namespace {

using std::string_view_literals::operator""sv;

constexpr std::array kept{"Type"sv, "NotifyAccess"sv, "ExecReload"sv, "ExecStop"sv, "TimeoutStopSec"sv, "TimeoutStartSec"sv, "TimeoutSec"sv, "TimeoutAbortSec"sv, "WatchdogSec"sv, "KillMode"sv,
                          "KillSignal"sv, "SendSIGKILL"sv, "FinalKillSignal"sv, "Restart"sv, "RestartSec"sv, "StartLimitBurst"sv, "StartLimitIntervalSec"sv, "MemoryMax"sv, "MemoryHigh"sv,
                          "MemoryLimit"sv, "MemorySwapMax"sv, "OOMPolicy"sv, "OOMScoreAdjust"sv, "ManagedOOMMemoryPressure"sv, "TasksMax"sv, "LimitNOFILE"sv, "LimitNPROC"sv, "LimitCORE"sv,
                          "User"sv, "Group"sv, "UMask"sv, "DynamicUser"sv, "RuntimeDirectory"sv, "RuntimeDirectoryMode"sv, "RuntimeDirectoryPreserve"sv, "WorkingDirectory"sv, "PIDFile"sv,
                          "PrivateTmp"sv, "ListenStream"sv, "SocketMode"sv, "SocketUser"sv, "SocketGroup"sv, "Backlog"sv, "Accept"sv};

struct Entry {
  std::string_view section, key;
  std::string value;       // continued lines joined by one blank
  std::uint32_t line = 0, column = 0;
  std::uint64_t offset = 0;
  std::string_view source;  // its first line
};

// man systemd.syntax: a backslash at the end of a line continues it, comments between are passed over.
std::vector<Entry> entries_of(std::string_view text) {
  std::vector<Entry> entries;
  std::string_view section;
  std::optional<Entry> open;
  std::uint32_t number = 0;
  std::uint64_t offset = 0;
  for (const auto whole : base::split(text, '\n')) {
    const auto line = base::trim(whole);
    const auto from = offset;
    offset += whole.size() + 1;
    ++number;
    if (!line.empty() && (line.front() == '#' || line.front() == ';')) continue;
    const bool continued = line.ends_with("\\");
    const auto body = base::trim(continued ? line.substr(0, line.size() - 1) : line);
    if (open) {
      if (open->value.size() < 65'536 && !body.empty()) (open->value += ' ') += body;
    } else if (line.size() > 1 && line.front() == '[' && line.back() == ']') {
      section = line.substr(1, line.size() - 2);
      continue;
    } else {
      const auto equals = body.find('=');
      if (equals == std::string_view::npos || entries.size() == 10'000) continue;
      const auto column = static_cast<std::uint32_t>(whole.find_first_not_of(" \t\r")) + 1;
      open = Entry{section, base::trim(body.substr(0, equals)), std::string(base::trim(body.substr(equals + 1))), number, column, from + column - 1, line};
    }
    if (!continued) { entries.push_back(std::move(*open)); open.reset(); }
  }
  if (open) entries.push_back(std::move(*open));
  return entries;
}

// The characters in front of a command: @ - : + ! change how it is run, not what.
std::string_view command_of(std::string_view value) {
  const auto begin = value.find_first_not_of("@-:+!|");
  return begin == std::string_view::npos ? std::string_view{} : value.substr(begin);
}

void read(std::string_view text, Sink& sink) {
  evidence::Subject about;
  const auto file = base::file_name(sink.source().name);
  if (file.ends_with(".service") || file.ends_with(".socket")) about.unit = file;
  const auto add = [&](evidence::What what, const Entry& entry) {
    Record record;
    record.origin.line = entry.line;
    record.origin.column = entry.column;
    record.origin.offset = entry.offset;
    if (entry.key != "Environment") record.line = entry.source;
    sink.add(std::move(what), about, record);
  };
  std::vector<const Entry*> commands;
  std::string environment;
  const auto entries = entries_of(text);
  for (const Entry& entry : entries) {
    if (entry.section != "Service" && entry.section != "Socket" && entry.section != "Unit") continue;
    if (entry.key == "ExecStart") {
      if (entry.value.empty()) commands.clear();  // an empty one in a drop-in takes back those before
      else commands.push_back(&entry);
    } else if (entry.key == "Environment") {
      if (entry.value.empty()) environment.clear();
      for (const auto& word : base::shell_words(entry.value)) {
        const auto name = std::string_view(word).substr(0, word.find('='));
        if (name != "GUNICORN_CMD_ARGS" && name != "WEB_CONCURRENCY" && name != "PORT") continue;
        environment += (environment.empty() ? "" : "\n") + word;
        add(evidence::SettingRead{"systemd.Environment", word, "file", "", true}, entry);
      }
    } else if (std::ranges::find(kept, entry.key) != kept.end()) {
      add(evidence::SettingRead{"systemd." + std::string(entry.key), entry.value, "file", "", true}, entry);
    }
  }
  for (const Entry* const entry : commands) {
    const auto command = command_of(entry->value);
    if (flavour::starts_gunicorn(command)) add(evidence::ServerCommand{std::string(command), environment}, *entry);
  }
}

int sure(std::string_view, std::string_view head) {
  bool service = false, other = false, foreign = false, entry = false;
  std::size_t lines = 0;
  for (const auto whole : base::split(head, '\n')) {
    const auto line = base::trim(whole);
    if (line.size() > 2 && line.front() == '[' && line.back() == ']') {
      service |= line == "[Service]" || line == "[Socket]" || line == "[Timer]";
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
