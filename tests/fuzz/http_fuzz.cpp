// The server's HTTP parser over any bytes of a connection. The first byte chooses the rules, the second how the bytes are cut: in pieces they have to mean the
// same as in one, since a proxy that cuts them otherwise is how requests are smuggled.
#include <cstdlib>
#include <string>

#include "prefork/http/body.hpp"
#include "prefork/http/head.hpp"

namespace {

// What a server would do with it, as text.
std::string meaning(std::string_view bytes, const prefork::HttpRules& rules, std::size_t step) {
  using namespace prefork;
  std::string out;
  std::size_t at = 0, come = std::min(step, bytes.size()), before = 0;
  bool first = true;
  Head head;
  while (at < bytes.size()) {
    const std::string_view window = bytes.substr(at, come - at);
    HeadResult result;
    if (worth_reading(window, before, rules)) result = read_head(window, rules, {"10.0.0.1"}, first, head);
    if (result.progress == Progress::refused) return out + " refused";
    if (result.progress == Progress::more) {
      if (come == bytes.size()) return out + " cut";
      before = come - at;
      come = std::min(come + step, bytes.size());
      continue;
    }
    if (result.used > window.size() || head.fields.size() > rules.limit_request_fields) std::abort();
    out += " [" + std::string(head.method) + " " + std::string(head.target) + " " + std::string(head.path) + " " + std::string(head.query) + "]" + std::to_string(head.fields.size());
    for (const Field& field : head.fields) (out += field.name) += field.value;
    at += result.used;
    before = 0;
    first = false;
    const bool keep = head.keep_alive;
    Body body(head, rules);
    while (!body.done()) {
      const BodyStep got = body.take(bytes.substr(at, come - at));
      if (got.progress == Progress::refused) return out + " refused in the body";
      if (got.used > come - at || got.piece.size() > got.used) std::abort();
      out += got.piece;
      at += got.used;
      if (body.done() || got.used > 0) continue;
      if (come == bytes.size()) return out + " cut in the body";
      come = std::min(come + step, bytes.size());
    }
    if (!keep) return out + " closed";
    come = std::max(come, std::min(at + step, bytes.size()));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 2 || size > 16'384) return 0;
  prefork::HttpRules rules;
  if (bytes[0] & 1) rules.permit_obsolete_folding = true;
  if (bytes[0] & 2) rules.proxy_protocol = prefork::ProxyProtocol::any, rules.proxy_allow_ips = {"*"};
  if (bytes[0] & 4) rules.strip_header_spaces = true;
  if (bytes[0] & 8) rules.header_map = prefork::HeaderMap::dangerous;
  if (bytes[0] & 16) rules.permit_unconventional_http_method = rules.casefold_http_method = rules.permit_unconventional_http_version = true;
  if (bytes[0] & 32) rules.limit_request_line = 30, rules.limit_request_field_size = 40, rules.limit_request_fields = 3;
  if (bytes[0] & 64) rules.limit_request_body = 20;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 2, size - 2);
  const std::string whole = meaning(text, rules, text.size());
  if (meaning(text, rules, 1u + bytes[1] % 16u) != whole || meaning(text, rules, 1) != whole) std::abort();
  return 0;
}
