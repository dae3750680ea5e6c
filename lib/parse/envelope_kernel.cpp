// The forms in which the kernel log is printed: dmesg with its options, /dev/kmsg.
#include "base/text.hpp"
#include "parse/envelope.hpp"
#include "parse/envelope_stamp.hpp"

namespace parse {

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

// "\x0a" as /dev/kmsg and dmesg write what is not printable (Documentation/ABI/testing/dev-kmsg). Into `out`.
void unescape(std::string_view text, std::string& out) {
  out.clear();
  const auto hex = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 3 < text.size() && text[at + 1] == 'x' && hex(text[at + 2]) >= 0 && hex(text[at + 3]) >= 0) {
      out += static_cast<char>(static_cast<unsigned char>(hex(text[at + 2]) * 16 + hex(text[at + 3])));
      at += 3;
    } else {
      out += text[at];
    }
  }
}

}  // namespace

// "[ 1442.742760] text", "[Sun Nov 22 10:31:08 2026] text"; the time since the line before (-d) and the writing task or CPU
// (CONFIG_PRINTK_CALLER: "[    T1]", "[   C0]") may follow.
bool Opener::kernel_stamp(Record& record) {
  std::string_view text = record.text;
  if (text.size() < 8 || text[0] != '[') return false;
  text.remove_prefix(1);
  std::optional<base::Instant> when;
  if (text[0] == ' ' || digit(text[0])) when = take_uptime(text);
  else when = take_ctime(text);
  if (!when) return false;
  if (text.size() > 1 && text[0] == ' ' && text.find('<') < 2) {
    const std::size_t end = text.substr(0, 24).find('>');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  if (text.empty() || text[0] != ']') return false;
  text.remove_prefix(1);
  if (text.size() > 2 && text[0] == '[') {
    const std::size_t end = text.substr(0, 16).find(']');
    if (end != std::string_view::npos) {
      const std::string_view caller = base::trim(text.substr(1, end - 1));
      if (caller.size() > 1 && (caller[0] == 'T' || caller[0] == 'C') && base::read_number(caller.substr(1))) text.remove_prefix(end + 1);
    }
  }
  if (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  record.when = when;
  record.text = text;
  record.from_kernel_form = true;
  return true;
}

bool Opener::bracket(Record& record) {
  const std::string_view text = record.text;
  if (text.size() > 5 && text[1] == '2' && text[5] == '-') return false;  // gunicorn's own "[2026-11-22 ..."
  if (kernel_stamp(record)) {
    // journalctl -o short-monotonic: "[ 1442.742760] host kernel: text". A process name may hold a blank and brackets, so a line names its
    // writer only when it is one that matters here, or when the host is one that such a line has named.
    Record with = record;
    const std::size_t blank = with.text.find(' ');
    if (blank != std::string_view::npos && blank > 0 && with.text.substr(0, blank).find_first_of(":[") == std::string_view::npos) {
      const std::string_view host = with.text.substr(0, blank), after = with.text.substr(blank + 1);
      const bool writer = base::starts_with(after, "kernel: ") || base::starts_with(after, "systemd[1]: ") || base::starts_with(after, "gunicorn[");
      const bool fault = base::contains(after, "]: segfault at ") || base::contains(after, "]: unhandled ");
      if (!fault && (writer || (!host_.empty() && host == host_))) {
        with.from_kernel_form = false;
        const auto boot = with.when;
        if (whom(with, true)) {
          host_.assign(host);
          record = with;
          record.when = boot;
        }
      }
    }
    return true;
  }
  if (base::starts_with(text, "[pod/")) {  // kubectl logs --prefix: "[pod/name/container] text"
    const std::size_t end = text.substr(0, 512).find("] ");
    if (end != std::string_view::npos) {
      record.unit = text.substr(1, end - 1);
      record.text = text.substr(end + 2);
      return true;
    }
  }
  return false;
}

// "6,1234,5183966,-;text": priority and facility, number, microseconds, flags (Documentation/ABI/testing/dev-kmsg).
bool Opener::kmsg(Record& record) {
  std::string_view text = record.text;
  const auto priority = base::take_number(text);
  if (!priority || *priority < 0 || *priority > 2047 || text.empty() || text[0] != ',') return false;
  text.remove_prefix(1);
  const auto number = base::take_number(text);
  if (!number || *number < 0 || text.empty() || text[0] != ',') return false;
  text.remove_prefix(1);
  const auto micros = base::take_number(text);
  if (!micros || *micros < 0 || *micros > INT64_MAX / 1000 || text.size() < 2 || text[0] != ',') return false;
  const std::size_t end = text.substr(0, 64).find(';');
  if (end == std::string_view::npos) return false;
  record.priority = static_cast<int>(*priority % 8);
  record.facility = static_cast<int>(*priority / 8);
  record.sequence = static_cast<std::uint64_t>(*number);
  record.when = base::Instant{base::Clock::boot, *micros * 1000, 500};
  record.from_kernel_form = true;
  record.text = text.substr(end + 1);
  if (record.text.find('\\') != std::string_view::npos) {
    unescape(record.text, bytes_);
    record.text = bytes_;
  }
  return true;
}

}  // namespace parse
