// source and rule: a card as a user may write it. What is refused names its place; what is taken can be filled.
#include <cstdlib>
#include <string>

#include "rule/card.hpp"
#include "source/json_place.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto json = source::read_placed_json(text, "x.json");
  const auto card = rule::read_card(text, "x.json");
  if (!json && card) std::abort();
  if (!card) {
    if (base::sentence(card.error()).find("x.json") == std::string::npos) std::abort();
    return 0;
  }
  rule::fill(card->say, {{"pid", "12"}});
  for (const auto& step : card->fix) rule::fill(step.text, {});
  return 0;
}
