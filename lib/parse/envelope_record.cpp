// JSON around a message: docker's json-file, the journal's -o json, and the formatters that applications give their loggers.
#include <array>

#include "base/text.hpp"
#include "parse/envelope.hpp"
#include "parse/envelope_stamp.hpp"

namespace parse {

namespace {

std::optional<base::Instant> micros(std::string_view text, base::Clock clock) {
  const auto value = base::read_number(text);
  if (!value || *value < 0 || *value > INT64_MAX / 1000) return std::nullopt;
  return base::Instant{clock, *value * 1000, 500};
}

template <std::size_t N> const Member* first_of(const JsonLine& json, const std::array<std::string_view, N>& names) {
  for (const auto name : names)
    if (const Member* const member = json.find(name); member && member->kind != 'n') return member;
  return nullptr;
}

int small_number(std::string_view text, int otherwise) {
  const auto value = base::read_number(text);
  return value && *value >= 0 && *value <= INT32_MAX ? static_cast<int>(*value) : otherwise;
}

}  // namespace

Opener::Next Opener::json(Record& record) {
  JsonLine& line = json_[0];
  if (!line.read(record.text)) return Next::done;
  if (const Member* const log = line.find("log"); log && log->kind == '"') {
    const Member* const stream = line.find("stream");
    if (!stream && !line.find("time")) return Next::done;
    if (std::string_view stamp = line.string("time"); !stamp.empty()) record.when = take_iso(stamp);
    std::string_view text = log->value;
    const bool last = !text.empty() && text.back() == '\n';
    if (last) text.remove_suffix(1);
    return join(stream && stream->value == "stderr" ? 1 : 0, text, last, record);
  }
  if (line.find("__REALTIME_TIMESTAMP") || line.find("__CURSOR")) {
    journal_json(record);
    return record.line.empty() ? Next::drop : Next::done;
  }
  return Next::done;  // perhaps an application's: inside() looks
}

void Opener::journal_json(Record& record) {
  const JsonLine& line = json_[0];
  journal_ = true;
  const Member* const message = line.find("MESSAGE");
  if (!message || message->kind == 'n') { record.line = {}; return; }
  if (message->kind == '[') {
    if (!bytes_of(message->value, bytes_)) { record.line = {}; return; }
    record.text = bytes_;
  } else {
    record.text = message->value;
  }
  fields_.clear();
  for (const Member& member : line.members())
    if (member.kind == '"') fields_.push_back({member.name, member.value});
  record.fields = fields_;
  record.when = micros(line.string("__REALTIME_TIMESTAMP"), base::Clock::wall);
  if (auto source = micros(line.string("_SOURCE_REALTIME_TIMESTAMP"), base::Clock::wall)) record.when = source;
  record.pid = small_number(line.string("_PID"), 0);
  if (record.pid == 0) record.pid = small_number(line.string("SYSLOG_PID"), 0);
  record.priority = small_number(line.string("PRIORITY"), -1);
  record.facility = small_number(line.string("SYSLOG_FACILITY"), -1);
  record.ident = line.string("SYSLOG_IDENTIFIER");
  if (record.ident.empty()) record.ident = line.string("_COMM");
  // UNIT is the unit that systemd speaks about; _SYSTEMD_UNIT is the writer's own, which for systemd itself is init.scope.
  record.unit = line.string("UNIT");
  if (record.unit.empty()) record.unit = line.string("OBJECT_SYSTEMD_UNIT");
  if (record.unit.empty()) record.unit = line.string("CONTAINER_NAME");  // before the unit of the daemon that passed the line on
  if (record.unit.empty()) record.unit = line.string("_SYSTEMD_UNIT");
  if (line.string("_TRANSPORT") == "kernel") {
    record.from_kernel_form = true;
    record.ident = "kernel";
    if (auto boot = micros(line.string("_SOURCE_MONOTONIC_TIMESTAMP"), base::Clock::boot)) record.boot = boot;
    else record.boot = micros(line.string("__MONOTONIC_TIMESTAMP"), base::Clock::boot);
  }
}

// {"time": "2026-11-22 10:31:07,123", "level": "INFO", "logger": "gunicorn.error", "message": "..."} and its many relatives. The keys are
// those of python-json-logger, structlog, logging's own record attributes, and of hand-written formatters such as most articles show.
void Opener::app_json(Record& record) {
  static constexpr std::array<std::string_view, 6> messages{"message", "msg", "event", "text", "@message", "m"};
  static constexpr std::array<std::string_view, 6> levels{"level", "levelname", "severity", "log.level", "lvl", "log_level"};
  static constexpr std::array<std::string_view, 9> times{"time", "timestamp", "asctime", "ts", "@timestamp", "datetime", "created", "date", "t"};
  static constexpr std::array<std::string_view, 4> loggers{"logger", "name", "logger_name", "log.logger"};
  static constexpr std::array<std::string_view, 4> pids{"process", "pid", "process_id", "process.pid"};
  static constexpr std::array<std::string_view, 6> traces{"exc_info", "exception", "traceback", "stack_trace", "exc_text", "error.stack_trace"};
  JsonLine& line = json_[1];
  if (!line.read(record.text)) return;
  const Member* const message = first_of(line, messages);
  if (!message || message->kind != '"') return;
  const Member* const level = first_of(line, levels);
  const Member* const time = first_of(line, times);
  const Member* const logger = first_of(line, loggers);
  if (!level && !time && !logger) return;
  record.app_json = true;
  record.text = message->value;
  while (!record.text.empty() && (record.text.back() == '\n' || record.text.back() == '\r')) record.text.remove_suffix(1);
  if (level) record.level = level->value;
  if (logger && logger->kind == '"') record.ident = logger->value;
  if (const Member* const pid = first_of(line, pids)) record.pid = small_number(pid->value, record.pid);
  if (time) {
    std::string_view stamp = time->value;
    auto when = time->kind == '"' ? take_iso(stamp) : std::nullopt;
    if (!when) when = read_epoch(stamp);
    // The writer's own time, unless it has no zone and the envelope's has.
    if (when && (when->clock == base::Clock::wall || !record.when || record.when->clock != base::Clock::wall)) record.when = when;
  }
  if (const Member* const trace = first_of(line, traces); trace && trace->kind == '"' && trace->value != record.text) trace_.assign(trace->value);
}

}  // namespace parse
