// Access logs: gunicorn's default format, the common and combined ones that it shares with nginx and Apache, JSON rows, and any custom row
// that shows the request line and the status. Rows are added up into one fact; of a proxy's the ones that speak of a dead or slow server
// are kept too, up to most_rows, for they name the requests that were hit.
// Past 300 lines: four shapes of a row, and the common one read in one go because most of a large log is made of it.
#include <array>
#include <bit>
#include <cstring>

#include "base/text.hpp"
#include "parse/access_row.hpp"
#include "parse/envelope_json.hpp"
#include "parse/envelope_stamp.hpp"
#include "parse/format.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using base::starts_with;
using evidence::AccessRows, evidence::ProxyError, evidence::SourceKind;

constexpr std::size_t most_rows = 2000;

struct Row {
  std::string_view request;    // "GET /x HTTP/1.1", taken apart only for the rows that are kept
  std::string_view method, uri;
  int status = 0;
  std::optional<base::Instant> when;
  double seconds = -1;         // negative: not in the row
  double upstream = -1;        // the same of the server alone
  bool proxy = false;          // the row has words that only a proxy writes
};

// Durations by powers of two of a microsecond, eight steps each: 9 % exact, 2 KiB.
class Durations {
 public:
  void add(double seconds) {
    const double micros = seconds * 1e6;
    const std::uint64_t us = micros < 1 ? 1 : micros > 1e15 ? 1'000'000'000'000'000 : static_cast<std::uint64_t>(micros);
    const unsigned power = static_cast<unsigned>(std::bit_width(us)) - 1;
    const std::uint64_t step = power >= 3 ? us >> (power - 3) & 7 : us << (3 - power) & 7;
    ++counts_[power * 8 + step];
    ++total_;
  }
  double at(double share) const {
    const auto wanted = static_cast<std::uint64_t>(static_cast<double>(total_) * share);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return static_cast<double>(std::uint64_t{1} << (i / 8)) * (1 + (static_cast<double>(i % 8) + 0.5) / 8) / 1e6;
    }
    return 0;
  }

 private:
  std::array<std::uint32_t, 64 * 8> counts_{};
  std::uint64_t total_ = 0;
};

struct Reading : State {
  AccessRows* rows = nullptr;          // in the evidence, whose facts do not move
  bool refused = false;                // the fact was not kept: the cap, or another reader's limit
  bool proxy = false, named = false;
  std::size_t kept = 0;
  Durations durations;
  std::array<char, 26> stamp{};        // the last one read, and its meaning: most rows share it, or its day, with the row before
  std::int64_t day = 0;
  base::Instant stamp_when;
  JsonLine json;
};

bool digit(char c) { return c >= '0' && c <= '9'; }

bool number_at(std::string_view text, std::size_t at, std::size_t size, unsigned& value) {
  value = 0;
  if (at + size > text.size()) return false;
  for (std::size_t i = at; i < at + size; ++i) {
    if (!digit(text[i])) return false;
    value = value * 10 + static_cast<unsigned>(text[i] - '0');
  }
  return true;
}

// "22/Nov/2026:10:31:08 +0000", 26 bytes.
std::optional<base::Instant> read_stamp(std::string_view text, Reading& state) {
  if (text.size() < 26 || text[2] != '/' || text[6] != '/' || text[11] != ':' || text[20] != ' ' || !(text.substr(7, 2) == "20" || text.substr(7, 2) == "19")) return std::nullopt;
  if (std::memcmp(text.data(), state.stamp.data(), 26) == 0) return state.stamp_when;
  unsigned hour = 0, minute = 0, second = 0;
  if (!number_at(text, 12, 2, hour) || !number_at(text, 15, 2, minute) || !number_at(text, 18, 2, second) || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  if (std::memcmp(text.data(), state.stamp.data(), 11) != 0 || std::memcmp(text.data() + 20, state.stamp.data() + 20, 6) != 0) {
    unsigned day = 0, year = 0, hours = 0, minutes = 0;
    const unsigned month = month_number(text.substr(3, 3));
    if (month == 0 || !number_at(text, 0, 2, day) || !number_at(text, 7, 4, year) || !number_at(text, 22, 2, hours) || !number_at(text, 24, 2, minutes) || (text[21] != '+' && text[21] != '-') || day < 1 || day > 31 || year > 2200 ||
        hours > 23 || minutes > 59)
      return std::nullopt;
    const std::int64_t offset = (text[21] == '-' ? -1 : 1) * static_cast<std::int64_t>(hours * 60 + minutes) * 60;
    state.day = base::days_from_civil(static_cast<int>(year), month, day) * 86400 - offset;
  }
  std::memcpy(state.stamp.data(), text.data(), 26);
  state.stamp_when = {base::Clock::wall, (state.day + hour * 3600 + minute * 60 + second) * base::second_ns + base::second_ns / 2, base::second_ns / 2};
  return state.stamp_when;
}

double read_seconds(std::string_view text) {
  if (text.empty() || text.size() > 18 || !digit(text[0])) return -1;
  std::uint64_t value = 0, unit = 0;
  for (const char c : text) {
    if (c == '.') { if (unit != 0) return -1; unit = 1; }
    else if (!digit(c)) return -1;
    else { value = value * 10 + static_cast<std::uint64_t>(c - '0'); unit *= 10; }
  }
  return unit > 1 ? static_cast<double>(value) / static_cast<double>(unit) : static_cast<double>(value);
}

// What stands behind the usual fields: "rt=0.123", "request_time=0.1 upstream_time=...", a bare "0.123". A bare whole number may be bytes,
// milliseconds or microseconds, so nothing is read from it.
void read_tail(std::string_view tail, Row& row) {
  while (!tail.empty()) {
    std::size_t end = 0;  // words of a few bytes: a call would cost more than the search
    while (end < tail.size() && tail[end] != ' ') ++end;
    std::string_view word = tail.substr(0, end);
    tail.remove_prefix(end < tail.size() ? end + 1 : end);
    while (!word.empty() && (word.back() == ',' || word.back() == '"' || word.back() == 's')) word.remove_suffix(1);
    if (word.empty()) continue;
    std::size_t equal = 0;
    while (equal < word.size() && word[equal] != '=') ++equal;
    if (equal == word.size()) {
      if (row.seconds < 0 && digit(word[0]) && contains(word, ".")) row.seconds = read_seconds(word);
      continue;
    }
    const std::string_view name = word.substr(0, equal);
    std::string_view value = word.substr(equal + 1);
    if (!value.empty() && value[0] == '"') value.remove_prefix(1);
    if (name == "status") {
      unsigned status = 0;
      if (value.size() >= 3 && number_at(value, 0, 3, status)) row.status = static_cast<int>(status);
    } else if (name == "rt" || name == "request_time" || name == "time" || name == "duration" || name == "req_time") {
      row.seconds = read_seconds(value);
    } else if (name == "uct" || name == "urt" || name == "uht" || starts_with(name, "upstream")) {
      row.proxy = true;
      if (name == "urt" || starts_with(name, "upstream_response_time") || name == "upstream_time") row.upstream = read_seconds(value);
    }
  }
}

bool method_word(std::string_view word) {
  if (word.size() < 3 || word.size() > 16) return false;
  for (const char c : word)
    if ((c < 'A' || c > 'Z') && c != '-') return false;
  return true;
}

// "GET /x HTTP/1.1", and the rubbish that clients send in its place.
void read_request(std::string_view request, Row& row) {
  const std::size_t blank = request.find(' ');
  if (blank == std::string_view::npos || !method_word(request.substr(0, blank))) { row.uri = request; return; }
  row.method = request.substr(0, blank);
  request.remove_prefix(blank + 1);
  const std::size_t last = request.rfind(" HTTP/");
  row.uri = request.substr(0, last);
}

bool read_status(std::string_view text, Row& row) {
  unsigned status = 0;
  if (!number_at(text, 0, 3, status) || status < 100 || (text.size() > 3 && text[3] != ' ')) return false;
  row.status = static_cast<int>(status);
  return true;
}

// Where the next quote stands that no backslash escapes; npos when there is none.
std::size_t quote(std::string_view text, std::size_t at) {
  for (;; ++at) {
    at = text.find('"', at);
    if (at == std::string_view::npos || at == 0 || text[at - 1] != '\\') return at;
  }
}

// `host - user [22/Nov/2026:10:31:08 +0000] "GET / HTTP/1.1" 200 5 "-" "-" rest`. More than half of the lines of a large log are these, so it
// is read in one go.
bool read_common(std::string_view text, Reading& state, Row& row) {
  std::size_t bracket = 2;
  const std::size_t most = std::min<std::size_t>(text.size(), 300);
  while (bracket < most && text[bracket] != '[') ++bracket;
  if (bracket >= most) return false;
  std::string_view rest = text.substr(bracket + 1);
  row.when = read_stamp(rest, state);
  if (!row.when || rest.size() < 29 || rest[26] != ']' || rest[27] != ' ' || rest[28] != '"') return false;
  rest.remove_prefix(29);
  const std::size_t end = quote(rest, 0);
  if (end == std::string_view::npos) return false;
  row.request = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  if (rest.empty() || rest[0] != ' ' || !read_status(rest.substr(1), row)) return false;
  rest.remove_prefix(4);
  // bytes, "referer", "agent": the tail begins after the fourth quote
  std::size_t at = 0;
  for (int quotes = 0; quotes < 4; ++quotes) {
    const std::size_t found = rest.find('"', at);
    if (found == std::string_view::npos) break;
    at = found + 1;
    if (quotes == 0 && rest.substr(at).starts_with("-\" \"")) { at += 4; quotes = 2; }
  }
  if (at < rest.size()) read_tail(rest.substr(at), row);
  return true;
}

// Any other row with a request line: `<9587> GET /x HTTP/1.1 status=200 time=1.0`, `127.0.0.1:4000 - "GET / HTTP/1.1" 200 OK`.
bool read_custom(std::string_view text, Row& row) {
  std::size_t mark = text.find("HTTP/");  // not " HTTP/": every blank would stop the search
  if (mark == std::string_view::npos || mark == 0 || text[mark - 1] != ' ') return false;
  --mark;
  if (mark + 9 > text.size() || !digit(text[mark + 6])) return false;
  const std::size_t uri = text.rfind(' ', mark - (mark > 0 ? 1 : 0));
  if (uri == std::string_view::npos || uri + 1 >= mark) return false;
  const std::size_t before = uri == 0 ? std::string_view::npos : text.find_last_of(" \"[('", uri - 1);
  const std::string_view method = text.substr(before == std::string_view::npos ? 0 : before + 1, uri - (before == std::string_view::npos ? 0 : before + 1));
  if (!method_word(method)) return false;
  row.method = method;
  row.uri = text.substr(uri + 1, mark - uri - 1);
  std::string_view rest = text.substr(mark + 7);
  const std::size_t end = rest.find_first_of(" \"");
  if (end == std::string_view::npos) return false;
  rest.remove_prefix(end);
  while (!rest.empty() && (rest[0] == '"' || rest[0] == ' ')) rest.remove_prefix(1);
  read_status(rest, row);
  read_tail(rest, row);
  return row.status != 0;
}

// nginx's `log_format ... escape=json`, Caddy's and the like: a status beside a request.
bool read_json(std::string_view text, Reading& state, Row& row) {
  if (!contains(text, "\"status\"") || !state.json.read(text)) return false;
  const JsonLine& json = state.json;
  const Member* const status = json.find("status");
  if (!status || !read_status(status->value, row)) return false;
  if (const auto request = json.string("request"); !request.empty()) read_request(request, row);
  for (const auto name : {"request_method", "method"}) if (row.method.empty()) row.method = json.string(name);
  for (const auto name : {"request_uri", "uri", "path"}) if (row.uri.empty()) row.uri = json.string(name);
  if (row.uri.empty()) return false;
  for (const auto name : {"request_time", "duration"})
    if (const Member* const time = json.find(name); time && row.seconds < 0) row.seconds = read_seconds(time->value);
  for (const auto name : {"time_iso8601", "time", "timestamp", "@timestamp"}) {
    std::string_view stamp = json.string(name);
    if (!row.when && !stamp.empty()) row.when = take_iso(stamp);
  }
  if (const auto stamp = json.string("time_local"); !row.when && !stamp.empty()) row.when = read_stamp(stamp, state);
  for (const Member& member : json.members())
    if (starts_with(member.name, "upstream_")) {
      row.proxy = true;
      if (member.name == "upstream_response_time") row.upstream = read_seconds(member.value);
    }
  return true;
}

void count(const Row& row, Reading& state, const Record& record, Sink& sink) {
  const auto when = row.when && (row.when->clock == base::Clock::wall || !record.when) ? row.when : record.when;
  if (when) {
    sink.saw(*when);
    if (!sink.wanted(*when)) return;
  }
  if (!state.named) {
    state.named = true;
    const std::string& name = sink.source().name;
    state.proxy = contains(name, "nginx") || contains(name, "proxy");
  }
  if (!state.rows) {
    if (state.refused) return;
    const evidence::FactId id = sink.add(AccessRows{}, {}, record, when);
    if (id == evidence::no_fact) { state.refused = true; return; }
    state.rows = &std::get<AccessRows>(sink.all().facts[id].what);
  }
  AccessRows& rows = *state.rows;
  ++rows.rows;
  if (row.status >= 500) ++rows.server_errors;
  if (row.seconds >= 0) {
    state.durations.add(row.seconds);
    if (row.seconds > rows.slowest_s) rows.slowest_s = row.seconds;
    if ((rows.rows & 4095) == 0) {
      rows.p50_s = state.durations.at(0.5);
      rows.p99_s = state.durations.at(0.99);
    }
  }
  const bool gateway = row.status == 502 || row.status == 504 || row.status == 499;  // a server hardly says these of itself
  if (row.status == 502) ++rows.rows_502;
  if (row.status == 504) ++rows.rows_504;
  if (row.status == 499) ++rows.rows_499;
  if (gateway || row.proxy) state.proxy = true;
  if (state.proxy && (gateway || row.status == 500) && state.kept < most_rows) {
    ++state.kept;
    Row whole = row;
    if (whole.method.empty() && whole.uri.empty()) read_request(row.request, whole);
    ProxyError error;
    error.kind = "row";
    error.method = std::string(whole.method.substr(0, 32));
    error.uri = std::string(whole.uri.substr(0, 1024));
    error.code = row.status;
    sink.add(std::move(error), {}, record, when);
  }
}

bool read_row(std::string_view text, Reading& state, Row& row) {
  if (text.size() < 16) return false;
  if (text[0] == '{') return read_json(text, state, row);
  if (read_common(text, state, row)) return true;
  row = {};
  return read_custom(text, row);
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  if (record.from_kernel_form) return false;
  Row row;
  if (!read_row(record.text, state, row)) return false;
  count(row, state, record, sink);
  return true;
}

void finish(State& base_state, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  if (state.rows && state.rows->slowest_s > 0) {
    state.rows->p50_s = state.durations.at(0.5);
    state.rows->p99_s = state.durations.at(0.99);
  }
  if (state.proxy && sink.source().kind == SourceKind::access_log) sink.source().kind = SourceKind::proxy_access_log;
}

// The stamp of the common form, the request line, the JSON member (also inside a JSON string).
constexpr std::string_view marks[] = {
    "/Jan/19", "/Jan/20", "/Feb/19", "/Feb/20", "/Mar/19", "/Mar/20", "/Apr/19", "/Apr/20", "/May/19", "/May/20", "/Jun/19", "/Jun/20", "/Jul/19",
    "/Jul/20", "/Aug/19", "/Aug/20", "/Sep/19", "/Sep/20", "/Oct/19", "/Oct/20", "/Nov/19", "/Nov/20", "/Dec/19", "/Dec/20", " HTTP/0", " HTTP/1",
    " HTTP/2", " HTTP/3", " HTTP/4", " HTTP/5", " HTTP/6", " HTTP/7", " HTTP/8", " HTTP/9", "status\"", "status\\",
};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

// For AccessReader, whose class is of the room and not of this table.
std::unique_ptr<State> start_rows() { return start(); }
std::optional<AccessRow> next_row(State& state, std::string_view line) {
  Row row;
  if (!read_row(line, static_cast<Reading&>(state), row)) return std::nullopt;
  if (row.method.empty() && row.uri.empty()) read_request(row.request, row);
  return AccessRow{std::string(row.method), std::string(row.uri), row.status, row.seconds, row.upstream};
}

extern const Format access_log = {"access log", SourceKind::access_log, start, step, finish, marks};

}  // namespace parse::formats_of

namespace parse {

AccessReader::AccessReader() : state_(formats_of::start_rows()) {}
std::optional<AccessRow> AccessReader::read(std::string_view line) { return formats_of::next_row(*state_, line); }

}  // namespace parse
