#include "parse/envelope_json.hpp"

#include <cstdint>
#include <cstring>

namespace parse {

namespace {

constexpr int deepest = 64;

void skip_blank(std::string_view text, std::size_t& at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n')) ++at;
}

// Past a nested object or array, brackets counted outside strings; false when it does not end or nests too deep.
bool skip_nested(std::string_view text, std::size_t& at) {
  int depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
    } else if (c == '{' || c == '[') {
      if (++depth > deepest) return false;
    } else if (c == '}' || c == ']') {
      if (--depth == 0) { ++at; return true; }
    }
  }
  return false;
}

bool hex4(std::string_view text, std::size_t at, std::uint32_t& value) {
  if (at + 4 > text.size()) return false;
  value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return false;
    value = value << 4 | static_cast<std::uint32_t>(digit);
  }
  return true;
}

std::size_t put_utf8(char* out, std::uint32_t point) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
  if (point < 0x80) { out[0] = byte(point); return 1; }
  if (point < 0x800) { out[0] = byte(0xC0 | point >> 6); out[1] = byte(0x80 | (point & 0x3F)); return 2; }
  if (point < 0x10000) { out[0] = byte(0xE0 | point >> 12); out[1] = byte(0x80 | (point >> 6 & 0x3F)); out[2] = byte(0x80 | (point & 0x3F)); return 3; }
  out[0] = byte(0xF0 | point >> 18); out[1] = byte(0x80 | (point >> 12 & 0x3F)); out[2] = byte(0x80 | (point >> 6 & 0x3F)); out[3] = byte(0x80 | (point & 0x3F));
  return 4;
}

}  // namespace

// `at` stands on the opening quote. An escape is never shorter than what it stands for, so scratch_ of the line's size is enough.
bool JsonLine::read_string(std::string_view text, std::size_t& at, std::string_view& value) {
  const std::size_t start = ++at;
  const std::size_t quote = text.find('"', start);
  if (quote == std::string_view::npos) return false;
  const std::size_t escape_at = text.substr(start, quote - start).find('\\');
  if (escape_at == std::string_view::npos) {
    value = text.substr(start, quote - start);
    at = quote + 1;
    return true;
  }
  at = start + escape_at;
  char* const out = scratch_.data() + used_;
  std::size_t size = at - start;
  std::memcpy(out, text.data() + start, size);
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      value = std::string_view(out, size);
      used_ += size;
      ++at;
      return true;
    }
    if (c != '\\') { out[size++] = c; ++at; continue; }
    if (at + 1 >= text.size()) return false;
    const char escape = text[at + 1];
    at += 2;
    switch (escape) {
      case 'n': out[size++] = '\n'; break;
      case 't': out[size++] = '\t'; break;
      case 'r': out[size++] = '\r'; break;
      case 'b': out[size++] = '\b'; break;
      case 'f': out[size++] = '\f'; break;
      case 'u': {
        std::uint32_t point = 0, low = 0;
        if (!hex4(text, at, point)) return false;
        at += 4;
        if (point >= 0xD800 && point < 0xDC00 && at + 6 <= text.size() && text[at] == '\\' && text[at + 1] == 'u' && hex4(text, at + 2, low) && low >= 0xDC00 && low < 0xE000) {
          point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
          at += 6;
        }
        size += put_utf8(out + size, point);
        break;
      }
      default: out[size++] = escape;  // \" \\ \/ and, leniently, anything else
    }
  }
  return false;
}

bool JsonLine::read(std::string_view text) {
  members_.clear();
  used_ = 0;
  if (scratch_.size() < text.size()) scratch_.resize(text.size());
  std::size_t at = 0;
  skip_blank(text, at);
  if (at >= text.size() || text[at] != '{') return false;
  skip_blank(text, ++at);
  if (at < text.size() && text[at] == '}') return true;
  for (;;) {
    Member member;
    skip_blank(text, at);
    if (at >= text.size() || text[at] != '"' || !read_string(text, at, member.name)) return false;
    skip_blank(text, at);
    if (at >= text.size() || text[at] != ':') return false;
    skip_blank(text, ++at);
    if (at >= text.size()) return false;
    const std::size_t start = at;
    const char c = text[at];
    if (c == '"') {
      if (!read_string(text, at, member.value)) return false;
      member.kind = '"';
    } else {
      if (c == '{' || c == '[') {
        if (!skip_nested(text, at)) return false;
        member.kind = c;
      } else {
        while (at < text.size() && text[at] != ',' && text[at] != '}' && text[at] != ' ') ++at;
        member.kind = c == 't' || c == 'f' ? 't' : c == 'n' ? 'n' : '0';
        if (member.kind == '0' && c != '-' && (c < '0' || c > '9')) return false;
      }
      member.value = text.substr(start, at - start);
    }
    if (members_.size() == most_members) return false;
    members_.push_back(member);
    skip_blank(text, at);
    if (at >= text.size()) return false;
    if (text[at] == '}') break;
    if (text[at] != ',') return false;
    ++at;
  }
  skip_blank(text, ++at);
  return at == text.size();
}

const Member* JsonLine::find(std::string_view name) const {
  for (const Member& member : members_)
    if (member.name == name) return &member;
  return nullptr;
}

std::string_view JsonLine::string(std::string_view name) const {
  const Member* const member = find(name);
  return member && member->kind == '"' ? member->value : std::string_view{};
}

bool bytes_of(std::string_view array, std::string& bytes) {
  bytes.clear();
  if (array.empty() || array.front() != '[') return false;
  int value = -1;
  for (std::size_t at = 1; at < array.size(); ++at) {
    const char c = array[at];
    if (c >= '0' && c <= '9') {
      value = (value < 0 ? 0 : value) * 10 + (c - '0');
      if (value > 255) return false;
    } else if (c == ',' || c == ']') {
      if (value >= 0) bytes += static_cast<char>(static_cast<unsigned char>(value));
      value = -1;
      if (c == ']') return true;
    } else if (c != ' ') {
      return false;
    }
  }
  return false;
}

}  // namespace parse
