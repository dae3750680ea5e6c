// base: text on its way to a terminal, numbers, times. What printable lets through must be plain ASCII of bounded length.
#include <cstdlib>
#include <string_view>

#include "base/instant.hpp"
#include "base/text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);

  const auto shown = base::printable(text, 200);
  if (shown.size() > 200) std::abort();
  for (const char c : shown)
    if (c < ' ' || c > '~') std::abort();
  for (const auto& line : base::wrap(shown, 40))
    if (line.size() > 40) std::abort();

  base::read_number(text);
  base::signal_number(text);
  base::between(text, "(", ")");
  auto rest = text;
  base::take_number(rest);
  if (const auto when = base::read_iso(text)) {
    // What was read as a time is printed as one that can be read again.
    if (when->clock != base::Clock::boot && !base::read_iso(base::iso(*when))) std::abort();
    base::clock_text(*when);
    base::duration_text(when->at);
  }
  return 0;
}
