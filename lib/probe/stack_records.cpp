#include "probe/stack_records.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>

#include "probe/lead.hpp"

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

StackRecords::Open& StackRecords::open_for(std::uint64_t at, unsigned tid) {
  if (open_.size() >= most_open && !open_.contains(tid))
    open_.erase(std::min_element(open_.begin(), open_.end(), [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
  Open& open = open_[tid];
  if (open.at != at) open = {at, {}, {}, 0};
  return open;
}

std::optional<DyingThread> StackRecords::step(std::string_view record) {
  static_assert(offsetof(stack_frame, type) == offsetof(stack_end, type) && offsetof(stack_part, type) == offsetof(stack_end, type));
  unsigned type = 0;
  if (record.size() < offsetof(stack_end, type) + sizeof(type)) return std::nullopt;
  std::memcpy(&type, record.data() + offsetof(stack_end, type), sizeof(type));
  if (type == stack_record_frame) {
    stack_frame head{};
    if (record.size() < sizeof(head)) return std::nullopt;
    std::memcpy(&head, record.data(), sizeof(head));
    const std::string_view bytes = record.substr(sizeof(head));
    if (bytes.size() != static_cast<std::size_t>(head.file_bytes) + head.name_bytes + head.table_bytes) return std::nullopt;
    Open& open = open_for(head.at, head.tid);
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
  if (type == stack_record_part) {
    stack_part head{};
    if (record.size() < sizeof(head)) return std::nullopt;
    std::memcpy(&head, record.data(), sizeof(head));
    const std::string_view bytes = record.substr(sizeof(head));
    if (head.bytes != bytes.size() || bytes.size() > STACK_PART) return std::nullopt;
    Open& open = open_for(head.at, head.tid);
    if (open.bytes.empty()) open.from = head.address;
    // One that does not go on where the last ended would stand at a wrong address.
    if (head.address == open.from + open.bytes.size() && open.bytes.size() + head.bytes <= std::size_t{STACK_PARTS} * STACK_PART) open.bytes.insert(open.bytes.end(), bytes.begin(), bytes.end());
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
  thread.on = lead_text(end.lead, {end.path, sizeof(end.path)});
  if (const auto found = open_.find(end.tid); found != open_.end()) {
    if (found->second.at == end.at) {
      thread.frames = std::move(found->second.frames);
      constexpr std::size_t sp = 7, pc = 16;             // as DWARF counts them: stacks.event.h
      if (found->second.from == end.registers[sp] && !found->second.bytes.empty()) {
        thread.native = {end.registers[sp], end.registers[pc], std::move(found->second.bytes), std::array<std::uint64_t, 16>{}};
        std::copy_n(std::begin(end.registers), thread.native.registers->size(), thread.native.registers->begin());
      }
    }
    open_.erase(found);
  }
  return thread;
}

}  // namespace probe
