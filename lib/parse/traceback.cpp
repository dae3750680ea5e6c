#include "parse/traceback.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace parse {

namespace {

constexpr std::string_view opening = "Traceback (most recent call last):";

std::size_t blanks(std::string_view text) { return std::min(text.find_first_not_of(' '), text.size()); }

// "Type: message", "package.Type: message" or "Type" alone. What an exception's own line looks like; anything else after the frames is the
// output of somebody else.
bool exception_line(std::string_view text, std::string_view& type, std::string_view& message) {
  std::size_t size = 0;
  while (size < text.size() && size < 200) {
    const char c = text[size];
    const bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || (size > 0 && c >= '0' && c <= '9') || c == '<' || c == '>' || static_cast<unsigned char>(c) >= 0x80;
    if (!name) break;
    ++size;
  }
  if (size == 0 || (size < text.size() && text[size] != ':')) return false;
  type = text.substr(0, size);
  message = base::trim(text.substr(std::min(text.size(), size + 1)));
  return true;
}

}  // namespace

Kept::Kept(const Record& record) : record_(record), line_(record.line.substr(0, evidence::excerpt_limit)), ident_(record.ident), unit_(record.unit), level_(record.level) {
  record_.fields = {};
  record_.text = {};
}

Record Kept::record() const {
  Record record = record_;
  record.line = line_;
  record.ident = ident_;
  record.unit = unit_;
  record.level = level_;
  return record;
}

bool Traceback::begins(std::string_view text) {
  if (text.size() < opening.size()) return false;
  if (text[0] == '[') text.remove_prefix(1);
  if (text[0] == 'T') return base::starts_with(text, opening);
  return text[0] == ' ' && base::starts_with(text.substr(blanks(text)), "+ Exception Group Traceback (most recent call last):");
}

// `  File "/srv/app.py", line 8, in app`; a SyntaxError's own place has no "in".
void Traceback::frame(std::string_view text) {
  const auto file = base::between(text, "File \"", "\", line ");
  if (!file) return;
  std::string_view rest = text.substr(static_cast<std::size_t>(file->data() - text.data()) + file->size() + 8);
  const auto line = base::take_number(rest);
  if (!line) return;
  const std::string_view in = base::starts_with(rest, ", in ") ? base::trim(rest.substr(5)) : std::string_view{};
  if (base::contains(*file, "gunicorn/arbiter.py")) in_arbiter = true;
  if (base::contains(*file, "gunicorn/workers/")) in_worker = true;
  if (in == "import_app" || (in == "import_from_string" && base::contains(*file, "uvicorn/importer.py")) || in == "load_wsgiapp" || in == "load_wsgi") in_load = true;
  if (base::contains(*file, "/hypercorn/")) {
    in_hypercorn = true;
    if (in == "load_application") in_load = true;   // hypercorn/utils.py
  }
  in_spawn = in == "spawn_worker" && base::contains(*file, "gunicorn/arbiter.py");
  // base.py handle_abort: sys.exit(1) (workers/base.py:188@20.1.0, :200@26.2.2)
  by_abort = in == "handle_abort" && file->ends_with("base.py");
  if (by_abort || base::starts_with(*file, "<frozen ")) return;
  where = std::string(file->substr(0, 1024)) + ":" + std::to_string(*line);
  path = std::string(file->substr(0, 1024));
  function = std::string(in.substr(0, 200));
}

bool Traceback::take(std::string_view text) {
  if (++lines_ > most_lines) return false;
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  const std::size_t indent = blanks(text);
  // An exception group draws its members with "  | " and "  +-+---------"; the group's own exception is what is reported.
  std::string_view inner = text.substr(indent);
  const bool drawn = indent > 0 && !inner.empty() && (inner[0] == '|' || inner[0] == '+');
  switch (state_) {
    case State::before:
      if (text.empty() && !type.empty()) return true;  // after the mark of a chained exception
      if (!begins(text)) return false;
      state_ = State::frames;
      return true;
    case State::frames: {
      if (drawn) {
        std::string_view kind, words;
        if (indent <= 2 && inner[0] == '|' && inner.size() > 2 && inner[2] != ' ' && type.empty() && exception_line(inner.substr(2), kind, words)) {
          type = std::string(kind);
          message = std::string(words.substr(0, longest_message));
          if (first_type.empty()) { first_type = type; first_message = message; }
        } else if (inner.size() > 4) {
          frame(inner.substr(2));
        }
        return true;
      }
      if (indent > 0 || text.empty()) {
        if (indent >= 2 && base::starts_with(inner, "File \"")) frame(text);
        else if (in_spawn && base::contains(inner, "os.fork()")) in_fork = true;
        return !text.empty();
      }
      std::string_view kind, words;
      if (!exception_line(text, kind, words)) return false;
      type = std::string(kind);
      message = std::string(words.substr(0, longest_message));
      if (first_type.empty()) { first_type = type; first_message = message; }
      message_lines_ = 0;
      state_ = State::ended;
      return true;
    }
    case State::ended:
      if (text.empty()) { state_ = State::between; return true; }
      if (text == "]") return true;  // the end of gunicorn's "[Traceback ...]"
      if ((text[0] == ' ' || text[0] == '\t') && message_lines_ < 50) {
        ++message_lines_;
        if (message.size() < longest_message) message += " " + std::string(base::trim(text).substr(0, longest_message - message.size()));
        return true;
      }
      return false;
    case State::between:
      if (text.empty() || text == "]") return true;
      if (base::starts_with(text, "During handling of the above exception") || base::starts_with(text, "The above exception was the direct cause")) {
        state_ = State::before;
        return true;
      }
      return false;
  }
  return false;
}

namespace {

struct Known { std::string_view text, kind; };

// Words of libpq, OpenSSL, psycopg2, PyMySQL, PyTorch and CPython; each is said for its own cause, most of them also for others, so what
// follows from them is at most likely.
// Kinds that end in "?" are said for the cause and, as often, for another one: alone they prove nothing.
constexpr Known symptoms[] = {
    {"lost synchronization with server", "shared-connection"},          // libpq fe-protocol3.c
    {"bad record mac", "shared-connection"},                            // OpenSSL: "decryption failed or bad record mac", "sslv3 alert bad record mac"
    {"BAD_RECORD_MAC", "shared-connection"},
    {"message contents do not agree with length", "shared-connection"},
    {"insufficient data in \"", "shared-connection"},
    {"unexpected response from server; first received character", "shared-connection"},
    {"and no message from the libpq", "shared-connection"},             // psycopg2 pqpath.c: "error with status PGRES_TUPLES_OK ..."
    {"acket sequence number wrong", "shared-connection"},               // PyMySQL connections.py
    {"Malformed packet", "shared-connection"},
    {"ommands out of sync", "shared-connection"},                       // CR_COMMANDS_OUT_OF_SYNC 2014
    {"attempting to check out in pid", "shared-connection"},            // the recipe in SQLAlchemy's own documentation
    {"MongoClient opened before fork", "shared-connection"},            // pymongo topology.py
    {"InvalidResponse: Protocol Error", "shared-connection"},           // redis-py _parsers
    {"InvalidResponse: Protocol error", "shared-connection"},           // the same through hiredis
    {"ProtocolError: Protocol error, got ", "shared-connection"},       // hiredis
    {"another command is already in progress", "shared-connection?"},   // libpq
    {"another operation is in progress", "shared-connection?"},         // asyncpg: also two tasks on one connection
    {"This result object does not return rows", "shared-connection?"},  // SQLAlchemy
    {"SSL connection has been closed unexpectedly", "shared-connection?"},
    {"SSL SYSCALL error: EOF detected", "shared-connection?"},
    {"server closed the connection unexpectedly", "shared-connection?"},
    {"MySQL server has gone away", "shared-connection?"},
    {"Lost connection to MySQL server", "shared-connection?"},
    {"re-initialize CUDA in forked subprocess", "cuda-after-fork"},     // torch/cuda/__init__.py _lazy_init
    {"CUDA_ERROR_NOT_INITIALIZED", "cuda-after-fork?"},
    {"CUDA error: initialization error", "cuda-after-fork?"},
    {"cudaErrorInitializationError", "cuda-after-fork?"},
    {"[Errno 24]", "too-many-files"},
    {"Too many open files", "too-many-files"},
    {"can't start new thread", "no-threads"},
    {"unable to start thread", "no-threads"},
    {"[Errno 28]", "no-space"},
    {"No space left on device", "no-space"},
    {"No usable temporary directory", "tmp-missing"},
    {"Can't create workertmp", "tmp-missing"},
};
}  // namespace

std::string_view symptom_of(std::string_view text) {
  for (const Known& known : symptoms)
    if (base::contains(text, known.text)) return known.kind;
  if (base::contains(text, "Cannot allocate memory") || base::contains(text, "Unable to allocate")) return "memory-error";  // ENOMEM; numpy
  if (base::starts_with(text, "MemoryError") || base::contains(text, ": MemoryError") || base::contains(text, "MemoryError:")) return "memory-error";
  return {};
}

std::string_view refusal_of(const Traceback& trace) {
  const std::string_view message = trace.message;
  if (trace.type.ends_with("AppImportError")) return "app-not-found";
  if (base::contains(message, "No usable temporary directory") || base::contains(message, "Can't create workertmp")) return "tmp";
  if (base::contains(message, "[Errno 24]")) return "descriptors";
  if (trace.in_arbiter && trace.in_fork && base::contains(message, "[Errno 11]")) return "processes";
  if (base::contains(message, "can't start new thread")) return "threads";
  // A name that cannot be imported stays a string and is called (arbiter.py:569@20.1.0 spawn_worker: self.worker_class(...)).
  if (trace.in_spawn && trace.type == "TypeError" && base::contains(message, "'str' object is not callable")) return "worker-class";
  if (base::contains(message, "wgunicorn-") && trace.type == "PermissionError") return "permission";
  if (base::contains(message, "certfile \"") || base::contains(message, "keyfile \"")) return "config";
  return {};
}

void add_failure(evidence::AppFailed failed, const Traceback& trace, evidence::Subject about, const Record& record, std::optional<base::Instant> when, int by, Sink& sink) {
  failed.type = trace.type;
  failed.message = trace.message;
  failed.where = trace.where;
  failed.function = trace.function;
  failed.by_abort = trace.by_abort && (trace.type == "SystemExit" || trace.type.empty());
  std::string said = failed.type + (failed.message.empty() ? "" : ": " + failed.message);
  std::string_view kind = symptom_of(said);
  if (kind.empty() && trace.first_type != trace.type) {
    const std::string first = trace.first_type + ": " + trace.first_message;
    if (kind = symptom_of(first); !kind.empty()) said = first;
  }
  if (kind.empty() && trace.in_fork && base::contains(said, "[Errno 11]")) kind = "fork-failed";
  sink.add(std::move(failed), about, record, when, by);
  if (!kind.empty()) sink.add(evidence::AppSymptom{std::string(kind), std::move(said)}, about, record, when, by);
}

}  // namespace parse
