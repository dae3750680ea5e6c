// Past 300 lines because it is one thought: the shapes that secrets have in text, one finder after the other over the same line.
#include "source/redact.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"

namespace source {

namespace {

// Shorter values are words that stand in every log ("admin", "test"): taken out where they stand, not looked for elsewhere.
constexpr std::size_t shortest_lasting = 6;
constexpr std::size_t most_known = 4000, longest_known = 4096;
constexpr std::size_t longest_line = 1 << 20;

char low(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }
bool alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool word_char(char c) { return alnum(c) || c == '_' || c == '-' || c == '.'; }
// A NUL parts the words of a command line.
bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0'; }
bool token_char(char c) { return alnum(c) || std::string_view("-._~+/=").find(c) != std::string_view::npos; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), low);
  return out;
}

int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : low(c) >= 'a' && low(c) <= 'f' ? low(c) - 'a' + 10 : -1; }

// %XX and JSON escapes taken back; anything else as it stands.
std::string plain(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else if (text[i] == '\\' && i + 1 < text.size() && std::string_view("\"\\/'").find(text[i + 1]) != std::string_view::npos) {
      out += text[++i];
    } else if (text[i] == '\\' && i + 5 < text.size() && text[i + 1] == 'u' && text[i + 2] == '0' && text[i + 3] == '0' && hex(text[i + 4]) >= 0 && hex(text[i + 5]) >= 0) {
      out += static_cast<char>(hex(text[i + 4]) * 16 + hex(text[i + 5]));
      i += 5;
    } else out += text[i];
  }
  return out;
}

std::string percent(std::string_view text, bool upper, bool all_but_word) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const bool keep = alnum(c) || std::string_view(all_but_word ? "-._~" : "-._~!$'()*,;:@/").find(c) != std::string_view::npos;
    if (keep) { out += c; continue; }
    out += '%';
    out += digits[(static_cast<unsigned char>(c) >> 4) & 15];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::string json_escaped(std::string_view text, bool slashes) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\' || (slashes && c == '/')) out += '\\';
    out += c;
  }
  return out;
}

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += i + k > text.size() ? '=' : base64_digits[group >> (18 - 6 * k) & 63];
  }
  return out;
}

std::string from_base64(std::string_view text) {
  std::string out;
  std::uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const std::size_t digit = base64_digits.find(c == '-' ? '+' : c == '_' ? '/' : c);
    if (digit == std::string_view::npos) break;
    group = group << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits >= 8) { bits -= 8; out += static_cast<char>(group >> bits & 255); }
  }
  return out;
}

// Names whose value is a secret. Parts of the name, lower case, "-" and "." taken as "_".
constexpr std::array<std::string_view, 29> secret_parts{
    "password", "passwd", "passphrase", "passcode", "secret", "token", "apikey", "api_key", "accesskey", "access_key", "privatekey", "private_key", "signing_key", "encryption_key", "encryptionkey",
    "credential", "authorization", "authkey", "auth_key", "cookie", "sessionid", "session_id", "signature", "jwt", "bearer", "csrf", "account_key", "accountkey", "master_key"};
constexpr std::array<std::string_view, 14> secret_names{"pass", "pwd", "pw", "auth", "sig", "sid", "dsn", "key_id", "x_api_key", "pin", "otp", "phpsessid", "jsessionid", "userpass"};
// Words that hold one of the parts but are settings of servers, no secrets.
constexpr std::array<std::string_view, 8> no_secrets{"server_tokens", "proxy_cookie_path", "proxy_cookie_domain", "tokenizer", "cookie_name", "session_cookie_name", "token_type", "proxy_pass"};

bool secret_name(std::string_view name) {
  std::string key = lowered(name);
  std::replace(key.begin(), key.end(), '-', '_');
  std::replace(key.begin(), key.end(), '.', '_');
  while (!key.empty() && key.front() == '_') key.erase(0, 1);
  if (std::find(no_secrets.begin(), no_secrets.end(), key) != no_secrets.end()) return false;
  if (std::find(secret_names.begin(), secret_names.end(), key) != secret_names.end()) return true;
  for (const auto part : secret_parts)
    if (base::contains(key, part)) return true;
  const auto ends = [&](std::string_view end) { return key.size() > end.size() && key.substr(key.size() - end.size()) == end; };
  return ends("_pass") || ends("_pwd") || ends("_key") || ends("_pw") || ends("_auth") || ends("dbpass") || ends("pgpass") || ends("_dsn");
}

// The shell's own, in a listing of the environment.
bool is_folder(std::string_view name, std::string_view value) { return (name == "PWD" || name == "OLDPWD") && !value.empty() && value[0] == '/'; }

bool whole_header(std::string_view name) {
  const std::string key = lowered(name);
  return base::contains(key, "authorization") || base::contains(key, "cookie");
}

// A value that names no secret: what programs print instead of one.
bool harmless(std::string_view value) {
  static constexpr std::array<std::string_view, 14> words{"", "none", "null", "true", "false", "yes", "no", "on", "off", "nil", "undefined", "required", "missing", "invalid"};
  const std::string text = lowered(value);
  if (std::find(words.begin(), words.end(), text) != words.end()) return true;
  if (base::starts_with(value, "[redacted-") || value[0] == '$' || base::starts_with(value, "os.environ") || base::starts_with(value, "os.getenv")) return true;
  return std::all_of(value.begin(), value.end(), [](char c) { return c == '*' || c == 'x' || c == 'X' || c == '.'; });
}

// Whether a value is looked for elsewhere, without its name. "token: worker" must not take "worker" out of every log line, nor a pin a pid.
bool worth_finding(std::string_view secret) {
  const bool digits = std::all_of(secret.begin(), secret.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool letters = std::all_of(secret.begin(), secret.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || c == '-' || c == '.'; });
  return secret.size() >= (letters ? 12 : digits ? 9 : shortest_lasting);
}

struct Separator { std::string_view text; bool encoded; };

}  // namespace

int Redactor::mark(std::string_view spelt, bool lasting) {
  const std::string secret = plain(spelt);
  const auto [found, fresh] = marks_.try_emplace(secret, 0);
  if (!fresh) return found->second;
  found->second = ++last_;
  if (marks_.size() > most_known * 4) { const int number = last_; marks_.erase(found); return number; }
  if (lasting && worth_finding(secret) && secret.size() <= longest_known) {
    remember(secret, last_);
    remember(std::string(spelt), last_);
    for (const bool upper : {true, false})
      for (const bool all : {true, false}) remember(percent(secret, upper, all), last_);
    remember(json_escaped(secret, false), last_);
    remember(json_escaped(secret, true), last_);
    remember(json_escaped(json_escaped(secret, false), false), last_);
    remember(base64(secret), last_);
  }
  return last_;
}

void Redactor::remember(const std::string& spelling, int number) {
  if (spelling.size() < shortest_lasting || known_count_ >= most_known * 8) return;
  const auto start = static_cast<std::uint16_t>(static_cast<unsigned char>(spelling[0]) << 8 | static_cast<unsigned char>(spelling[1]));
  auto& row = known_[start];
  for (const auto& [text, other] : row)
    if (text == spelling) return;
  row.emplace_back(spelling, number);
  // The longest first, so that a secret that begins another one does not leave the rest of it.
  std::sort(row.begin(), row.end(), [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  starts_.set(start);
  ++known_count_;
}

void Redactor::find_known(std::string_view line, std::vector<Span>& spans) const {
  if (known_count_ == 0) return;
  for (std::size_t i = 0; i + shortest_lasting <= line.size(); ++i) {
    const auto start = static_cast<std::uint16_t>(static_cast<unsigned char>(line[i]) << 8 | static_cast<unsigned char>(line[i + 1]));
    if (!starts_.test(start)) continue;
    for (const auto& [text, number] : known_.at(start)) {
      if (line.substr(i, text.size()) != text) continue;
      spans.push_back({i, i + text.size(), number});
      i += text.size() - 1;
      break;
    }
  }
}

// scheme://user:password@host, also with the separators JSON escaped or percent-encoded.
void Redactor::find_userinfo(std::string_view line, std::vector<Span>& spans) {
  static constexpr std::array<std::array<std::string_view, 5>, 4> spellings{{{"://", ":", "@", "/", "?"}, {":\\/\\/", ":", "@", "\\/", "?"}, {"%3A%2F%2F", "%3A", "%40", "%2F", "%3F"}, {"%3a%2f%2f", "%3a", "%40", "%2f", "%3f"}}};
  for (const auto& [opens, colon, at, slash, query] : spellings) {
    for (std::size_t found = line.find(opens); found != std::string_view::npos; found = line.find(opens, found + 1)) {
      std::size_t scheme = found;
      while (scheme > 0 && (alnum(line[scheme - 1]) || line[scheme - 1] == '+')) --scheme;
      const bool web = base::starts_with(lowered(line.substr(scheme, found - scheme)), "http");
      const std::size_t begin = found + opens.size();
      std::size_t end = begin;
      while (end < line.size() && !blank(line[end]) && std::string_view("\"'`<>|").find(line[end]) == std::string_view::npos && end - begin < 4096) ++end;
      const auto rest = line.substr(begin, end - begin);
      const std::size_t path = std::min(rest.find(slash), rest.find(query));
      std::size_t ends = rest.substr(0, path).rfind(at);
      // A password may hold a slash of its own where no web server has to read the URL.
      if (ends == std::string_view::npos && !web) ends = rest.rfind(at);
      if (ends == std::string_view::npos) continue;
      const std::size_t parts = rest.substr(0, ends).find(colon);
      if (parts == std::string_view::npos) {
        if (web && ends > 0 && !base::starts_with(rest, "[redacted-")) spans.push_back({begin, begin + ends, mark(rest.substr(0, ends))});
        continue;
      }
      const auto secret = rest.substr(parts + colon.size(), ends - parts - colon.size());
      if (secret.empty() || base::starts_with(secret, "[redacted-")) continue;
      spans.push_back({begin + parts + colon.size(), begin + ends, mark(secret)});
    }
  }
}

// name=value, name: value, "name": "value", ('name', 'value'), --name value, name%3Dvalue: where the name says that it is a secret.
void Redactor::find_named(std::string_view line, std::vector<Span>& spans) {
  static constexpr std::array<Separator, 8> separators{{{"=>", false}, {"==", false}, {"=", false}, {":", false}, {"%3D", true}, {"%3d", true}, {"%3A", true}, {"%3a", true}}};
  std::size_t at = 0;
  while (at < line.size()) {
    while (at < line.size() && !word_char(line[at])) ++at;
    const std::size_t name_begin = at;
    while (at < line.size() && word_char(line[at])) ++at;
    const auto name = line.substr(name_begin, at - name_begin);
    if (name.size() < 2 || name.size() > 80 || !secret_name(name)) continue;

    std::size_t i = at;
    // The quote that closes the name, escaped or not; it tells where commas are separators.
    bool quoted = false;
    std::size_t slashes = i;
    while (slashes < line.size() && line[slashes] == '\\') ++slashes;
    if (slashes < line.size() && (line[slashes] == '"' || line[slashes] == '\'')) { quoted = true; i = slashes + 1; }
    if (i < line.size() && line[i] == ']') ++i;  // os.environ["X"] = ...
    std::size_t gap = i;
    while (gap < line.size() && blank(line[gap])) ++gap;
    const auto rest = line.substr(gap);
    bool encoded = false, separated = false;
    for (const auto& separator : separators) {
      if (!base::starts_with(rest, separator.text)) continue;
      i = gap + separator.text.size();
      encoded = separator.encoded;
      separated = true;
      break;
    }
    if (!separated && quoted && base::starts_with(rest, ",")) { i = gap + 1; separated = true; }
    const bool spaced_option = name_begin >= 1 && base::starts_with(line.substr(name_begin), "--");
    const bool directive = whole_header(name) && gap > i;   // proxy_set_header Authorization "Basic ..."
    if (!separated && ((spaced_option || directive) && gap > i)) { i = gap; separated = true; }
    if (!separated) continue;
    while (i < line.size() && blank(line[i])) ++i;

    // The value: quoted (also escaped, also with Python's prefixes), or up to the next delimiter.
    std::size_t prefix = i;
    while (prefix < line.size() && prefix - i < 2 && std::string_view("bBrRuUfF").find(line[prefix]) != std::string_view::npos) ++prefix;
    std::size_t opens = prefix;
    while (opens < line.size() && line[opens] == '\\' && opens - prefix < 8) ++opens;
    std::size_t begin = i, end = i;
    if (opens < line.size() && (line[opens] == '"' || line[opens] == '\'')) {
      const std::size_t depth = opens - prefix;  // backslashes before the quote: how often the text was escaped
      const char quote = line[opens];
      begin = opens + 1;
      for (end = begin; end < line.size(); ++end) {
        if (line[end] != quote) continue;
        std::size_t before = 0;
        while (before < end - begin && line[end - 1 - before] == '\\') ++before;
        if (before <= depth) { end -= before; break; }
      }
    } else if (whole_header(name)) {
      end = i;
      while (end < line.size() && line[end] != '"' && line[end] != '\'' && line[end] != '\0') ++end;
      if (end > i && line[end - 1] == '\\') --end;
    } else {
      end = i;
      while (end < line.size() && !blank(line[end]) && std::string_view("&;,\"'`<>)}]|").find(line[end]) == std::string_view::npos) {
        if (encoded && (base::starts_with(line.substr(end), "%26"))) break;
        ++end;
      }
      if (end > i && line[end - 1] == '\\') --end;
    }
    while (end > begin && blank(line[end - 1])) --end;
    const auto value = line.substr(begin, end - begin);
    if (value.empty() || harmless(value) || is_folder(name, value)) { at = std::max(at, begin); continue; }
    // Authorization keeps its scheme: that it was Basic or Bearer is no secret.
    std::size_t scheme = 0;
    if (whole_header(name)) {
      const std::size_t space = value.find(' ');
      if (space != std::string_view::npos && space <= 12 && std::all_of(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(space), alnum)) scheme = space + 1;
      const auto secret = value.substr(scheme);
      if (lowered(value.substr(0, scheme)) == "basic ") {
        const std::string pair = from_base64(secret);
        if (const std::size_t colon = pair.find(':'); colon != std::string::npos && colon + 1 < pair.size()) mark(std::string_view(pair).substr(colon + 1));
      }
      // Each cookie is a secret of its own: it may come back alone.
      for (const auto part : base::split(value, ';'))
        if (const std::size_t equals = part.find('='); equals != std::string_view::npos && part.size() - equals > shortest_lasting + 2) mark(base::trim(part.substr(equals + 1)));
    }
    if (value.substr(scheme).empty() || base::starts_with(value.substr(scheme), "[redacted-")) { at = std::max(at, end); continue; }
    spans.push_back({begin + scheme, end, mark(value.substr(scheme))});
    at = std::max(at, end);
  }
}

// What is a secret by its own shape: cloud keys, vendors' tokens, JWTs, "Bearer ..." and "Basic ..." without a header's name.
void Redactor::find_shaped(std::string_view line, std::vector<Span>& spans) {
  struct Shape { std::string_view start; std::size_t least; };
  static constexpr std::array<Shape, 20> shapes{{{"AKIA", 20}, {"ASIA", 20}, {"ghp_", 30}, {"gho_", 30}, {"ghs_", 30}, {"ghu_", 30}, {"github_pat_", 40}, {"glpat-", 20}, {"xoxb-", 20}, {"xoxp-", 20}, {"xoxa-", 20},
                                                 {"sk_live_", 20}, {"rk_live_", 20}, {"sk-", 24}, {"AIza", 35}, {"SG.", 40}, {"hf_", 30}, {"npm_", 30}, {"pypi-", 40}, {"eyJ", 20}}};
  const auto run = [&](std::size_t from) {
    std::size_t end = from;
    while (end < line.size() && (alnum(line[end]) || line[end] == '_' || line[end] == '-' || line[end] == '.')) ++end;
    return end;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (i > 0 && alnum(line[i - 1])) continue;
    const char c = line[i];
    if (c == 'B' || c == 'b') {
      const auto word = lowered(line.substr(i, 7));
      const std::size_t length = word == "bearer " ? 7 : base::starts_with(word, "basic ") ? 6 : 0;
      if (length) {
        std::size_t end = i + length;
        while (end < line.size() && token_char(line[end])) ++end;
        const auto secret = line.substr(i + length, end - i - length);
        if (secret.size() >= 8) {
          if (length == 6) {
            const std::string pair = from_base64(secret);
            const std::size_t colon = pair.find(':');
            if (colon == std::string::npos) continue;  // "basic authentication"
            if (colon + 1 < pair.size()) mark(std::string_view(pair).substr(colon + 1));
          }
          spans.push_back({i + length, end, mark(secret)});
          i = end;
          continue;
        }
      }
    }
    if (c != 'A' && c != 'g' && c != 'x' && c != 's' && c != 'r' && c != 'S' && c != 'h' && c != 'n' && c != 'p' && c != 'e') continue;
    for (const auto& shape : shapes) {
      if (!base::starts_with(line.substr(i), shape.start)) continue;
      const std::size_t end = run(i);
      const auto secret = line.substr(i, end - i);
      if (secret.size() < shape.least) continue;
      if (shape.start == "eyJ" && std::count(secret.begin(), secret.end(), '.') < 2) continue;
      spans.push_back({i, end, mark(secret)});
      i = end;
      break;
    }
  }
}

void Redactor::find(std::string_view line, std::vector<Span>& spans) {
  find_userinfo(line, spans);
  find_named(line, spans);
  find_shaped(line, spans);
}

void Redactor::line(std::string_view whole, std::string& out) {
  // A private key is many lines, or one with its newlines escaped.
  if (in_key_) {
    const std::size_t end = whole.find("-----END");
    if (end == std::string_view::npos) return;
    in_key_ = false;
    whole.remove_prefix(end);
  }
  if (const std::size_t begin = whole.find("-----BEGIN"); begin != std::string_view::npos && base::contains(whole.substr(begin, 64), "PRIVATE KEY")) {
    const std::size_t body = whole.find("-----", begin + 10);
    const std::size_t from = body == std::string_view::npos ? whole.size() : body + 5;
    const std::size_t end = whole.find("-----END", from);
    const int number = mark(end == std::string_view::npos ? "private key " + std::to_string(last_) : std::string(whole.substr(from, end - from)), false);
    line(whole.substr(0, begin), out);
    out += whole.substr(begin, from - begin);
    out += "[redacted-" + std::to_string(number) + "]";
    if (end == std::string_view::npos) { in_key_ = true; out += '\n'; return; }
    const std::size_t close = whole.find("-----", end + 8);
    const std::size_t rest = close == std::string_view::npos ? whole.size() : close + 5;
    out += whole.substr(end, rest - end);
    line(whole.substr(rest), out);
    return;
  }

  std::vector<Span> spans;
  find(whole, spans);
  find_known(whole, spans);
  if (spans.empty()) { out += whole; return; }
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.begin != b.begin ? a.begin < b.begin : a.end > b.end; });
  std::size_t at = 0;
  for (const auto& span : spans) {
    if (span.end <= at) continue;
    if (span.begin > at) out += whole.substr(at, span.begin - at);
    // Where a second one overlaps the first, the first mark stands for both.
    if (span.begin >= at) out += "[redacted-" + std::to_string(span.mark) + "]";
    at = span.end;
  }
  out += whole.substr(at);
}

std::string Redactor::text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  in_key_ = false;
  for (std::size_t from = 0; from < text.size();) {
    // A line without an end is cut into pieces that overlap nothing: a secret at such a seam is shorter than its name and value together.
    std::size_t end = text.find('\n', from);
    const bool newline = end != std::string_view::npos;
    if (!newline) end = text.size();
    while (end - from > longest_line) {
      std::size_t cut = from + longest_line;
      while (cut > from + longest_line / 2 && !blank(text[cut]) && text[cut] != ',') --cut;
      line(text.substr(from, cut - from), out);
      from = cut;
    }
    const bool hidden = in_key_;
    line(text.substr(from, end - from), out);
    if (newline && !(hidden && in_key_) && !(!hidden && in_key_)) out += '\n';
    from = end + (newline ? 1 : 0);
  }
  in_key_ = false;
  return out;
}

void Redactor::learn(std::string_view text) {
  std::vector<Span> spans;
  for (std::size_t from = 0; from < text.size();) {
    std::size_t end = std::min(text.find('\n', from), text.size());
    if (end - from > longest_line) end = from + longest_line;
    spans.clear();
    find(text.substr(from, end - from), spans);
    from = end + 1;
  }
}

std::string Redactor::environment(std::string_view text, const std::vector<std::string>& kept) {
  std::string out;
  learn_environment(text, kept);
  for (const auto entry : base::split(text, '\0')) {
    if (entry.empty()) continue;
    const std::size_t equals = entry.find('=');
    const std::string name(entry.substr(0, equals));
    if (equals == std::string_view::npos) continue;  // the remains of a title written over it
    const auto value = entry.substr(equals + 1);
    out += name + "=";
    if (std::find(kept.begin(), kept.end(), name) != kept.end()) out += this->text(value);
    else if (!value.empty()) out += "[redacted-" + std::to_string(mark(value, false)) + "]";
    out += '\0';
  }
  return out;
}

void Redactor::learn_environment(std::string_view text, const std::vector<std::string>& kept) {
  for (const auto entry : base::split(text, '\0')) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    const auto name = entry.substr(0, equals);
    const auto value = entry.substr(equals + 1);
    learn(value);
    // PATH and LANG stand in every log: only what its name calls a secret is looked for elsewhere.
    if (name == "PWD" || name == "OLDPWD") continue;  // the shell's folder, no password
    if (std::find(kept.begin(), kept.end(), name) == kept.end() && secret_name(name) && !value.empty() && !harmless(value)) mark(value);
  }
}

}  // namespace source
