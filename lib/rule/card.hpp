// A rule's card: all of its prose, read from rules/<area>/<problem>.json (JSON with // comments, positions kept; unknown and duplicate keys
// refused). The cards are compiled into the programs; `--rules DIR` adds more.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "rule/finding.hpp"
#include "source/host.hpp"

namespace rule {

namespace condition { struct Word; }

/// An example: small texts as they would be left behind (file name -> lines) and the answer the rule must give to them.
struct Example {
  std::map<std::string, std::string> given;
  Truth answer = Truth::unknown;
  int pid = 0;                                           // the subject, where several processes appear; 0 = any
  std::string note;
};

struct Card {
  /// How `--fix` mends what the card finds: what "at" should hold. `to`: a text, or words and numbers with + and / ("graceful_timeout + 5").
  struct Repair {
    std::string key;                                     // the setting's name, where it is not written yet; "" = only what is written is changed
    std::string to, unit;                                // unit: behind a number
    std::string beside;                                  // the new line stands below this word's; "" = below the command
    bool safe = false;                                   // it cannot change what works: --fix; else --fix=unsafe
  };

  std::string id, title;
  Level level = Level::warning;
  std::string check;                                     // the named C++ check that answers it
  // Of the linter's cards: a condition over a scope answers instead of a check.
  std::string scope;                                     // "for": what the rule is about, "nginx.pass"
  std::string when, at;                                  // the condition; the word whose place the finding points at
  std::vector<std::string> also;                         // words whose places stand beside it
  std::string prediction;                                // what will be seen, with slots
  std::string say;                                       // one sentence with {slots}
  std::vector<std::string> why, see;
  std::vector<Step> fix;                                 // ranked by what each step loses
  std::optional<Repair> repair;
  std::vector<Example> examples;
  std::string file;                                      // where it was read
  bool lint() const { return !scope.empty() || check.starts_with("lint:"); }  // answered from configuration files alone
};

/// The texts compiled in by CMake from rules/<area>/<problem>.json.
struct CardText { std::string_view file, text; };
std::span<const CardText> built_in_texts();

/// The cards compiled in, by id, whole. One that could not be read is left out (a test holds that there is none).
const std::map<std::string, Card>& built_in_cards();
/// One card's text; the error names file:line:column.
base::Result<Card> read_card(std::string_view text, const std::string& file);

/// What judges ask for a rule's words: ours, or the given ones. Of ours a card is read when somebody asks for it, and without its examples
/// (two thirds of the text): a death needs one card of two hundred, and its line is waited for. An object belongs to one thread.
class Cards {
 public:
  Cards() = default;
  Cards(std::map<std::string, Card> given) : given_(std::move(given)), ours_(false) {}
  /// The given cards stand before ours.
  static Cards before_ours(std::map<std::string, Card> given);

  const Card* find(const std::string& id) const;         // null when there is none
  const std::map<std::string, Card>& all() const;
  bool has(const std::string& id) const;                 // without reading it
  /// Those whose condition is about `scope`, by id; only they are read.
  std::vector<const Card*> about(std::string_view scope) const;

 private:
  mutable std::map<std::string, Card> given_;            // and those of ours that were asked for
  bool ours_ = true;
  mutable bool all_ = false;
};

/// Those of every *.json below `folder`, before ours.
base::Result<Cards> cards_with(const source::Host& host, const std::string& folder);

/// The names a card may write between braces, with what each holds. A check fills those it knows.
struct Slot { std::string_view name, means; };
std::span<const Slot> slots();

/// `{slot}` replaced from values; `{slot|text}` says what stands there when the slot has no value, else "?". `{{` is a brace.
std::string fill(std::string_view text, const std::map<std::string, std::string>& values);
/// What is wrong with a text's braces or slots (and the offset where), empty when all is well: for the card reader.
struct BadSlot { std::size_t at = 0; std::string what; };
/// `words`: those of the card's scope, which are slots too.
std::optional<BadSlot> bad_slot(std::string_view text, std::span<const condition::Word> words = {});

}  // namespace rule
