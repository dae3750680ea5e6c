// Python tracebacks, collected line by line wherever they stand: in a server's log after its own line, raw on stderr, in JSON. What is kept
// is what names the fault: the exception at the end, the innermost frame, and through which of gunicorn's files it went.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parse/format.hpp"

namespace parse {

/// A record that outlives its line, for a fact that is made when its traceback ends.
class Kept {
 public:
  Kept() = default;
  explicit Kept(const Record& record);
  /// Views into this; valid as long as it.
  Record record() const;

 private:
  Record record_;
  std::string line_, ident_, unit_, level_;
};

class Traceback {
 public:
  /// True for the line that begins one, also inside gunicorn's "[Traceback ..." and an exception group's "  + ".
  static bool begins(std::string_view text);

  /// True when the line belongs to this traceback; the first call takes its beginning. After the exception's own line only the rest of its
  /// message and the marks of a chained exception still belong. Bounded: a traceback of more than most_lines ends there.
  bool take(std::string_view text);
  bool empty() const { return lines_ == 0; }
  bool complete() const { return state_ == State::ended || state_ == State::between; }

  std::string type, message;               // of the last exception of the chain
  std::string first_type, first_message;   // of the first one: "No module named 'gevent'" under "gevent worker requires ..."
  std::string where, function;             // innermost frame of the last exception, frozen modules and handle_abort left out
  std::string path;                        // its file alone
  bool by_abort = false;                   // the innermost frame is gunicorn's handle_abort: the master's SIGABRT
  bool in_arbiter = false, in_worker = false, in_load = false;  // went through arbiter.py, workers/, the import of the application
  bool in_spawn = false, in_fork = false;  // spawn_worker() itself failed; at os.fork()
  bool in_hypercorn = false;               // went through hypercorn's own files

  static constexpr std::size_t most_lines = 20'000, longest_message = 400;

 private:
  enum class State : std::uint8_t { before, frames, ended, between };
  void frame(std::string_view text);

  State state_ = State::before;
  std::size_t lines_ = 0, message_lines_ = 0;
};

/// What a line says about a cause that is known from its text: a kind of evidence::AppSymptom; empty when nothing.
std::string_view symptom_of(std::string_view text);

/// A failure of gunicorn itself to start or go on, told by the traceback: a kind of evidence::BootRefused; empty when it is none that is known.
std::string_view refusal_of(const Traceback& trace);

/// The facts of a traceback: AppFailed, and the symptom it names when it names one. `failed` brings phase, method and uri.
void add_failure(evidence::AppFailed failed, const Traceback& trace, evidence::Subject about, const Record& record, std::optional<base::Instant> when, int by, Sink& sink);

}  // namespace parse
