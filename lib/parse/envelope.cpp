// The dispatch by first byte, and the forms that syslog daemons and container runtimes write. The kernel's own are in
// envelope_kernel.cpp, JSON records in envelope_record.cpp. Each form is told by its own shape in a few bytes, for every line of a log of
// gigabytes passes here. Past 300 lines because the forms share one dispatch and one way of naming who wrote.
#include "parse/envelope.hpp"

#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "parse/envelope_stamp.hpp"

namespace parse {

namespace {

constexpr std::size_t most_lines = 4096;    // of one message
constexpr std::size_t longest_name = 128;   // of a host or program

bool digit(char c) { return c >= '0' && c <= '9'; }
bool name_byte(char c) { return c > ' ' && c < 0x7f && c != ':' && c != '[' && c != ']' && c != '"' && c != '{' && c != '='; }

std::size_t name_length(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && size < longest_name && name_byte(text[size])) ++size;
  return size;
}

// Elsewhere: the text was joined from parts or its escapes were undone.
bool within(std::string_view text, std::string_view line) {
  const auto from = reinterpret_cast<std::uintptr_t>(line.data()), at = reinterpret_cast<std::uintptr_t>(text.data());
  return at >= from && at - from <= line.size();
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
}

}  // namespace

// "host ident[pid]: text", "host ident: text"; without a host where the form has none or it was taken out of a shared log.
bool Opener::whom(Record& record, bool with_host) {
  std::string_view text = record.text;
  skip_blanks(text);
  for (int word = 0; word < 2; ++word) {
    const std::size_t size = name_length(text);
    if (size == 0) return false;
    std::string_view rest = text.substr(size);
    int pid = 0;
    if (rest.size() > 2 && rest[0] == '[' && digit(rest[1])) {
      rest.remove_prefix(1);
      const auto number = base::take_number(rest);
      if (!number || *number < 0 || *number > INT32_MAX || rest.empty() || rest[0] != ']') return false;
      pid = static_cast<int>(*number);
      rest.remove_prefix(1);
    }
    if (!rest.empty() && rest[0] == ':' && (rest.size() == 1 || rest[1] == ' ')) {
      record.ident = text.substr(0, size);
      record.pid = pid;
      rest.remove_prefix(std::min<std::size_t>(rest.size(), 2));
      record.text = rest;
      if (record.ident == "kernel" && pid == 0) {
        record.from_kernel_form = true;
        const auto when = record.when;
        if (kernel_stamp(record)) record.boot = record.when;  // "kernel: [ 1358.121594] audit: ..." carries both clocks
        if (when) record.when = when;
      }
      return true;
    }
    if (word == 1 || !with_host || pid != 0 || rest.empty() || rest[0] != ' ') return false;
    text = rest;
    skip_blanks(text);
  }
  return false;
}

bool Opener::month(Record& record) {
  std::string_view text = record.text;
  const auto when = take_month_day(text, about_ns_);
  if (!when || text.empty()) return false;
  record.when = when;
  record.text = text;
  yearless_ = true;
  if (whom(record, true)) return true;
  skip_blanks(text);
  const std::size_t host = name_length(text);   // "host last message repeated 3 times"
  record.text = host > 0 && host < text.size() && text[host] == ' ' ? text.substr(host + 1) : text;
  return true;
}

bool Opener::weekday(Record& record) {
  std::string_view text = record.text;
  const auto when = take_weekday_iso(text);
  if (!when) return false;
  Record with = record;
  with.when = when;
  with.text = text;
  if (!whom(with, true)) return false;
  record = with;
  // -o with-unit names the unit where the writer's name would stand; systemd's own is init.scope.
  if (record.ident == "init.scope") record.ident = "systemd";
  else if (record.ident.ends_with(".service") || record.ident.ends_with(".scope")) record.unit = record.ident;
  return true;
}

bool Opener::digits(Record& record) {
  std::string_view text = record.text;
  if (text.size() < 20) return kmsg(record);
  if (text[4] != '-' || text[10] != 'T') return text[4] == '-' || text[3] == '.' ? false : kmsg(record);
  int fraction = 0;
  const bool comma = text[19] == ',';
  const auto when = take_iso(text, &fraction);
  if (!when || text.empty() || text[0] != ' ') return false;
  text.remove_prefix(1);
  if (comma && fraction == 6) {  // dmesg --time-format iso
    record.from_kernel_form = true;
    record.when = when;
    record.text = text;
    return true;
  }
  if (text.size() > 8 && text[0] == 's' && text[6] == ' ' && (text[7] == 'F' || text[7] == 'P') && (text[8] == ' ' || text[8] == ':')) {  // CRI
    const bool out = base::starts_with(text, "stdout");
    if (out || base::starts_with(text, "stderr")) {
      record.when = when;
      const bool last = text[7] == 'F';
      std::string_view part = text.substr(text[8] == ' ' ? 9 : text.find(' ') == std::string_view::npos ? text.size() : std::min(text.size(), text.find(' ', 8) + 1));
      if (join(out ? 0 : 1, part, last, record) == Next::drop) record.line = {};
      return true;
    }
  }
  if (when->clock != base::Clock::wall) return false;
  Record with = record;
  with.when = when;
  with.text = text;
  // Seven digits and more of a fraction are docker's and kubectl's stamps, which stand before the bare line.
  if (fraction <= 6 && whom(with, true)) { record = with; return true; }
  record.when = when;
  record.text = text;
  return true;
}

bool Opener::rfc5424(Record& record) {
  std::string_view text = record.text;
  if (text.size() < 4 || text[0] != '1' || text[1] != ' ') return false;
  text.remove_prefix(2);
  std::optional<base::Instant> when;
  if (text[0] == '-' && text[1] == ' ') text.remove_prefix(1);
  else if (!(when = take_iso(text))) return false;
  std::array<std::string_view, 4> words;   // host, program, pid, message id
  for (auto& word : words) {
    skip_blanks(text);
    const std::size_t end = text.find(' ');
    if (end == std::string_view::npos) return false;
    word = text.substr(0, end);
    text.remove_prefix(end);
  }
  skip_blanks(text);
  if (base::starts_with(text, "-")) text.remove_prefix(1);
  while (!text.empty() && text[0] == '[') {   // structured elements; a quoted value may hold an escaped bracket
    bool quoted = false;
    std::size_t at = 1;
    for (; at < text.size() && (quoted || text[at] != ']'); ++at) {
      if (text[at] == '\\') ++at;
      else if (text[at] == '"') quoted = !quoted;
    }
    if (at >= text.size()) return false;
    text.remove_prefix(at + 1);
  }
  if (!text.empty() && text[0] == ' ') text.remove_prefix(1);  // one: what follows is the message's own indentation
  if (base::starts_with(text, "\xef\xbb\xbf")) text.remove_prefix(3);
  record.when = when;
  record.ident = words[1] == "-" ? std::string_view{} : words[1];
  if (const auto pid = base::read_number(words[2]); pid && *pid > 0 && *pid <= INT32_MAX) record.pid = static_cast<int>(*pid);
  record.from_kernel_form = record.ident == "kernel";
  record.text = text;
  return true;
}

bool Opener::angle(Record& record) {
  std::string_view text = record.text.substr(1);
  const auto number = base::take_number(text);
  if (!number || *number < 0 || *number > 191 || text.size() < 2 || text[0] != '>' || text[1] == ' ') return false;
  text.remove_prefix(1);
  record.priority = static_cast<int>(*number % 8);
  record.text = text;
  if (text[0] == '[') {  // dmesg -r; it prints <3> for the kernel and for what user space wrote alike, so the facility is not known
    if (kernel_stamp(record)) {
      record.facility = *number >= 8 ? static_cast<int>(*number / 8) : -1;
      return true;
    }
  } else {
    record.facility = static_cast<int>(*number / 8);
    if (digit(text[0]) && (rfc5424(record) || digits(record))) return true;
    if (month(record)) return true;
    if (whom(record, false)) return true;
    record.facility = -1;
  }
  return true;  // sd-daemon's "<3>text"
}

// "kern  :err   : [ 1.2] text" (dmesg -x); "gunicorn.app.error: [12] text" (gunicorn's syslog without syslog); "web-1  | text" (compose).
bool Opener::word(Record& record) {
  static constexpr std::array<std::string_view, 24> facilities{"kern", "user", "mail",   "daemon", "auth",   "syslog", "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
                                                               "res0", "res1", "res2", "res3", "local0", "local1", "local2", "local3", "local4", "local5", "local6",   "local7"};
  static constexpr std::array<std::string_view, 8> levels{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"};
  const std::string_view text = record.text;
  const std::size_t size = name_length(text);
  if (size == 0 || size >= text.size()) return false;
  const std::size_t colon = size <= 8 ? text.substr(0, 10).find(':') : std::string_view::npos;
  if (colon != std::string_view::npos && colon >= 6) {
    const std::string_view facility = base::trim(text.substr(0, colon));
    const std::size_t second = text.substr(0, colon + 12).find(':', colon + 1);
    if (second != std::string_view::npos && second + 1 < text.size() && text[second + 1] == ' ') {
      const std::string_view level = base::trim(text.substr(colon + 1, second - colon - 1));
      const auto f = std::find(facilities.begin(), facilities.end(), facility);
      const auto l = std::find(levels.begin(), levels.end(), level);
      if (f != facilities.end() && l != levels.end()) {
        record.facility = static_cast<int>(f - facilities.begin());
        record.priority = static_cast<int>(l - levels.begin());
        record.from_kernel_form = true;
        record.text = text.substr(second + 2);
        if (kernel_stamp(record)) return true;
        if (auto rest = record.text; const auto when = take_iso(rest)) {  // --time-format iso: without brackets
          record.when = when;
          record.text = base::starts_with(rest, " ") ? rest.substr(1) : rest;
        }
        return true;
      }
    }
  }
  if (text[size] == ' ') {
    std::string_view rest = text.substr(size);
    skip_blanks(rest);
    if (rest.size() > 2 && rest[0] == '|' && rest[1] == ' ' && text.size() - rest.size() <= longest_name) {
      record.unit = text.substr(0, size);
      record.text = rest.substr(2);
      return true;
    }
  }
  return stern(record);
}

// stern prints "pod container text". The pod's name is the replica set's, with the five letters and digits that Kubernetes draws from an alphabet
// without vowels (util/rand of apimachinery), or a stateful set's with its number; the text must open as a server's own line does.
bool Opener::stern(Record& record) {
  constexpr std::string_view drawn = "bcdfghjklmnpqrstvwxz2456789";
  const std::string_view text = record.text;
  const std::size_t pod = name_length(text), dash = text.substr(0, pod).rfind('-');
  if (dash == std::string_view::npos || pod >= text.size() || text[pod] != ' ') return false;
  const std::string_view tail = text.substr(dash + 1, pod - dash - 1);
  const bool ordinal = !tail.empty() && tail.size() <= 4 && tail.find_first_not_of("0123456789") == std::string_view::npos;
  if (!ordinal && (tail.size() != 5 || tail.find_first_not_of(drawn) != std::string_view::npos)) return false;
  const std::size_t container = name_length(text.substr(pod + 1)), begin = pod + container + 2;
  if (container == 0 || begin + 1 >= text.size() || text[begin - 1] != ' ') return false;
  if (!(text[begin] == '[' && digit(text[begin + 1])) && text[begin] != '{' && !digit(text[begin])) return false;
  record.unit = text.substr(0, begin - 1);
  record.text = text.substr(begin);
  return true;
}

// A part of a message. The joined text stays in parts_ until the next part of the same stream comes.
Opener::Next Opener::join(std::size_t slot, std::string_view part, bool last, Record& record) {
  std::string& kept = parts_[slot];
  if (last && kept.empty()) { record.text = part; return Next::done; }
  if (kept.size() < longest_) kept.append(part.substr(0, longest_ - kept.size()));
  if (!last) return Next::drop;
  bytes_.swap(kept);
  kept.clear();
  record.text = bytes_;
  return Next::done;
}

void Opener::inside(Record& record) {
  std::string_view text = record.text;
  if (text.empty()) return;
  if (text.back() == '\r') record.text = text = text.substr(0, text.size() - 1);
  if (record.from_kernel_form || text.empty()) return;
  if (text[0] == '{') { app_json(record); return; }
  // gunicorn --log-syslog: "gunicorn.<name>.error: [pid] message" (glogging.py:420@20.1.0), where no daemon has taken the name for itself.
  if (text[0] == 'g' && record.ident.empty() && base::starts_with(text, "gunicorn.")) {
    const std::size_t size = name_length(text);
    if (size + 3 < text.size() && text[size] == ':' && text[size + 1] == ' ' && text[size + 2] == '[') {
      record.ident = text.substr(0, size);
      record.text = text.substr(size + 2);
    }
  }
}

Opener::Next Opener::take_apart(std::string_view line, Record& record) {
  const char first = line[0];
  if (first == '{') return json(record);
  if (first == ' ') {
    if (after_kmsg_ && line.find('=') != std::string_view::npos) return Next::drop;  // " SUBSYSTEM=acpi" belongs to the record before
    if (indent_ > 0 && line.size() > indent_ && line.find_first_not_of(' ') >= indent_) {
      const std::string_view whole = record.line;
      record = under_;
      record.line = whole;
      record.text = line.substr(indent_);
    }
    return Next::done;
  }
  indent_ = 0;
  bool opened = false;
  if (digit(first)) {
    opened = digits(record);
    if (record.line.empty()) return Next::drop;
  } else if (first == '[') {
    opened = bracket(record);
  } else if (first == '<') {
    opened = angle(record);
  } else if (first >= 'A' && first <= 'Z') {
    opened = (line.size() > 8 && line[8] == '-' ? weekday(record) : month(record)) || word(record);
  } else if (first == '-' && base::starts_with(line, "-- ")) {  // "-- Boot 0123... --", "-- Journal begins at ..."
    if (base::starts_with(line, "-- Boot ") || base::starts_with(line, "-- Reboot") || base::starts_with(line, "-- Logs begin") || base::starts_with(line, "-- Journal begins") || base::starts_with(line, "-- No entries")) {
      journal_ = true;
      return Next::drop;
    }
  } else if (first > ' ') {
    opened = word(record);
  }
  if (opened && !record.ident.empty() && record.when) {
    // Later lines of this message, as journalctl indents them, are this record's too.
    indent_ = within(record.text, line) ? static_cast<std::size_t>(record.text.data() - line.data()) : 0;
    under_ = record;
    who_.assign(record.ident);
    under_.ident = who_;
    under_.unit = {};
    under_.text = under_.line = {};
  }
  return Next::done;
}

// A message of several lines becomes a record a line. The kernel's is not split: a newline there is a process name's.
void Opener::split(const Record& record) {
  const bool escaped = !record.ident.empty() && record.text.find("#012") != std::string_view::npos;  // rsyslog's newline
  const bool plain = within(record.text, record.line);  // and so holds no newline
  if (record.from_kernel_form || (!escaped && (plain || std::memchr(record.text.data(), '\n', record.text.size()) == nullptr))) {
    records_.push_back(record);
    return;
  }
  std::string_view text = record.text;
  while (!text.empty() && records_.size() < most_lines) {
    const std::size_t newline = text.find('\n'), mark = escaped ? text.find("#012") : std::string_view::npos;
    const std::size_t end = std::min(newline, mark);
    Record one = record;
    one.text = text.substr(0, end);
    records_.push_back(one);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + (end == mark ? 4 : 1));
  }
}

std::span<Record> Opener::open(std::string_view line) {
  if ((gathering_ != Gathering::none || line.size() < 2 || line[0] == '_' || line[0] == '\t' || (line.size() > 8 && line[8] == '-')) && gather(line)) return records_;
  records_.resize(1);  // made in place: a copy of a Record a line shows in the profile
  Record& record = records_.front();
  record = {};
  record.line = record.text = line;
  if (line.empty()) {
    indent_ = 0;
    return records_;
  }
  trace_.clear();
  const bool was_kmsg = after_kmsg_;
  if (take_apart(line, record) == Next::drop) return {};
  after_kmsg_ = record.sequence.has_value() || (was_kmsg && line[0] == ' ');
  inside(record);
  if (record.text.empty() || (trace_.empty() && record.ident.empty() && within(record.text, line))) return records_;
  const Record whole = record;
  records_.clear();
  split(whole);
  if (!trace_.empty()) {
    Record trace = whole;
    trace.text = trace_;
    split(trace);
  }
  return records_;
}

void Opener::passed_over(std::string_view line) {
  if (!line.empty() && line[0] == ' ') return;
  indent_ = 0;
  if (!line.empty()) after_kmsg_ = false;
}

std::span<Record> Opener::rest() {
  records_.clear();
  end_gathering();
  for (std::string& part : parts_) {
    if (part.empty()) continue;
    Record record;
    record.line = record.text = part;
    inside(record);
    split(record);
    break;
  }
  return records_;
}

}  // namespace parse
