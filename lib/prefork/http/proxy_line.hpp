// The PROXY protocol's words before the first request of a connection, versions 1 and 2 (haproxy's proxy-protocol.txt).
#pragma once

#include "prefork/http/head.hpp"

namespace prefork {

struct ProxyResult {
  Progress progress = Progress::done;
  std::size_t used = 0;        // 0: there is none
  Refusal refusal = Refusal::none;
  std::string_view what;
};

ProxyResult read_proxy_line(std::string_view bytes, const HttpRules& rules, const Peer& peer, Head& head);

}  // namespace prefork
