// What is concluded about the user's servers. A check drafts (rule id, truth, values, evidence); the card gives the words; judge joins both.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evidence/evidence.hpp"

namespace rule {

using evidence::FactId;

enum class Truth : std::uint8_t { no, yes, unknown };
enum class Level : std::uint8_t { note, warning, error };
enum class Confidence : std::uint8_t { unknown, likely, certain };

std::string_view level_text(Level level);
std::string_view truth_text(Truth truth);
std::string_view confidence_text(Confidence sure);

struct About {
  int pid = 0, host_pid = 0;                             // 0 = none; host_pid only where it is known
  std::string server;                                    // flavour: "gunicorn"
  std::string role;                                      // worker master child socket config server
  std::string where;                                     // path:line:col for files, a path for sockets
  std::vector<std::string> also;
};

struct Exclusion { std::string cause, because; };        // cause: a rule id; because: one sentence
struct Doing {
  std::string request, syscall, peer;
  std::optional<int> fd;
  std::vector<std::string> python, native;               // python: the application's innermost frame first, others folded
  std::vector<std::string> waits;                        // "before that 0.3 s in recvfrom on 10.0.0.2:5432, 4 times", the longest first
  std::vector<evidence::StackFrame> frames;              // the whole Python stack, innermost first
  std::string requests;                                  // over all repeats of the group: "17 of 19 were in GET /report"
  bool any() const { return !request.empty() || !requests.empty() || !syscall.empty() || !python.empty() || !native.empty(); }
};
struct Step {                                            // FIX: when is now, then, or check
  std::string when, text, expect, loses, edit;
};
/// A change of a file that mends a finding: the bytes [at, end) of `file` give way to `text`. `safe`: it cannot change what works.
struct Edit { std::string file; std::size_t at = 0, end = 0; std::string text; bool safe = true; };
struct Member { int pid = 0, host_pid = 0; std::optional<base::Instant> when; std::string id; };

struct Finding {
  std::string id;                                        // f1, f2... stable within a report; in watch: d-<host pid>-<start>
  std::string rule;
  Level level = Level::warning;
  Truth truth = Truth::yes;
  Confidence sure = Confidence::unknown;
  std::string sure_because;
  About subject;
  std::optional<base::Instant> when, last;
  std::size_t count = 1;
  std::vector<Member> members;                           // the repeats that were grouped into this one, itself included
  std::string group;                                     // the id of the finding that stands for its group (its own where it is that one); empty when alone
  std::string caused_by, amends;
  std::string message;
  std::vector<FactId> because;
  std::map<FactId, std::string> notes;                   // a word of ours beside a piece of evidence: "gunicorn 20.1 names no cause"
  std::vector<Exclusion> ruled_out;
  std::vector<std::string> missing;                      // what would have told it
  Doing was_doing;
  std::string prediction;
  std::vector<Step> fix;
  std::vector<Edit> edits;                               // of the linter
  bool provisional = false;
};

/// What a check hands to judge: everything but the prose. `values` fill the card's {slots}.
struct Draft {
  std::string rule;
  Truth truth = Truth::yes;
  Confidence sure = Confidence::unknown;
  std::string sure_because;
  About subject;
  std::optional<base::Instant> when;
  std::map<std::string, std::string> values;
  std::vector<FactId> because;
  std::map<FactId, std::string> notes;
  std::vector<Exclusion> ruled_out;
  std::vector<std::string> missing;
  Doing was_doing;
  std::string caused_by_rule;                            // the rule whose finding (of the same server) is this one's root; "death." = any of that area
  std::optional<Level> level;                            // where the check knows better than the card
  std::string group;                                     // drafts of one rule with the same group are one finding with members; "" = never grouped
  bool own_steps = false;                                // the card's cures do not fit this case: of its steps only the bundle and the checks stay
  std::vector<Step> first;                               // steps of this very case, before the card's
  std::vector<Edit> edits;
  std::string prediction;
};

}  // namespace rule
