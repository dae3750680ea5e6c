// The braces of a card's prose. Fallbacks are plain text: they hold no slots, so that a reader of the card sees the whole sentence.
#include <algorithm>
#include <array>

#include "base/near.hpp"
#include "base/text.hpp"
#include "rule/card.hpp"
#include "rule/condition/condition.hpp"

namespace rule {

namespace {

constexpr std::array all_slots{
    Slot{"server", "the server by name: gunicorn"},
    Slot{"version", "its version, as its log says"},
    Slot{"role", "worker, master or child: whose finding this is"},
    Slot{"pid", "the process as the server names it"},
    Slot{"host_pid", "the same process in the host's pid namespace"},
    Slot{"master", "the pid of the master"},
    Slot{"worker_class", "sync, gthread, gevent..."},
    Slot{"timeout", "the server's worker timeout"},
    Slot{"gave_up", "what the worker did not do in time, in its server's own terms"},
    Slot{"reload", "how this server has its workers replaced without cutting a request"},
    Slot{"reopen", "how this server opens its logs anew"},
    Slot{"graceful_timeout", "how long the server lets workers finish at a stop"},
    Slot{"max_requests", "the recycle limit"},
    Slot{"age", "how long the process lived, or how long ago something was"},
    Slot{"limit", "the limit that was reached"},
    Slot{"usage", "how much was used when it happened"},
    Slot{"peak", "the most that was ever used"},
    Slot{"cgroup", "the control group"},
    Slot{"constraint", "what the kernel ran out of: memcg, none, cpuset, mempolicy"},
    Slot{"anon_rss", "the anonymous memory of the victim"},
    Slot{"comm", "the command name of the victim, as the kernel prints it"},
    Slot{"sender", "who sent the signal, in words"},
    Slot{"sender_pid", "its pid"},
    Slot{"sender_comm", "its command name"},
    Slot{"signal", "the signal by name"},
    Slot{"exit_code", "the exit code"},
    Slot{"core", "whether a core was dumped, in words"},
    Slot{"library", "the shared library in which the fault was"},
    Slot{"address", "the address: of a listener, or of a fault"},
    Slot{"request", "the request that was being served"},
    Slot{"requests", "what the dead workers were serving, added up"},
    Slot{"uri", "the path of the request"},
    Slot{"count", "how often"},
    Slot{"workers", "how many workers"},
    Slot{"unit", "the systemd unit, container or pod"},
    Slot{"result", "the service manager's result"},
    Slot{"reason", "the reason in the words of who gave it"},
    Slot{"be", "\"is\", or \"may be\" where that is not certain"},
    Slot{"detail", "what the server itself printed about it"},
    Slot{"type", "the type of the exception"},
    Slot{"message", "its text"},
    Slot{"where", "the place in the source: path:line"},
    Slot{"kind", "which of several forms of the problem"},
    Slot{"path", "a file or socket"},
    Slot{"errno", "the error number, with its text"},
    Slot{"upstream", "the address the proxy sends to"},
    Slot{"effect", "what the clients see of it"},
    Slot{"setting", "the name of a setting"},
    Slot{"value", "its value"},
    Slot{"file", "the file of a configuration or application"},
    Slot{"since", "since when"},
    Slot{"line", "the line of that file"},
    Slot{"upgrade", "what a newer version would have said; empty where this one is new enough"},
    Slot{"hint_note", "what to think of the server's own guess (\"Perhaps out of memory?\")"},
    Slot{"when", "at what moment or in which phase"},
    Slot{"under", "under which condition the value holds: ' when ENV is set', or nothing"},
    Slot{"other", "the value on the other side"},
    Slot{"better", "what would be right"},
    Slot{"name", "the name of a unit, service, upstream, option..."},
    Slot{"guess", "how sure the join of the two files is, or nothing"},
};

struct Piece { std::string_view name, otherwise; bool has_otherwise = false; };

Piece piece_of(std::string_view inside) {
  const std::size_t bar = inside.find('|');
  if (bar == std::string_view::npos) return {inside, {}, false};
  return {inside.substr(0, bar), inside.substr(bar + 1), true};
}

}  // namespace

std::span<const Slot> slots() { return all_slots; }

std::string fill(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  out.reserve(text.size() + 32);
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open + 1);
    if (base::starts_with(text, "{")) {
      out += '{';
      text.remove_prefix(1);
      continue;
    }
    const std::size_t close = text.find('}');
    if (close == std::string_view::npos) { out += '{'; continue; }
    const Piece piece = piece_of(text.substr(0, close));
    const auto value = values.find(std::string(piece.name));
    if (value != values.end() && !value->second.empty()) out += value->second;
    else if (piece.has_otherwise) out += piece.otherwise;
    else out += '?';
    text.remove_prefix(close + 1);
  }
  return out;
}

std::optional<BadSlot> bad_slot(std::string_view text, std::span<const condition::Word> words) {
  for (std::size_t at = 0; (at = text.find('{', at)) != std::string_view::npos;) {
    if (base::starts_with(text.substr(at + 1), "{")) { at += 2; continue; }
    const std::size_t close = text.find('}', at);
    if (close == std::string_view::npos) return BadSlot{at, "a brace is not closed"};
    const Piece piece = piece_of(text.substr(at + 1, close - at - 1));
    if (piece.otherwise.find('{') != std::string_view::npos) return BadSlot{at, "a slot stands inside the text for a missing '" + std::string(piece.name) + "'"};
    const auto known = [&](const Slot& slot) { return slot.name == piece.name; };
    const bool of_scope = std::ranges::any_of(words, [&](const condition::Word& word) { return word.name == piece.name; });
    if (!of_scope && std::none_of(all_slots.begin(), all_slots.end(), known)) {
      std::vector<std::string_view> names;
      for (const Slot& slot : all_slots) names.push_back(slot.name);
      return BadSlot{at, "no slot is called '" + base::printable(piece.name, 60) + "'" + base::did_you_mean(piece.name, names)};
    }
    at = close + 1;
  }
  return std::nullopt;
}

}  // namespace rule
