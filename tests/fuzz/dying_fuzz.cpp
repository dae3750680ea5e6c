// What comes of dying processes: records of stacks, two bytes of length before each, and the first bytes of a request. The stacks must stay within their
// bounds, and of a query no value may be told.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/text.hpp"
#include "probe/death_stacks.hpp"
#include "probe/request_head.hpp"

namespace {

void stacks(std::string_view bytes) {
  static const probe::Interpreter python{"3.11.7", 4096, *probe::layout_of(11)};
  probe::StackRecords records;
  while (bytes.size() >= 2) {
    const std::size_t size = static_cast<unsigned char>(bytes[0]) << 8 | static_cast<unsigned char>(bytes[1]);
    const auto thread = records.step(bytes.substr(2, size));
    bytes.remove_prefix(std::min(bytes.size(), size + 2));
    if (!thread) continue;
    if (thread->frames.size() > STACK_FRAMES) std::abort();
    for (const evidence::Fact& fact : probe::facts_of(*thread, &python, {}, 0))
      if (const auto* stack = evidence::as<evidence::ThreadStack>(fact))
        for (const evidence::StackFrame& frame : stack->python)
          if (frame.line < 0) std::abort();
  }
}

void request(std::string_view bytes) {
  const probe::RequestHead head = probe::read_request_head(bytes);
  if (head.line.size() > 500) std::abort();
  const std::size_t query = head.line.find('?');
  if (query == std::string::npos) return;
  std::string_view rest = std::string_view(head.line).substr(query + 1);
  rest = rest.substr(0, rest.find(' '));
  for (const std::string_view pair : base::split(rest, '&')) {
    const std::size_t equals = pair.find('=');
    const std::string_view value = equals == std::string_view::npos ? pair : pair.substr(equals + 1);
    // The last one may be cut where the line is.
    if (!value.empty() && value.find_first_not_of('.') != std::string_view::npos && pair.data() + pair.size() != rest.data() + rest.size()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  stacks(text);
  request(text);
  return 0;
}
