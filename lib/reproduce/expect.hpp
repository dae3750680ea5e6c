// Whether what happened is what a scenario says must happen. Pure: events in, a sentence out.
#pragma once

#include <span>

#include "reproduce/record.hpp"
#include "reproduce/scale.hpp"
#include "reproduce/scenario.hpp"

namespace reproduce {

/// How much later than `within` something may come on a machine that has other work: seconds, unscaled.
inline constexpr double machine_give = 3;

/// What is wanted, in words: "clients users get 502 or 504, at least 1, within 5 s".
std::string wanted_text(const Expect& expect);
Checked check(const Expect& expect, std::span<const Event> events, const Scale& scale);
/// Whether the event is one of those that it counts.
bool counts(const Expect& expect, const Event& event);
/// "502" against "502", "5xx", "not 200", "error".
bool outcome_fits(std::string_view word, std::string_view outcome);

}  // namespace reproduce
