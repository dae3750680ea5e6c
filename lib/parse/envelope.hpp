// What other programs wrap around a log line: syslog, the journal, docker, CRI, the kernel's own forms, an application's JSON formatter.
// Opening them gives the message inside and what the wrapping knew: time, pid, who, how grave.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parse/envelope_json.hpp"
#include "parse/format.hpp"

namespace parse {

class Opener {
 public:
  /// Parts of a message that arrive as several lines are joined up to `longest` bytes. Stamps without a year get the latest year in which
  /// they are not after `about_ns`.
  Opener(std::size_t longest, std::int64_t about_ns) : longest_(longest), about_ns_(about_ns) {}

  /// The records of one line: none for a part whose rest is still to come and for remarks of the journal itself, several when one message
  /// holds several lines. Their views hold until the next call.
  std::span<Record> open(std::string_view line);
  /// Parts that never got their rest; at the end of the source.
  std::span<Record> rest();
  /// A line that could say nothing to anybody was not opened: what came before it is over.
  void passed_over(std::string_view line);
  /// Parts of a message wait for their rest.
  bool joining() const { return !parts_[0].empty() || !parts_[1].empty() || gathering_ != Gathering::none; }
  /// Some stamp had no year.
  bool yearless() const { return yearless_; }
  /// Only lines of the journal were opened so far, or lines with its marks.
  bool journal() const { return journal_; }

 private:
  enum class Gathering : std::uint8_t { none, exported, verbose, pretty };
  enum class Next { done, drop };  // drop: no record comes of this line

  Next take_apart(std::string_view line, Record& record);
  Next json(Record& record);
  void journal_json(Record& record);
  bool gather(std::string_view line);
  void gather_field(std::string_view name, std::string_view value);
  void end_binary();
  void end_gathering();
  void app_json(Record& record);
  bool digits(Record& record);        // lines that begin with a digit: ISO stamps, /dev/kmsg, seconds since 1970
  bool weekday(Record& record);       // journalctl short-full, with-unit
  bool month(Record& record);         // RFC 3164, journalctl short and short-precise
  bool bracket(Record& record);       // dmesg, dmesg -T, kubectl logs --prefix
  bool angle(Record& record);         // <PRI>
  bool rfc5424(Record& record);
  bool word(Record& record);          // dmesg -x, gunicorn's own syslog form, docker compose, stern
  static bool stern(Record& record);
  bool kmsg(Record& record);
  bool kernel_stamp(Record& record);  // "[ 12.345] " and its relatives at the front of record.text
  bool whom(Record& record, bool with_host);  // "host ident[pid]: "
  void inside(Record& record);        // what may stand inside any of them
  Next join(std::size_t slot, std::string_view part, bool last, Record& record);
  void split(const Record& record);

  std::size_t longest_;
  std::int64_t about_ns_;
  bool yearless_ = false, journal_ = false, after_kmsg_ = false;
  std::size_t indent_ = 0;            // journalctl prints the later lines of a message under the first one's text
  Record under_;                      // ... with its time and who, whose texts are kept in who_
  std::string who_;
  std::array<std::string, 2> parts_;  // of stdout and stderr
  std::array<JsonLine, 2> json_;      // the line, and an application's JSON inside it
  std::string bytes_, trace_;
  Gathering gathering_ = Gathering::none;   // an entry of the journal that takes several lines, as JSON so far
  std::string gathered_, binary_name_, binary_, host_;
  std::optional<base::Instant> gathered_when_;
  std::vector<Field> fields_;
  std::vector<Record> records_;
};

}  // namespace parse
