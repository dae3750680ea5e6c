// Long because a head is one grammar: what a field means is decided beside the loop that reads it, so that nothing is read in two ways.
#include "prefork/http/head.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "prefork/http/proxy_line.hpp"
#include "prefork/http/target.hpp"

namespace prefork {
namespace {

constexpr unsigned char token_byte = 1, value_byte = 2, target_byte = 4;

constexpr std::array<unsigned char, 256> classes() {
  std::array<unsigned char, 256> of{};
  constexpr std::string_view token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (const char c : token) of[static_cast<unsigned char>(c)] |= token_byte;
  for (std::size_t c = 0; c < 256; ++c) {
    if (c >= 0x20 && c != 0x7f) of[c] |= value_byte;
    if (c > 0x20 && c != 0x7f) of[c] |= target_byte;
  }
  of['\t'] |= value_byte;
  return of;
}
constexpr auto class_of = classes();

bool all_of_class(std::string_view text, unsigned char mask) {
  return std::ranges::all_of(text, [mask](char c) { return (class_of[static_cast<unsigned char>(c)] & mask) != 0; });
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

HeadResult refuse(Refusal refusal, std::string_view what) { return {Progress::refused, 0, refusal, what.substr(0, 128)}; }

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// gunicorn's taste (message.py METHOD_BADCHAR_RE and its 3 to 20 characters): it keeps garbage in front of a request from passing as a method.
bool is_usual_method(std::string_view method) {
  return method.size() >= 3 && method.size() <= 20 && std::ranges::none_of(method, [](char c) { return (c >= 'a' && c <= 'z') || c == '#'; });
}

HeadResult read_request_line(std::string_view line, const HttpRules& rules, Head& head) {
  const auto first = line.find(' '), second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || second == first + 1) return refuse(Refusal::request_line, line);
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (!is_token(head.method) || (!rules.permit_unconventional_http_method && !is_usual_method(head.method))) return refuse(Refusal::method, head.method);
  if (rules.casefold_http_method && std::ranges::any_of(head.method, [](char c) { return c >= 'a' && c <= 'z'; })) {
    std::string& upper = head.folded.emplace_back(head.method);
    for (char& c : upper) if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    head.method = upper;
  }
  if (!all_of_class(head.target, target_byte)) return refuse(Refusal::request_line, line);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(version[5]) || version[6] != '.' || !digit(version[7])) return refuse(Refusal::version, version);
  head.major = version[5] - '0';
  head.minor = version[7] - '0';
  if (head.major != 1 && !rules.permit_unconventional_http_version) return refuse(Refusal::version_unsupported, version);
  if (!read_target(head)) return refuse(Refusal::request_line, line);
  return {Progress::done, 0, {}, {}};
}

// What the fields say together; gathered while they are read.
struct Said {
  int hosts = 0, types = 0, lengths = 0;
  bool transfer_coding = false, chunked = false, opaque = false;   // opaque: a coding before chunked, which stays on the body
  bool close = false, keep = false;
  int schemes = 0, secures = 0;
};

Refusal read_transfer_coding(std::string_view value, Said& said) {
  said.transfer_coding = true;
  if (trim_blanks(value).empty()) return Refusal::transfer_coding;
  while (true) {
    const auto comma = value.find(',');
    const std::string_view word = trim_blanks(value.substr(0, comma));
    const bool known = same_name(word, "identity") || same_name(word, "gzip") || same_name(word, "deflate") || same_name(word, "compress");
    if (same_name(word, "chunked")) {
      if (said.chunked) return Refusal::header;
      said.chunked = true;
    } else if (known) {
      if (said.chunked) return Refusal::header;  // chunked has to be the last
      if (!same_name(word, "identity")) said.opaque = true;
    } else {
      return Refusal::transfer_coding;
    }
    if (comma == std::string_view::npos) return Refusal::none;
    value.remove_prefix(comma + 1);
  }
}

Refusal read_length(std::string_view value, const HttpRules& rules, Head& head) {
  if (value.empty() || !std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; })) return Refusal::header;
  value.remove_prefix(std::min(value.find_first_not_of('0'), value.size()));
  if (value.size() > 18) return Refusal::header;  // no body has 10^18 bytes; what overflows is an attack
  head.length = 0;
  for (const char c : value) head.length = head.length * 10 + static_cast<unsigned>(c - '0');
  return rules.limit_request_body > 0 && head.length > rules.limit_request_body ? Refusal::body_too_large : Refusal::none;
}

// One field that decides about the message. Told apart by length first: most fields are none of these.
Refusal read_known(const Field& field, const HttpRules& rules, Said& said, Head& head) {
  switch (field.name.size()) {
    case 4:
      if (same_name(field.name, "host")) {
        // RFC 9112 3.2: one, and a host's; what a proxy could cut in two is neither.
        if (said.hosts++ > 0 || field.value.find_first_of(" \t/\\@?#,<>\"{}|^`") != std::string_view::npos) return Refusal::header;
        head.host = field.value;
      }
      return Refusal::none;
    case 6:
      if (same_name(field.name, "expect")) {
        if (!same_name(field.value, "100-continue")) return Refusal::expectation;
        head.expects_continue = head.minor >= 1 || head.major > 1;  // RFC 9110 10.1.1: of HTTP/1.0 it is ignored
      }
      return Refusal::none;
    case 10:
      if (same_name(field.name, "connection")) {
        said.close = said.close || has_word(field.value, "close");
        said.keep = said.keep || has_word(field.value, "keep-alive");
      }
      return Refusal::none;
    case 12: return same_name(field.name, "content-type") && said.types++ > 0 ? Refusal::header : Refusal::none;
    case 14:
      if (!same_name(field.name, "content-length")) return Refusal::none;
      if (said.lengths++ > 0) return Refusal::header;
      return read_length(field.value, rules, head);
    case 17: return same_name(field.name, "transfer-encoding") ? read_transfer_coding(field.value, said) : Refusal::none;
    default: return Refusal::none;
  }
}

void read_scheme(const Field& field, const HttpRules& rules, const Peer& peer, Said& said) {
  for (const auto& [name, value] : rules.secure_scheme_headers)
    if (same_name(field.name, name) && trusted(rules.forwarded_allow_ips, peer)) {
      ++said.schemes;
      said.secures += field.value == value;
    }
}

HeadResult conclude(const HttpRules& rules, const Said& said, Head& head) {
  const bool old = head.major < 1 || (head.major == 1 && head.minor == 0);
  if (said.transfer_coding) {
    if (old) return refuse(Refusal::header, "TRANSFER-ENCODING");
    if (said.chunked && said.lengths > 0) return refuse(Refusal::header, "CONTENT-LENGTH");
    if (said.opaque && !said.chunked) return refuse(Refusal::header, "TRANSFER-ENCODING");  // RFC 9112 6.3: its length cannot be told
  }
  if (rules.require_host && !old && said.hosts == 0) return refuse(Refusal::no_host, "HOST");
  if (said.schemes > 0 && said.secures != 0 && said.secures != said.schemes) return refuse(Refusal::scheme_headers, "");
  head.secure = said.secures > 0;
  head.framing = said.chunked ? Framing::chunked : said.lengths > 0 ? Framing::length : Framing::none;
  head.keep_alive = said.close ? false : old ? said.keep : true;
  // Where a proxy before us may have read it otherwise, nothing that follows on the connection is believed; a tunnel never follows.
  if ((said.transfer_coding && (!said.chunked || said.opaque)) || head.method == "CONNECT") head.keep_alive = false;
  return {Progress::done, 0, {}, {}};
}

enum class Kept : std::uint8_t { yes, dropped, refused };

Kept keep_name(std::string_view name, const HttpRules& rules, const Peer& peer) {
  if (name.find('_') == std::string_view::npos || rules.header_map == HeaderMap::dangerous) return Kept::yes;
  if (std::ranges::any_of(rules.forwarder_headers, [&](const std::string& one) { return same_name(one, name); }) && trusted(rules.forwarded_allow_ips, peer)) return Kept::yes;
  return rules.header_map == HeaderMap::refuse ? Kept::refused : Kept::dropped;
}

// The line at `at`: its end, or what is wrong with the part that has come. `most` counts without the CRLF.
struct Line {
  enum class State : std::uint8_t { whole, more, too_long, bad } state = State::more;
  std::size_t end = 0;
};

Line find_line(std::string_view bytes, std::size_t at, std::size_t most) {
  for (std::size_t i = at; i < bytes.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(bytes[i]);
    if (class_of[c] & value_byte) [[likely]] continue;
    if (c != '\r') return {Line::State::bad, i};
    if (i + 1 == bytes.size()) return {i - at > most ? Line::State::too_long : Line::State::more, i};
    if (bytes[i + 1] != '\n') return {Line::State::bad, i};
    return {i - at > most ? Line::State::too_long : Line::State::whole, i};
  }
  return {bytes.size() - at > most ? Line::State::too_long : Line::State::more, bytes.size()};
}

}  // namespace

void Head::clear() {
  method = target = path = query = authority = host = {};
  major = minor = 1;
  fields.clear();
  framing = Framing::none;
  length = 0;
  keep_alive = true;
  expects_continue = secure = false;
  proxied_from.clear();
  proxied_port = 0;
  if (!folded.empty()) folded.clear();
}

std::string_view Head::find(std::string_view name) const {
  for (const Field& field : fields)
    if (same_name(field.name, name)) return field.value;
  return {};
}

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  return true;
}

bool is_token(std::string_view text) { return !text.empty() && all_of_class(text, token_byte); }

bool has_word(std::string_view list, std::string_view word) {
  while (true) {
    const auto comma = list.find(',');
    if (same_name(trim_blanks(list.substr(0, comma)), word)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

bool trusted(const std::vector<std::string>& allowed, const Peer& peer) {
  if (peer.address.empty()) return true;
  return std::ranges::any_of(allowed, [&](const std::string& one) { return one == "*" || one == peer.address; });
}

std::size_t bad_value_byte(std::string_view value) {
  const auto at = std::ranges::find_if(value, [](char c) { return (class_of[static_cast<unsigned char>(c)] & value_byte) == 0; });
  return at == value.end() ? std::string_view::npos : static_cast<std::size_t>(at - value.begin());
}

bool worth_reading(std::string_view bytes, std::size_t before, const HttpRules& rules) {
  if (before == 0) return true;
  if (rules.proxy_protocol != ProxyProtocol::off && before < 4'200) return true;  // its binary words end where they say, not at a line's end
  if (bytes.size() > before && bytes[before - 1] == '\n') return true;  // the first byte of a line tells whether it belongs to the one before
  for (const char c : bytes.substr(before))
    if (!(class_of[static_cast<unsigned char>(c)] & value_byte) && c != '\r') return true;
  const std::string_view tail = bytes.substr(before - 1);
  const auto cr = tail.find('\r');
  if (cr != std::string_view::npos && cr + 1 < tail.size() && tail[cr + 1] != '\n') return true;
  // Neither: a long line. Only one that crosses a limit says more.
  const std::size_t line = bytes.size() - (bytes.rfind('\n') + 1);
  const std::size_t most = std::min(rules.limit_request_line ? rules.limit_request_line : hard_line_limit, rules.limit_request_field_size ? rules.limit_request_field_size : hard_field_limit);
  return line > most;
}

HeadResult read_head(std::string_view bytes, const HttpRules& rules, const Peer& peer, bool first, Head& head) {
  head.clear();
  std::size_t at = 0;
  if (first && rules.proxy_protocol != ProxyProtocol::off) {
    const ProxyResult proxy = read_proxy_line(bytes, rules, peer, head);
    if (proxy.progress != Progress::done) return {proxy.progress, 0, proxy.refusal, proxy.what};
    at = proxy.used;
  }
  // RFC 9112 2.2: one empty line before a request is to be ignored, for clients that send one after a body.
  if (bytes.substr(at).starts_with("\r\n")) at += 2;

  const std::size_t line_limit = rules.limit_request_line > 0 ? std::min(rules.limit_request_line, hard_line_limit) : hard_line_limit;
  const std::size_t field_limit = rules.limit_request_field_size > 0 ? std::min(rules.limit_request_field_size, hard_line_limit) : hard_field_limit;
  const std::size_t count_limit = std::min(rules.limit_request_fields, hard_field_count);

  const Line line = find_line(bytes, at, line_limit);
  if (line.state == Line::State::more) return {};
  if (line.state == Line::State::too_long) return refuse(Refusal::limit_line, bytes.substr(at, 128));
  const std::string_view request_line = bytes.substr(at, line.end - at);
  if (line.state == Line::State::bad) {
    // The method is looked at first, so that NUL in it is called what gunicorn calls it.
    const std::string_view method = request_line.substr(0, request_line.find(' '));
    return refuse(method.size() == request_line.size() && !method.empty() ? Refusal::method : Refusal::request_line, bytes.substr(at, line.end - at + 1));
  }
  if (HeadResult read = read_request_line(request_line, rules, head); read.progress == Progress::refused) return read;
  at = line.end + 2;

  Said said;
  std::size_t count = 0, total = 0;
  while (true) {
    const Line next = find_line(bytes, at, field_limit > 2 ? field_limit - 2 : 0);
    if (next.state == Line::State::whole && next.end == at) {
      at += 2;
      break;
    }
    if (next.state == Line::State::more && next.end == bytes.size() && bytes.substr(at).empty()) return {};
    if (next.state == Line::State::too_long && !(next.end == at)) return refuse(Refusal::limit_fields, bytes.substr(at, 64));
    std::string_view text = bytes.substr(at, next.end - at);
    const auto colon = text.find(':');
    if (next.state == Line::State::bad) {
      std::string_view name = text.substr(0, colon);
      return refuse(colon == std::string_view::npos ? Refusal::header_name : Refusal::header, colon == std::string_view::npos ? bytes.substr(at, next.end - at + 1) : name);
    }
    if (text.empty() ? false : text.front() == ' ' || text.front() == '\t') return refuse(count == 0 ? Refusal::header_name : Refusal::obsolete_folding, text);
    if (next.state == Line::State::more) return {};
    if (count >= count_limit) return refuse(Refusal::limit_fields, text);
    if (colon == std::string_view::npos) return refuse(Refusal::header, text);
    std::string_view name = text.substr(0, colon);
    if (rules.strip_header_spaces) while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
    if (!is_token(name)) return refuse(Refusal::header_name, name);
    std::string_view value = trim_blanks(text.substr(colon + 1));
    ++count;
    std::size_t size = text.size() + 2;
    at = next.end + 2;

    // Lines that begin with a blank belong to this one; whether one follows is known only when its first byte has come.
    if (rules.permit_obsolete_folding) {
      std::string* whole = nullptr;
      while (true) {
        if (at >= bytes.size()) return {};
        if (bytes[at] != ' ' && bytes[at] != '\t') break;
        const Line fold = find_line(bytes, at, field_limit);
        if (fold.state == Line::State::more) return {};
        if (fold.state == Line::State::bad) return refuse(Refusal::header, name);
        size += fold.end - at + 2;
        if (fold.state == Line::State::too_long || size > field_limit) return refuse(Refusal::limit_fields, name);
        if (!whole) whole = &head.folded.emplace_back(value);
        *whole += ' ';
        *whole += trim_blanks(bytes.substr(at, fold.end - at));
        at = fold.end + 2;
      }
      if (whole) value = trim_blanks(*whole);
    }
    total += size;
    if (total > hard_line_limit * 16) return refuse(Refusal::limit_fields, name);

    const Kept kept = keep_name(name, rules, peer);
    if (kept == Kept::refused) return refuse(Refusal::header_name, name);
    if (kept == Kept::dropped) continue;
    head.fields.push_back({name, value});
    if (const Refusal refusal = read_known(head.fields.back(), rules, said, head); refusal != Refusal::none) return refuse(refusal, refusal == Refusal::transfer_coding || refusal == Refusal::expectation ? value : name);
    read_scheme(head.fields.back(), rules, peer, said);
  }
  HeadResult result = conclude(rules, said, head);
  result.used = at;
  return result;
}

}  // namespace prefork
