#include "prefork/http/body.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace prefork {
namespace {

BodyStep refuse(Refusal refusal, std::string_view what) { return {Progress::refused, 0, {}, refusal, what}; }

// What a trailer may not say, since whoever forwards it may merge it into the head: framing, routing, and who is asking (RFC 9110 6.5.1).
bool is_forbidden_trailer(std::string_view name) {
  constexpr std::array names{"transfer-encoding", "content-length", "host", "connection", "trailer", "te", "upgrade", "expect", "authorization", "proxy-authorization", "cookie", "keep-alive", "max-forwards"};
  return std::ranges::any_of(names, [&](const char* one) { return same_name(name, one); });
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The line at the front, without its CRLF. A bare CR or LF ends nothing: what holds one is refused by whoever looks at the line.
struct Line {
  bool whole = false;
  std::string_view text;
};

Line line_of(std::string_view bytes) {
  const auto end = bytes.find("\r\n");
  return end == std::string_view::npos ? Line{false, bytes} : Line{true, bytes.substr(0, end)};
}

}  // namespace

void Body::begin(const Head& head, const HttpRules& rules) {
  chunked_ = head.framing == Framing::chunked;
  left_ = head.framing == Framing::length ? head.length : 0;
  phase_ = chunked_ ? Phase::size : left_ > 0 ? Phase::length : Phase::done;
  taken_ = 0;
  most_ = rules.limit_request_body;
  trailers_ = 0;
  trailers_most_ = rules.limit_request_fields ? rules.limit_request_fields : hard_field_count;
  trailer_size_ = rules.limit_request_field_size ? rules.limit_request_field_size : hard_field_limit;
  strip_spaces_ = rules.strip_header_spaces;
}

BodyStep Body::take(std::string_view bytes) {
  switch (phase_) {
    case Phase::done: return {Progress::done, 0, {}, {}, {}};
    case Phase::length:
    case Phase::data: return take_data(bytes);
    case Phase::size: return take_size(bytes);
    case Phase::data_end:
      if (bytes.empty() || bytes == "\r") return {};
      if (!bytes.starts_with("\r\n")) return refuse(Refusal::chunk_terminator, bytes.substr(0, 2));
      phase_ = Phase::size;
      return {Progress::more, 2, {}, {}, {}};
    case Phase::trailers: return take_trailer(bytes);
  }
  return {};
}

BodyStep Body::take_data(std::string_view bytes) {
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  left_ -= count;
  taken_ += count;
  if (left_ == 0) phase_ = chunked_ ? Phase::data_end : Phase::done;
  return {phase_ == Phase::done ? Progress::done : Progress::more, count, bytes.substr(0, count), {}, {}};
}

// chunk-size [ BWS ";" chunk-ext ] CRLF. Signs, prefixes, underscores and blanks that Python's int() took have each been a way to smuggle.
BodyStep Body::take_size(std::string_view bytes) {
  const Line line = line_of(bytes.substr(0, chunk_line_limit + 2));
  std::uint64_t size = 0;
  std::size_t at = 0, significant = 0;
  for (; at < line.text.size(); ++at) {
    const int digit = hex_value(line.text[at]);
    if (digit < 0) break;
    significant += (significant > 0 || digit > 0);
    if (significant > 15) return refuse(Refusal::chunk_size, line.text.substr(0, 32));
    size = size * 16 + static_cast<std::uint64_t>(digit);
  }
  if (at == 0 && !line.text.empty() && line.text != "\r") return refuse(Refusal::chunk_size, line.text.substr(0, 32));
  if (line.whole && at == 0) return refuse(Refusal::chunk_size, "");
  if (at < line.text.size()) {
    std::string_view rest = line.text.substr(at);
    const auto blanks = std::min(rest.find_first_not_of(" \t"), rest.size());
    const std::string_view mark = rest.substr(blanks);
    if (mark.empty() ? line.whole || bytes.size() > chunk_line_limit : mark.front() != ';' && mark != "\r") return refuse(Refusal::chunk_size, line.text.substr(0, 32));
    if (!line.whole && mark == "\r" && blanks > 0) return refuse(Refusal::chunk_size, line.text.substr(0, 32));
    // A CR that ends what has come may yet get its LF.
    const std::string_view extension = !line.whole && rest.ends_with('\r') ? rest.substr(0, rest.size() - 1) : rest;
    if (bad_value_byte(extension) != std::string_view::npos) return refuse(Refusal::chunk_extension, line.text.substr(0, 64));
  }
  if (!line.whole) return bytes.size() > chunk_line_limit ? refuse(Refusal::chunk_extension, line.text.substr(0, 64)) : BodyStep{};
  if (most_ > 0 && (size > most_ || taken_ > most_ - size)) return refuse(Refusal::body_too_large, line.text);
  left_ = size;
  phase_ = size > 0 ? Phase::data : Phase::trailers;
  return {Progress::more, line.text.size() + 2, {}, {}, {}};
}

BodyStep Body::take_trailer(std::string_view bytes) {
  const Line line = line_of(bytes.substr(0, trailer_size_ + 2));
  if (!line.whole) {
    if (bytes.size() > trailer_size_) return refuse(Refusal::limit_fields, bytes.substr(0, 64));
    const std::string_view sure = bytes.ends_with('\r') ? bytes.substr(0, bytes.size() - 1) : bytes;
    if (bad_value_byte(sure) != std::string_view::npos) return refuse(Refusal::header, sure.substr(0, 64));
    return {};
  }
  const std::size_t used = line.text.size() + 2;
  if (line.text.empty()) {
    phase_ = Phase::done;
    return {Progress::done, used, {}, {}, {}};
  }
  if (++trailers_ > trailers_most_ || used > trailer_size_) return refuse(Refusal::limit_fields, line.text.substr(0, 64));
  const auto colon = line.text.find(':');
  if (colon == std::string_view::npos) return refuse(Refusal::header, line.text.substr(0, 64));
  std::string_view name = line.text.substr(0, colon);
  if (strip_spaces_) name = base::trim(name);
  if (!is_token(name) || is_forbidden_trailer(name)) return refuse(Refusal::header_name, name.substr(0, 64));
  if (bad_value_byte(line.text.substr(colon + 1)) != std::string_view::npos) return refuse(Refusal::header, name.substr(0, 64));
  return {Progress::more, used, {}, {}, {}};
}

}  // namespace prefork
