#include "prefork/reply.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "prefork/clock.hpp"
#include "prefork/http/refusal.hpp"

namespace prefork {
namespace {

void put_number(std::string& out, std::uint64_t value) {
  char digits[24];
  out.append(digits, write_number(digits, value));
}

void put_hex(std::string& out, std::size_t value) {
  char digits[16];
  std::size_t at = sizeof digits;
  do digits[--at] = "0123456789abcdef"[value & 15]; while (value >>= 4);
  out.append(digits + at, sizeof digits - at);
}

bool is_good_field(const Field& field) { return is_token(field.name) && bad_value_byte(field.value) == std::string_view::npos; }

// Fields that say how the message ends are the server's to write.
bool is_ours(std::string_view name) {
  switch (name.size()) {
    case 4: return same_name(name, "date");
    case 6: return same_name(name, "server");
    case 10: return same_name(name, "connection") || same_name(name, "keep-alive");
    case 14: return same_name(name, "content-length");
    case 17: return same_name(name, "transfer-encoding");
    default: return false;
  }
}

}  // namespace

std::string_view DateText::now() {
  if (const std::int64_t wall = wall_seconds(); wall != wall_) {
    wall_ = wall;
    size_ = write_http_date(room_, wall);
  }
  return {room_, size_};
}

void Reply::start(const Head& head, bool may_keep, bool keep_fields) {
  begun_ = chunked_ = false;
  body_ = true;
  keep_ = may_keep && head.keep_alive;
  head_only_ = head.method == "HEAD";
  old_ = head.major < 1 || (head.major == 1 && head.minor == 0);
  keep_fields_ = keep_fields;
  status_ = 0;
  left_ = -1;
  sent_ = 0;
  fields_.clear();
}

bool Reply::begin(int status, const Field* fields, std::size_t count, std::int64_t length, std::string_view date, std::string& out) {
  if (begun_ || status < 200 || status > 999) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_good_field(fields[i])) return false;
    if (same_name(fields[i].name, "connection") && has_word(fields[i].value, "close")) keep_ = false;
  }
  begun_ = true;
  status_ = status;
  const bool bodiless = status == 204 || status == 304;
  body_ = !bodiless && !head_only_;
  left_ = length;
  chunked_ = length < 0 && !bodiless && !old_;
  if (length < 0 && old_ && !bodiless) keep_ = false;  // only the close can end it

  // Nearly every answer is a 200: its line is one piece.
  constexpr std::string_view good = "HTTP/1.1 200 OK\r\nServer: triage-server\r\nDate: ", keeps = "\r\nConnection: keep-alive\r\n", closes = "\r\nConnection: close\r\n";
  out.reserve(out.size() + 512);
  if (status == 200) {
    out += good;
  } else {
    out += "HTTP/1.1 ";
    put_number(out, static_cast<std::uint64_t>(status));
    out += ' ';
    out += reason_of(status);
    out += "\r\nServer: triage-server\r\nDate: ";
  }
  out += date;
  out += keep_ ? keeps : closes;
  for (std::size_t i = 0; i < count; ++i) {
    if (is_ours(fields[i].name)) continue;
    out += fields[i].name;
    out += ": ";
    out += fields[i].value;
    out += "\r\n";
    if (keep_fields_) fields_.emplace_back(fields[i].name, fields[i].value);
  }
  if (chunked_) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (length >= 0 && status != 204) {
    out += "Content-Length: ";
    put_number(out, static_cast<std::uint64_t>(length));
    out += "\r\n";
  }
  out += "\r\n";
  return true;
}

void Reply::put(std::string_view bytes, std::string& out) {
  if (!body_ || bytes.empty()) return;
  if (left_ >= 0) {
    bytes = bytes.substr(0, static_cast<std::size_t>(std::min<std::int64_t>(left_, static_cast<std::int64_t>(bytes.size()))));
    left_ -= static_cast<std::int64_t>(bytes.size());
  }
  sent_ += bytes.size();
  if (chunked_ && !bytes.empty()) {
    put_hex(out, bytes.size());
    out += "\r\n";
    out += bytes;
    out += "\r\n";
  } else {
    out += bytes;
  }
}

void Reply::finish(std::string_view date, std::string& out) {
  if (!begun_) {
    keep_ = false;
    begin(500, nullptr, 0, 0, date, out);
    return;
  }
  if (!body_) return;
  if (chunked_) out += "0\r\n\r\n";
  else if (left_ > 0) keep_ = false;
}

std::string error_page(int status, std::string_view reason, std::string_view text) {
  std::string safe;
  for (const char c : text) safe += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  const std::string page = fmt::format("<html>\n  <head>\n    <title>{0}</title>\n  </head>\n  <body>\n    <h1><p>{0}</p></h1>\n    {1}\n  </body>\n</html>\n", reason, safe);
  return fmt::format("HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{}", status, reason, page.size(), page);
}

}  // namespace prefork
