// What nginx would refuse for where it stands, how many words it has or what its value is. Only what no version from 1.18 on accepts; of names that no
// module of nginx's own knows only those are said that are a slip of one or two letters, for others belong to modules that are added.
#include <algorithm>
#include <cctype>

#include "base/near.hpp"
#include "base/text.hpp"
#include "flavour/nginx_directives.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using flavour::NginxContext;
using flavour::NginxDirective;
using model::Block;
using model::Deployment;
using model::Nginx;
using parse::nginx::Node;
using Slot = NginxDirective::Slot;

std::optional<NginxContext> context_of(const Nginx& nginx, const Block& block) {
  if (block.context == "main") return NginxContext::main;
  if (block.context == "events") return NginxContext::events;
  if (block.context == "http") return NginxContext::http;
  if (block.context == "server") return NginxContext::server;
  if (block.context == "location") return NginxContext::location;
  if (block.context == "upstream") return NginxContext::upstream;
  if (block.context == "limit_except") return NginxContext::limit_except;
  if (block.context == "stream") return NginxContext::stream;
  if (block.context == "stream server") return NginxContext::stream_server;
  if (block.context == "stream upstream") return NginxContext::stream_upstream;
  if (block.context == "mail") return NginxContext::mail;
  if (block.context == "mail server") return NginxContext::mail_server;
  if (block.context == "if" && block.parent >= 0) {
    const std::string& outer = nginx.blocks[static_cast<std::size_t>(block.parent)].context;
    if (outer == "server") return NginxContext::if_in_server;
    if (outer == "location") return NginxContext::if_in_location;
  }
  return std::nullopt;  // map, types, geo: their lines are no directives; blocks of added modules
}

bool digits(std::string_view text) { return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }); }

// A value that something replaces before nginx reads the file.
bool replaced(std::string_view text) { return text.find_first_of("$%@<>{}") != std::string_view::npos; }

// ${NAME} in capitals, as envsubst fills in: any number of words may come of it.
bool filled_in(std::string_view text) {
  for (std::size_t at = text.find('$'); at != std::string_view::npos && at + 1 < text.size(); at = text.find('$', at + 1)) {
    const char c = text[at + 1] == '{' && at + 2 < text.size() ? text[at + 2] : text[at + 1];
    if (c >= 'A' && c <= 'Z') return true;
  }
  return false;
}

std::string bad_value(const NginxDirective& row, std::string_view text) {
  if (replaced(text)) return {};
  if (row.slot == Slot::flag) {
    std::string lower;
    for (const char c : text) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower != "on" && lower != "off") return "is neither on nor off";
  }
  if (row.slot == Slot::number && !digits(text)) return "is no number";
  if (row.name == "worker_processes" && text != "auto" && !digits(text)) return "is neither a number nor auto";
  if ((row.name == "keepalive" || row.name == "worker_connections") && !digits(text)) return "is no number";
  if (row.slot == Slot::size) {
    const char last = text.empty() ? '\0' : static_cast<char>(std::tolower(static_cast<unsigned char>(text.back())));
    const bool unit = last == 'k' || last == 'm' || last == 'g';
    if (!digits(unit ? text.substr(0, text.size() - 1) : text)) return "is no size";
  }
  return {};
}

// What several words of one directive must be; "" = nothing is wrong. `word` is the one at fault.
std::string bad_words(const Block& block, const Node& node, std::size_t& word) {
  using std::string_view_literals::operator""sv;
  const auto& words = node.directive.words;
  const std::string& name = node.directive.name();
  const auto any = [](std::string_view text, std::initializer_list<std::string_view> known) { return std::ranges::find(known, text) != known.end(); };
  if (name == "error_log")
    for (word = 2; word < words.size(); ++word)
      if (!any(words[word].text, {"debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"}) && !base::starts_with(words[word].text, "debug_") && !replaced(words[word].text)) return "invalid log level " + words[word].text;
  if (name == "use" && words.size() == 2 && !any(words[1].text, {"epoll", "poll", "select", "kqueue", "eventport", "/dev/poll", "rtsig", "devpoll"}) && !replaced(words[1].text)) { word = 1; return "invalid event type " + words[1].text; }
  const bool buffers = name == "large_client_header_buffers" || name.ends_with("_buffers");
  if (buffers && words.size() == 3 && !replaced(words[1].text) && !replaced(words[2].text) && base::starts_with(name, "proxy_busy") == false) {
    const auto row = flavour::nginx_directive(name);
    if (!row.empty() && row.front().takes(2) && !row.front().takes(1)) {
      if (!digits(words[1].text)) { word = 1; return "the value of " + name + " is no number"; }
      const std::string_view size = words[2].text;
      const bool unit = !size.empty() && std::ranges::find("kKmM"sv, size.back()) != "kKmM"sv.end();
      if (!digits(unit ? size.substr(0, size.size() - 1) : size)) { word = 2; return "the value of " + name + " is no size"; }
    }
  }
  if (block.context == "upstream" && name == "server")
    for (word = 2; word < words.size(); ++word) {
      const std::string& text = words[word].text;
      if (replaced(text) || any(text, {"backup", "down", "resolve", "drain"})) continue;
      if (std::ranges::none_of(std::initializer_list<std::string_view>{"weight=", "max_conns=", "max_fails=", "fail_timeout=", "route=", "service=", "slow_start=", "id=", "sid=", "state=", "srun_id="}, [&](std::string_view start) { return base::starts_with(text, start); })) return "invalid parameter " + text;
    }
  return {};
}

std::string_view slip_of(std::string_view name) {
  std::string_view best;
  std::size_t least = name.size() < 8 ? 2 : 3;  // one letter of a short word, two of a long one
  if (name.size() < 3 || base::starts_with(name, "subs_filter") || base::starts_with(name, "echo")) return best;  // ngx_http_substitutions_filter, echo-nginx-module
  for (const NginxDirective& row : flavour::nginx_directives()) {
    if (row.name.size() + 2 < name.size() || name.size() + 2 < row.name.size()) continue;
    if (const std::size_t changes = base::changes_between(name, row.name); changes < least) { least = changes; best = row.name; }
  }
  return best;
}

class Checker {
 public:
  Checker(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) : all_(all), nginx_(nginx), drafts_(drafts) {}

  void block(const Block& block) {
    const auto context = context_of(nginx_, block);
    if (!context) {
      if (block.context != "map") return;
      for (const Node& node : *block.children) {
        const std::string& name = node.directive.name();
        if (node.directive.words.size() != 2 && name != "hostnames" && name != "volatile" && name != "include") { say(node, 0, "a line of a map has two words"); return; }
      }
      return;
    }
    // What stands around a fragment is not seen: of its own level only the words of each line are judged.
    const bool sure_place = block.parent >= 0 || nginx_.whole;
    std::vector<const Node*> once;
    for (const Node& node : *block.children) {
      const auto rows = flavour::nginx_directive(node.directive.name());
      if (rows.empty()) { unknown(node); continue; }
      const NginxDirective* row = fitting(node, rows, *context, sure_place);
      if (!row) continue;
      if (row->takes(1) && node.directive.words.size() == 2)
        if (const std::string why = bad_value(*row, node.directive.argument(0)); !why.empty()) say(node, 1, "the value of " + node.directive.name() + " " + why);
      std::size_t word = 1;
      if (const std::string why = bad_words(block, node, word); !why.empty()) say(node, word, why);
      if (row->slot == Slot::other || row->slot == Slot::block || !sure_place) continue;
      const auto first = std::ranges::find_if(once, [&](const Node* other) { return other->directive.name() == node.directive.name(); });
      if (first == once.end()) { once.push_back(&node); continue; }
      Draft draft = lint_draft(all_, "parse.duplicate-directive", nginx_.spot(node), {{"setting", node.directive.name()}});
      also(all_, draft, nginx_.spot(**first));
      drafts_.push_back(std::move(draft));
    }
  }

 private:
  const NginxDirective* fitting(const Node& node, std::span<const NginxDirective> rows, NginxContext context, bool sure_place) {
    const std::size_t count = node.directive.words.size() - 1;
    const NginxDirective *here = nullptr, *fits = nullptr;
    for (const NginxDirective& row : rows) {
      if (sure_place && !row.stands_in(context)) continue;
      if (!here) here = &row;
      if (row.takes(count) && (row.slot == Slot::block) == node.directive.block) fits = &row;
    }
    const std::string& name = node.directive.name();
    if (fits) return fits;
    if (!here) say(node, 0, name + " is not allowed here");
    else if (std::ranges::none_of(rows, [&](const NginxDirective& row) { return (row.slot == Slot::block) == node.directive.block && (!sure_place || row.stands_in(context)); }))
      say(node, 0, node.directive.block ? name + " has no block" : name + " has no opening {");
    else if (std::ranges::none_of(node.directive.words, [](const auto& word) { return filled_in(word.text); }))
      say(node, 0, "invalid number of arguments in " + name);
    return nullptr;
  }

  void unknown(const Node& node) {
    const std::string& name = node.directive.name();
    if (node.directive.words.front().quoted || replaced(name)) return;
    const bool no_name = std::ranges::any_of(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '-' && c != '.'; });
    if (no_name || name.size() < 3) { say(node, 0, "unknown directive " + name); return; }
    const std::string_view meant = slip_of(name);
    if (!meant.empty()) say(node, 0, "unknown directive " + name + "; did you mean " + std::string(meant) + "?");
  }

  void say(const Node& node, std::size_t word, std::string what) {
    drafts_.push_back(lint_draft(all_, "parse.syntax-error", nginx_.spot(node, word), {{"message", std::move(what)}, {"kind", "nginx configuration"}}));
  }

  const Deployment& all_;
  const Nginx& nginx_;
  std::vector<Draft>& drafts_;
};

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const auto& nginx : all.nginx) {
    Checker checker(all, *nginx, drafts);
    for (const Block& block : nginx->blocks) checker.block(block);
  }
}

}  // namespace

namespace lints_of {
extern const Lint directives = {"directives", {"parse.syntax-error", "parse.duplicate-directive"}, look};
}

}  // namespace rule
