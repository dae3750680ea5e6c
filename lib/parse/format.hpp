// Text to facts. A log is read line by line: the envelopes (docker JSON, CRI, syslog, journal, dmesg, kmsg) come off and leave a Record, and
// the first Format that claims it turns it into facts. A document (JSON object, configuration, process list) is read whole. Formats are
// recognised by content, never by the file's name. Pure: no clock, no files; everything is bounded.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "evidence/evidence.hpp"

namespace parse {

struct Window;                                  // read.hpp

/// A field of a JSON record, with its escapes undone.
struct Field { std::string_view name, value; };

/// A log line without its envelopes. Views live as long as the line's buffer: one step.
struct Record {
  std::string_view line;                        // as it stood, without newline
  std::string_view text;                        // the message inside
  std::optional<base::Instant> when;            // from the envelope
  int pid = 0;                                  // from the envelope: `gunicorn[123]:`, _PID
  std::string_view ident;                       // "kernel", "systemd", "gunicorn.app.error"
  std::string_view unit;                        // _SYSTEMD_UNIT, container name
  int priority = -1, facility = -1;             // syslog numbers; facility 0 is the kernel; -1 the form does not say
  std::optional<std::uint64_t> sequence;        // /dev/kmsg
  evidence::Origin origin;
  bool from_kernel_form = false;                // the envelope is dmesg, kmsg, or a syslog/journal line of ident "kernel"
  std::optional<base::Instant> boot;            // the kernel's own clock, where the line prints it beside `when`
  std::string_view level;                       // the writer's own word: "ERROR"; empty when the form does not say
  bool after_blank = false;                     // the line before was empty, or there was none
  bool app_json = false;                        // text, level, pid and time came from a JSON formatter of the application
  std::span<const Field> fields;                // of a journal -o json record: every string field ("UNIT", "JOB_RESULT", "EXIT_STATUS")

  std::string_view field(std::string_view name) const {
    for (const Field& one : fields) if (one.name == name) return one.value;
    return {};
  }
};

/// Where facts go, with the source they come from filled in.
class Sink {
 public:
  Sink(evidence::Evidence& evidence, evidence::SourceId source, const Window* window = nullptr) : evidence_(evidence), source_(source), window_(window) {}
  /// The fact's place, excerpt, level and time (when `when` is empty: the record's) are taken from the record. no_fact when it lies outside
  /// the window that was asked for, or over the cap of its kind.
  evidence::FactId add(evidence::What what, evidence::Subject about, const Record& record, std::optional<base::Instant> when = {}, int by = 0);
  /// The source holds a record of that time, whether it made a fact or not: for rows that are understood and only counted.
  void saw(const base::Instant& when);
  /// The same, of a record that the kernel wrote: what a silence of the source about kills is worth.
  void saw_kernel(const base::Instant& when);
  /// False when the time lies outside the window that was asked for: rows that are only counted are left out there too.
  bool wanted(const base::Instant& when) const;
  /// What --tz says about a time without a zone; unchanged without --tz.
  base::Instant settled(base::Instant when) const;
  void gap(evidence::Gap gap) { evidence_.gap(std::move(gap)); }
  evidence::Source& source() { return evidence_.sources[source_]; }
  evidence::SourceId source_id() const { return source_; }
  evidence::Evidence& all() { return evidence_; }

 private:
  evidence::Evidence& evidence_;
  evidence::SourceId source_;
  const Window* window_ = nullptr;
};

/// What a format remembers between lines of one source (a traceback being collected, an OOM report being read). Bounded.
struct State { virtual ~State() = default; };

/// A log format: one file in formats/, one constant.
struct Format {
  std::string_view name;                        // "gunicorn error log"
  evidence::SourceKind kind;
  std::unique_ptr<State> (*start)();
  /// True when the record is this format's, or continues what it is collecting; facts were added where it says something.
  bool (*step)(State& state, const Record& record, Sink& sink);
  /// The source ended: add what was still being collected.
  void (*finish)(State& state, Sink& sink);
  /// Words of at least seven bytes; every line (as it stands, escapes of JSON and all) that holds something for this format holds one of them,
  /// but for what it is collecting and what the envelope alone tells (the kernel's own forms, the journal's records: all formats are asked
  /// about those). A line without any mark is asked of nobody.
  std::span<const std::string_view> marks;
  /// True while lines without a mark may belong to what it is collecting. Null: never.
  bool (*collecting)(const State& state) = nullptr;
};

/// Something read whole: one file in configs/, one constant. `sure` answers 0 (not mine) to 100 from the name and the first 4 KiB;
/// the name may only break ties between documents that look alike.
struct Document {
  std::string_view name;
  evidence::SourceKind kind;
  int (*sure)(std::string_view path, std::string_view head);
  void (*read)(std::string_view text, Sink& sink);
};

std::span<const Format* const> formats();       // made by table(): every file in formats/
std::span<const Document* const> configs();     // made by table(): every file in configs/

}  // namespace parse
