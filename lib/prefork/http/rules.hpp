// What the parser permits and how much it takes: gunicorn's settings of the same names, with its defaults (gunicorn/config.py@26.1.0), and
// below them those that are ours. Sizes are bytes; 0 is "no limit of its own", for which a hard bound stands in, since nothing here is unbounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace prefork {

enum class HeaderMap : std::uint8_t { drop, refuse, dangerous };      // what becomes of a name with an underscore
enum class ProxyProtocol : std::uint8_t { off, v1, v2, any };         // `any` is written "auto"

struct HttpRules {
  std::size_t limit_request_line = 4094;        // without its line end
  std::size_t limit_request_fields = 100;
  std::size_t limit_request_field_size = 8190;  // with its line end, as gunicorn counts
  bool permit_unconventional_http_method = false;
  bool permit_unconventional_http_version = false;
  bool permit_obsolete_folding = false;
  bool casefold_http_method = false;
  bool strip_header_spaces = false;
  HeaderMap header_map = HeaderMap::drop;
  std::vector<std::string> forwarder_headers{"SCRIPT_NAME", "PATH_INFO"};
  std::vector<std::string> forwarded_allow_ips{"127.0.0.1", "::1"};
  std::vector<std::pair<std::string, std::string>> secure_scheme_headers{{"X-FORWARDED-PROTOCOL", "ssl"}, {"X-FORWARDED-PROTO", "https"}, {"X-FORWARDED-SSL", "on"}};
  ProxyProtocol proxy_protocol = ProxyProtocol::off;
  std::vector<std::string> proxy_allow_ips{"127.0.0.1", "::1"};

  // Ours.
  bool require_host = false;           // RFC 9112 3.2 demands a Host of HTTP/1.1; gunicorn does not, and 36 of the 63 valid cases of its corpus carry none
  std::uint64_t limit_request_body = 0;  // 0: none
};

constexpr std::size_t hard_line_limit = 65'536;    // of a request line where the setting says 0
constexpr std::size_t hard_field_limit = 8'190;    // of a field there: gunicorn's DEFAULT_MAX_HEADERFIELD_SIZE, which its corpus holds it to
constexpr std::size_t hard_field_count = 32'768;   // gunicorn's own MAX_HEADERS (http/message.py)
constexpr std::size_t chunk_line_limit = 4'096;    // a chunk's size with its extensions

}  // namespace prefork
