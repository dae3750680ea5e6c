// Paths to files, files to documents or lines, lines to records, records to the formats that know them. A little past 300 lines: it is one
// walk, and its parts are used nowhere else.
#include "parse/read.hpp"

#include <algorithm>
#include <ctime>
#include <set>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "parse/envelope.hpp"
#include "parse/format.hpp"
#include "parse/read_shape.hpp"
#include "parse/scan.hpp"
#include "parse/scan_ahead.hpp"
#include "parse/scan_marks.hpp"

namespace parse {

namespace {

constexpr std::size_t head_size = 4096;

evidence::Source named(const std::string& name) {
  evidence::Source source;
  source.name = name;
  return source;
}

base::Result<std::string> read_head(source::Stream& stream) {
  std::string head(head_size, '\0');
  std::size_t have = 0;
  while (have < head_size) {
    const auto count = stream.read(head.data() + have, head_size - have);
    if (!count && have == 0) return base::fail(count.error());
    if (!count || *count == 0) break;
    have += *count;
  }
  head.resize(have);
  return head;
}

// Executables, images, databases. The NULs at the very beginning do not count: a log emptied by copytruncate begins with them.
bool binary(std::string_view head) {
  const std::size_t start = head.find_first_not_of('\0');
  if (start == std::string_view::npos) return false;
  head.remove_prefix(start);
  const auto odd = std::count_if(head.begin(), head.end(), [](char c) { return c == '\0' || (static_cast<unsigned char>(c) < 9) || (c > 13 && c < 27); });
  return static_cast<std::size_t>(odd) * 20 > head.size();
}

const Document* document_of(const std::string& name, std::string_view head) {
  const Document* best = nullptr;
  int most = 49;
  for (const Document* const one : configs()) {
    const int sure = one->sure(name, head);
    if (sure > most) { most = sure; best = one; }
  }
  return best;
}

// The records of one source, and the formats that are asked about them: the one that understood the last line first. A line is opened when
// it holds a mark of some format, when its envelope matters, or when a format is collecting.
class Log {
 public:
  Log(Sink sink, const Marks& marks, const Limits& limits, std::int64_t about_ns)
      : sink_(sink), opener_(limits.longest_line, about_ns), marks_(marks), by_marks_(limits.by_marks && marks_.usable()), known_(formats().size()) {}

  void line(const Seen& seen) {
    const Line& line = seen.line;
    evidence::Source& source = sink_.source();
    source.lines = line.number;
    if (seen.hole) source.lost = true;  // a hole between records
    last_ = {sink_.source_id(), line.number, 0, line.offset};
    searched_ = 0;
    asked_ = every();
    line_ = {};
    Shape shape = Shape::whole;
    if (by_marks_ && !opener_.joining() && seen.shape != Shape::whole) {
      shape = seen.shape;
      asked_ = collecting_ | seen.formats;
      if (asked_ == 0 && shape != Shape::framed && passed_over(line.text, seen.stamp)) return;
      line_ = line.text;
      searched_ = seen.searched;
    }
    if (!head_is_over_ && !line.text.empty() && line.text[0] == ' ') opener_.open(head_);
    head_is_over_ = true;
    bool understood = false;
    if (shape == Shape::bare) opener_.passed_over(line.text);
    for (Record& record : shape == Shape::bare ? bare(line.text) : opener_.open(line.text)) {
      record.origin = last_;
      record.after_blank = blank_;
      if (record.unit.empty()) record.unit = container;
      blank_ = record.text.empty();
      understood |= step(record);
    }
    if (understood) ++source.understood;
  }

  void finish() {
    if (!head_.empty())
      for (const Record& record : opener_.open(head_))
        if (record.when) sink_.saw(*record.when);
    asked_ = every();
    line_ = {};
    for (Record& record : opener_.rest()) {
      record.origin = last_;
      step(record);
    }
    std::uint64_t most = 0;
    for (std::size_t i = 0; i < known_.size(); ++i) {
      if (known_[i].records > most) {
        most = known_[i].records;
        sink_.source().kind = formats()[i]->kind;
      }
    }
    // A syslog or a journal of several programs: the server's few lines count among the many of the kernel (a report has a hundred) or the proxy.
    for (std::size_t i = 0; i < known_.size(); ++i)
      if (known_[i].records > 0 && of_server(formats()[i]->kind) && !of_server(sink_.source().kind)) sink_.source().kind = evidence::SourceKind::journal;
    for (std::size_t i = 0; i < known_.size(); ++i)
      if (known_[i].state) formats()[i]->finish(*known_[i].state, sink_);
  }

  bool yearless() const { return opener_.yearless(); }

  std::string container;   // whose log it is, for records that name no unit

 private:
  struct Known { std::unique_ptr<State> state; std::uint64_t records = 0; };

  static bool of_server(evidence::SourceKind kind) { return kind == evidence::SourceKind::server_log || kind == evidence::SourceKind::stdio; }
  static std::uint32_t bit(std::size_t i) { return 1u << i; }
  std::uint32_t every() const { return ~std::uint32_t{0}; }

  // True when nothing but the passing of the line had to be noted. Of the stamped lines of one second the first is opened, and at the end the
  // last of all: the time that the log reaches to. The last one is kept, for lines may be indented under it.
  bool passed_over(std::string_view text, std::string_view stamp) {
    if (!stamp.empty()) {
      if (stamp != stamp_) {
        stamp_.assign(stamp);
        return false;
      }
      head_.assign(text);
      head_is_over_ = false;
    } else if (text.empty() || text[0] != ' ') {
      head_is_over_ = true;
    }
    blank_ = text.empty();
    opener_.passed_over(text);
    return true;
  }

  // The record of a line without any envelope.
  std::span<Record> bare(std::string_view text) {
    bare_ = {};
    bare_.line = bare_.text = text;
    return {&bare_, 1};
  }

  bool ask(std::size_t i, const Record& record) {
    Known& known = known_[i];
    const Format& format = *formats()[i];
    if (!known.state) known.state = format.start();
    const bool claimed = format.step(*known.state, record, sink_);
    if (format.collecting) collecting_ = format.collecting(*known.state) ? collecting_ | bit(i) : collecting_ & ~bit(i);
    if (!claimed) return false;
    ++known.records;
    sticky_ = i;
    return true;
  }

  // The rest of the marks of the line, once the first one's format did not want it.
  std::uint32_t asked() {
    while (searched_ < line_.size()) asked_ |= marks_.next(line_, searched_);
    return asked_ |= collecting_;
  }

  bool step(const Record& record) {
    evidence::Source& source = sink_.source();
    if (record.when) sink_.saw(*record.when);
    if (record.when && record.from_kernel_form && record.facility <= 0) sink_.saw_kernel(*record.when);
    if (record.from_kernel_form && record.facility >= 0) source.kernel_facility_known = true;
    if (record.sequence) {
      // Counted here, over all formats: systemd's records stand among the kernel's, and another format takes them.
      if (sequence_ && *record.sequence > *sequence_ + 1) {
        source.lost = true;
        sink_.gap({"kernel log", "records are missing inside it (the ring was overrun, or it was filtered)", "read it as it grows: `dmesg --follow` or journald; a larger log_buf_len= keeps more",
                   static_cast<std::size_t>(*record.sequence - *sequence_ - 1), {}});
      }
      if (!sequence_ || *record.sequence > *sequence_) sequence_ = record.sequence;
    }
    const std::size_t first = sticky_;
    if (first < known_.size() && ((asked_ | collecting_) & bit(first) || asked() & bit(first)) && ask(first, record)) return true;
    if (record.text.empty()) return false;
    for (std::size_t i = 0; i < known_.size(); ++i)
      if (i != first && asked() & bit(i) && ask(i, record)) return true;
    return false;
  }

  Sink sink_;
  Opener opener_;
  const Marks& marks_;
  bool by_marks_;
  std::vector<Known> known_;
  std::size_t sticky_ = SIZE_MAX;
  bool blank_ = true;
  std::optional<std::uint64_t> sequence_;
  evidence::Origin last_;
  std::uint32_t asked_ = 0, collecting_ = 0;   // formats, by bit
  Record bare_;
  std::string_view line_;                      // whose marks are searched, up to searched_
  std::size_t searched_ = 0;
  std::string stamp_, head_;                   // of stamped lines: the second of the last one that was opened; the last one passed over
  bool head_is_over_ = true;
};

struct Reading { bool understood = false, yearless = false; evidence::SourceId source = 0; };

void stream_gap(const std::string& name, const base::Error& error, evidence::Evidence& evidence) {
  evidence.gap({"the rest of " + name, base::sentence({error.kind, error.doing, error.answer, "", error.code}), error.remedy, 1, {}});
}

// The kubelet's folders name what no line of their logs does: /var/log/pods/NAMESPACE_POD_UID/CONTAINER/0.log and
// /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log. "namespace/pod/container", empty for any other path.
std::string container_of(std::string_view path) {
  const auto name = [](std::string_view space, std::string_view pod, std::string_view container) {
    return space.empty() || pod.empty() || container.empty() ? std::string() : std::string(space) + "/" + std::string(pod) + "/" + std::string(container);
  };
  const std::vector<std::string_view> parts = base::split(path, '/');
  for (std::size_t i = 0; i + 3 < parts.size(); ++i) {
    if (parts[i] != "pods") continue;
    const std::vector<std::string_view> words = base::split(parts[i + 1], '_');
    if (words.size() == 3) return name(words[0], words[1], parts[i + 2]);
  }
  if (parts.size() < 2 || parts[parts.size() - 2] != "containers" || !parts.back().ends_with(".log")) return {};
  const std::vector<std::string_view> words = base::split(parts.back(), '_');
  const std::size_t dash = words.back().rfind('-');
  return words.size() == 3 && dash != std::string_view::npos ? name(words[1], words[0], words[2].substr(0, dash)) : std::string();
}

// Rotated files that were put together in the wrong order: where the time steps back, another run of lines begins, and the runs are put in
// the order of their beginnings. A kernel log's own clock steps back at a boot, which is its order.
void order_runs(evidence::Evidence& evidence, std::size_t first) {
  constexpr std::int64_t back = 2 * base::second_ns;
  struct Run { std::size_t begin = 0, end = 0; std::optional<std::int64_t> at; std::int64_t latest = INT64_MIN; };
  std::vector<Run> runs{{first, first, {}, INT64_MIN}};
  bool ordered = true;
  std::optional<base::Clock> clock;
  for (std::size_t i = first; i < evidence.facts.size(); ++i) {
    const auto& when = evidence.facts[i].when;
    if (when) {
      if (when->clock == base::Clock::boot || (clock && *clock != when->clock)) return;
      clock = when->clock;
      if (runs.back().at && when->at < runs.back().latest - back) runs.push_back({i, i, {}, INT64_MIN});
      Run& run = runs.back();
      if (!run.at) run.at = when->at;
      run.latest = std::max(run.latest, when->at);
    }
    runs.back().end = i + 1;
  }
  for (std::size_t i = 1; i < runs.size(); ++i) ordered &= *runs[i].at >= *runs[i - 1].at;
  if (ordered) return;
  std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.at < b.at; });
  std::vector<evidence::FactId> order;
  for (const Run& run : runs)
    for (std::size_t i = run.begin; i < run.end; ++i) order.push_back(static_cast<evidence::FactId>(i));
  evidence.reorder(first, order);
}

// `head` was read from the stream already.
Reading read_log(source::Stream& stream, std::string_view head, const std::string& name, std::int64_t about_ns, const Window& window, evidence::Evidence& evidence, const Limits& limits) {
  Reading reading;
  reading.source = evidence.add_source(named(name));
  const std::size_t first_fact = evidence.facts.size();
  const Marks marks(formats());
  Log log(Sink(evidence, reading.source, &window), marks, limits, about_ns);
  log.container = container_of(name);
  Scanner scanner(stream, limits.longest_line, head);
  Ahead ahead(scanner, marks, limits.longest_line);
  for (const std::vector<Seen>* block = &ahead.next(); !block->empty(); block = &ahead.next())
    for (const Seen& seen : *block) log.line(seen);
  log.finish();
  order_runs(evidence, first_fact);
  evidence::Source& source = evidence.sources[reading.source];
  source.bytes = scanner.bytes();
  reading.understood = source.understood > 0;
  reading.yearless = log.yearless();
  if (scanner.error()) {
    source.lost = true;
    stream_gap(name, *scanner.error(), evidence);
  }
  if (scanner.cut_lines() > 0)
    evidence.gap({"the ends of long lines", "lines of " + name + " are longer than " + base::bytes_text(limits.longest_line) + " and were read up to there", "", scanner.cut_lines(), {}});
  return reading;
}

std::int64_t now_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec * base::second_ns + time.tv_nsec;
}

// Syslog stamps have no year. While a file is read its own time stands in; once all files are read, what the others say is better: the
// year that brings the source nearest to the latest record that has one.
void settle_years(evidence::Evidence& evidence, const std::set<evidence::SourceId>& yearless, std::size_t first_source) {
  if (yearless.empty()) return;
  std::optional<std::int64_t> latest;
  for (std::size_t id = first_source; id < evidence.sources.size(); ++id) {
    const evidence::Source& source = evidence.sources[id];
    if (yearless.contains(static_cast<evidence::SourceId>(id)) || !source.last || source.last->clock == base::Clock::boot) continue;
    if (!latest || source.last->at > *latest) latest = source.last->at;
  }
  if (!latest) return;
  for (const evidence::SourceId id : yearless) {
    evidence::Source& source = evidence.sources[id];
    if (!source.last || source.last->clock == base::Clock::boot) continue;
    base::Civil civil = base::civil_from(source.last->at);
    std::int64_t shift = 0, distance = INT64_MAX;
    const int year = base::civil_from(*latest).year;
    for (civil.year = year - 1; civil.year <= year + 1; ++civil.year) {
      const std::int64_t at = base::ns_from(civil), away = at > *latest ? at - *latest : *latest - at;
      if (away < distance) { distance = away; shift = at - source.last->at; }
    }
    if (shift == 0) continue;
    source.first->at += shift;
    source.last->at += shift;
    if (source.kernel_first && source.kernel_first->clock != base::Clock::boot) {
      source.kernel_first->at += shift;
      source.kernel_last->at += shift;
    }
    for (evidence::Fact& fact : evidence.facts)
      if (fact.origin.source == id && fact.when && fact.when->clock != base::Clock::boot) fact.when->at += shift;
  }
}

// The log that a name is a part of, and its place: "error.log.2.gz", "error.log.1", "error.log" in this order; a date ("-20261122") counts upwards.
std::tuple<std::string_view, int, std::int64_t> rotation_of(std::string_view name) {
  for (const std::string_view packed : {".gz", ".zst", ".xz", ".bz2"})
    if (name.ends_with(packed)) name.remove_suffix(packed.size());
  const std::size_t end = name.find_last_not_of("0123456789");
  if (end == std::string_view::npos || end == 0 || end + 1 == name.size() || (name[end] != '.' && name[end] != '-') || name.size() - end > 15) return {name, 1, 0};
  const std::int64_t number = base::read_number(name.substr(end + 1)).value_or(0);
  return {name.substr(0, end), 0, number < 10'000 ? -number : number};
}

class Walk {
 public:
  Walk(const source::Host& host, const Window& window, evidence::Evidence& evidence, const Limits& limits)
      : host_(host), window_(window), evidence_(evidence), limits_(limits), first_source_(evidence.sources.size()) {}

  void given(const std::string& path) {
    if (source::own_descriptor(path)) { file(path, {}); return; }
    const auto about = host_.stat(path);
    if (!about) { gap(path, about.error()); return; }
    if (about->kind == source::EntryKind::folder) folder(path, *about, 0);
    else if (about->kind == source::EntryKind::file) file(path, *about);
    else evidence_.gap({path, "it is neither a file nor a folder", "give a file, or let it be written to us: command | triage --from -", 1, {}});
  }

  std::size_t understood() {
    settle_years(evidence_, yearless_, first_source_);
    return understood_;
  }

 private:
  void gap(const std::string& path, const base::Error& error) { evidence_.gap({path, base::sentence({error.kind, error.doing, error.answer, "", error.code}), error.remedy, 1, {}}); }

  // False when it was seen before: a link loop, or one file under two names.
  bool fresh(const source::Stat& about) { return about.inode == 0 || seen_.insert({about.device, about.inode}).second; }

  // Is it, byte for byte, the beginning or the whole of a log that was read before (cp error.log error.log.bak)? Read twice, a log without stamps
  // would tell of two servers with the same pids.
  bool copied(const std::string& path, const std::string& head) {
    constexpr std::size_t longest = 64 << 20, shortest = 1024;   // a few lines may be the same by chance: of two containers, without stamps
    if (source::own_descriptor(path) || head.size() < shortest) return false;
    for (const auto& [known, before] : heads_) {
      if (!base::starts_with(before, head)) continue;
      if (head.size() < head_size) return true;
      const auto one = host_.open(path), other = host_.open(known);
      if (!one || !other) continue;
      for (std::size_t compared = 0; compared < longest;) {
        const auto mine = read_head(**one), theirs = read_head(**other);
        if (!mine || !theirs || !base::starts_with(*theirs, *mine)) break;
        if (mine->size() < head_size) return true;
        compared += mine->size();
      }
    }
    if (heads_.size() < 200) heads_.emplace_back(path, head);
    return false;
  }

  void folder(const std::string& path, const source::Stat& about, int depth) {
    if (!fresh(about)) return;
    if (depth > limits_.deepest) {
      evidence_.gap({"files in deep folders", "folders are nested deeper than " + std::to_string(limits_.deepest), "give the folder itself", 1, {}});
      return;
    }
    auto entries = host_.list(path);
    if (!entries) { gap(path, entries.error()); return; }
    // Of a rotated log without stamps the order of its parts is all that tells the order of its lines.
    std::stable_sort(entries->begin(), entries->end(), [](const source::Entry& a, const source::Entry& b) { return rotation_of(a.name) < rotation_of(b.name); });
    for (const source::Entry& entry : *entries) {
      const std::string below = path.ends_with('/') ? path + entry.name : path + "/" + entry.name;
      if (entry.kind == source::EntryKind::socket || entry.kind == source::EntryKind::other) {
        evidence_.gap({"pipes, sockets and devices", "they are no files: reading one could wait for ever", "", 1, {}});
        continue;
      }
      if (entry.kind == source::EntryKind::link && entry.name == ".git") continue;
      if (entry.kind == source::EntryKind::folder && entry.name == ".git") continue;
      const auto target = host_.stat(below);
      if (!target) { gap(below, target.error()); continue; }
      if (target->kind == source::EntryKind::folder) folder(below, *target, depth + 1);
      else if (target->kind == source::EntryKind::file) file(below, *target);
      else evidence_.gap({"pipes, sockets and devices", "they are no files: reading one could wait for ever", "", 1, {}});
    }
  }

  void file(const std::string& path, const source::Stat& about) {
    if (!source::own_descriptor(path) && !fresh(about)) return;
    if (files_ == limits_.most_files) {
      evidence_.gap({"more files", "only the first " + std::to_string(limits_.most_files) + " were read", "give the folders that matter", 1, {}});
      return;
    }
    ++files_;
    auto stream = host_.open(path);
    if (!stream) { gap(path, stream.error()); return; }
    const auto head = read_head(**stream);
    if (!head) { gap(path, head.error()); return; }
    const std::string name = path == "-" ? "standard input" : path;
    if (head->empty()) { evidence_.add_source(named(name)); return; }
    if (const Document* const document = document_of(path, *head)) { whole(*document, **stream, *head, name); return; }
    if (binary(*head)) { not_understood(); return; }
    if (copied(path, *head)) return;
    const std::int64_t about_ns = window_.about_ns ? window_.about_ns : about.mtime_ns ? about.mtime_ns : host_.now().at ? host_.now().at : now_ns();
    const std::size_t facts = evidence_.facts.size();
    const Reading reading = read_log(**stream, *head, name, about_ns, window_, evidence_, limits_);
    if (reading.understood) ++understood_;
    if (reading.yearless) yearless_.insert(reading.source);
    if (!reading.understood && evidence_.facts.size() == facts && reading.source + 1 == evidence_.sources.size()) {
      evidence_.sources.pop_back();
      yearless_.erase(reading.source);
      if (!program_text(path, *head)) not_understood();
    }
  }

  void whole(const Document& document, source::Stream& stream, const std::string& head, const std::string& name) {
    const auto rest = source::slurp(stream, limits_.document - std::min(limits_.document, head.size()) + 1);
    if (!rest) stream_gap(name, rest.error(), evidence_);
    std::string text = head + (rest ? *rest : "");
    if (text.size() > limits_.document) {
      evidence_.gap({name, "it is larger than " + base::bytes_text(limits_.document), "give the part of it that is about the server", 1, {}});
      return;
    }
    evidence::Source source = named(name);
    source.kind = document.kind;
    source.bytes = text.size();
    source.lines = source.understood = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')) + (text.back() == '\n' ? 0 : 1);
    Sink sink(evidence_, evidence_.add_source(std::move(source)), &window_);
    document.read(text, sink);
    ++understood_;
  }

  // The application beside its logs is no witness that was missed: source code by its name and its first words.
  static bool program_text(std::string_view path, std::string_view head) {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    return name.ends_with(".py") && (base::contains(head, "import ") || base::contains(head, "def ") || base::contains(head, " = "));
  }
  void not_understood() { evidence_.gap({"files not understood", "their content is no log or configuration that is known here", "", 1, {}}); }

  const source::Host& host_;
  const Window& window_;
  evidence::Evidence& evidence_;
  const Limits& limits_;
  std::size_t first_source_, files_ = 0, understood_ = 0;
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen_;
  std::set<evidence::SourceId> yearless_;
  std::vector<std::pair<std::string, std::string>> heads_;   // of logs: path, first bytes
};

}  // namespace

std::size_t read(const source::Host& host, const std::vector<std::string>& paths, const Window& window, evidence::Evidence& evidence, const Limits& limits) {
  Walk walk(host, window, evidence, limits);
  for (const std::string& path : paths) walk.given(path);
  return walk.understood();
}

void read_stream(source::Stream& stream, const std::string& name, const Window& window, evidence::Evidence& evidence, const Limits& limits) {
  const Reading reading = read_log(stream, {}, name, window.about_ns ? window.about_ns : now_ns(), window, evidence, limits);
  if (reading.yearless) settle_years(evidence, {reading.source}, 0);
}

}  // namespace parse
