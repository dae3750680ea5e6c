#include "probe/request_head.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace probe {

namespace {

constexpr std::size_t most_target = 400, most_value = 120;
constexpr std::array<std::string_view, 3> told{"Host", "X-Request-Id", "Content-Length"};

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
}

/// RFC 9110 5.6.2: letters in every method that is in use.
bool is_method(std::string_view word) {
  return !word.empty() && word.size() <= 20 && std::ranges::all_of(word, [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
}

std::string without_secrets(std::string_view target) {
  std::string text;
  std::string_view rest = target;
  // "http://user:password@host/path": only what stands before the path can be one.
  if (const std::size_t scheme = rest.find("://"); scheme != std::string_view::npos && scheme < rest.find_first_of("/?")) {
    const std::size_t begin = scheme + 3, end = std::min(rest.find_first_of("/?#", begin), rest.size());
    const std::size_t at = rest.substr(begin, end - begin).rfind('@');
    text = rest.substr(0, begin);
    rest = rest.substr(at == std::string_view::npos ? begin : begin + at + 1);
  }
  const std::size_t query = rest.find('?');
  text += rest.substr(0, query);
  if (query == std::string_view::npos) return text;
  text += '?';
  bool first = true;
  for (const std::string_view pair : base::split(rest.substr(query + 1), '&')) {
    if (!first) text += '&';
    first = false;
    const std::size_t equals = pair.find('=');
    // A word without "=" is a value as well: "?eyJhbGciOi".
    text += equals == std::string_view::npos ? std::string() : std::string(pair.substr(0, equals)) + "=";
    if (!pair.empty()) text += "...";
  }
  return text;
}

std::size_t byte_at(std::string_view bytes, std::size_t at) { return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0; }

std::string safe_target(std::string_view target) {
  std::string safe = without_secrets(target);
  return safe.size() > most_target ? safe.substr(0, most_target) + "..." : safe;
}

/// The variables by which nginx hands a request on; "" not told.
struct Variables {
  std::string_view method, uri, query, script, version, host, length;
  void take(std::string_view name, std::string_view value) {
    struct Named { std::string_view name; std::string_view Variables::*into; };
    static constexpr std::array<Named, 7> all{{{"REQUEST_METHOD", &Variables::method}, {"REQUEST_URI", &Variables::uri}, {"QUERY_STRING", &Variables::query}, {"SCRIPT_NAME", &Variables::script},
                                               {"SERVER_PROTOCOL", &Variables::version}, {"HTTP_HOST", &Variables::host}, {"CONTENT_LENGTH", &Variables::length}}};
    for (const Named& one : all)
      if (one.name == name) this->*one.into = value;
  }
  RequestHead head() const {
    RequestHead head;
    const std::string target = !uri.empty() ? std::string(uri) : script.empty() ? std::string() : std::string(script) + (query.empty() ? "" : "?" + std::string(query));
    if (!is_method(method) || target.empty() || target.front() != '/') return head;
    head.line = std::string(method) + " " + safe_target(target);
    if (base::starts_with(version, "HTTP/")) head.line += " " + std::string(version.substr(0, 8));
    if (!host.empty()) head.headers = "Host: " + std::string(host.substr(0, most_value));
    if (!length.empty() && length != "0") head.headers += (head.headers.empty() ? "" : "; ") + ("Content-Length: " + std::string(length.substr(0, most_value)));
    return head;
  }
};

/// uwsgi-docs Protocol: modifier1 0 (WSGI), the length of what follows, names and values each behind two bytes of length, the lower first.
RequestHead of_uwsgi(std::string_view bytes) {
  Variables variables;
  for (std::size_t at = 4; at + 2 <= bytes.size();) {
    std::array<std::string_view, 2> pair;
    for (std::string_view& text : pair) {
      const std::size_t size = byte_at(bytes, at) | byte_at(bytes, at + 1) << 8;
      if (at + 2 + size > bytes.size()) return variables.head();
      text = bytes.substr(at + 2, size);
      at += 2 + size;
    }
    variables.take(pair[0], pair[1]);
  }
  return variables.head();
}

/// FastCGI specification, 3.3 and 3.4: records of 8 bytes and a body; the body of type 4 is names and values behind their lengths, 1 or 4 bytes each.
RequestHead of_fastcgi(std::string_view bytes) {
  constexpr std::size_t head_size = 8, params = 4;
  std::string joined;
  for (std::size_t at = 0; at + head_size <= bytes.size() && byte_at(bytes, at) == 1;) {
    const std::size_t size = byte_at(bytes, at + 4) << 8 | byte_at(bytes, at + 5), padding = byte_at(bytes, at + 6);
    if (byte_at(bytes, at + 1) == params) joined += bytes.substr(at + head_size, size);
    at += head_size + size + padding;
  }
  Variables variables;
  const std::string_view all = joined;
  for (std::size_t at = 0; at < all.size();) {
    std::array<std::size_t, 2> sizes{};
    for (std::size_t& size : sizes) {
      const bool wide = byte_at(all, at) & 0x80;
      size = wide ? (byte_at(all, at) & 0x7f) << 24 | byte_at(all, at + 1) << 16 | byte_at(all, at + 2) << 8 | byte_at(all, at + 3) : byte_at(all, at);
      at += wide ? 4 : 1;
    }
    if (at + sizes[0] + sizes[1] > all.size()) break;
    variables.take(all.substr(at, sizes[0]), all.substr(at + sizes[0], sizes[1]));
    at += sizes[0] + sizes[1];
  }
  return variables.head();
}

/// What stands before a request that a balancer sent on (haproxy's proxy-protocol.txt): a line, or a signature with the length of what follows.
std::string_view without_proxy_header(std::string_view bytes) {
  constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
  if (base::starts_with(bytes, signature)) return bytes.substr(std::min(bytes.size(), 16 + (byte_at(bytes, 14) << 8 | byte_at(bytes, 15))));
  const std::size_t end = bytes.find('\n');
  return base::starts_with(bytes, "PROXY ") && end != std::string_view::npos ? bytes.substr(end + 1) : bytes;
}

}  // namespace

RequestHead read_request_head(std::string_view bytes) {
  bytes = without_proxy_header(bytes);
  // ContentType handshake, version 3.x; FastCGI's version 1 with FCGI_BEGIN_REQUEST; uwsgi's packet of variables.
  if (byte_at(bytes, 0) == 0x16 && byte_at(bytes, 1) == 3) return {"a TLS connection (what is asked is encrypted)", ""};
  if (byte_at(bytes, 0) == 1 && byte_at(bytes, 1) == 1 && bytes.size() >= 16) return of_fastcgi(bytes);
  if (bytes.size() >= 4 && byte_at(bytes, 0) == 0 && byte_at(bytes, 3) == 0) return of_uwsgi(bytes);
  RequestHead head;
  std::string_view line = bytes.substr(0, bytes.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || !is_method(line.substr(0, space))) return head;
  std::string_view target = line.substr(space + 1), version;
  if (const std::size_t end = target.find(' '); end != std::string_view::npos) {
    version = target.substr(end + 1);
    target = target.substr(0, end);
  }
  if (target.empty() || (target.front() != '/' && target != "*" && !base::contains(target, ":"))) return head;
  head.line = std::string(line.substr(0, space)) + " " + safe_target(target);
  if (base::starts_with(version, "HTTP/")) head.line += " " + std::string(version.substr(0, 8));

  std::size_t at = bytes.find('\n');
  while (at != std::string_view::npos && at + 1 < bytes.size()) {
    const std::size_t end = bytes.find('\n', at + 1);
    if (end == std::string_view::npos) break;            // cut: a value might be half a secret, or half of what it is
    std::string_view row = bytes.substr(at + 1, end - at - 1);
    at = end;
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty()) break;
    const std::size_t colon = row.find(':');
    if (colon == std::string_view::npos) continue;
    for (const std::string_view name : told) {
      if (!same_name(row.substr(0, colon), name)) continue;
      const std::string_view value = base::trim(row.substr(colon + 1));
      head.headers += (head.headers.empty() ? "" : "; ") + std::string(name) + ": " + std::string(value.substr(0, most_value));
    }
  }
  return head;
}

}  // namespace probe
