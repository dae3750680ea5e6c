#include "prefork/http/proxy_line.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstring>

#include "base/text.hpp"

namespace prefork {
namespace {

constexpr std::string_view v2_mark("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t v1_longest = 107;      // proxy-protocol.txt 2.1, with its line end
constexpr std::size_t v2_longest = 4'096;    // addresses and TLVs; the protocol allows 64 KiB, nobody sends it

ProxyResult refuse(std::string_view what, Refusal refusal = Refusal::proxy_line) { return {Progress::refused, 0, refusal, what}; }

bool is_address(std::string_view text, int family) {
  std::array<char, 64> copy{};
  if (text.size() >= copy.size()) return false;
  std::memcpy(copy.data(), text.data(), text.size());
  std::array<unsigned char, 16> out{};
  return ::inet_pton(family, copy.data(), out.data()) == 1;
}

ProxyResult read_v1(std::string_view bytes, Head& head) {
  const auto end = bytes.find("\r\n");
  if (end == std::string_view::npos) return bytes.size() >= v1_longest ? refuse(bytes.substr(0, v1_longest)) : ProxyResult{Progress::more, 0, {}, {}};
  const std::string_view line = bytes.substr(0, end);
  if (end + 2 > v1_longest) return refuse(line);
  const auto words = base::split(line, ' ');
  if (words.size() >= 2 && words[1] == "UNKNOWN") return {Progress::done, end + 2, {}, {}};
  if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6")) return refuse(line);
  const int family = words[1] == "TCP4" ? AF_INET : AF_INET6;
  if (!is_address(words[2], family) || !is_address(words[3], family)) return refuse(line);
  const auto from = base::read_number(words[4]), to = base::read_number(words[5]);
  if (!from || !to || *from < 0 || *from > 65'535 || *to < 0 || *to > 65'535) return refuse(line);
  head.proxied_from = words[2];
  head.proxied_port = static_cast<int>(*from);
  return {Progress::done, end + 2, {}, {}};
}

ProxyResult read_v2(std::string_view bytes, Head& head) {
  if (bytes.size() < 16) return {Progress::more, 0, {}, {}};
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  const std::size_t length = static_cast<std::size_t>(byte(14) << 8 | byte(15));
  if (byte(12) >> 4 != 2 || (byte(12) & 15) > 1 || length > v2_longest) return refuse("version 2");
  if (bytes.size() < 16 + length) return {Progress::more, 0, {}, {}};
  const ProxyResult done{Progress::done, 16 + length, {}, {}};
  if ((byte(12) & 15) == 0) return done;  // LOCAL: the proxy's own check
  std::array<char, 64> text{};
  if (byte(13) == 0x11) {
    if (length < 12) return refuse("version 2");
    ::inet_ntop(AF_INET, bytes.data() + 16, text.data(), text.size());
    head.proxied_port = byte(24) << 8 | byte(25);
  } else if (byte(13) == 0x21) {
    if (length < 36) return refuse("version 2");
    ::inet_ntop(AF_INET6, bytes.data() + 16, text.data(), text.size());
    head.proxied_port = byte(48) << 8 | byte(49);
  }
  head.proxied_from = text.data();
  return done;
}

}  // namespace

ProxyResult read_proxy_line(std::string_view bytes, const HttpRules& rules, const Peer& peer, Head& head) {
  const bool one = rules.proxy_protocol == ProxyProtocol::v1 || rules.proxy_protocol == ProxyProtocol::any;
  const bool two = rules.proxy_protocol == ProxyProtocol::v2 || rules.proxy_protocol == ProxyProtocol::any;
  const auto begins = [&](std::string_view mark) { return bytes.substr(0, mark.size()) == mark.substr(0, bytes.size()); };
  constexpr std::string_view v1_mark = "PROXY ";
  const bool is_one = one && begins(v1_mark), is_two = two && begins(v2_mark);
  if (!is_one && !is_two) return {};
  if (bytes.size() < (is_one ? v1_mark : v2_mark).size()) return {Progress::more, 0, {}, {}};
  if (!trusted(rules.proxy_allow_ips, peer)) return refuse(peer.address, Refusal::forbidden_proxy);
  return is_one ? read_v1(bytes, head) : read_v2(bytes, head);
}

}  // namespace prefork
