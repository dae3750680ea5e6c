// The forms of journalctl in which an entry takes several lines: -o export (systemd's Journal Export Format), -o verbose, -o json-pretty. Each
// is gathered into the one-line form of -o json and read as that.
#include "base/text.hpp"
#include "parse/envelope.hpp"
#include "parse/envelope_stamp.hpp"

namespace parse {

namespace {

constexpr std::size_t most_bytes = 256 << 10;   // of one entry; what is longer is dropped

// "MESSAGE", "_PID", "__CURSOR": the length of a field's name at the front, 0 when there is none.
std::size_t field_name(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && size < 64 && ((text[size] >= 'A' && text[size] <= 'Z') || text[size] == '_' || (size > 0 && text[size] >= '0' && text[size] <= '9'))) ++size;
  return size;
}

void escape(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (c == '"' || c == '\\') (out += '\\') += c;
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (static_cast<unsigned char>(c) >= 32) out += c;
  }
}

}  // namespace

// "Sun 2026-11-22 10:31:08.123456 UTC": a wall time where the zone says how far it is from UTC, else naive.
std::optional<base::Instant> take_weekday_iso(std::string_view& text) {
  if (text.size() < 27 || text[3] != ' ' || text[8] != '-' || text[14] != ' ') return std::nullopt;
  std::string_view rest = text.substr(4);
  auto when = take_iso(rest);
  if (!when || rest.size() < 2 || rest[0] != ' ') return std::nullopt;
  if (when->clock == base::Clock::naive) {
    rest.remove_prefix(1);
    const std::string_view zone = rest.substr(0, rest.find(' '));
    if (zone.empty() || zone.size() > 6) return std::nullopt;
    if (zone == "UTC" || zone == "GMT") when->clock = base::Clock::wall;
    if (zone.size() == 3 && (zone[0] == '+' || zone[0] == '-'))
      if (const auto hours = base::read_number(zone.substr(1))) {  // zones without a name: "+03"
        when->clock = base::Clock::wall;
        when->at -= (zone[0] == '-' ? -1 : 1) * *hours * 3600 * base::second_ns;
      }
    rest.remove_prefix(zone.size());
  }
  text = rest;
  return when;
}

void Opener::gather_field(std::string_view name, std::string_view value) {
  if (gathered_.size() + name.size() + value.size() > most_bytes) return;
  gathered_ += gathered_.size() > 1 ? ",\"" : "\"";
  gathered_ += name;
  gathered_ += "\":\"";
  escape(value, gathered_);
  gathered_ += '"';
}

// The entry is whole: its record goes to records_.
void Opener::end_gathering() {
  end_binary();
  if (gathering_ == Gathering::none) return;
  gathering_ = Gathering::none;
  gathered_ += '}';
  JsonLine& line = json_[0];
  if (!line.read(gathered_)) return;
  Record record;
  record.line = record.text = gathered_;
  journal_json(record);
  if (record.line.empty()) return;
  if (!record.when) record.when = gathered_when_;
  trace_.clear();
  inside(record);
  split(record);
}

void Opener::end_binary() {
  if (binary_name_.empty()) return;
  // Eight bytes of length stand before the value; its end is the next field, so the length itself is not needed.
  std::string_view value = binary_;
  const std::size_t zero = value.substr(0, 8).rfind('\0');
  value.remove_prefix(zero == std::string_view::npos ? 0 : zero + 1);
  gather_field(binary_name_, value);
  binary_name_.clear();
  binary_.clear();
}

// True when the line is part of such an entry; records_ then holds what it completed.
bool Opener::gather(std::string_view line) {
  records_.clear();
  std::string_view rest = line;
  if (line.starts_with("__CURSOR=")) {
    end_gathering();
    gathering_ = Gathering::exported;
    gathered_ = "{";
    gathered_when_.reset();
  } else if (line.size() > 30 && line[3] == ' ' && line[8] == '-' && line.find(" [s=") != std::string_view::npos && line.back() == ']') {
    const auto when = take_weekday_iso(rest);
    if (!when || !rest.starts_with(" [s=")) return false;
    end_gathering();
    gathering_ = Gathering::verbose;
    gathered_ = "{";
    gathered_when_ = when;
    gather_field("__CURSOR", rest.substr(2, rest.size() - 3));
    return true;
  } else if (gathering_ == Gathering::none && line.starts_with("\t\"") && field_name(line.substr(2)) > 0 && line.find("\" : ") == field_name(line.substr(2)) + 2) {
    gathering_ = Gathering::pretty;
    gathered_ = "{";
    gathered_when_.reset();
  }
  switch (gathering_) {
    case Gathering::none: return false;
    case Gathering::pretty:
      if (line == "}" || line == "}," || gathered_.size() + line.size() > most_bytes) end_gathering();
      else gathered_ += line;
      return true;
    case Gathering::exported: {
      const std::size_t name = field_name(line);
      if (line.empty()) end_gathering();
      else if (name > 0 && name < line.size() && line[name] == '=') {
        end_binary();
        gather_field(line.substr(0, name), line.substr(name + 1));
      } else if (name > 0 && name == line.size() && binary_name_.empty()) {
        binary_name_ = line;
      } else if (!binary_name_.empty() && binary_.size() + line.size() < most_bytes) {
        if (!binary_.empty()) binary_ += '\n';
        binary_ += line;
      }
      return true;
    }
    case Gathering::verbose: {
      std::string_view field = line;
      while (!field.empty() && field[0] == ' ') field.remove_prefix(1);
      const std::size_t name = field_name(field);
      if (line.starts_with("    ") && name > 0 && name < field.size() && field[name] == '=') {
        gather_field(field.substr(0, name), field.substr(name + 1));
        return true;
      }
      if (line.starts_with("     ")) return true;  // a later line of a value
      end_gathering();
      return line.empty() || !records_.empty();  // the entry's own record is what this line gave
    }
  }
  return false;
}

}  // namespace parse
