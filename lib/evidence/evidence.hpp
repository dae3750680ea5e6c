// Everything that was observed, append-only, and everything that could not be seen. Bounded: every kind of fact has a cap, and what was
// dropped is a counted Gap.
#pragma once

#include <array>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "evidence/fact.hpp"

namespace evidence {

/// Where a kind stands among all of them.
template <class T>
constexpr std::size_t index_of = [] {
  std::size_t index = 0;
  const auto is = [&]<class Kept>() { return std::is_same_v<typename Unboxed<Kept>::Type, T> || (++index, false); };
  [&]<class... Kept>(const std::variant<Kept...>*) { (is.template operator()<Kept>() || ...); }(static_cast<const What*>(nullptr));
  return index;
}();

/// The fact's own words when it is of that kind, else null.
template <class T>
const T* as(const Fact& fact) {
  const auto* const kept = std::get_if<index_of<T>>(&fact.what);
  return kept ? &unboxed(*kept) : nullptr;
}

/// What kind of witness a source is; decides what its silence means.
enum class SourceKind : std::uint8_t { unknown, server_log, kernel_log, stdio, access_log, proxy_error_log, proxy_access_log, journal, container, process_list, command, config, proc, cgroup, watch };

std::string_view source_text(SourceKind kind);  // "kernel log", "server log"... as the report names it

struct Source {
  std::string name;                              // the path as the user knows it
  SourceKind kind = SourceKind::unknown;
  std::optional<base::Instant> first, last;      // of its records, by their own clock
  std::uint64_t bytes = 0, lines = 0, understood = 0;
  bool suppressed = false, lost = false;         // rate-limited lines; records missing inside (sequence gap, ring overrun, cut by cap)
  bool kernel_facility_known = false;            // kernel log in a form that tells forged records apart
  bool whole_boot = false;                       // starts at the boot itself
  std::optional<base::Instant> kernel_first, kernel_last;  // of the kernel's own records in it, whatever else it holds; none seen when empty
  int writer = 0;                                // host pid of the server's master whose log it is, in a live look or watch; 0 not known, or several
  bool live = false;                             // read from the running system: covers until now
  std::optional<base::Instant> zero;             // wall time at which its boot clock stood at 0; give: what suspend may have added
};

struct Gap {
  std::string wanted;   // "kernel log"
  std::string reason;   // "cannot read /dev/kmsg: Operation not permitted"
  std::string remedy;   // "run as root, or grant CAP_SYSLOG"
  std::size_t count = 1;
  Subject about;
};

class Evidence {
 public:
  SourceId add_source(Source source);
  /// no_fact when the kind's cap is reached; the drop is counted as a Gap.
  FactId add(Fact fact);
  /// Counted per (wanted, reason).
  void gap(Gap gap);
  /// The ids of all facts of a kind, rising. Most questions are about a few facts of one kind among many thousands of others.
  template <class T>
  const std::vector<FactId>& ids_of() const { return of_kind_[index_of<T>]; }
  /// Puts the facts from `first` on into another order: `order` holds their ids of now, each once.
  void reorder(std::size_t first, std::span<const FactId> order);

  std::vector<Source> sources;
  std::deque<Fact> facts;  // stable addresses while it grows
  std::vector<Gap> gaps;

  const Source& source_of(const Fact& fact) const { return sources[fact.origin.source]; }

 private:
  std::array<std::vector<FactId>, std::variant_size_v<AnyWhat>> of_kind_;
};

/// The most facts of one kind that are kept; a kind that is only decoration (task table rows) keeps fewer.
constexpr std::size_t kind_cap = 50'000;


}  // namespace evidence
