// Clocks and what may be compared. The kernel log counts from boot, server logs tell wall time in whole seconds, some without a zone: an
// offset is estimated from pairs that name one event on both clocks, and without a pair two clocks are not compared.
#pragma once

#include "model/stack.hpp"

namespace model {

struct Distance { std::int64_t ns = 0, give = 0; };  // how much later the fact is than the other moment

/// nullopt when nothing ties the two clocks.
std::optional<Distance> distance_between(const Stack& stack, const evidence::Evidence& evidence, const evidence::Fact& fact, const std::optional<base::Instant>& other);

/// The kernel logs among the sources, tied where a record of theirs carries wall time (audit, rtc) or the live look measured it.
std::vector<KernelLog> kernel_logs(const evidence::Evidence& evidence);

/// A joined pair ties its log's clock for the joins after it.
void tie_by_pair(Stack& stack, const evidence::Evidence& evidence, const evidence::Fact& kernel, const std::optional<base::Instant>& wall);

}  // namespace model
