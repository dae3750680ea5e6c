// What Ruby itself prints on stderr: an exception with its backtrace, and the report of a fault that its own handler caught (the process then
// ends by SIGABRT, and the kernel logs nothing: servers.md 1.5). Ruby 2.7 to 3.3:
//   PATH:85:in `require': cannot load such file -- x (LoadError)
//   	from PATH:2:in `block in <main>'
//   config.ru:11: [BUG] Segmentation fault at 0x0000000000000008
// Through whose files it went tells the server, and whether the application was being loaded.
#include "parse/said.hpp"
#include "parse/traceback.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

constexpr std::size_t most_frames = 2000;

struct Reading : State {
  bool reading = false;
  Kept kept;
  AppFailed failed;
  std::size_t frames = 0, quoted = 0;   // quoted: lines of the source that stand below a SyntaxError's own
  bool unicorn = false, puma = false, loads = false;
};

// "PATH:LINE:in `x'" -> "PATH:LINE"
std::string place_of(std::string_view frame) {
  while (!frame.empty() && (frame.front() == '\t' || frame.front() == ' ')) frame.remove_prefix(1);
  if (starts_with(frame, "from ")) frame.remove_prefix(5);
  if (starts_with(frame, "<internal:")) return {};
  const std::size_t at = frame.find(":in ");
  return some(frame.substr(0, at), 256);
}

void frame(Reading& state, std::string_view text) {
  state.unicorn |= contains(text, "/unicorn/http_server.rb") || contains(text, "/unicorn.rb:");
  state.puma |= contains(text, "/puma/") || contains(text, "/puma-");
  state.loads |= contains(text, "build_app!") || contains(text, "`load_rackup'") || contains(text, "load_and_bind") || contains(text, "#load_rackup");
  if (state.failed.where.empty() && !contains(text, "/kernel_require.rb")) state.failed.where = place_of(text);
}

void close(Reading& state, Sink& sink) {
  const Record record = state.kept.record();
  const Said say{record, sink, {}, 0};
  const std::string_view type = state.failed.type, message = state.failed.message;
  if (state.loads && (state.unicorn || state.puma)) {
    say(named_only(state.unicorn ? "unicorn" : "puma"), 0);
    state.failed.phase = "import";
    if (type == "Errno::EADDRINUSE") say(BindFailed{some(base::between(message, "for ", "").value_or("")), "Address already in use", true}, 0);
    else say(std::move(state.failed), 0);
  } else if (type == "Errno::EADDRINUSE" && state.puma) {
    say(named_only("puma"), 0);
    say(BindFailed{some(base::between(message, "for ", "").value_or("")), "Address already in use", true}, 0);
  } else if (type == "Errno::EMFILE") {
    say(AppSymptom{"too-many-files", some(std::string(type) + ": " + std::string(message))}, 0);
  }
  state.reading = false;
  state.failed = {};
  state.frames = state.quoted = 0;
  state.unicorn = state.puma = state.loads = false;
}

// "...: message (LoadError)" behind a place, or "Errno::EMFILE: message" alone.
bool begins(Reading& state, std::string_view text, const Record& record) {
  if (text.empty() || text[0] == ' ' || text[0] == '\t' || text[0] == '[') return false;
  AppFailed failed;
  const std::size_t in = text.find(":in ");
  if (text.back() == ')' && in != std::string_view::npos) {
    const std::size_t open = text.rfind(" ("), colon = text.find("': ", in);
    if (open == std::string_view::npos || colon == std::string_view::npos || colon > open) return false;
    failed.type = some(text.substr(open + 2, text.size() - open - 3), 100);
    if (failed.type.empty() || failed.type[0] < 'A' || failed.type[0] > 'Z' || failed.type.find(' ') != std::string::npos) return false;
    failed.message = some(text.substr(colon + 3, open - colon - 3));
    failed.where = contains(text.substr(0, in), "/kernel_require.rb") ? "" : place_of(text);
  } else if (starts_with(text, "Errno::")) {
    const std::size_t colon = text.find(": ", 7);
    if (colon == std::string_view::npos || colon > 40) return false;
    failed.type = some(text.substr(0, colon), 100);
    failed.message = some(text.substr(colon + 2));
  } else {
    return false;
  }
  state.failed = std::move(failed);
  state.kept = Kept(record);
  frame(state, text);
  return state.reading = true;
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text;
  if (record.from_kernel_form) return false;
  if (state.reading) {
    if ((starts_with(text, "\tfrom ") || starts_with(text, "\t")) && ++state.frames < most_frames) { frame(state, text); return true; }
    if (state.failed.type == "SyntaxError" && state.frames == 0 && ++state.quoted <= 12) return true;
    close(state, sink);
  }
  if (const std::size_t at = text.find("[BUG] "); at != std::string_view::npos && (at == 0 || text[at - 1] == ' ') && !starts_with(text, "App ")) {
    sink.add(WorkerFaulted{contains(text, "Segmentation fault") ? 11 : contains(text, "Bus Error") ? 7 : contains(text, "Illegal") ? 4 : 6, some(text)}, {}, record);
    return true;
  }
  return begins(state, text, record);
}

bool collecting(const State& state) { return static_cast<const Reading&>(state).reading; }

void finish(State& base_state, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  if (state.reading) close(state, sink);
}

constexpr std::string_view marks[] = {"LoadError)", "SyntaxError)", "NameError)", "NoMethodError)", "RuntimeError)", "ArgumentError)", "TypeError)", "(Errno::", "Errno::EMFILE", "(StandardError)", ": [BUG] "};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format ruby_stderr = {"Ruby stderr", SourceKind::stdio, start, step, finish, marks, collecting};

}  // namespace parse::formats_of
