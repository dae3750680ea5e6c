// The head of an HTTP/1 request as a pure function over bytes: strict, bounded, nothing copied but folded values. The views of a Head stand in the
// bytes it was read from and live as long as those.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "prefork/app.hpp"
#include "prefork/http/refusal.hpp"
#include "prefork/http/rules.hpp"

namespace prefork {

enum class Framing : std::uint8_t { none, length, chunked };

struct Head {
  std::string_view method, target;      // the target as it was sent
  std::string_view path, query;         // path without scheme and authority, query without '?'; a fragment belongs to neither
  std::string_view authority;           // of an absolute-form or authority-form target
  int major = 1, minor = 1;
  std::vector<Field> fields;            // in order; with header_map "drop" those with an underscore are gone
  Framing framing = Framing::none;
  std::uint64_t length = 0;             // of Framing::length
  bool keep_alive = true;               // what the request asks for
  bool expects_continue = false;
  bool secure = false;                  // a trusted peer says that the client came by https
  std::string_view host;
  std::string proxied_from;             // the address that a PROXY line names; empty without one
  int proxied_port = 0;
  std::deque<std::string> folded;       // values that stood on several lines, and a method that was folded to upper case

  std::string_view find(std::string_view name) const;   // the first value of that name, case-insensitive; empty when there is none
  void clear();
};

/// Who sent it: decides whether forwarded and PROXY words are believed. Empty for a unix socket, which is always trusted.
struct Peer {
  std::string_view address;
};

enum class Progress : std::uint8_t { more, done, refused };

struct HeadResult {
  Progress progress = Progress::more;
  std::size_t used = 0;                 // of a head that is done: where its body begins
  Refusal refusal = Refusal::none;
  std::string_view what;                // what was refused
};

/// Reads the head at the front of `bytes`. `first` is true for the first request of a connection: only there may a PROXY line stand.
HeadResult read_head(std::string_view bytes, const HttpRules& rules, const Peer& peer, bool first, Head& head);

/// Whether calling read_head again can say anything new now that bytes[before..] have come: they hold a line end or a byte that no head may hold, or
/// a line has outgrown its limit. It keeps a client that sends single bytes from costing the square of its head.
bool worth_reading(std::string_view bytes, std::size_t before, const HttpRules& rules);

bool same_name(std::string_view a, std::string_view b);          // ASCII, case-insensitive
bool is_token(std::string_view text);
bool has_word(std::string_view list, std::string_view word);     // in a comma separated list, case-insensitive
bool trusted(const std::vector<std::string>& allowed, const Peer& peer);
/// A field's value may hold HTAB, visible ASCII, blanks and bytes over 0x7f (RFC 9110 5.5); the first byte that it may not, or npos.
std::size_t bad_value_byte(std::string_view value);

}  // namespace prefork
