// nginx: what a pass hands on, and what surrounds it. Over many directives at once, so no conditions.
#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>

#include "base/near.hpp"
#include "base/text.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Block;
using model::Deployment;
using model::Holder;
using model::Nginx;
using model::Pass;
using model::Spot;
using parse::nginx::Node;
using std::string_view_literals::operator""sv;

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view host_of(std::string_view address) {
  if (base::starts_with(address, "unix:") || base::starts_with(address, "[")) return {};
  return address.substr(0, address.rfind(':'));
}

bool is_service(const Deployment& all, std::string_view name) {
  return !name.empty() && std::ranges::any_of(all.holders, [&](const Holder& holder) { return holder.kind == Holder::Kind::service && holder.name == name; });
}

// "/ws/" of `location ^~ /ws/`; "" outside of a location.
std::string location_of(const Nginx& nginx, int block) {
  for (; block >= 0; block = nginx.blocks[static_cast<std::size_t>(block)].parent) {
    const Block& here = nginx.blocks[static_cast<std::size_t>(block)];
    if (here.context == "location" && here.node && here.node->directive.words.size() > 1) return here.node->directive.words.back().text;
  }
  return {};
}

bool for_websockets(std::string_view location) {
  std::string word;
  constexpr std::array names{"ws"sv, "wss"sv, "websocket"sv, "websockets"sv, "socket.io"sv, "cable"sv};
  for (const char c : lower(location) + "/") {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-') { word += c; continue; }
    if (std::ranges::find(names, word) != names.end()) return true;
    word.clear();
  }
  return false;
}

enum class Sent : std::uint8_t { no, yes, unknown };
Sent sends_header(const Nginx& nginx, const Pass& pass, std::string_view header) {
  const std::string name = pass.prefix + "_set_header";
  const auto found = model::in_force(nginx, pass.block, name);
  if (found.node)
    for (const Node* node : model::own(nginx, found.block, name))
      if (lower(node->directive.argument(0)) == header) return Sent::yes;
  // An include beside the headers that are seen may hold more of them.
  if (found.unsure || (found.node && !model::own(nginx, found.block, "include").empty())) return Sent::unknown;
  return Sent::no;
}

void names(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  const auto say = [&](const Spot& at, std::string_view name) { drafts.push_back(lint_draft(all, "nginx.static-name-stale-dns", at, {{"name", std::string(name)}})); };
  for (const Pass& pass : nginx.passes) {
    if (pass.upstream >= 0) continue;
    if (is_service(all, host_of(pass.address))) say(pass.at, host_of(pass.address));
  }
  for (const auto& upstream : nginx.upstreams) {
    if (upstream.partly) drafts.push_back(lint_unknown(all, "nginx.static-name-stale-dns", nginx.spot(*nginx.blocks[static_cast<std::size_t>(upstream.block)].node, 1), "what the upstream's include holds"));
    for (const Node* node : model::own(nginx, upstream.block, "server")) {
      const auto& words = node->directive.words;
      if (std::ranges::any_of(words, [](const auto& word) { return word.text == "resolve"; })) continue;
      if (is_service(all, host_of(node->directive.argument(0)))) say(nginx.spot(*node, 1), host_of(node->directive.argument(0)));
    }
  }
}

// Headers are set where this is in force, and neither the name nor the client is among them; nor further out, where nginx.header-redefinition asks.
bool only_other_headers(const Nginx& nginx, const model::InForce& found) {
  for (int block = found.block; block >= 0; block = nginx.blocks[static_cast<std::size_t>(block)].parent) {
    for (const Node* node : model::own(nginx, block, "include"))
      if (!node->directive.argument(0).ends_with("mime.types")) return false;
    for (const Node* node : model::own(nginx, block, "proxy_set_header")) {
      const std::string name = lower(node->directive.argument(0));
      if (name == "host" || base::starts_with(name, "x-") || name == "forwarded") return false;
    }
  }
  return true;
}

// Only where the server behind is known to be an application's: a pass to a bucket or another site wants its own name.
void forwarded(const Deployment& all, std::vector<Draft>& drafts) {
  for (const model::Link& link : all.links) {
    const Nginx& nginx = *all.nginx[link.nginx];
    const Pass& pass = nginx.passes[link.pass];
    const auto found = model::in_force(nginx, pass.block, "proxy_set_header");
    if (found.node && !only_other_headers(nginx, found)) continue;
    if (link.guess && all.servers.size() > 1) continue;  // which of several it reaches is not known
    if (found.unsure) { drafts.push_back(lint_unknown(all, "nginx.missing-forwarded-headers", pass.at, "what an include sets")); continue; }
    Draft draft = lint_draft(all, "nginx.missing-forwarded-headers", pass.at, {{"guess", link.guess ? " (a guess: " + link.why + ")" : ""}});
    const auto& word = pass.node->directive.words.front();
    const Spot line = nginx.spot(*pass.node);
    const std::string& text = all.files[line.file].text;
    const auto start = word.at == 0 ? std::string::npos : text.rfind('\n', word.at - 1);
    const std::string indent = text.substr(start == std::string::npos ? 0 : start + 1, word.at - (start == std::string::npos ? 0 : start + 1));
    if (base::trim(indent).empty())
      edit(all, draft, line.file, word.at, word.at, "proxy_set_header Host $host;\n" + indent + "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n" + indent + "proxy_set_header X-Forwarded-Proto $scheme;\n" + indent, false);
    also(all, draft, all.servers[link.server].at);
    drafts.push_back(std::move(draft));
  }
}

void hosts(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (std::size_t i = 0; i < nginx.blocks.size(); ++i)
    for (const Node* node : model::own(nginx, static_cast<int>(i), "proxy_set_header"))
      if (lower(node->directive.argument(0)) == "host" && node->directive.argument(1) == "$http_host") drafts.push_back(lint_draft(all, "nginx.host-from-http-host", nginx.spot(*node, 2)));
  for (const Pass& pass : nginx.passes)
    if (pass.prefix == "proxy" && sends_header(nginx, pass, "host") == Sent::unknown) drafts.push_back(lint_unknown(all, "nginx.host-from-http-host", pass.at, "what an include sets"));
}

void websockets(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (const Pass& pass : nginx.passes) {
    const std::string location = location_of(nginx, pass.block);
    if (pass.prefix != "proxy" || !for_websockets(location)) continue;
    const Sent upgrade = sends_header(nginx, pass, "upgrade");
    if (upgrade == Sent::unknown) { for (const char* rule : {"nginx.websocket-no-upgrade", "nginx.websocket-read-timeout"}) drafts.push_back(lint_unknown(all, rule, pass.at, "what an include sets")); continue; }
    if (upgrade == Sent::no) { drafts.push_back(lint_draft(all, "nginx.websocket-no-upgrade", pass.at, {{"path", location}})); continue; }
    const auto timeout = model::in_force(nginx, pass.block, "proxy_read_timeout");
    if (timeout.unsure) drafts.push_back(lint_unknown(all, "nginx.websocket-read-timeout", pass.at, "what an include sets"));
    else if (!timeout.node) drafts.push_back(lint_draft(all, "nginx.websocket-read-timeout", pass.at, {{"path", location}}));
  }
}

void buffering(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (std::size_t i = 0; i < nginx.blocks.size(); ++i) {
    const Block& block = nginx.blocks[i];
    const bool wide = block.context == "http" || block.context == "server" || (block.context == "location" && block.node && block.node->directive.words.back().text == "/");
    if (!wide) continue;
    for (const Node* node : model::own(nginx, static_cast<int>(i), "proxy_buffering")) {
      if (node->directive.argument(0) == "off") drafts.push_back(lint_draft(all, "nginx.buffering-off", nginx.spot(*node, 1), {{"kind", block.context == "location" ? "location /" : "the whole " + block.context}}));
    }
  }
  for (const Pass& pass : nginx.passes)
    if (pass.prefix == "proxy" && model::in_force(nginx, pass.block, "proxy_buffering").unsure) drafts.push_back(lint_unknown(all, "nginx.buffering-off", pass.at, "what an include sets"));
}

bool all_read(const Nginx& nginx) {
  return std::ranges::all_of(nginx.tree.unread, [](const auto& unread) { return unread.directive.words.size() > 1 && (unread.directive.words[1].text.ends_with("mime.types") || unread.directive.words[1].text.ends_with("_params")); });
}

void log_formats(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  if (!nginx.whole || nginx.passes.empty()) return;
  Spot at;
  for (std::size_t i = 0; i < nginx.blocks.size(); ++i) {
    if (nginx.blocks[i].context == "http" && nginx.blocks[i].node) at = nginx.spot(*nginx.blocks[i].node);
    if (nginx.blocks[i].context == "http")
      for (const Node* node : model::own(nginx, static_cast<int>(i), "access_log")) if (node->directive.argument(0) == "off") return;
    for (const Node* node : model::own(nginx, static_cast<int>(i), "log_format"))
      for (const auto& word : node->directive.words) if (base::contains(word.text, "$upstream_")) return;
  }
  if (!at.known()) return;
  if (!all_read(nginx)) drafts.push_back(lint_unknown(all, "nginx.log-format-without-upstream", at, "what an include sets"));
  else drafts.push_back(lint_draft(all, "nginx.log-format-without-upstream", at));
}

bool passes_on(const Nginx& nginx, int block) {
  return std::ranges::any_of(nginx.passes, [&](const Pass& pass) { return pass.block == block; });
}

// The location that answers a URI, as nginx chooses it; regular expressions are not tried: -2 = one of them might.
int location_for(const Nginx& nginx, int server, std::string_view uri) {
  int best = -1;
  std::size_t length = 0;
  bool patterns = false;
  for (std::size_t i = 0; i < nginx.blocks.size(); ++i) {
    const Block& block = nginx.blocks[i];
    if (block.parent != server || block.context != "location" || !block.node) continue;
    const auto& words = block.node->directive.words;
    const std::string modifier = words.size() > 2 ? words[1].text : "", &path = words.back().text;
    if (modifier == "=") { if (path == uri) return static_cast<int>(i); continue; }
    if (base::starts_with(modifier, "~")) { patterns = true; continue; }
    if (base::starts_with(uri, path) && path.size() > length) { best = static_cast<int>(i); length = path.size(); }
  }
  return patterns ? -2 : best;
}

void error_pages(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (std::size_t i = 0; i < nginx.blocks.size(); ++i)
    for (const Node* node : model::own(nginx, static_cast<int>(i), "error_page")) {
      const auto& words = node->directive.words;
      const std::string& uri = words.back().text;
      const bool gateway = std::ranges::any_of(words, [](const auto& word) { return word.text == "502" || word.text == "503" || word.text == "504"; });
      if (!gateway || uri.empty() || uri.front() != '/' || std::ranges::any_of(words, [](const auto& word) { return base::starts_with(word.text, "="); })) continue;
      int server = static_cast<int>(i);
      while (server >= 0 && nginx.blocks[static_cast<std::size_t>(server)].context != "server") server = nginx.blocks[static_cast<std::size_t>(server)].parent;
      if (server < 0) continue;
      const int found = location_for(nginx, server, uri);
      if (found == -2 || (found == -1 && !model::own(nginx, server, "include").empty())) { drafts.push_back(lint_unknown(all, "nginx.error-page-502-loop", nginx.spot(*node), "which location answers " + uri)); continue; }
      if (found < 0 || !passes_on(nginx, found)) continue;
      Draft draft = lint_draft(all, "nginx.error-page-502-loop", nginx.spot(*node), {{"uri", uri}});
      also(all, draft, nginx.spot(*nginx.blocks[static_cast<std::size_t>(found)].node));
      drafts.push_back(std::move(draft));
    }
}

// How often each word stands in the files of a tree.
std::unordered_map<std::string_view, std::size_t> words_of(const Deployment& all, const Nginx& nginx) {
  std::unordered_map<std::string_view, std::size_t> words;
  const auto part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.'; };
  for (const std::uint32_t file : nginx.files) {
    const std::string_view text = all.files[file].text;
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (!part(text[at])) continue;
      std::size_t end = at + 1;
      while (end < text.size() && part(text[end])) ++end;
      ++words[text.substr(at, end - at)];
      at = end;
    }
  }
  return words;
}

void upstream_names(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  constexpr auto rule = "nginx.upstream-unused-or-undefined";
  if (nginx.upstreams.empty() || nginx.upstreams.size() > 200) return;
  std::vector<std::string_view> known;
  for (const auto& upstream : nginx.upstreams) known.push_back(upstream.name);
  for (const Pass& pass : nginx.passes) {
    if (pass.upstream >= 0 || pass.address.empty() || pass.address.find_first_of(".:[/$") != std::string::npos || pass.address == "localhost" || is_service(all, pass.address)) continue;
    const std::string_view near = base::nearest(pass.address, known);
    if (near.empty() || base::changes_between(near, pass.address) > (near.size() < 5 ? 1U : 2U)) continue;
    if (!all_read(nginx)) { drafts.push_back(lint_unknown(all, rule, pass.at, "the includes that are not here")); continue; }
    drafts.push_back(lint_draft(all, rule, pass.at, {{"name", pass.address}, {"detail", "is no upstream here, so it is a name for DNS; did you mean " + std::string(near) + "?"}}));
  }
  if (!nginx.whole || !all_read(nginx) || std::ranges::any_of(nginx.passes, &Pass::variable)) return;
  std::vector<bool> used(nginx.upstreams.size(), false);
  for (const Pass& pass : nginx.passes) if (pass.upstream >= 0) used[static_cast<std::size_t>(pass.upstream)] = true;
  if (std::ranges::all_of(used, [](bool one) { return one; })) return;
  const auto words = words_of(all, nginx);
  for (std::size_t i = 0; i < nginx.upstreams.size(); ++i) {
    const auto& upstream = nginx.upstreams[i];
    const Block& block = nginx.blocks[static_cast<std::size_t>(upstream.block)];
    const bool http = block.parent >= 0 && nginx.blocks[static_cast<std::size_t>(block.parent)].context == "http";
    // A name that stands elsewhere too is used by a map, a variable, a module.
    const auto seen = words.find(upstream.name);
    if (!http || used[i] || seen == words.end() || seen->second > 1) continue;
    Draft draft = lint_draft(all, rule, nginx.spot(*block.node, 1), {{"name", upstream.name}, {"detail", "is an upstream that nothing passes to"}});
    draft.level = Level::note;
    drafts.push_back(std::move(draft));
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  forwarded(all, drafts);
  for (const auto& nginx : all.nginx) {
    names(all, *nginx, drafts);
    hosts(all, *nginx, drafts);
    websockets(all, *nginx, drafts);
    buffering(all, *nginx, drafts);
    log_formats(all, *nginx, drafts);
    error_pages(all, *nginx, drafts);
    upstream_names(all, *nginx, drafts);
  }
}

}  // namespace

namespace lints_of {
extern const Lint nginx_passes = {"nginx_passes",
                                  {"nginx.static-name-stale-dns", "nginx.missing-forwarded-headers", "nginx.host-from-http-host", "nginx.websocket-no-upgrade", "nginx.websocket-read-timeout", "nginx.buffering-off", "nginx.log-format-without-upstream",
                                   "nginx.error-page-502-loop", "nginx.upstream-unused-or-undefined"},
                                  look};
}

}  // namespace rule
