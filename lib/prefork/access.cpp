#include "prefork/access.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "base/text.hpp"
#include "prefork/clock.hpp"
#include "prefork/http/head.hpp"
#include "prefork/log.hpp"

namespace prefork {
namespace {

std::string_view field_of(const Request& request, std::string_view name) {
  for (std::size_t i = 0; i < request.field_count; ++i)
    if (same_name(request.fields[i].name, name)) return request.fields[i].value;
  return {};
}

// Of Authorization: Basic; gunicorn's %(u)s.
std::string user_of(const Request& request) {
  std::string_view text = field_of(request, "authorization");
  if (text.size() < 6 || !same_name(text.substr(0, 6), "basic ")) return "-";
  text = base::trim(text.substr(6));
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto digit = alphabet.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<unsigned>(digit);
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  const auto colon = out.find(':');
  return colon == std::string::npos || colon == 0 ? "-" : out.substr(0, colon);
}

// Quotes and control bytes would let a request forge lines; gunicorn escapes the quote only (SafeAtoms), terminals deserve more.
void put_safe(std::string& line, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"') line += "\\\"";
    else if (byte < 0x20 || byte == 0x7f) line += fmt::format("\\x{:02x}", byte);
    else line += c;
  }
}

// PATH_INFO is decoded, unlike the request line.
std::string unquoted(std::string_view text) {
  const auto hex = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool coded = text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
    out += coded ? static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])) : text[i];
    if (coded) i += 2;
  }
  return out;
}

void put_number(std::string& line, std::uint64_t value) {
  char digits[24];
  line.append(digits, write_number(digits, value));
}

}  // namespace

AccessFormat::AccessFormat(std::string_view format, bool json, int zone) : json_(json), zone_(zone) {
  const auto text = [&](std::string_view part) {
    if (part.empty()) return;
    if (parts_.empty() || parts_.back().word != Word::text) parts_.push_back({Word::text, ""});
    parts_.back().text += part;
  };
  while (!format.empty()) {
    const auto mark = format.find('%');
    text(format.substr(0, mark));
    if (mark == std::string_view::npos) break;
    format.remove_prefix(mark);
    if (format.starts_with("%%")) {
      text("%");
      format.remove_prefix(2);
      continue;
    }
    const auto end = format.find(")s");
    if (!format.starts_with("%(") || end == std::string_view::npos) {
      text(format.substr(0, 1));
      format.remove_prefix(1);
      continue;
    }
    std::string_view name = format.substr(2, end - 2);
    format.remove_prefix(end + 2);
    if (name.size() > 3 && name.front() == '{') {
      const char kind = name.back();
      const std::string_view field = name.substr(1, name.size() - 3);
      if (name[name.size() - 2] == '}' && (kind == 'i' || kind == 'o')) {
        parts_.push_back({kind == 'i' ? Word::request_field : Word::answer_field, std::string(field)});
        continue;
      }
    }
    struct Named { char name; Word word; };
    constexpr Named all[] = {{'h', Word::peer}, {'l', Word::dash}, {'u', Word::user}, {'t', Word::time}, {'r', Word::request_line}, {'s', Word::status}, {'m', Word::method}, {'U', Word::path}, {'q', Word::query}, {'H', Word::protocol},
                             {'b', Word::bytes_or_dash}, {'B', Word::bytes}, {'f', Word::referer}, {'a', Word::agent}, {'T', Word::seconds}, {'D', Word::micros}, {'M', Word::millis}, {'L', Word::decimal}, {'p', Word::pid}};
    Word word = Word::dash;
    for (const Named& one : all)
      if (name.size() == 1 && name[0] == one.name) word = one.word;
    parts_.push_back({word, ""});
  }
}

void AccessFormat::write_part(const Part& part, const Access& access, std::string& line) const {
  const Request& request = *access.request;
  const auto protocol = [&] { line += "HTTP/"; line += static_cast<char>('0' + request.major); line += '.'; line += static_cast<char>('0' + request.minor); };
  const auto or_dash = [&](std::string_view text) { text.empty() ? line += '-', void() : put_safe(line, text); };
  const auto micros = static_cast<std::uint64_t>(access.took_ns / 1000);
  switch (part.word) {
    case Word::text: line += part.text; break;
    case Word::peer: or_dash(request.peer); break;
    case Word::dash: line += '-'; break;
    case Word::user: put_safe(line, user_of(request)); break;
    case Word::time:
      if (access.wall != stamped_) {
        char room[40];
        stamp_.assign(room, write_access_time(room, access.wall, zone_));
        stamped_ = access.wall;
      }
      line += stamp_;
      break;
    case Word::request_line:
      put_safe(line, request.method);
      line += ' ';
      put_safe(line, request.target);
      line += ' ';
      protocol();
      break;
    case Word::status: put_number(line, static_cast<std::uint64_t>(access.status)); break;
    case Word::method: put_safe(line, request.method); break;
    case Word::path: put_safe(line, unquoted(request.path)); break;
    case Word::query: put_safe(line, request.query); break;
    case Word::protocol: protocol(); break;
    case Word::bytes_or_dash:
    case Word::bytes: put_number(line, access.sent); break;
    case Word::referer: or_dash(field_of(request, "referer")); break;
    case Word::agent: or_dash(field_of(request, "user-agent")); break;
    case Word::seconds: put_number(line, micros / 1'000'000); break;
    case Word::micros: put_number(line, micros); break;
    case Word::millis: put_number(line, micros / 1000); break;
    case Word::decimal: line += fmt::format("{}.{:06d}", micros / 1'000'000, micros % 1'000'000); break;
    case Word::pid: line += '<'; put_number(line, static_cast<std::uint64_t>(::getpid())); line += '>'; break;
    case Word::request_field: or_dash(field_of(request, part.text)); break;
    case Word::answer_field: {
      std::string_view found;
      if (access.answer_fields) for (const auto& [name, value] : *access.answer_fields) if (same_name(name, part.text)) found = value;
      or_dash(found);
      break;
    }
  }
}

void AccessFormat::write(const Access& access, std::string& line) const {
  if (!json_) {
    for (const Part& part : parts_) write_part(part, access, line);
    line += '\n';
    return;
  }
  const Request& request = *access.request;
  char room[40];
  const std::string_view time(room, write_log_time(room, access.wall, zone_));
  line += fmt::format(R"({{"time":"{}","pid":{},"peer":{},"method":{},"target":{},"protocol":"HTTP/{}.{}","status":{},"bytes":{},"duration_us":{},"referer":{},"agent":{}}})", time.substr(1, time.size() - 2), ::getpid(), json_text(request.peer),
                      json_text(request.method), json_text(request.target), request.major, request.minor, access.status, access.sent, access.took_ns / 1000, json_text(field_of(request, "referer")), json_text(field_of(request, "user-agent")));
  line += '\n';
}

base::Result<> AccessLog::open(const std::string& path) {
  path_ = path;
  return reopen();
}

base::Result<> AccessLog::reopen() {
  if (path_.empty() || path_ == "-") {
    fd_ = path_.empty() ? -1 : 1;
    return {};
  }
  TRY(file, open_log(path_));
  if (file_) ::dup3(file.get(), file_.get(), O_CLOEXEC);
  else file_ = std::move(file);
  fd_ = file_.get();
  return {};
}

void AccessLog::line(std::string_view text) {
  if (fd_ < 0) return;
  if (!room_ || most_ == 0 || text.size() > most_) {
    flush();
    write_all(fd_, text);
    return;
  }
  std::uint32_t used = room_->used.load(std::memory_order_relaxed);
  if (used + text.size() > most_) {
    flush();
    used = 0;
  }
  std::memcpy(room_->bytes.data() + used, text.data(), text.size());
  room_->used.store(used + static_cast<std::uint32_t>(text.size()), std::memory_order_release);
}

void AccessLog::flush() {
  if (!waiting()) return;
  const std::uint32_t used = room_->used.load(std::memory_order_relaxed);
  write_all(fd_, {room_->bytes.data(), used});
  room_->used.store(0, std::memory_order_release);
}

void AccessLog::rescue(AccessRoom& room) const {
  const std::uint32_t used = room.used.exchange(0, std::memory_order_acquire);
  if (used > 0 && used <= room.bytes.size() && fd_ >= 0) write_all(fd_, {room.bytes.data(), used});
}

}  // namespace prefork
