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

/// Things by their moment, for logs with tens of thousands of deaths: zones differ by whole quarters of an hour, so two moments that may be one
/// lie in the same second of a quarter. Boot times are not kept.
class Moments {
 public:
  Moments() : seconds_(quarter_s) {}
  void add(const std::optional<base::Instant>& when, std::uint32_t id) {
    if (when && when->clock != base::Clock::boot) seconds_[second_of(*when)].push_back(id);
  }
  /// Calls `visit(id)` for all that may lie within `seconds` of the moment (each is still to be compared).
  template <class Visit> void near(const std::optional<base::Instant>& when, int seconds, Visit visit) const {
    if (!when || when->clock == base::Clock::boot) return;
    const std::size_t middle = second_of(*when);
    for (std::size_t i = 0; i <= 2 * static_cast<std::size_t>(seconds + 1); ++i)
      for (const std::uint32_t id : seconds_[(middle + quarter_s - static_cast<std::size_t>(seconds + 1) + i) % quarter_s]) visit(id);
  }

 private:
  static constexpr std::size_t quarter_s = 900;
  static std::size_t second_of(const base::Instant& when) {
    const std::int64_t second = when.at / base::second_ns % static_cast<std::int64_t>(quarter_s);
    return static_cast<std::size_t>(second < 0 ? second + static_cast<std::int64_t>(quarter_s) : second);
  }
  std::vector<std::vector<std::uint32_t>> seconds_;
};

}  // namespace model
