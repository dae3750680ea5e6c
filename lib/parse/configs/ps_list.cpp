// A list of processes as `ps` prints it: `ps -eo pid,ppid,stat,rss,args` with or without its header, `ps aux`, `ps -ef`, other columns in the
// order of their header. The last column is the command and may hold blanks.
#include <algorithm>
#include <array>
#include <climits>
#include <optional>
#include <vector>

#include "base/text.hpp"
#include "parse/format.hpp"

namespace parse {
namespace {

constexpr std::size_t most_rows = 100'000;

enum class Column : std::uint8_t { pid, ppid, state, rss, uid, comm, args, threads, other, five_words };

std::optional<Column> column_of(std::string_view word) {
  struct Name { std::string_view word; Column column; };
  static constexpr std::array<Name, 41> names{{{"PID", Column::pid}, {"PPID", Column::ppid}, {"STAT", Column::state}, {"S", Column::state}, {"RSS", Column::rss}, {"RSZ", Column::rss}, {"UID", Column::uid},
                                               {"COMMAND", Column::args}, {"CMD", Column::args}, {"ARGS", Column::args}, {"COMM", Column::comm}, {"UCMD", Column::comm}, {"NLWP", Column::threads},
                                               {"THCNT", Column::threads}, {"USER", Column::other}, {"%CPU", Column::other}, {"%MEM", Column::other}, {"VSZ", Column::other}, {"TTY", Column::other},
                                               {"TT", Column::other}, {"START", Column::other}, {"TIME", Column::other}, {"ELAPSED", Column::other}, {"C", Column::other}, {"STIME", Column::other},
                                               {"PGID", Column::other}, {"SID", Column::other}, {"SESS", Column::other}, {"TGID", Column::other}, {"LWP", Column::other}, {"NI", Column::other},
                                               {"PRI", Column::other}, {"SZ", Column::other}, {"WCHAN", Column::other}, {"F", Column::other}, {"ADDR", Column::other}, {"EUSER", Column::other},
                                               {"RUSER", Column::other}, {"GROUP", Column::other}, {"CGROUP", Column::other}, {"STARTED", Column::five_words}}};
  for (const Name& name : names)
    if (name.word == word) return name.column;
  return std::nullopt;
}

std::vector<std::string_view> words_of(std::string_view line, std::size_t most) {
  std::vector<std::string_view> words;
  while (words.size() < most) {
    line = base::trim(line);
    if (line.empty()) break;
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

// The columns of a header; empty when the line is none: it must name a pid and a command, the command last.
std::vector<Column> header_of(std::string_view line) {
  std::vector<Column> columns;
  if (line.size() > 400) return {};
  for (const auto word : words_of(line, 40)) {
    const auto column = column_of(word);
    if (!column) return {};
    columns.push_back(*column);
  }
  const bool pid = std::find(columns.begin(), columns.end(), Column::pid) != columns.end();
  if (!pid || columns.size() < 3 || (columns.back() != Column::args && columns.back() != Column::comm)) return {};
  return columns;
}

std::optional<int> number(std::string_view text) {
  const auto value = base::read_number(text);
  return value && *value >= 0 && *value <= INT_MAX ? std::optional<int>(static_cast<int>(*value)) : std::nullopt;
}

bool state_word(std::string_view word) {
  static constexpr std::string_view first = "RSDTtZXIWKP", rest = "<NLsl+";
  return !word.empty() && word.size() <= 6 && first.find(word[0]) != std::string_view::npos && word.substr(1).find_first_not_of(rest) == std::string_view::npos;
}

struct Seen { int pid = 0; evidence::ProcessSeen process; };

std::optional<Seen> read_row(std::string_view line, const std::vector<Column>& columns) {
  Seen seen;
  std::string_view rest = line;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
    if (rest.empty()) return std::nullopt;
    if (i + 1 == columns.size()) {
      while (!rest.empty() && (rest.back() == ' ' || rest.back() == '\r')) rest.remove_suffix(1);
      (columns[i] == Column::comm ? seen.process.comm : seen.process.args) = std::string(rest.substr(0, 4096));
      break;
    }
    std::string_view word;
    for (int times = columns[i] == Column::five_words ? 5 : 1; times > 0; --times) {
      while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
      const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
      word = rest.substr(0, end);
      rest.remove_prefix(end);
    }
    const auto value = number(word);
    switch (columns[i]) {
      case Column::pid:
        if (!value || *value == 0) return std::nullopt;
        seen.pid = *value;
        break;
      case Column::ppid:
        if (!value) return std::nullopt;
        seen.process.ppid = *value;
        break;
      case Column::rss:
        if (!value) return std::nullopt;
        seen.process.rss = static_cast<std::uint64_t>(*value) * 1024;  // KiB, man 1 ps
        break;
      case Column::state:
        if (!state_word(word)) return std::nullopt;
        seen.process.state = std::string(word);
        break;
      case Column::uid:
        if (value) seen.process.uid = static_cast<std::uint32_t>(*value);
        break;
      case Column::threads:
        if (value) seen.process.threads = static_cast<std::uint64_t>(*value);
        break;
      case Column::comm: seen.process.comm = std::string(word.substr(0, 64)); break;
      case Column::args: case Column::other: case Column::five_words: break;
    }
  }
  return seen.pid > 0 ? std::optional<Seen>(std::move(seen)) : std::nullopt;
}

const std::vector<Column>& plain_columns() {
  static const std::vector<Column> columns{Column::pid, Column::ppid, Column::state, Column::rss, Column::args};
  return columns;
}

int sure(std::string_view, std::string_view head) {
  std::size_t rows = 0;
  bool first = true;
  for (const auto line : base::split(head, '\n')) {
    if (base::trim(line).empty()) continue;
    if (first && !header_of(line).empty()) return 90;
    first = false;
    if (!read_row(line, plain_columns())) return rows >= 3 ? 85 : 0;  // the last line may be cut
    ++rows;
  }
  return rows >= 1 ? 85 : 0;
}

void read(std::string_view text, Sink& sink) {
  std::vector<Column> columns = plain_columns();
  std::uint32_t line_number = 0;
  std::uint64_t offset = 0;
  std::size_t rows = 0, odd = 0;
  for (const auto line : base::split(text, '\n')) {
    ++line_number;
    const std::uint64_t here = offset;
    offset += line.size() + 1;
    if (base::trim(line).empty()) continue;
    if (auto header = header_of(line); !header.empty()) {
      columns = std::move(header);
      continue;
    }
    auto seen = read_row(line, columns);
    if (!seen || rows == most_rows) { ++odd; continue; }
    ++rows;
    Record record;
    record.line = record.text = line;
    record.origin.line = line_number;
    record.origin.column = 1;
    record.origin.offset = here;
    evidence::Subject about;
    about.pid = seen->pid;
    sink.add(std::move(seen->process), about, record);
  }
  if (odd > 0) sink.gap({"rows of " + sink.source().name, "they do not fit the list's columns", "take it by `ps -eo pid,ppid,stat,rss,args`", odd, {}});
}

}  // namespace

namespace configs_of {
extern const Document ps_list = {"a list of processes", evidence::SourceKind::process_list, sure, read};
}

}  // namespace parse
