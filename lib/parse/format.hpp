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
};

/// Where facts go, with the source they come from filled in.
class Sink {
 public:
  Sink(evidence::Evidence& evidence, evidence::SourceId source) : evidence_(evidence), source_(source) {}
  /// The fact's place, excerpt and time (when `when` is empty: the record's) are taken from the record.
  evidence::FactId add(evidence::What what, evidence::Subject about, const Record& record, std::optional<base::Instant> when = {}, int by = 0);
  void gap(evidence::Gap gap) { evidence_.gap(std::move(gap)); }
  evidence::Source& source() { return evidence_.sources[source_]; }
  evidence::SourceId source_id() const { return source_; }
  evidence::Evidence& all() { return evidence_; }

 private:
  evidence::Evidence& evidence_;
  evidence::SourceId source_;
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
