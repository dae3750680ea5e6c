#include "probe/stack_records.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "probe/net_table.hpp"

namespace probe {

namespace {

constexpr char32_t last_character = 0x10ffff;

void append_utf8(std::string& into, char32_t c) {
  if (c < 0x80) {
    into += static_cast<char>(c);
  } else if (c < 0x800) {
    into += static_cast<char>(0xc0 | c >> 6);
    into += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    into += static_cast<char>(0xe0 | c >> 12);
    into += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    into += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    into += static_cast<char>(0xf0 | c >> 18);
    into += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    into += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    into += static_cast<char>(0x80 | (c & 0x3f));
  }
}

/// Where a descriptor leads, in the words that probes/waits.cpp has for it.
std::string lead_of(const stack_end& end) {
  if (end.mode == 0) return {};
  const std::string path(end.path, strnlen(end.path, sizeof(end.path)));
  if (S_ISFIFO(end.mode)) return "a pipe";
  if (!S_ISSOCK(end.mode)) return path;
  if (end.family == AF_UNIX) {
    if (!path.empty()) return "unix:" + path;
    // An abstract name begins with 0; its end is not told, and it may hold zeros.
    const std::string rest(end.path + 1, strnlen(end.path + 1, sizeof(end.path) - 1));
    return rest.empty() ? "a unix socket" : "unix:@" + rest;
  }
  if (end.family != AF_INET && end.family != AF_INET6) return "a socket";
  if (end.port == 0) return "the listener on port " + std::to_string(end.lport);
  char text[INET6_ADDRSTRLEN] = {};
  const bool mapped = end.family == AF_INET6 && std::all_of(end.address, end.address + 10, [](unsigned char byte) { return byte == 0; }) && end.address[10] == 0xff && end.address[11] == 0xff;
  if (end.family == AF_INET || mapped) ::inet_ntop(AF_INET, end.address + (mapped ? 12 : 0), text, sizeof text);
  else ::inet_ntop(AF_INET6, end.address, text, sizeof text);
  const std::string address = (end.family == AF_INET6 && !mapped ? "[" + std::string(text) + "]" : std::string(text)) + ":" + std::to_string(ntohs(end.port));
  const auto service = service_at(address);
  return service.empty() ? address : address + " (" + std::string(service) + ")";
}

}  // namespace

std::string text_of_python(std::string_view bytes, unsigned kind) {
  if (kind == 0) return std::string(bytes);
  std::string text;
  if (kind != 1 && kind != 2 && kind != 4) return text;
  for (std::size_t at = 0; at + kind <= bytes.size(); at += kind) {
    std::uint32_t c = 0;
    std::memcpy(&c, bytes.data() + at, kind);
    if (c <= last_character && (c < 0xd800 || c > 0xdfff)) append_utf8(text, c);
  }
  return text;
}

std::optional<DyingThread> StackRecords::step(std::string_view record) {
  static_assert(offsetof(stack_frame, type) == offsetof(stack_end, type));
  unsigned type = 0;
  if (record.size() < offsetof(stack_end, type) + sizeof(type)) return std::nullopt;
  std::memcpy(&type, record.data() + offsetof(stack_end, type), sizeof(type));
  if (type == stack_record_frame) {
    stack_frame head{};
    if (record.size() < sizeof(head)) return std::nullopt;
    std::memcpy(&head, record.data(), sizeof(head));
    const std::string_view bytes = record.substr(sizeof(head));
    if (bytes.size() != static_cast<std::size_t>(head.file_bytes) + head.name_bytes + head.table_bytes) return std::nullopt;
    if (open_.size() >= most_open && !open_.contains(head.tid))
      open_.erase(std::min_element(open_.begin(), open_.end(), [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
    Open& open = open_[head.tid];
    if (open.at != head.at) open = {head.at, {}};
    if (open.frames.size() >= STACK_FRAMES) return std::nullopt;
    DyingFrame frame;
    frame.code = head.code;
    frame.first = head.first;
    frame.instr = head.instr;
    frame.file = text_of_python(bytes.substr(0, head.file_bytes), head.file_kind);
    frame.function = text_of_python(bytes.substr(head.file_bytes, head.name_bytes), head.name_kind);
    frame.table = bytes.substr(static_cast<std::size_t>(head.file_bytes) + head.name_bytes);
    frame.table_size = head.table_size;
    open.frames.push_back(std::move(frame));
    return std::nullopt;
  }
  stack_end end{};
  if (type != stack_record_end || record.size() != sizeof(end)) return std::nullopt;
  std::memcpy(&end, record.data(), sizeof(end));
  DyingThread thread;
  thread.at_ns = static_cast<std::int64_t>(end.at);
  thread.start_ns = static_cast<std::int64_t>(end.start);
  thread.took_ns = static_cast<std::int64_t>(end.took);
  thread.pid = static_cast<int>(end.tgid);
  thread.tid = static_cast<int>(end.tid);
  thread.signal = static_cast<int>(end.signal);
  thread.python = static_cast<int>(end.python);
  thread.flags = end.flags;
  thread.call = static_cast<long>(end.call);
  thread.fd = end.fd == STACK_NONE ? -1 : static_cast<int>(end.fd);
  thread.on = lead_of(end);
  if (const auto found = open_.find(end.tid); found != open_.end()) {
    if (found->second.at == end.at) thread.frames = std::move(found->second.frames);
    open_.erase(found);
  }
  return thread;
}

}  // namespace probe
