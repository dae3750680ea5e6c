#include "prefork/http/target.hpp"

#include <algorithm>

namespace prefork {
namespace {

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool is_port(std::string_view text) { return text.size() <= 5 && std::ranges::all_of(text, is_digit); }

// host [":" port]: a name or an address without brackets, or an IPv6 literal in them. `port_needed`: authority-form has always one.
bool is_host_and_port(std::string_view text, bool port_needed) {
  if (text.empty()) return false;
  std::string_view rest;
  if (text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    if (!std::ranges::all_of(text.substr(1, end - 1), [](char c) { return is_hex(c) || c == ':' || c == '.'; })) return false;
    rest = text.substr(end + 1);
  } else {
    const auto colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    constexpr std::string_view others = "-._~%!$&'()*+,;=";
    if (name.empty() || !std::ranges::all_of(name, [&](char c) { return is_alpha(c) || is_digit(c) || others.find(c) != std::string_view::npos; })) return false;
    rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  if (rest.empty()) return !port_needed;
  return rest.front() == ':' && is_port(rest.substr(1)) && (rest.size() > 1 || !port_needed);
}

bool is_authority(std::string_view text) {
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    constexpr std::string_view bad = "[]@/?#";
    if (text.substr(0, at).find_first_of(bad) != std::string_view::npos) return false;
    text = text.substr(at + 1);
  }
  return is_host_and_port(text, false);
}

void split_path(std::string_view text, Head& head) {
  text = text.substr(0, text.find('#'));
  const auto mark = text.find('?');
  head.path = text.substr(0, mark);
  head.query = mark == std::string_view::npos ? std::string_view() : text.substr(mark + 1);
}

}  // namespace

bool read_target(Head& head) {
  const std::string_view target = head.target;
  if (target.empty()) return false;
  if (head.method == "CONNECT") {
    head.authority = head.path = target;
    return is_host_and_port(target, true);
  }
  if (target.front() == '/') return split_path(target, head), true;
  if (target == "*") {
    head.path = target;
    return head.method == "OPTIONS";
  }
  const auto colon = target.find("://");
  if (colon == std::string_view::npos || colon == 0 || !is_alpha(target.front())) return false;
  if (!std::ranges::all_of(target.substr(0, colon), [](char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; })) return false;
  const std::string_view after = target.substr(colon + 3);
  const auto slash = after.find_first_of("/?#");
  head.authority = after.substr(0, slash);
  if (!is_authority(head.authority)) return false;
  if (slash == std::string_view::npos || after[slash] != '/') head.path = "/";
  if (slash != std::string_view::npos) {
    const std::string_view path = head.path;
    split_path(after.substr(slash), head);
    if (head.path.empty()) head.path = path;
  }
  return true;
}

}  // namespace prefork
