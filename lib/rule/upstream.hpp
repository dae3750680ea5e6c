// The upstreams that an address belongs to, and what is left to a request when one of their members is dead: nginx then asks the next one,
// where proxy_next_upstream lets it, and the backups when no other is left (ngx_http_upstream_round_robin.c@1.31.4).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "rule/check.hpp"

namespace rule {

enum class Standing : std::uint8_t { answers, dead, unseen };   // unseen: on another machine, or the look could not tell

/// What clients see of a dead member, in words that continue "nothing listens at X: ...".
struct Effect {
  bool eased = false;                         // requests go elsewhere, as far as can be seen: a warning
  std::string text;
  std::string remark;                         // what becomes of requests that must not be sent twice; empty where there is nothing to say
};

/// Of the dead member `address`, which nginx cannot connect to. `standing` of every other address; one that is not in it is unseen.
Effect effect_of(const Look& look, std::string_view address, const std::map<std::string, Standing, std::less<>>& standing);

}  // namespace rule
